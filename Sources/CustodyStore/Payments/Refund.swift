import CustodyDomain
import Postgres

extension TenantTransaction {
    /// Sets money aside for the buyer, and queues the refund with the channel.
    ///
    /// - Parameter parts: Who gives back how much, by part number; nil divides over what is held, in proportion.
    /// - Returns: The refund; the one stored before when the same was asked under the same number.
    /// - Throws: ``Rejection/paymentState(state:action:)``, ``Rejection/refundExceedsPayment(remaining:requested:)``,
    ///   ``Rejection/refundExceedsHeld(part:held:requested:)``, ``Rejection/numberReused(field:)``.
    public func createRefund(
        of paymentID: ID<Payment>, outRefundNo: String, amount: Fen, parts: [(number: Int, amount: Fen)]?,
        reason: String?
    ) async throws -> RefundRecord {
        let orderID = try await payment(paymentID).orderID
        let order = try await order(orderID, locked: true)
        let payment = try await payment(paymentID, locked: true)
        if let row = try await row(
            "SELECT id FROM refund WHERE tenant_id = \(tenantID) AND out_refund_no = \(outRefundNo)")
        {
            let known = try await refund(try row.get("id"))
            let isSame = parts.map { isSameShares($0, known.parts.map { ($0.number, $0.amount) }) } ?? true
            guard known.paymentID == paymentID, known.amount == amount, known.reason == reason, isSame else {
                throw Rejection.numberReused(field: "out_refund_no")
            }
            return known
        }
        guard payment.state == .succeeded else {
            throw Rejection.paymentState(state: payment.state.rawValue, action: "refunded")
        }
        guard amount > .zero else { throw Rejection.invalidField(pointer: "/amount", reason: "must be positive") }
        guard payment.refunded + amount <= payment.amount else {
            throw Rejection.refundExceedsPayment(remaining: payment.amount - payment.refunded, requested: amount)
        }
        let shares = try givers(of: amount, in: order, named: parts)
        let id = ID<Refund>(at: now)
        _ = try await rows([
            "UPDATE payment SET refunded_fen = refunded_fen + \(amount) WHERE tenant_id = \(tenantID) AND id = \(paymentID)",
            """
            INSERT INTO refund (tenant_id, id, payment_id, out_refund_no, amount_fen, reason, serial, state, created_at)
            VALUES (
                \(tenantID), \(id), \(paymentID), \(outRefundNo), \(amount), \(reason),
                \(TenantTransaction.serial(of: id)), 'requested', \(now)
            )
            """,
            """
            WITH share AS (
                SELECT * FROM unnest(\(shares.map(\.number)), \(shares.map(\.amount))) AS s (number, amount_fen)
            ), given AS (
                UPDATE order_part p SET refunded_fen = p.refunded_fen + s.amount_fen
                  FROM share s
                 WHERE p.tenant_id = \(tenantID) AND p.order_id = \(order.id) AND p.number = s.number
            )
            INSERT INTO refund_part (tenant_id, refund_id, order_id, part_number, amount_fen)
            SELECT \(tenantID), \(id), \(order.id), number, amount_fen FROM share
            """,
        ])
        var entry = LedgerEntry("refund.requested", subject: id.uuid.text, on: today)
        let parties = Dictionary(uniqueKeysWithValues: order.parts.map { ($0.number, $0.party) })
        for share in shares {
            guard let party = parties[share.number] else { throw Rejection.notFound }
            entry.move(share.amount, debit: .held(party), credit: .refunding)
        }
        try await book(entry)
        try await enqueue(JobRequest(.sendRefund, id))
        return try await refund(id)
    }

