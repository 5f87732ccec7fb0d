import CustodyDomain
import CustodyWire
import Synchronization

/// The operator's back door.
extension BankSimulator {
    func control(_ request: SimulatorRequest) -> SimulatorResponse {
        let parts = request.pathParts
        do throws(BankRefusal) {
            switch (request.method, parts.count, parts.dropFirst().first) {
            case ("GET", 4, "markets") where parts[3] == "balances": return try balances(of: parts[2])
            case ("GET", 3, "merchants"): return try balances(of: parts[2])
            case ("GET", 3, "cards"): return try card(parts[2])
            case ("POST", 2, let name?):
                guard let body = request.json else { throw BankRefusal("100001", "the body is no JSON") }
                return try post(name, body)
            default: return .controlError(404, "no such control")
            }
        } catch {
            return .controlError(error.code == "100003" ? 404 : 400, error.message)
        }
    }

    private func post(_ name: String, _ body: JSON) throws(BankRefusal) -> SimulatorResponse {
        switch name {
        case "markets": return try register(body)
        case "credits": return try credit(body)
        case "deposits":
            let amount = try body.fen("amount_fen")
            return .json([
                "bank_seq_no": .string(
                    try change(body) { market, now throws(BankRefusal) in try market.deposit(amount, now: now) })
            ])
        case "returns":
            let planned = BankPlannedReturn(
                withdrawal: body["wdr_no"]?.string, account: body["sub_acct"]?.string,
                afterDays: body["after_days"]?.integer ?? 1)
            guard planned.withdrawal != nil || planned.account != nil else {
                throw BankRefusal("100001", "wdr_no or sub_acct is needed")
            }
            try change(body) { market, now in market.plantReturn(planned, now: now) }
        case "rejections":
            let contained = try body.field("name_contains")
            try change(body) { market, _ in
                market.rejectionRules.append((contained, body["items"] ?? [["field": "name", "reason": "不符"]]))
            }
        case "freeze":
            let number = try body.field("merchant_no")
            let isDone = try change(body) { market, _ in
                market.setFrozen(number, body["frozen"]?.bool ?? true)
            }
            guard isDone else { throw BankRefusal("100203", "no such merchant in that state") }
        case "plant": try plant(body)
        default: return try postOther(name, body)
        }
        return .json(["done": true])
    }

    /// What a bank does of itself, and what buyers and strangers do.
    private func postOther(_ name: String, _ body: JSON) throws(BankRefusal) -> SimulatorResponse {
        switch name {
        case "sign":
            let number = try body.field("merchant_no")
            guard try change(body, { market, _ in market.sign(number) }) else {
                throw BankRefusal("100203", "no merchant that has to sign")
            }
        case "signed":
            return .json([
                "sub_acct": .string(
                    try change(body) { market, now throws(BankRefusal) in try market.signAtBank(body, now: now) })
            ])
        case "transfers":
            let amount = try body.fen("amount_fen")
            guard amount > .zero else { throw BankRefusal("100001", "amount_fen is not above zero") }
            return .json([
                "bank_seq_no": .string(
                    try change(body) { market, now throws(BankRefusal) in
                        try market.receive(
                            amount, payer: body["payer"]?.string, memo: body["memo"]?.string, now: now)
                    })
            ])
        case "pay":
            let number = try body.field("main_order_no")
            try change(body) { market, now throws(BankRefusal) in try market.pay(number, now: now) }
        case "reissue":
            let (kind, date) = try BankSimulator.file(body)
            guard try change(body, { market, _ in market.reissue(kind, date) }) else {
                throw BankRefusal("100001", "no such file was issued")
            }
        case "keys": return try changeKeys(body)
        default: return .controlError(404, "no such control")
        }
        return .json(["done": true])
    }

    private static func file(_ body: JSON) throws(BankRefusal) -> (CWP1FileKind, BusinessDate) {
        guard let kind = CWP1FileKind(rawValue: try body.field("type")),
            let date = BusinessDate(try body.field("bank_date"))
        else { throw BankRefusal("100001", "type or bank_date is unknown") }
        return (kind, date)
    }

