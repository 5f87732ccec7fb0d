import CustodyDomain
import Postgres

/// A split as it is stored.
public struct SplitRecord: Hashable, Sendable {
    /// What one party gets.
    public struct Part: Hashable, Sendable {
        /// The part's number within the order.
        public let number: Int
        /// Who gets it; nil is the platform.
        public let subMerchantID: ID<SubMerchant>?
        /// The amount.
        public let amount: Fen

        /// Whose share it is in the ledger.
        public var party: Account.Party { subMerchantID.map { .subMerchant($0) } ?? .platform }
    }

    /// Its id.
    public let id: ID<Split>
    /// The order it splits.
    public let orderID: ID<Order>
    /// The platform's number.
    public let outSplitNo: String
    /// Our number at the custodian.
    public let serial: String
    /// Where it is.
    public let state: TransferState
    /// Whether it is the order's last.
    public let isLast: Bool
    /// Why it failed.
    public let failure: String?
    /// When it was asked for.
    public let createdAt: Instant
    /// Who gets what.
    public let parts: [Part]
}

extension TenantTransaction {
    /// Asks for a split of what an order holds, and queues it for the custodian.
    ///
    /// - Parameter items: Who gets how much now, by part number; nil for everything that is held.
    /// - Returns: The split; the one stored before when the same was asked under the same number.
    /// - Throws: ``Rejection/orderState(state:action:)``, ``Rejection/nothingToSplit``,
    ///   ``Rejection/splitExceedsHeld(part:held:requested:)``, ``Rejection/numberReused(field:)``.
    public func createSplit(
        of orderID: ID<Order>, outSplitNo: String, items: [(number: Int, amount: Fen)]?
    ) async throws -> SplitRecord {
        let order = try await order(orderID, locked: true)
        if let row = try await row(
            "SELECT id FROM split WHERE tenant_id = \(tenantID) AND out_split_no = \(outSplitNo)")
        {
            let known = try await split(try row.get("id"))
            let isSame = items.map { isSameShares($0, known.parts.map { ($0.number, $0.amount) }) } ?? true
            guard known.orderID == orderID, isSame else { throw Rejection.numberReused(field: "out_split_no") }
            return known
        }
        guard order.state == .paid else { throw Rejection.orderState(state: order.state.rawValue, action: "split") }
        let wanted = items ?? order.parts.filter { $0.held > .zero }.map { ($0.number, $0.held) }
        guard !wanted.isEmpty else { throw Rejection.nothingToSplit }
        var left = order.parts.map(\.held).sum()
        for (part, item) in zip(try order.parts(named: wanted), wanted) {
            guard item.amount <= part.held else {
                throw Rejection.splitExceedsHeld(part: item.number, held: part.held, requested: item.amount)
            }
            left -= item.amount
        }
        let id = ID<Split>(at: now)
        _ = try await rows([
            """
            INSERT INTO split (tenant_id, id, order_id, out_split_no, serial, state, is_last, created_at)
            VALUES (
                \(tenantID), \(id), \(orderID), \(outSplitNo), \(TenantTransaction.serial(of: id)), 'requested',
                \(left == .zero), \(now)
            )
            """,
            """
            WITH item AS (
                SELECT * FROM unnest(\(wanted.map(\.number)), \(wanted.map(\.amount))) AS i (number, amount_fen)
            ), taken AS (
                UPDATE order_part p SET split_fen = p.split_fen + i.amount_fen
                  FROM item i
                 WHERE p.tenant_id = \(tenantID) AND p.order_id = \(orderID) AND p.number = i.number
            )
            INSERT INTO split_part (tenant_id, split_id, order_id, part_number, sub_merchant_id, amount_fen)
            SELECT \(tenantID), \(id), \(orderID), i.number, p.sub_merchant_id, i.amount_fen
              FROM item i
              JOIN order_part p ON p.tenant_id = \(tenantID) AND p.order_id = \(orderID) AND p.number = i.number
            """,
        ])
        try await enqueue(JobRequest(.sendSplit, id))
        return try await split(id)
    }

    /// One split.
    ///
    /// - Throws: ``Rejection/notFound``.
    public func split(_ id: ID<Split>, locked: Bool = false) async throws -> SplitRecord {
        if locked { try await run("SELECT FROM split WHERE tenant_id = \(tenantID) AND id = \(id) FOR NO KEY UPDATE") }
        guard let found = try await splits(ids: [id]).first else { throw Rejection.notFound }
        return found
    }

