import CustodyDomain
import Postgres

extension TenantTransaction {
    /// Books entries, each at most once: an entry whose event and subject were booked before is left out.
    ///
    /// Locks only the guarded accounts that money is taken from.
    ///
    /// - Returns: The subjects of those booked now.
    /// - Throws: ``Rejection/insufficientFunds(account:available:requested:)`` when a guarded account lacks money.
    @discardableResult
    public func book(_ entries: [LedgerEntry]) async throws -> Set<String> {
        let entries = entries.filter { !$0.lines.isEmpty }
        guard !entries.isEmpty else { return [] }
        let ids = entries.map { _ in ID<LedgerTransaction>(at: now) }
        let lines = zip(ids, entries).flatMap { id, entry in
            entry.lines.enumerated().map { (id: id, number: $0, account: $1.account, amount: $1.amount) }
        }
        do {
            let rows = try await rows(
                """
                WITH entry AS (
                    SELECT * FROM unnest(
                        \(ids), \(entries.map(\.event)), \(entries.map(\.subject)), \(entries.map(\.businessDate))
                    ) AS e (id, event, subject, business_date)
                ), line AS (
                    SELECT *, md5(kind || '/' || owner)::uuid AS account_id
                      FROM unnest(
                          \(lines.map(\.id)), \(lines.map(\.number)), \(lines.map(\.account.kind)),
                          \(lines.map(\.account.owner)), \(lines.map { $0.account.isDebitNormal ? "debit" : "credit" }),
                          \(lines.map(\.account.isGuarded)), \(lines.map(\.amount))
                      ) AS l (transaction_id, number, kind, owner, normal_side, is_guarded, amount_fen)
                ), opened AS (
                    INSERT INTO ledger_account (tenant_id, id, kind, owner, normal_side, is_guarded, created_at)
                    SELECT DISTINCT \(tenantID), l.account_id, l.kind, l.owner, l.normal_side, l.is_guarded, \(now)
                      FROM line l
                     WHERE NOT EXISTS (
                         SELECT FROM ledger_account a WHERE a.tenant_id = \(tenantID) AND a.id = l.account_id
                     )
                    ON CONFLICT DO NOTHING
                ), booked AS (
                    INSERT INTO ledger_transaction (tenant_id, id, event, subject, business_date, booked_at)
                    SELECT \(tenantID), id, event, subject, business_date, \(now) FROM entry
                    ON CONFLICT ON CONSTRAINT ledger_transaction_once DO NOTHING
                    RETURNING id, subject
                ), posted AS (
                    INSERT INTO posting (tenant_id, transaction_id, line, account_id, amount_fen, booked_at)
                    SELECT \(tenantID), l.transaction_id, l.number, l.account_id, l.amount_fen, \(now)
                      FROM line l JOIN booked b ON b.id = l.transaction_id
                )
                SELECT subject FROM booked
                """
            )
            return Set(try rows.map { try $0.get("subject") })
        } catch let error as PostgresError where error.kind == .checkViolation("ledger_account_not_negative") {
            if let shortfall = Shortfall(error.message) { throw shortfall.rejection }
            throw error
        }
    }

    /// Books one entry, at most once.
    ///
    /// - Returns: Whether it was booked now.
    @discardableResult
    public func book(_ entry: LedgerEntry) async throws -> Bool { try await !book([entry]).isEmpty }
}

/// What the database says when a guarded account lacks money: `kind|owner|available|requested`, in fen.
private struct Shortfall {
    let rejection: Rejection

    init?(_ message: String) {
        let fields = message.split(separator: "|", omittingEmptySubsequences: false)
        guard fields.count == 4, let available = Int64(fields[2]), let requested = Int64(fields[3]) else { return nil }
        rejection = .insufficientFunds(
            account: String(fields[0]), available: Fen(available), requested: Fen(requested))
    }
}