    /// Plants a difference: of a balance, or of a row of a file.
    private func plant(_ body: JSON) throws(BankRefusal) {
        guard let change = body["kind"]?.string, change != "balance" else {
            let account = try body.field("sub_acct")
            let amount = try body.fen("amount_fen")
            try self.change(body) { market, now in
                let date = body["bank_date"]?.string.flatMap { BusinessDate($0) } ?? market.bankDate(of: now)
                market.balanceDifferences[date, default: [:]][account, default: .zero] += amount
            }
            return
        }
        let (kind, date) = try BankSimulator.file(body)
        let edit: BankFileEdit.Change
        switch change {
        case "missing": edit = .missing
        case "extra": edit = .extra(body["row"]?.array?.compactMap(\.string) ?? [])
        case "amount": edit = .amount(try body.fen("amount_fen").value)
        case "status": edit = .status(try body.field("status"))
        default: throw BankRefusal("100001", "kind is unknown")
        }
        if case .extra(let row) = edit, row.count != kind.columns.count {
            throw BankRefusal("100001", "row needs \(kind.columns.count) values")
        }
        let number = body["number"]?.string ?? ""
        try self.change(body) { market, _ in
            market.fileEdits.append(BankFileEdit(kind: kind, date: date, number: number, change: edit))
        }
    }

    /// Makes a key, uses one, or forgets one.
    private func changeKeys(_ body: JSON) throws(BankRefusal) -> SimulatorResponse {
        if let serial = body["retire"]?.string {
            guard state.withLock({ $0.keys.retire(serial) }) else { throw BankRefusal("100001", "no key to retire") }
            return .json(["done": true])
        }
        if let serial = body["use"]?.string {
            guard state.withLock({ $0.keys.use(serial) }) else { throw BankRefusal("100001", "no such key") }
            return .json(["done": true])
        }
        guard let algorithm = CWP1Algorithm(rawValue: try body.field("algorithm")),
            let key = state.withLock({ try? $0.keys.add(algorithm) })
        else { throw BankRefusal("100001", "algorithm is unknown") }
        return .json(["bank_serial": .string(key.serial), "bank_public_key_pem": .string(key.pair.publicPEM)])
    }

    /// Changes a market under the lock, then carries out what follows.
    @discardableResult
    private func change<Value: Sendable>(
        _ body: JSON, _ change: (inout BankMarket, Instant) throws(BankRefusal) -> Value
    ) throws(BankRefusal) -> Value {
        let marketID = try body.field("market_id")
        let now = clock.now(of: marketID)
        var effects: [BankEffect] = []
        let value = try state.withLock { state throws(BankRefusal) -> Value in
            guard var market = state.markets.removeValue(forKey: marketID) else {
                throw BankRefusal("100003", "no such market")
            }
            defer { state.markets[marketID] = market }
            let value = try change(&market, now)
            effects = market.takeEffects()
            return value
        }
        carry(out: effects, of: marketID, now: now)
        return value
    }

    private func register(_ body: JSON) throws(BankRefusal) -> SimulatorResponse {
        let marketID = try body.field("market_id")
        let partnerKeys = try BankSimulator.partnerKeys(body)
        let verifier: CWP1Verifier
        let algorithm: CWP1Algorithm
        do {
            verifier = try CWP1Verifier(keys: partnerKeys)
            algorithm = try CWP1Algorithm(ofPublicKeyPEM: partnerKeys[0].pem)
        } catch {
            throw BankRefusal("100001", "a key of the partner's is none")
        }
        let fresh = BankMarket(
            partnerID: try body.field("partner_id"), marketID: marketID, terms: try BankTerms(reading: body))
        let registration = Registration(
            verifier: verifier, algorithm: algorithm, notifyURL: body["notify_url"]?.string,
            addresses: (body["allowed_addresses"]?.array).map { Set($0.compactMap(\.string)) })
        let now = clock.now(of: marketID)
        let (market, key) = state.withLock { state in
            // Registered again: new keys and address, the same books.
            var market = state.markets[marketID] ?? fresh
            market.terms = fresh.terms
            // The books open today, so that even a day on which nothing happens has balances at its end.
            market.turn(to: now)
            state.markets[marketID] = market
            state.registrations[marketID] = registration
            return (market, state.keys.current(algorithm))
        }
        return .json([
            "market_id": .string(marketID), "bank_serial": .string(key.serial),
            "bank_public_key_pem": .string(key.pair.publicPEM), "fee_account": .string(market.feeAccount),
            "marketing_account": .string(market.marketingAccount),
            "guarantee_account": .string(market.guaranteeAccount),
            "deposit_account": .string(market.depositAccount), "suspense_account": .string(market.suspenseAccount),
            "master_account": .string(market.masterAccount),
        ])
    }

