import CustodyDomain
import Postgres

/// A refund as it is stored.
public struct RefundRecord: Hashable, Sendable {
    /// What one party gives back.
    public struct Part: Hashable, Sendable {
        /// The part's number within the order.
        public let number: Int
        /// The amount.
        public let amount: Fen
        /// Who gives it; nil is the platform.
        public let subMerchantID: ID<SubMerchant>?

        /// Whose share it is in the ledger.
        public var party: Account.Party { subMerchantID.map { .subMerchant($0) } ?? .platform }
    }

    /// Its id.
    public let id: ID<Refund>
    /// The payment it belongs to.
    public let paymentID: ID<Payment>
    /// The platform's number.
    public let outRefundNo: String
    /// The amount that goes back.
    public let amount: Fen
    /// What the buyer reads.
    public let reason: String?
    /// Our number at the channel.
    public let serial: String
    /// Where it is.
    public let state: TransferState
    /// When the money had gone back.
    public let succeededAt: Instant?
    /// Why it failed.
    public let failure: String?
    /// When it was asked for.
    public let createdAt: Instant
    /// Who gives back what.
    public let parts: [Part]
}

extension TenantTransaction {
    /// One refund.
    ///
    /// - Throws: ``Rejection/notFound``.
    public func refund(_ id: ID<Refund>, locked: Bool = false) async throws -> RefundRecord {
        if locked { try await run("SELECT FROM refund WHERE tenant_id = \(tenantID) AND id = \(id) FOR NO KEY UPDATE") }
        guard let found = try await refunds(ids: [id]).first else { throw Rejection.notFound }
        return found
    }

    /// Refunds by their ids, the oldest first.
    public func refunds(ids: [ID<Refund>]) async throws -> [RefundRecord] {
        let parts = try await rows(
            """
            SELECT r.refund_id, r.part_number, r.amount_fen, p.sub_merchant_id
              FROM refund_part r
              JOIN order_part p ON p.tenant_id = \(tenantID) AND p.order_id = r.order_id AND p.number = r.part_number
             WHERE r.tenant_id = \(tenantID) AND r.refund_id = ANY (\(ids))
             ORDER BY r.refund_id, r.part_number
            """
        )
        var byRefund: [ID<Refund>: [RefundRecord.Part]] = [:]
        for row in parts {
            byRefund[try row.get("refund_id"), default: []].append(
                RefundRecord.Part(
                    number: try row.get("part_number"), amount: try row.get("amount_fen"),
                    subMerchantID: try row.get("sub_merchant_id")
                )
            )
        }
        return try await rows(
            """
            SELECT id, payment_id, out_refund_no, amount_fen, reason, serial, state, succeeded_at, failure_message, created_at
              FROM refund
             WHERE tenant_id = \(tenantID) AND id = ANY (\(ids))
             ORDER BY id
            """
        ).map { row in
            let id: ID<Refund> = try row.get("id")
            return RefundRecord(
                id: id, paymentID: try row.get("payment_id"), outRefundNo: try row.get("out_refund_no"),
                amount: try row.get("amount_fen"), reason: try row.get("reason"), serial: try row.get("serial"),
                state: try row.get("state"), succeededAt: try row.get("succeeded_at"),
                failure: try row.get("failure_message"),
                createdAt: try row.get("created_at"), parts: byRefund[id] ?? []
            )
        }
    }

    /// Refunds, the youngest first, in pages.
    public func refunds(payment: ID<Payment>?, before: ID<Refund>?, limit: Int) async throws -> [RefundRecord] {
        let ids: [ID<Refund>] = try await rows(
            """
            SELECT id FROM refund
             WHERE tenant_id = \(tenantID)
               AND (\(payment)::uuid IS NULL OR payment_id = \(payment)::uuid)
               AND (\(before)::uuid IS NULL OR id < \(before)::uuid)
             ORDER BY id DESC LIMIT \(limit)
            """
        ).map { try $0.get("id") }
        return try await refunds(ids: ids).reversed()
    }

    /// The refund of our number at a channel; nil when it is not ours.
    public func refund(serial: String) async throws -> RefundRecord? {
        let row = try await row("SELECT id FROM refund WHERE tenant_id = \(tenantID) AND serial = \(serial)")
        guard let row else { return nil }
        return try await refund(try row.get("id"))
    }
}
