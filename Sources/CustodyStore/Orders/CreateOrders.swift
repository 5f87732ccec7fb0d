import CustodyDomain
import Postgres

/// An order as a platform syncs it, checked for shape and sums.
public struct NewOrder: Sendable {
    /// One party's part.
    public struct Part: Hashable, Sendable {
        /// Who gets it; nil is the platform itself.
        public let subMerchantID: ID<SubMerchant>?
        /// Its amount.
        public let amount: Fen

        /// Makes a part.
        public init(subMerchantID: ID<SubMerchant>?, amount: Fen) {
            self.subMerchantID = subMerchantID
            self.amount = amount
        }
    }

    /// The id it will have.
    public let id: ID<Order>
    /// The platform's number: for ever the same order.
    public let outOrderNo: String
    /// Its amount; the parts sum to it.
    public let amount: Fen
    /// What the buyer reads.
    public let description: String
    /// The buyer's number at the platform.
    public let payer: String?
    /// Whatever the platform keeps with it (a JSON object).
    public let metadata: String
    /// `immediate` or `on_confirmation`.
    public let splitMode: String
    /// When it can no longer be paid.
    public let expiresAt: Instant
    /// Who gets what.
    public let parts: [Part]
    /// How it is recognised when it is sent again, and what is answered then; nil for orders that come in a batch.
    public let idempotency: (claim: IdempotencyClaim, response: StoredResponse)?

    /// Makes an order.
    public init(
        id: ID<Order>, outOrderNo: String, amount: Fen, description: String, payer: String?, metadata: String,
        splitMode: String, expiresAt: Instant, parts: [Part],
        idempotency: (claim: IdempotencyClaim, response: StoredResponse)?
    ) {
        self.id = id
        self.outOrderNo = outOrderNo
        self.amount = amount
        self.description = description
        self.payer = payer
        self.metadata = metadata
        self.splitMode = splitMode
        self.expiresAt = expiresAt
        self.parts = parts
        self.idempotency = idempotency
    }
}

/// What became of one order of many.
public enum OrderOutcome: Sendable {
    /// Stored now.
    case created
    /// The same order was stored before, by its number or its idempotency key.
    case existed(OrderRecord)
    /// The same request was answered before.
    case replayed(StoredResponse)
    /// Refused; nothing of it was stored.
    case refused(Rejection)
}

extension TenantTransaction {
    /// Stores orders, each accepted or refused on its own, with the job that tells the custodian of each.
    ///
    /// One statement for all: requests that arrive together share it, and a refusal touches no neighbour.
    ///
    /// - Returns: The outcomes, in the order given.
    public func createOrders(_ orders: [NewOrder]) async throws -> [OrderOutcome] {
        let rows = try await insertOrders(orders)
        var outcomes: [OrderOutcome] = []
        for (order, row) in zip(orders, rows) {
            if try row.get("is_created", as: Bool.self) {
                outcomes.append(.created)
            } else {
                outcomes.append(try await explain(order, row))
            }
        }
        queuesToWake.insert(.instructions)
        return outcomes
    }

