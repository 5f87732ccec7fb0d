import CustodyDomain
import Postgres

extension TenantTransaction {
    /// Opens a payment of an order, and queues its placing with the channel.
    ///
    /// - Throws: ``Rejection/notFound``, ``Rejection/orderState(state:action:)``, ``Rejection/orderExpired(at:)``,
    ///   ``Rejection/paymentOpen``, ``Rejection/methodNotOfChannel(method:channel:)``, ``Rejection/linkMissing(counterparty:)``.
    public func createPayment(
        of orderID: ID<Order>, channel: ChannelKind, method: PaymentMethod, payerID: String?
    ) async throws -> PaymentRecord {
        guard method.channels.contains(channel) else {
            throw Rejection.methodNotOfChannel(method: method.rawValue, channel: channel.rawValue)
        }
        let order = try await order(orderID, locked: true)
        guard order.state == .open else { throw Rejection.orderState(state: order.state.rawValue, action: "paid") }
        guard order.expiresAt > now else { throw Rejection.orderExpired(at: order.expiresAt) }
        let collector = try await collector(of: channel)
        let open = try await row(
            """
            SELECT FROM payment
             WHERE tenant_id = \(tenantID) AND order_id = \(orderID) AND state IN ('created', 'paying', 'succeeded') LIMIT 1
            """
        )
        if open != nil { throw Rejection.paymentOpen }
        let id = ID<Payment>(at: now)
        try await run(
            """
            INSERT INTO payment (
                tenant_id, id, order_id, channel, collector, method, amount_fen, serial, state, payer_id, created_at
            )
            VALUES (
                \(tenantID), \(id), \(orderID), \(channel.rawValue), \(collector.rawValue), \(method.rawValue),
                \(order.amount), \(TenantTransaction.serial(of: id)), 'created', \(payerID), \(now)
            )
            """
        )
        try await enqueue(JobRequest(.placePayment, id))
        return try await payment(id)
    }

    /// Notes what the buyer needs to pay, as the channel gave it.
    public func notePrompt(_ id: ID<Payment>, _ prompt: String) async throws {
        try await run(
            """
            UPDATE payment SET state = 'paying', prompt = \(PGJSON(text: prompt))
             WHERE tenant_id = \(tenantID) AND id = \(id) AND state = 'created'
            """
        )
    }

    /// Notes that the channel refused the payment.
    public func failPayment(_ id: ID<Payment>, code: String, message: String) async throws {
        let changed = try await run(
            """
            UPDATE payment SET state = 'failed', failure_code = \(code), failure_message = \(message)
             WHERE tenant_id = \(tenantID) AND id = \(id) AND state = 'created'
            """
        )
        if changed == 1 { try await record("payment.failed", about: id.text, ["code": .text(code)]) }
    }

    /// Notes that the payment can no longer be paid.
    public func closePayment(_ id: ID<Payment>) async throws {
        let changed = try await run(
            """
            UPDATE payment SET state = 'closed'
             WHERE tenant_id = \(tenantID) AND id = \(id) AND state IN ('created', 'paying')
            """
        )
        guard changed == 1 else { return }
        try await endInstruction(
            .placePayment, on: id.uuid, failure: ("payment_closed", "the payment was closed before it was placed"))
        try await record("payment.closed", about: id.text)
    }

    /// Books that a payment succeeded, as the channel's callback or its answer says; once, however often it is said.
    ///
    /// The money is held for the order's parties; the custodian is told; an order that splits at once is split; one that was
    /// closed meanwhile is refunded.
    ///
    /// - Returns: What was done with it.
    public func succeed(
        _ id: ID<Payment>, transactionNumber: String, paidAt: Instant, payerID: String?
    ) async throws -> PaymentSuccess {
        let known = try await payment(id)
        // The order first, always: whoever changes an order and its payments takes them in this sequence.
        let order = try await order(known.orderID, locked: true)
        let payment = try await payment(id, locked: true)
        guard payment.state != .succeeded else { return .known }
        let other = try await row(
            """
            SELECT FROM payment
             WHERE tenant_id = \(tenantID) AND order_id = \(order.id) AND state = 'succeeded' AND id <> \(id)
            """
        )
        // The statement will show the second receipt as a surplus, which is where a person finds it.
        guard other == nil else { return .secondForOrder }
        let date = BusinessDate(of: paidAt)
        try await run(
            """
            UPDATE payment
               SET state = 'succeeded', transaction_number = \(transactionNumber), paid_at = \(paidAt),
                   business_date = \(date), payer_id = coalesce(\(payerID), payer_id)
             WHERE tenant_id = \(tenantID) AND id = \(id)
            """
        )
        try await endInstruction(.placePayment, on: id.uuid)
        try await run("UPDATE trade_order SET state = 'paid' WHERE tenant_id = \(tenantID) AND id = \(order.id)")
        var entry = LedgerEntry("payment.succeeded", subject: id.uuid.text, on: date)
        for part in order.parts {
            entry.move(part.amount, debit: .clearing(payment.channel), credit: .held(part.party))
        }
        try await book(entry)
        try await record(
            "payment.succeeded", about: id.text,
            ["order": .text(order.id.text), "out_order_no": .text(order.outOrderNo), "amount": .fen(payment.amount)]
        )
        if payment.collector == .bank {
            // It collected: there is nothing to tell it.
            try await noteOrderAtBank(order.id, "registered")
        } else {
            try await enqueue(JobRequest(.registerReceipt, order.id))
        }
        if order.state == .closed {
            _ = try await createRefund(
                of: id, outRefundNo: "auto-\(payment.serial)", amount: payment.amount, parts: nil,
                reason: "order closed before it was paid"
            )
            return .refunded
        }
        if order.splitMode == "immediate" {
            _ = try await createSplit(of: order.id, outSplitNo: "auto-\(payment.serial)", items: nil)
        }
        return .booked
    }
}

/// What a success came to.
public enum PaymentSuccess: Hashable, Sendable {
    /// Booked now.
    case booked
    /// Booked before.
    case known
    /// The order was closed: booked, and on its way back to the buyer.
    case refunded
    /// The order was paid by another payment already: left to reconciliation.
    case secondForOrder
}