    /// The splits of an order, the oldest first.
    public func splits(of orderID: ID<Order>) async throws -> [SplitRecord] {
        try await splits(
            ids: rows("SELECT id FROM split WHERE tenant_id = \(tenantID) AND order_id = \(orderID)").map {
                try $0.get("id")
            }
        )
    }

    private func splits(ids: [ID<Split>]) async throws -> [SplitRecord] {
        let parts = try await rows(
            """
            SELECT split_id, part_number, sub_merchant_id, amount_fen FROM split_part
             WHERE tenant_id = \(tenantID) AND split_id = ANY (\(ids))
             ORDER BY split_id, part_number
            """
        )
        var bySplit: [ID<Split>: [SplitRecord.Part]] = [:]
        for row in parts {
            bySplit[try row.get("split_id"), default: []].append(
                SplitRecord.Part(
                    number: try row.get("part_number"), subMerchantID: try row.get("sub_merchant_id"),
                    amount: try row.get("amount_fen")
                )
            )
        }
        return try await rows(
            """
            SELECT id, order_id, out_split_no, serial, state, is_last, failure_message, created_at FROM split
             WHERE tenant_id = \(tenantID) AND id = ANY (\(ids)) ORDER BY id
            """
        ).map { row in
            let id: ID<Split> = try row.get("id")
            return SplitRecord(
                id: id, orderID: try row.get("order_id"), outSplitNo: try row.get("out_split_no"),
                serial: try row.get("serial"),
                state: try row.get("state"), isLast: try row.get("is_last"), failure: try row.get("failure_message"),
                createdAt: try row.get("created_at"), parts: bySplit[id] ?? []
            )
        }
    }

    /// Notes that the custodian has the split.
    public func noteSplitProcessing(_ id: ID<Split>) async throws {
        try await run(
            "UPDATE split SET state = 'processing' WHERE tenant_id = \(tenantID) AND id = \(id) AND state = 'requested'"
        )
    }

    /// Books that the custodian split: what was held is pending; once, however often it is said.
    public func succeedSplit(_ id: ID<Split>) async throws {
        let orderID = try await split(id).orderID
        let order = try await order(orderID, locked: true)
        let split = try await split(id, locked: true)
        guard split.state == .requested || split.state == .processing else { return }
        try await run(
            "UPDATE split SET state = 'succeeded', finished_at = \(now) WHERE tenant_id = \(tenantID) AND id = \(id)"
        )
        var entry = LedgerEntry("split.succeeded", subject: id.uuid.text, on: today)
        for part in split.parts { entry.move(part.amount, debit: .held(part.party), credit: .pending(part.party)) }
        try await book(entry)
        // What another split has taken may still come back.
        let isOpen = try await splits(of: orderID).contains { $0.state == .requested || $0.state == .processing }
        let isFinished = !isOpen && order.parts.allSatisfy { $0.held == .zero }
        try await run(
            """
            UPDATE trade_order SET split_state = \(isFinished ? "finished" : "partial")
             WHERE tenant_id = \(tenantID) AND id = \(orderID)
            """
        )
        try await record(
            "split.succeeded", about: id.text, ["order": .text(orderID.text), "out_split_no": .text(split.outSplitNo)])
    }

    /// Books that the custodian will not split: everything is held as before.
    public func failSplit(_ id: ID<Split>, code: String, message: String) async throws {
        let orderID = try await split(id).orderID
        _ = try await order(orderID, locked: true)
        let split = try await split(id, locked: true)
        guard split.state == .requested || split.state == .processing else { return }
        _ = try await rows([
            """
            UPDATE split
               SET state = 'failed', finished_at = \(now), failure_code = \(code), failure_message = \(message)
             WHERE tenant_id = \(tenantID) AND id = \(id)
            """,
            """
            UPDATE order_part p SET split_fen = p.split_fen - s.amount_fen
              FROM split_part s
             WHERE s.tenant_id = \(tenantID) AND s.split_id = \(id)
               AND p.tenant_id = \(tenantID) AND p.order_id = s.order_id AND p.number = s.part_number
            """,
        ])
        try await record("split.failed", about: id.text, ["code": .text(code)])
    }
}