    /// One key under `partner_serial`, or two under `partner_keys` while the partner replaces one.
    private static func partnerKeys(_ body: JSON) throws(BankRefusal) -> [CWP1Link.BankKey] {
        var keys: [CWP1Link.BankKey] = []
        for key in body["partner_keys"]?.array ?? [body] {
            guard let pem = (key["pem"] ?? key["partner_public_key_pem"])?.string else {
                throw BankRefusal("100001", "partner_public_key_pem is required")
            }
            keys.append(
                .init(serial: try (key["serial"] == nil ? key.field("partner_serial") : key.field("serial")), pem: pem))
        }
        guard !keys.isEmpty else { throw BankRefusal("100001", "partner_keys is empty") }
        return keys
    }

    private func credit(_ body: JSON) throws(BankRefusal) -> SimulatorResponse {
        let channel = try body.field("channel")
        guard let date = BusinessDate(try body.field("business_date")) else {
            throw BankRefusal("100001", "business_date is no date")
        }
        let net = try body.fen("net_fen")
        var items: [BankCreditItem] = []
        for item in body["items"]?.array ?? [] {
            let kind = try item.field("kind")
            guard kind == "payment" || kind == "refund" else { throw BankRefusal("100001", "kind is unknown") }
            let amount = try item.fen("amount_fen")
            guard amount >= .zero else { throw BankRefusal("100001", "amount_fen is negative") }
            items.append(
                BankCreditItem(
                    isRefund: kind == "refund", channelOrderNumber: try item.field("channel_order_no"),
                    outNumber: item["out_no"]?.string ?? "", amount: amount, fee: try item.fen("fee_fen")))
        }
        let booked = items
        let (entry, isDuplicate) = try change(body) { market, now throws(BankRefusal) in
            try market.credit(channel: channel, businessDate: date, net: net, items: booked, now: now)
        }
        return .json([
            "bank_seq_no": .string(entry.bankNumber), "duplicate": .bool(isDuplicate),
            "net_fen": JSON(entry.net.value),
        ])
    }

    private func balances(of marketID: String) throws(BankRefusal) -> SimulatorResponse {
        let now = clock.now(of: marketID)
        let proof = state.withLock { state -> JSON? in
            state.markets[marketID]?.turn(to: now)
            return state.markets[marketID]?.proof()
        }
        guard let proof else { throw BankRefusal("100003", "no such market") }
        return .json(proof)
    }

    private func card(_ number: String) throws(BankRefusal) -> SimulatorResponse {
        let card = state.withLock { state in state.markets.values.lazy.compactMap { $0.cards[number] }.first }
        guard let card else { throw BankRefusal("100003", "no such binding") }
        return .json(
            ([
                "bind_no": .string(number), "state": .string(card.state), "sub_acct": .string(card.account),
                "tries_left": JSON(card.triesLeft), "expires_at": .string(card.expiresAt.rfc3339),
                "amount_fen": card.isSmallAmount ? JSON(card.amount.value) : .null,
                "instruction_no": card.isSmallAmount ? .string(card.instructionNumber) : .null,
                "sms_code": card.isSmallAmount ? .null : .string(card.smsCode),
            ] as JSON).omittingNulls)
    }
}

extension JSON {
    /// An amount in fen.
    fileprivate func fen(_ name: String) throws(BankRefusal) -> Fen {
        guard let value = self[name]?.integer else { throw BankRefusal("100001", "\(name) is required") }
        return Fen(value)
    }
}
