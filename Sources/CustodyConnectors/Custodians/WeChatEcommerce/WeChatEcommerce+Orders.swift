import CustodyDomain
import CustodyWire

/// What WeChat collects, and what goes back to the buyer.
extension WeChatEcommerce {
    /// Places a combined order, a part per payee; each part carries its share of what is no payee's.
    public func collect(
        _ collection: CollectionInstruction, serial: String
    ) async -> Reply<CustodianCollection> { await collect(collection, subsidies: [:], serial: serial) }

    /// Places an order to which the platform will add something (补差), by the payees' accounts; see ``subsidise(_:)``.
    public func collect(
        _ collection: CollectionInstruction, subsidies: [String: Fen], serial: String
    ) async -> Reply<CustodianCollection> {
        let order = collection.order
        guard let parts = WeChatEcommerce.payees(of: order, commissionAccount: link.mchid) else {
            return .refused(Refusal(code: "NO_PAYEE", message: "an order needs a payee"))
        }
        guard subsidies.keys.allSatisfy({ account in parts.contains { $0.account == account } }) else {
            return .refused(Refusal(code: "NO_PAYEE", message: "what is added goes to none of the payees"))
        }
        return await pay.payCombined(combined(order.number, parts, collection, subsidies)).reading {
            prompt throws(Doubt) in
            CustodianCollection(state: .toPay(prompt), bankNumber: nil, amount: order.amount)
        }
    }

    /// `GET /v3/combine-transactions/out-trade-no/{number}`.
    public func queryCollection(number: String, serial: String) async -> Reply<CustodianCollection> {
        await parts(of: number).reading { parts throws(Doubt) in
            guard let parts else { return CustodianCollection(state: .absent, bankNumber: nil, amount: nil) }
            return WeChatEcommerce.collection(parts)
        }
    }

    /// Closes an unpaid order; a paid one is refused (`ORDERPAID`).
    public func closeCollection(number: String, serial: String) async -> Reply<CustodianResult> {
        switch await parts(of: number) {
        case .answered(nil): return .answered(.absentResult)
        case .answered(.some(let parts)):
            let order = WeChatPayCombinedOrder(
                serial: number, method: .native,
                parts: parts.map {
                    .init(subMchid: $0.subMchid, serial: $0.outTradeNo, amount: $0.amount, description: "-")
                }, expiresAt: Instant(seconds: 0), callbackURL: callbackURL)
            return await pay.closeCombined(order).reading { payment throws(Doubt) in
                payment.state == .absent
                    ? .absentResult : CustodianResult(state: .succeeded, bankNumber: nil, bankDate: nil)
            }
        case .refused(let refusal): return .refused(refusal)
        case .unknown(let doubt): return .unknown(doubt)
        }
    }

    /// The order's state and what of it is not split yet (`…/orders/{transaction_id}/amounts`).
    public func queryOrder(number: String, serial: String) async -> Reply<CustodianOrder> {
        switch await parts(of: number) {
        case .answered(nil): return .answered(CustodianOrder(state: .absent, held: nil))
        case .answered(.some(let parts)):
            guard parts.allSatisfy({ $0.payment.state == .succeeded }) else {
                let isClosed = parts.allSatisfy { $0.payment.state == .closed }
                return .answered(CustodianOrder(state: isClosed ? .cancelled : .intended, held: nil))
            }
            var held = Fen.zero
            for part in parts {
                switch await unsplit(part) {
                case .answered(let amount): held += amount
                case .refused(let refusal): return .refused(refusal)
                case .unknown(let doubt): return .unknown(doubt)
                }
            }
            return .answered(CustodianOrder(state: held == .zero ? .finished : .funded, held: held))
        case .refused(let refusal): return .refused(refusal)
        case .unknown(let doubt): return .unknown(doubt)
        }
    }

    private func unsplit(_ part: Part) async -> Reply<Fen> {
        let id = part.payment.transactionNumber ?? ""
        return await pay.exchange.call(
            "GET", "/v3/ecommerce/profitsharing/orders/\(PercentEncoding.encoded(id))/amounts"
        ).reading { answer throws(Doubt) in
            guard answer["transaction_id"]?.string == id, let amount = answer["unsplit_amount"]?.integer else {
                throw Doubt(.malformedAnswer, "no unsplit_amount")
            }
            return Fen(amount)
        }
    }

