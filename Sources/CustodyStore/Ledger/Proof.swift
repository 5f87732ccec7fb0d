import CustodyDomain
import Postgres

/// Something the books may never be.
public struct LedgerViolation: Hashable, Sendable, CustomStringConvertible {
    /// Which rule, in one sentence with the figures.
    public let description: String
}

extension TenantTransaction {
    /// Proves the books from their postings; an empty answer is the proof.
    ///
    /// Checked: every transaction sums to zero; every kept balance equals the sum of its postings; no guarded account is
    /// negative; suspense equals what unresolved discrepancies hold there; what is held equals what orders say.
    public func ledgerViolations() async throws -> [LedgerViolation] {
        var found: [String] = []
        let answers = try await rows([
            """
            SELECT transaction_id::text AS id, sum(amount_fen)::bigint AS fen FROM posting
             WHERE tenant_id = \(tenantID) GROUP BY transaction_id HAVING sum(amount_fen) <> 0
            """,
            """
            SELECT a.kind, a.owner, a.is_guarded, a.balance_fen + coalesce(d.fen, 0)::bigint AS kept,
                   (CASE a.normal_side WHEN 'debit' THEN 1 ELSE -1 END * coalesce(p.fen, 0))::bigint AS posted
              FROM ledger_account a
              LEFT JOIN (SELECT account_id, sum(amount_fen) AS fen FROM balance_delta
                          WHERE tenant_id = \(tenantID) GROUP BY account_id) d ON d.account_id = a.id
              LEFT JOIN (SELECT account_id, sum(amount_fen) AS fen FROM posting
                          WHERE tenant_id = \(tenantID) GROUP BY account_id) p ON p.account_id = a.id
             WHERE a.tenant_id = \(tenantID)
            """,
            """
            SELECT coalesce(sum(suspense_fen), 0)::bigint AS fen FROM discrepancy
             WHERE tenant_id = \(tenantID) AND state <> 'resolved'
            """,
            """
            SELECT coalesce(sum(p.amount_fen - p.refunded_fen), 0)::bigint - (
                       SELECT coalesce(sum(sp.amount_fen), 0)::bigint FROM split_part sp
                         JOIN split s ON s.tenant_id = \(tenantID) AND s.id = sp.split_id AND s.state = 'succeeded'
                        WHERE sp.tenant_id = \(tenantID)
                   ) AS fen
              FROM order_part p
              JOIN trade_order o ON o.tenant_id = \(tenantID) AND o.id = p.order_id AND o.state = 'paid'
             WHERE p.tenant_id = \(tenantID)
            """,
        ])
        for row in answers[0] {
            found.append(
                "transaction \(try row.get("id", as: String.self)) sums to \(try row.get("fen", as: Int64.self)) fen")
        }
        var sums: [String: Int64] = [:]
        for row in answers[1] {
            let (kind, owner) = (try row.get("kind", as: String.self), try row.get("owner", as: String.self))
            let (kept, posted) = (try row.get("kept", as: Int64.self), try row.get("posted", as: Int64.self))
            if kept != posted { found.append("\(kind)/\(owner) keeps \(kept) fen, its postings say \(posted)") }
            if try row.get("is_guarded", as: Bool.self), posted < 0 {
                found.append("\(kind)/\(owner) is \(posted) fen")
            }
            sums[kind, default: 0] += posted
        }
        let inDoubt: Int64 = try answers[2].first?.get("fen") ?? 0
        if sums["suspense", default: 0] != inDoubt {
            found.append("suspense is \(sums["suspense", default: 0]) fen, open discrepancies hold \(inDoubt)")
        }
        let held: Int64 = try answers[3].first?.get("fen") ?? 0
        if sums["held", default: 0] != held {
            found.append("held is \(sums["held", default: 0]) fen, orders say \(held)")
        }
        return found.map(LedgerViolation.init)
    }
}
