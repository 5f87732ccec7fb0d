import CustodyDomain
import Postgres

extension TenantTransaction {
    /// Notes how much the custodian knows of an order; it never knows less than before.
    ///
    /// - Parameter state: `synced`, `registered` or `failed`.
    public func noteOrderAtBank(_ id: ID<Order>, _ state: String) async throws {
        try await run(
            """
            UPDATE trade_order SET bank_state = \(state)
             WHERE tenant_id = \(tenantID) AND id = \(id)
               AND (bank_state = 'pending' OR (bank_state = 'synced' AND \(state) IN ('registered', 'failed')))
            """
        )
    }

    /// The accounts that the custodian keeps for these sub-merchants.
    ///
    /// - Throws: ``Rejection/notFound`` when one has none.
    public func subAccounts(of ids: Set<ID<SubMerchant>>) async throws -> [ID<SubMerchant>: String] {
        var accounts: [ID<SubMerchant>: String] = [:]
        let rows = try await rows(
            "SELECT id, sub_account FROM sub_merchant WHERE tenant_id = \(tenantID) AND id = ANY (\(Array(ids)))"
        )
        for row in rows { accounts[try row.get("id")] = try row.get("sub_account", as: String?.self) }
        guard accounts.count == ids.count else { throw Rejection.notFound }
        return accounts
    }
}