    /// `POST /v3/ecommerce/refunds/apply`, a call per part that gives something back.
    ///
    /// What other receivers have got already must be taken back first (``reverseSplit(_:serial:)``).
    public func refund(_ refund: RefundRegistration, serial: String) async -> Reply<CustodianResult> {
        let found = await paidParts(of: refund.orderNumber)
        guard case .answered(let parts) = found else { return found.reading { _ throws(Doubt) in .absentResult } }
        let amounts = WeChatEcommerce.divided(
            refund.giveBack.map { ($0.account, $0.amount) }, over: parts)
        let shares = Array(zip(parts, amounts)).filter { $0.1 > .zero }
        guard amounts.sum() == refund.amount else {
            return .refused(Refusal(code: "PARAM_ERROR", message: "what is given back is not the refund's amount"))
        }
        return await WeChatEcommerce.all(shares) { share in
            await self.refund(
                share.1, of: share.0, number: WeChatEcommerce.number(refund.number, share.0), source: refund.source)
        }
    }

    private func refund(
        _ amount: Fen, of part: Part, number: String, source: RefundSource?
    ) async -> Reply<CustodianResult> {
        let request = ChannelRefundRequest(
            serial: number, paymentSerial: part.outTradeNo, amount: amount, paymentAmount: part.amount, reason: nil,
            callbackURL: callbackURL)
        let funds: WeChatPayRefundFunds =
            switch source {
            case nil: .byState
            case .held: .divided(available: .zero, unsplit: amount)
            case .available: .divided(available: amount, unsplit: .zero)
            case .platformAdvance: .platformAdvance
            }
        return await serving(part.subMchid).refund(request, from: funds)
            .reading { refund throws(Doubt) in WeChatEcommerce.result(refund) }
    }

    /// The connector for one sub-merchant's payments.
    func serving(_ subMchid: String) -> WeChatPay { pay.serving(subMchid) }

    /// What a refund's state says of the instruction.
    static func result(_ refund: ChannelRefund) -> CustodianResult {
        let state: CustodianResult.State =
            switch refund.state {
            // A stuck one is not over: a person sends it another way.
            case .processing, .abnormal: .processing(finishBy: nil)
            case .succeeded: .succeeded
            case .closed: .failed(Refusal(code: "CLOSED", message: "the refund was closed"))
            case .absent: .absent(safeAfter: nil)
            }
        return CustodianResult(state: state, bankNumber: refund.refundNumber, bankDate: nil)
    }

    /// What the parts' payments say of the whole; WeChat pays all of them or none.
    static func collection(_ parts: [Part]) -> CustodianCollection {
        let amount = parts.map(\.amount).sum()
        let states = Set(parts.map(\.payment.state))
        let number = parts.first?.payment.transactionNumber
        let state: CustodianCollection.State =
            if states == [.succeeded] {
                .paid(at: parts.compactMap(\.payment.paidAt).max(), channelNumber: number)
            } else if states == [.closed] { .closed } else { .toPay(nil) }
        return CustodianCollection(state: state, bankNumber: number, amount: amount)
    }

    /// Each payee's account and what its part amounts to, in the order's order; nil for an order without payees.
    static func payees(
        of order: OrderRegistration, commissionAccount: String
    ) -> [(account: String, amount: Fen)]? {
        var payees: [(account: String, amount: Fen)] = []
        var others = Fen.zero
        for part in order.parts {
            if part.isCommission || part.account == commissionAccount {
                others += part.amount
            } else if let index = payees.firstIndex(where: { $0.account == part.account }) {
                payees[index].amount += part.amount
            } else {
                payees.append((part.account, part.amount))
            }
        }
        guard !payees.isEmpty else { return nil }
        let shares = apportioned(others, by: payees.map { $0.amount })
        for index in payees.indices { payees[index].amount += shares[index] }
        return payees
    }

    /// What each part of an order has to do with amounts by account: a payee's go to its part, the rest is divided in
    /// proportion, to what the payees are named with here or else to the parts.
    static func divided(_ amounts: [(account: String, amount: Fen)], over parts: [Part]) -> [Fen] {
        var own = parts.map { part in amounts.filter { $0.account == part.subMchid }.map { $0.amount }.sum() }
        let others = amounts.filter { item in !parts.contains { $0.subMchid == item.account } }.map { $0.amount }.sum()
        let shares = apportioned(others, by: own.sum() > .zero ? own : parts.map(\.amount))
        for index in own.indices { own[index] += shares[index] }
        return own
    }

    private func combined(
        _ number: String, _ payees: [(account: String, amount: Fen)], _ collection: CollectionInstruction,
        _ subsidies: [String: Fen]
    ) -> WeChatPayCombinedOrder {
        WeChatPayCombinedOrder(
            serial: number, method: collection.method,
            parts: payees.enumerated().map { index, payee in
                .init(
                    subMchid: payee.account, serial: "\(number)-\(index + 1)", amount: payee.amount,
                    description: collection.description, subsidy: subsidies[payee.account] ?? .zero)
            },
            expiresAt: collection.expiresAt, callbackURL: callbackURL, payerID: collection.payerID)
    }
}