    /// Who gives back how much, out of what is held.
    private func givers(
        of amount: Fen, in order: OrderRecord, named: [(number: Int, amount: Fen)]?
    ) throws -> [(number: Int, amount: Fen)] {
        let held = order.parts.map(\.held)
        guard let named else {
            guard held.sum() >= amount else {
                throw Rejection.refundExceedsHeld(part: 0, held: held.sum(), requested: amount)
            }
            return zip(order.parts, apportion(amount, over: held)).filter { $0.1 > .zero }.map { ($0.0.number, $0.1) }
        }
        for (part, share) in zip(try order.parts(named: named), named) {
            guard share.amount <= part.held else {
                throw Rejection.refundExceedsHeld(part: share.number, held: part.held, requested: share.amount)
            }
        }
        let sum = named.map(\.amount).sum()
        guard sum == amount else { throw Rejection.splitSumMismatch(order: amount, parts: sum) }
        return named
    }

    /// Notes that the channel has the refund.
    public func noteRefundProcessing(_ id: ID<Refund>, refundNumber: String?) async throws {
        try await run(
            """
            UPDATE refund SET state = 'processing', refund_number = coalesce(\(refundNumber), refund_number)
             WHERE tenant_id = \(tenantID) AND id = \(id) AND state = 'requested'
            """
        )
    }

    /// Books that the money went back to the buyer; once, however often it is said. The custodian is told.
    public func succeedRefund(_ id: ID<Refund>, refundNumber: String?, at instant: Instant) async throws {
        let refund = try await refund(id, locked: true)
        guard refund.state == .requested || refund.state == .processing else { return }
        let date = BusinessDate(of: instant)
        try await run(
            """
            UPDATE refund
               SET state = 'succeeded', succeeded_at = \(instant), business_date = \(date),
                   refund_number = coalesce(\(refundNumber), refund_number)
             WHERE tenant_id = \(tenantID) AND id = \(id)
            """
        )
        try await endInstruction(.sendRefund, on: id.uuid)
        let payment = try await payment(refund.paymentID)
        let channel = payment.channel
        var entry = LedgerEntry("refund.succeeded", subject: id.uuid.text, on: date)
        entry.move(refund.amount, debit: .refunding, credit: .clearing(channel))
        try await book(entry)
        try await record(
            "refund.succeeded", about: id.text,
            ["out_refund_no": .text(refund.outRefundNo), "amount": .fen(refund.amount)]
        )
        if payment.collector == .bank {
            try await noteRefundRegistered(id, failed: false)
        } else {
            try await enqueue(JobRequest(.registerRefund, id))
        }
    }

    /// Books that the channel will not refund: the money is held again.
    public func failRefund(_ id: ID<Refund>, code: String, message: String) async throws {
        let refund = try await refund(id, locked: true)
        guard refund.state == .requested || refund.state == .processing else { return }
        _ = try await rows([
            """
            UPDATE refund SET state = 'failed', failure_code = \(code), failure_message = \(message)
             WHERE tenant_id = \(tenantID) AND id = \(id)
            """,
            """
            UPDATE payment SET refunded_fen = refunded_fen - \(refund.amount)
             WHERE tenant_id = \(tenantID) AND id = \(refund.paymentID)
            """,
            """
            UPDATE order_part p SET refunded_fen = p.refunded_fen - r.amount_fen
              FROM refund_part r
             WHERE r.tenant_id = \(tenantID) AND r.refund_id = \(id)
               AND p.tenant_id = \(tenantID) AND p.order_id = r.order_id AND p.number = r.part_number
            """,
        ])
        try await endInstruction(.sendRefund, on: id.uuid, failure: (code, message))
        var entry = LedgerEntry("refund.failed", subject: id.uuid.text, on: today)
        for part in refund.parts { entry.move(part.amount, debit: .refunding, credit: .held(part.party)) }
        try await book(entry)
        try await record("refund.failed", about: id.text, ["code": .text(code)])
    }

    /// Notes whether the custodian registered the refund.
    public func noteRefundRegistered(_ id: ID<Refund>, failed: Bool) async throws {
        try await run(
            """
            UPDATE refund SET bank_state = \(failed ? "failed" : "registered")
             WHERE tenant_id = \(tenantID) AND id = \(id) AND bank_state = 'pending'
            """
        )
    }
}