    private func insertOrders(_ orders: [NewOrder]) async throws -> Rows {
        let parts = orders.enumerated().flatMap { index, order in
            order.parts.enumerated().map { (order: index, number: $0 + 1, part: $1) }
        }
        let claims = orders.map(\.idempotency)
        return try await rows(
            """
            WITH input AS (
                SELECT * FROM unnest(
                    \(Array(orders.indices)), \(orders.map(\.id)), \(orders.map(\.outOrderNo)), \(orders.map(\.amount)),
                    \(orders.map(\.description)), \(orders.map(\.payer)), \(orders.map { PGJSON(text: $0.metadata) }),
                    \(orders.map(\.splitMode)), \(orders.map(\.expiresAt)), \(claims.map(\.?.claim.key)),
                    \(claims.map(\.?.claim.route)), \(claims.map(\.?.claim.bodyHash)), \(claims.map(\.?.response.status)),
                    \(claims.map(\.?.response.body)), \(orders.map { _ in ID<Job>(at: now) })
                ) AS i (
                    n, id, out_order_no, amount_fen, description, payer, metadata, split_mode, expires_at, key, route,
                    body_hash, status, response, job_id
                )
            ), part AS (
                SELECT * FROM unnest(
                    \(parts.map(\.order)), \(parts.map(\.number)), \(parts.map(\.part.subMerchantID)),
                    \(parts.map(\.part.amount))
                ) AS p (n, number, sub_merchant_id, amount_fen)
            ), refused AS (
                SELECT DISTINCT ON (p.n) p.n, p.sub_merchant_id::text AS sub_merchant, coalesce(s.state, 'absent') AS state
                  FROM part p
                  LEFT JOIN sub_merchant s ON s.tenant_id = \(tenantID) AND s.id = p.sub_merchant_id
                 WHERE p.sub_merchant_id IS NOT NULL AND (s.id IS NULL OR s.state NOT IN ('active', 'frozen'))
                 ORDER BY p.n, p.number
            ), created AS (
                INSERT INTO trade_order (
                    tenant_id, id, out_order_no, amount_fen, description, payer, metadata, split_mode, expires_at, created_at
                )
                SELECT \(tenantID), i.id, i.out_order_no, i.amount_fen, i.description, i.payer, i.metadata, i.split_mode,
                       i.expires_at, \(now)
                  FROM input i
                 WHERE NOT EXISTS (SELECT FROM refused r WHERE r.n = i.n)
                   AND NOT EXISTS (
                       SELECT FROM idempotency_key k WHERE k.tenant_id = \(tenantID) AND k.key = i.key
                   )
                   -- Of one key only the first that is not refused: the others are explained by what it stored.
                   AND NOT EXISTS (
                       SELECT FROM input e
                        WHERE e.key = i.key AND e.n < i.n AND NOT EXISTS (SELECT FROM refused r WHERE r.n = e.n)
                   )
                ON CONFLICT ON CONSTRAINT trade_order_out_no DO NOTHING
                RETURNING id
            ), parts AS (
                INSERT INTO order_part (tenant_id, order_id, number, sub_merchant_id, amount_fen)
                SELECT \(tenantID), i.id, p.number, p.sub_merchant_id, p.amount_fen
                  FROM part p JOIN input i ON i.n = p.n JOIN created c ON c.id = i.id
            ), keys AS (
                INSERT INTO idempotency_key (tenant_id, key, route, body_hash, status, response, created_at)
                SELECT \(tenantID), i.key, i.route, i.body_hash, i.status, i.response, \(now)
                  FROM input i JOIN created c ON c.id = i.id
                 WHERE i.key IS NOT NULL
            ), jobs AS (
                INSERT INTO job (tenant_id, queue, id, kind, subject)
                SELECT \(tenantID), 'instructions', i.job_id, 'sync_order', i.id::text
                  FROM input i JOIN created c ON c.id = i.id
            )
            SELECT c.id IS NOT NULL AS is_created, r.sub_merchant, r.state
              FROM input i
              LEFT JOIN created c ON c.id = i.id
              LEFT JOIN refused r ON r.n = i.n
             ORDER BY i.n
            """
        )
    }

    /// Why an order was not stored: it was before, whatever became of its parties since, or it is refused.
    private func explain(_ order: NewOrder, _ row: Row) async throws -> OrderOutcome {
        if let claim = order.idempotency?.claim {
            do {
                if let response = try await replay(claim) { return .replayed(response) }
            } catch let rejection as Rejection {
                return .refused(rejection)
            }
        }
        if let existing = try await orders(state: nil, outOrderNo: order.outOrderNo, before: nil, limit: 1).first {
            return order.isSame(as: existing) ? .existed(existing) : .refused(.numberReused(field: "out_order_no"))
        }
        if let state: String = try row.get("state"),
            let owner = UUIDv7(text: try row.get("sub_merchant", as: String.self))
        {
            return .refused(.subMerchantNotActive(id: ID<SubMerchant>(owner).text, state: state))
        }
        return .refused(.idempotencyKeyInUse)
    }
}

extension NewOrder {
    /// Whether the platform says the same again.
    fileprivate func isSame(as record: OrderRecord) -> Bool {
        record.amount == amount && record.description == description && record.payer == payer
            && record.splitMode == splitMode
            && record.parts.map { Part(subMerchantID: $0.subMerchantID, amount: $0.amount) } == parts
    }
}
