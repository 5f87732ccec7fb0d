import CustodyDomain
import Postgres

/// An account's balance, in its normal direction.
public struct AccountBalance: Hashable, Sendable {
    /// What it is, such as `available`.
    public let kind: String
    /// Whose it is: a sub-merchant's UUID, a channel's name, or nothing for the platform.
    public let owner: String
    /// How much is on it; debits for assets, credits for everything else.
    public let balance: Fen
    /// Whether it grows on the debit side.
    public let isDebitNormal: Bool
}

extension TenantTransaction {
    /// The balance of one account now; zero when nothing was ever booked on it.
    public func balance(of account: Account) async throws -> Fen {
        try await row(
            """
            SELECT a.balance_fen + (
                       SELECT coalesce(sum(d.amount_fen), 0)::bigint FROM balance_delta d
                        WHERE d.tenant_id = \(tenantID) AND d.account_id = a.id
                   ) AS balance_fen
              FROM ledger_account a
             WHERE a.tenant_id = \(tenantID) AND a.kind = \(account.kind) AND a.owner = \(account.owner)
            """
        )?.get("balance_fen") ?? .zero
    }

    /// All balances now, by kind and owner.
    public func balances() async throws -> [AccountBalance] {
        try await rows(
            """
            SELECT a.kind, a.owner, a.normal_side = 'debit' AS is_debit,
                   a.balance_fen + coalesce(d.amount_fen, 0) AS balance_fen
              FROM ledger_account a
              LEFT JOIN (
                  SELECT account_id, sum(amount_fen)::bigint AS amount_fen
                    FROM balance_delta WHERE tenant_id = \(tenantID) GROUP BY account_id
              ) d ON d.account_id = a.id
             WHERE a.tenant_id = \(tenantID)
             ORDER BY a.kind, a.owner
            """
        ).map(accountBalance)
    }

    /// All balances as they were just before an instant, summed from the postings themselves.
    public func balances(before instant: Instant) async throws -> [AccountBalance] {
        try await rows(
            """
            SELECT a.kind, a.owner, a.normal_side = 'debit' AS is_debit,
                   (CASE a.normal_side WHEN 'debit' THEN 1 ELSE -1 END * coalesce(sum(p.amount_fen), 0))::bigint
                       AS balance_fen
              FROM ledger_account a
              LEFT JOIN posting p
                ON p.tenant_id = \(tenantID) AND p.account_id = a.id AND p.booked_at < \(instant)
             WHERE a.tenant_id = \(tenantID)
             GROUP BY a.kind, a.owner, a.normal_side
             ORDER BY a.kind, a.owner
            """
        ).map(accountBalance)
    }

    private func accountBalance(_ row: Row) throws -> AccountBalance {
        AccountBalance(
            kind: try row.get("kind"), owner: try row.get("owner"), balance: try row.get("balance_fen"),
            isDebitNormal: try row.get("is_debit")
        )
    }

    /// Folds waiting movements into the balances, so that reading stays fast.
    ///
    /// - Returns: How many were folded.
    @discardableResult
    public func foldBalances() async throws -> Int {
        try await row("SELECT fold_balances(\(tenantID)) AS folded")?.get("folded") ?? 0
    }
}
