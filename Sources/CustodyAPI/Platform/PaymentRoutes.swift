import CustodyDomain
import CustodyStore
import CustodyWire
import HTTPTypes

/// Payments and refunds (支付).
struct PaymentRoutes {
    let store: Store

    /// The longest that a caller may have us wait for the channel.
    private static let longestWait: Int64 = 10
    /// How soon the row is looked at, and how seldom after a while.
    private static let pollIntervals = (first: Duration.milliseconds(25), longest: Duration.milliseconds(200))

    var routes: [Route] {
        let (read, write) = (Route.Access.platform(scope: "read"), Route.Access.platform(scope: "write"))
        return [
            Route(.post, "/v1/orders/{id}/payments", write, pay),
            Route(.get, "/v1/orders/{id}/payments", read, ofOrder),
            Route(.get, "/v1/payments", read, list),
            Route(.get, "/v1/payments/{id}", read, show),
            Route(.post, "/v1/payments/{id}/refunds", write, refund),
            Route(.get, "/v1/payments/{id}/refunds", read, refundsOfPayment),
            Route(.get, "/v1/refunds", read, refunds),
            Route(.get, "/v1/refunds/{id}", read, showRefund),
        ]
    }

    @Sendable private func pay(_ call: Call) async throws -> Reply {
        let id: ID<Order> = try call.id()
        let (channel, method, payer) = try call.read { fields throws(Rejection) in
            let channel: ChannelKind = try fields.word("channel")
            let method: PaymentMethod = try fields.word("method")
            return (channel, method, try fields.optionalText("payer_id", 1...128))
        }
        let wait = try PaymentRoutes.wait(call)
        let reply = try await store.perform(call) { tx in
            Outcome(
                .accepted,
                try await tx.createPayment(of: id, channel: channel, method: method, payerID: payer).json)
        }
        guard let wait, let known = (try? JSON(parsing: reply.body))?["id"]?.string, let payment = ID<Payment>(known)
        else { return reply }
        var answer = Reply(reply.status, try await prompted(payment, call, within: wait).json)
        answer.headers = reply.headers
        answer.headers[.preferenceApplied] = "wait=\(wait)"
        return answer
    }

    /// Waits until the channel gave what the buyer needs, or for as long as the caller prefers.
    private func prompted(_ id: ID<Payment>, _ call: Call, within seconds: Int64) async throws -> PaymentRecord {
        let deadline = ContinuousClock.now + .seconds(seconds)
        var pause = PaymentRoutes.pollIntervals.first
        while true {
            let payment = try await store.look(call) { try await $0.payment(id) }
            if payment.state != .created || ContinuousClock.now >= deadline { return payment }
            try await Task.sleep(for: pause)
            pause = min(pause * 2, PaymentRoutes.pollIntervals.longest)
        }
    }

    /// Reads `Prefer: wait=N` (RFC 7240); other preferences are none of ours.
    private static func wait(_ call: Call) throws(Rejection) -> Int64? {
        for value in call.headers[values: .prefer] {
            for preference in value.split(whereSeparator: { $0 == "," || $0 == ";" }) {
                let text = preference.filter { $0 != " " }.lowercased()
                guard text.hasPrefix("wait=") else { continue }
                guard let seconds = Int64(text.dropFirst(5)), seconds >= 0 else {
                    throw .invalidField(pointer: "Prefer", reason: "must be wait=N with N seconds")
                }
                return min(seconds, longestWait)
            }
        }
        return nil
    }

    @Sendable private func ofOrder(_ call: Call) async throws -> Reply {
        let id: ID<Order> = try call.id()
        var query = try Query(call)
        let page = try query.page(of: Payment.self)
        try query.end()
        let found = try await store.look(call) { tx in
            _ = try await tx.order(id)
            return try await tx.payments(order: id, state: nil, before: page.cursor, limit: page.fetched)
        }
        return page.reply(found, id: \.id, \.json)
    }

    @Sendable private func list(_ call: Call) async throws -> Reply {
        var query = try Query(call)
        let order: ID<Order>? = try query.id("order")
        let state: PaymentState? = try query.word("state")
        let page = try query.page(of: Payment.self)
        try query.end()
        let found = try await store.look(call) {
            try await $0.payments(order: order, state: state, before: page.cursor, limit: page.fetched)
        }
        return page.reply(found, id: \.id, \.json)
    }

    @Sendable private func show(_ call: Call) async throws -> Reply {
        let id: ID<Payment> = try call.id()
        return Reply(.ok, try await store.look(call) { try await $0.payment(id) }.json)
    }

    @Sendable private func refund(_ call: Call) async throws -> Reply {
        let id: ID<Payment> = try call.id()
        let (number, amount, reason, parts) = try call.read { fields throws(Rejection) in
            (
                try fields.number("out_refund_no"), try fields.amount(), try fields.optionalText("reason", 1...80),
                try fields.optionalParts()
            )
        }
        return try await store.perform(call) { tx in
            Outcome(
                .accepted,
                try await tx.createRefund(
                    of: id, outRefundNo: number, amount: amount, parts: parts, reason: reason
                ).json)
        }
    }

    @Sendable private func refundsOfPayment(_ call: Call) async throws -> Reply {
        let id: ID<Payment> = try call.id()
        var query = try Query(call)
        let page = try query.page(of: Refund.self)
        try query.end()
        let found = try await store.look(call) { tx in
            _ = try await tx.payment(id)
            return try await tx.refunds(payment: id, before: page.cursor, limit: page.fetched)
        }
        return page.reply(found, id: \.id, \.json)
    }

    @Sendable private func refunds(_ call: Call) async throws -> Reply {
        var query = try Query(call)
        let payment: ID<Payment>? = try query.id("payment")
        let page = try query.page(of: Refund.self)
        try query.end()
        let found = try await store.look(call) {
            try await $0.refunds(payment: payment, before: page.cursor, limit: page.fetched)
        }
        return page.reply(found, id: \.id, \.json)
    }

    @Sendable private func showRefund(_ call: Call) async throws -> Reply {
        let id: ID<Refund> = try call.id()
        return Reply(.ok, try await store.look(call) { try await $0.refund(id) }.json)
    }
}
