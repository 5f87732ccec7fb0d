import CustodyDomain
import Postgres

extension TenantTransaction {
    /// Closes orders whose time to be paid is over, and has their open payments closed with the channels first.
    ///
    /// An order with an open payment stays open until the channel has closed that payment, or says that it was paid: nobody
    /// else can tell. Running it again changes nothing more.
    ///
    /// - Parameter limit: How many are looked at in this transaction.
    /// - Returns: When to look again: at once if there were more, otherwise when the next order expires, if there is one.
    public func expireOrders(limit: Int = 500) async throws -> Instant? {
        let due: [ID<Order>] = try await rows(
            """
            SELECT id FROM trade_order
             WHERE tenant_id = \(tenantID) AND state = 'open' AND expires_at <= \(now)
             ORDER BY expires_at LIMIT \(limit)
               FOR NO KEY UPDATE SKIP LOCKED
            """
        ).map { try $0.get("id") }
        // Only now that they are locked: whoever opens a payment locks the order before.
        let open: [ID<Payment>] = try await rows(
            """
            SELECT id FROM payment
             WHERE tenant_id = \(tenantID) AND order_id = ANY (\(due)) AND state IN ('created', 'paying')
            """
        ).map { try $0.get("id") }
        for id in open where try await !hasJob(JobRequest(.pollPayment, id)) {
            try await enqueue(JobRequest(.pollPayment, id))
        }
        try await closeExpired(due)
        if due.count == limit, open.count < limit { return now }
        return try await row(
            """
            SELECT min(expires_at) AS next FROM trade_order
             WHERE tenant_id = \(tenantID) AND state = 'open' AND expires_at > \(now)
            """
        )?.get("next")
    }

    /// Closes an order that has expired, when nothing of it can be paid any more; otherwise nothing happens.
    public func expireOrder(_ id: ID<Order>) async throws {
        let order = try await order(id, locked: true)
        guard order.state == .open, order.expiresAt <= now else { return }
        try await closeExpired([id])
    }

    private func closeExpired(_ ids: [ID<Order>]) async throws {
        guard !ids.isEmpty else { return }
        let closed = try await rows(
            """
            UPDATE trade_order o SET state = 'closed'
             WHERE o.tenant_id = \(tenantID) AND o.id = ANY (\(ids)) AND o.state = 'open'
               AND NOT EXISTS (
                   SELECT FROM payment p
                    WHERE p.tenant_id = \(tenantID) AND p.order_id = o.id AND p.state IN ('created', 'paying')
               )
            RETURNING o.id, o.out_order_no
            """
        )
        for row in closed {
            try await record(
                "order.closed", about: try row.get("id", as: ID<Order>.self).text,
                ["out_order_no": .text(try row.get("out_order_no")), "reason": .text("expired")])
        }
    }
}
