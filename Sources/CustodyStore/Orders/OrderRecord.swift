import CustodyDomain
import Postgres

/// An order as it is stored.
public struct OrderRecord: Hashable, Sendable {
    /// One party's part.
    public struct Part: Hashable, Sendable {
        /// Its number within the order, from 1.
        public let number: Int
        /// Who gets it; nil is the platform itself (its commission).
        public let subMerchantID: ID<SubMerchant>?
        /// Its amount.
        public let amount: Fen
        /// How much of it was split, or is being.
        public let split: Fen
        /// How much of it went back, or is going.
        public let refunded: Fen

        /// What is still held.
        public var held: Fen { amount - split - refunded }
        /// Whose share it is in the ledger.
        public var party: Account.Party { subMerchantID.map { .subMerchant($0) } ?? .platform }
    }

    /// Its id.
    public let id: ID<Order>
    /// The platform's number.
    public let outOrderNo: String
    /// Its amount.
    public let amount: Fen
    /// What the buyer reads.
    public let description: String
    /// The buyer's number at the platform.
    public let payer: String?
    /// Whatever the platform keeps with it (a JSON object).
    public let metadata: String
    /// Where it is.
    public let state: OrderState
    /// `immediate` or `on_confirmation`.
    public let splitMode: String
    /// `none`, `partial` or `finished`.
    public let splitState: String
    /// What the custodian knows: `pending`, `synced`, `registered`, `failed`.
    public let bankState: String
    /// When it can no longer be paid.
    public let expiresAt: Instant
    /// When it was synced to us.
    public let createdAt: Instant
    /// Who gets what.
    public let parts: [Part]

    init(_ row: Row) throws {
        id = try row.get("id")
        outOrderNo = try row.get("out_order_no")
        amount = try row.get("amount_fen")
        description = try row.get("description")
        payer = try row.get("payer")
        metadata = try row.get("metadata", as: PGJSON.self).text
        state = try row.get("state")
        splitMode = try row.get("split_mode")
        splitState = try row.get("split_state")
        bankState = try row.get("bank_state")
        expiresAt = try row.get("expires_at")
        createdAt = try row.get("created_at")
        let numbers: [Int] = try row.get("part_numbers")
        let owners: [ID<SubMerchant>?] = try row.get("part_owners")
        let amounts: [Fen] = try row.get("part_amounts")
        let splits: [Fen] = try row.get("part_splits")
        let refunds: [Fen] = try row.get("part_refunds")
        parts = numbers.indices.map {
            Part(
                number: numbers[$0], subMerchantID: owners[$0], amount: amounts[$0], split: splits[$0],
                refunded: refunds[$0])
        }
    }
}

extension OrderRecord {
    /// The parts that a request names with an amount each, in its order.
    ///
    /// - Throws: ``Rejection/invalidField(pointer:reason:)`` for a number that is unknown or came before, and for an amount
    ///   that is not positive.
    func parts(named shares: [(number: Int, amount: Fen)]) throws(Rejection) -> [Part] {
        var found: [Part] = []
        for (index, share) in shares.enumerated() {
            guard let part = parts.first(where: { $0.number == share.number }) else {
                throw .invalidField(pointer: "/parts/\(index)/number", reason: "names no part of the order")
            }
            guard !found.contains(part) else {
                throw .invalidField(pointer: "/parts/\(index)/number", reason: "names a part twice")
            }
            guard share.amount > .zero else {
                throw .invalidField(pointer: "/parts/\(index)/amount", reason: "must be positive")
            }
            found.append(part)
        }
        return found
    }
}

/// Whether two requests name the same amounts for the same parts, in whatever order.
func isSameShares(_ lhs: [(number: Int, amount: Fen)], _ rhs: [(number: Int, amount: Fen)]) -> Bool {
    lhs.sorted { $0.number < $1.number }.elementsEqual(rhs.sorted { $0.number < $1.number }) { $0 == $1 }
}

extension TenantTransaction {
    /// One order.
    ///
    /// - Parameter locked: Whether to keep others from changing it until this transaction ends.
    /// - Throws: ``Rejection/notFound``.
    public func order(_ id: ID<Order>, locked: Bool = false) async throws -> OrderRecord {
        if locked {
            try await run("SELECT FROM trade_order WHERE tenant_id = \(tenantID) AND id = \(id) FOR NO KEY UPDATE")
        }
        guard let found = try await orders(ids: [id]).first else { throw Rejection.notFound }
        return found
    }

    /// Orders by their ids.
    public func orders(ids: [ID<Order>]) async throws -> [OrderRecord] {
        try await rows(
            """
            SELECT o.id, o.out_order_no, o.amount_fen, o.description, o.payer, o.metadata, o.state, o.split_mode,
                   o.split_state, o.bank_state, o.expires_at, o.created_at,
                   p.part_numbers, p.part_owners, p.part_amounts, p.part_splits, p.part_refunds
              FROM trade_order o
             CROSS JOIN LATERAL (
                  SELECT array_agg(number::bigint ORDER BY number) AS part_numbers,
                         array_agg(sub_merchant_id ORDER BY number) AS part_owners,
                         array_agg(amount_fen ORDER BY number) AS part_amounts,
                         array_agg(split_fen ORDER BY number) AS part_splits,
                         array_agg(refunded_fen ORDER BY number) AS part_refunds
                    FROM order_part p
                   WHERE p.tenant_id = \(tenantID) AND p.order_id = o.id
             ) p
             WHERE o.tenant_id = \(tenantID) AND o.id = ANY (\(ids))
             ORDER BY o.id
            """
        ).map(OrderRecord.init)
    }

    /// Orders, the youngest first, in pages.
    ///
    /// - Parameters:
    ///   - state: Only those in this state.
    ///   - outOrderNo: Only the one with this number of the platform.
    ///   - before: Only those older than this one, the last of the page before.
    public func orders(
        state: OrderState?, outOrderNo: String?, before: ID<Order>?, limit: Int
    ) async throws -> [OrderRecord] {
        let ids: [ID<Order>] = try await rows(
            """
            SELECT id FROM trade_order
             WHERE tenant_id = \(tenantID)
               AND (\(state?.rawValue)::text IS NULL OR state = \(state?.rawValue))
               AND (\(outOrderNo)::text IS NULL OR out_order_no = \(outOrderNo))
               AND (\(before)::uuid IS NULL OR id < \(before)::uuid)
             ORDER BY id DESC LIMIT \(limit)
            """
        ).map { try $0.get("id") }
        return try await orders(ids: ids).reversed()
    }

    /// Closes an unpaid order; its open payments are closed with their channels.
    ///
    /// - Throws: ``Rejection/orderState(state:action:)`` when it is paid. Closing a closed order changes nothing.
    public func closeOrder(_ id: ID<Order>) async throws -> OrderRecord {
        let order = try await order(id, locked: true)
        switch order.state {
        case .closed: return order
        case .paid: throw Rejection.orderState(state: order.state.rawValue, action: "closed")
        case .open: break
        }
        try await run("UPDATE trade_order SET state = 'closed' WHERE tenant_id = \(tenantID) AND id = \(id)")
        for payment in try await payments(order: id, state: nil, before: nil, limit: 200) where !payment.state.isFinal {
            try await enqueue(JobRequest(.pollPayment, payment.id))
        }
        try await record("order.closed", about: id.text, ["out_order_no": .text(order.outOrderNo)])
        return try await self.order(id)
    }
}
