import CustodyDomain
import Postgres

/// A payment as it is stored.
public struct PaymentRecord: Hashable, Sendable {
    /// Its id.
    public let id: ID<Payment>
    /// The order it pays.
    public let orderID: ID<Order>
    /// Which channel the buyer pays through.
    public let channel: ChannelKind
    /// Through whose link: the channel's own, or that of a custodian that collects.
    public let collector: Counterparty
    /// How the buyer pays.
    public let method: PaymentMethod
    /// What the buyer is asked to pay.
    public let amount: Fen
    /// Our number at the channel.
    public let serial: String
    /// Where it is.
    public let state: PaymentState
    /// The buyer's id at the channel.
    public let payerID: String?
    /// What the front end needs (a JSON object), once the channel gave it.
    public let prompt: String?
    /// The channel's number, once paid.
    public let transactionNumber: String?
    /// When it was paid.
    public let paidAt: Instant?
    /// The day of the books it was paid on.
    public let businessDate: BusinessDate?
    /// How much went back, or is going.
    public let refunded: Fen
    /// Why it failed.
    public let failure: String?
    /// When it was made.
    public let createdAt: Instant

    init(_ row: Row) throws {
        id = try row.get("id")
        orderID = try row.get("order_id")
        channel = try row.get("channel")
        collector = try row.get("collector")
        method = try row.get("method")
        amount = try row.get("amount_fen")
        serial = try row.get("serial")
        state = try row.get("state")
        payerID = try row.get("payer_id")
        prompt = try row.get("prompt", as: PGJSON?.self)?.text
        transactionNumber = try row.get("transaction_number")
        paidAt = try row.get("paid_at")
        businessDate = try row.get("business_date")
        refunded = try row.get("refunded_fen")
        failure = try row.get("failure_message")
        createdAt = try row.get("created_at")
    }
}

extension TenantTransaction {
    /// One payment.
    ///
    /// - Throws: ``Rejection/notFound``.
    public func payment(_ id: ID<Payment>, locked: Bool = false) async throws -> PaymentRecord {
        if locked {
            try await run("SELECT FROM payment WHERE tenant_id = \(tenantID) AND id = \(id) FOR NO KEY UPDATE")
        }
        guard let found = try await payments(ids: [id]).first else { throw Rejection.notFound }
        return found
    }

    /// Payments by their ids, the oldest first.
    public func payments(ids: [ID<Payment>]) async throws -> [PaymentRecord] {
        try await rows(
            """
            SELECT id, order_id, channel, collector, method, amount_fen, serial, state, payer_id, prompt,
                   transaction_number, paid_at, business_date, refunded_fen, failure_message, created_at
              FROM payment
             WHERE tenant_id = \(tenantID) AND id = ANY (\(ids))
             ORDER BY id
            """
        ).map(PaymentRecord.init)
    }

    /// Payments, the youngest first, in pages.
    public func payments(
        order: ID<Order>?, state: PaymentState?, before: ID<Payment>?, limit: Int
    ) async throws -> [PaymentRecord] {
        let ids: [ID<Payment>] = try await rows(
            """
            SELECT id FROM payment
             WHERE tenant_id = \(tenantID)
               AND (\(order)::uuid IS NULL OR order_id = \(order)::uuid)
               AND (\(state?.rawValue)::text IS NULL OR state = \(state?.rawValue))
               AND (\(before)::uuid IS NULL OR id < \(before)::uuid)
             ORDER BY id DESC LIMIT \(limit)
            """
        ).map { try $0.get("id") }
        return try await payments(ids: ids).reversed()
    }

    /// The payment of our number at a channel; nil when it is not ours.
    public func payment(serial: String) async throws -> PaymentRecord? {
        let row = try await row("SELECT id FROM payment WHERE tenant_id = \(tenantID) AND serial = \(serial)")
        guard let row else { return nil }
        return try await payment(try row.get("id"))
    }
}
