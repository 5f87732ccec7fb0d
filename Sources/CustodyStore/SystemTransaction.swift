import CustodyDomain
import Postgres

/// A transaction of the system's role: it sees all tenants, but of them only names, keys, clocks and jobs.
public final class SystemTransaction {
    /// The database's time.
    public let now: Instant
    let connection: Connection
    let vault: Vault

    init(connection: Connection, now: Instant, vault: Vault) {
        self.connection = connection
        self.now = now
        self.vault = vault
    }

    func rows(_ sql: SQL) async throws(PostgresError) -> Rows { try await connection.query(sql) }

    func row(_ sql: SQL) async throws(PostgresError) -> Row? { try await rows(sql).first }

    @discardableResult
    func run(_ sql: SQL) async throws(PostgresError) -> Int { try await rows(sql).affected }
}
