import CustodyDomain
import CustodyWire
import Synchronization

/// The operator's back door.
extension CCBSimulator {
    func control(_ request: SimulatorRequest) -> SimulatorResponse {
        let parts = request.pathParts
        do throws(BankRefusal) {
            switch (request.method, parts.dropFirst().first, parts.count) {
            case ("POST", "markets", 2): return try register(request.json ?? [:])
            case ("POST", "merchants", 2):
                let body = request.json ?? [:]
                return .json([
                    "mkt_mrch_id": .string(
                        try change(body) { market, now throws(BankRefusal) in try market.sign(body, now: now) })
                ])
            case ("POST", "pay", 2):
                let body = request.json ?? [:]
                let number = try body.field("main_order_no")
                guard try change(body, { market, now in market.pay(number, now: now) }) else {
                    throw BankRefusal("NO_ORDER", "no order that can be paid")
                }
                return .json(["done": true])
            case ("GET", "orders", 4): return try order(parts[3], of: parts[2])
            case ("GET", "markets", 4) where parts[3] == "balances":
                guard let proof = state.withLock({ $0.markets[parts[2]]?.proof() }) else {
                    throw BankRefusal("NO_MARKET", "no such market")
                }
                return .json(proof)
            default: return .controlError(404, "no such control")
            }
        } catch {
            return .controlError(400, error.message)
        }
    }

    private func register(_ body: JSON) throws(BankRefusal) -> SimulatorResponse {
        let marketID = try body.field("market_id")
        guard let pem = body["platform_public_key_pem"]?.string,
            let algorithm = try? CWP1Algorithm(ofPublicKeyPEM: pem), let pair = keys[algorithm],
            let seal = try? CCBSeal(privateKeyPEM: pair.privatePEM, otherPublicKeyPEM: pem)
        else { throw BankRefusal("PARAM", "platform_public_key_pem is no key") }
        state.withLock { state in
            if state.markets[marketID] == nil { state.markets[marketID] = CCBMarket(marketID: marketID) }
            state.registrations[marketID] = Registration(seal: seal, notifyURL: body["notify_url"]?.string)
        }
        return .json(["market_id": .string(marketID), "bank_public_key_pem": .string(pair.publicPEM)])
    }

    private func change<Value: Sendable>(
        _ body: JSON, _ change: (inout CCBMarket, Instant) throws(BankRefusal) -> Value
    ) throws(BankRefusal) -> Value {
        let marketID = try body.field("market_id")
        let now = clock.now(of: marketID)
        var effects: [CCBEffect] = []
        let value = try state.withLock { state throws(BankRefusal) -> Value in
            guard var market = state.markets.removeValue(forKey: marketID) else {
                throw BankRefusal("NO_MARKET", "no such market")
            }
            defer { state.markets[marketID] = market }
            let value = try change(&market, now)
            effects = market.takeEffects()
            return value
        }
        carry(out: effects, of: marketID)
        return value
    }

    private func order(_ number: String, of marketID: String) throws(BankRefusal) -> SimulatorResponse {
        guard let order = state.withLock({ $0.markets[marketID]?.orders[number] }) else {
            throw BankRefusal("NO_ORDER", "no such order")
        }
        return .json([
            "state": .string(order.state), "amount_fen": JSON(order.amount.value),
            "refunded_fen": JSON(order.refunded.value), "confirmed": .bool(order.isConfirmed),
        ])
    }
}
