import CustodyDomain
import Postgres

/// A transaction that sees one tenant's rows; every verb on tenant data is a method of it.
///
/// It is not `Sendable`: the compiler refuses to carry it into another task. It must not outlive the closure of
/// ``Store/withTenant(_:_:)``.
public final class TenantTransaction {
    /// Whose rows it sees.
    public let tenantID: ID<Tenant>
    /// The time of this transaction: the database's, or the sandbox's test clock.
    public let now: Instant
    /// Whether the tenant is a sandbox.
    public let isSandbox: Bool
    /// The secret part of its callback addresses: `/callbacks/<counterparty>/<token>`.
    public let callbackToken: String
    /// How far the sandbox's clock runs ahead.
    let clockOffset: Duration
    let keys: TenantKeys
    var isOpen = true
    var queuesToWake: Set<Queue> = []
    /// Statements whose answers nobody waits for: they travel with the commit, and fail it when they fail.
    var last: [SQL] = []
    private let connection: Connection

    private init(
        tenantID: ID<Tenant>, now: Instant, isSandbox: Bool, callbackToken: String, clockOffset: Duration,
        keys: TenantKeys, connection: Connection
    ) {
        self.tenantID = tenantID
        self.now = now
        self.isSandbox = isSandbox
        self.callbackToken = callbackToken
        self.clockOffset = clockOffset
        self.keys = keys
        self.connection = connection
    }

    /// The day of the books now.
    public var today: BusinessDate { BusinessDate(of: now) }

    static func begin(
        _ tenantID: ID<Tenant>, _ begin: SQL, on connection: Connection, vault: Vault
    ) async throws -> TenantTransaction {
        let begun = try await connection.pipeline([
            begin,
            "SELECT set_config('app.tenant_id', \(tenantID.uuid.text), true)",
            """
            SELECT now() AS real_now, now() + clock_offset AS now, mode, callback_token, wrapped_key
              FROM tenant
             WHERE id = \(tenantID)
            """,
        ])
        guard let row = begun[2].first else {
            _ = try await connection.query("ROLLBACK")
            throw Rejection.notFound
        }
        let now: Instant = try row.get("now")
        return TenantTransaction(
            tenantID: tenantID, now: now, isSandbox: try row.get("mode", as: String.self) == "sandbox",
            callbackToken: try row.get("callback_token"),
            clockOffset: now - (try row.get("real_now", as: Instant.self)),
            keys: try vault.keys(of: tenantID, wrapped: try row.get("wrapped_key")), connection: connection
        )
    }

    /// Runs one statement.
    func rows(_ sql: SQL) async throws(PostgresError) -> Rows {
        precondition(isOpen, "a transaction was used after its end")
        return try await connection.query(sql)
    }

    /// Runs statements that don't depend on each other's answers, in one round trip.
    func rows(_ statements: [SQL]) async throws(PostgresError) -> [Rows] {
        precondition(isOpen, "a transaction was used after its end")
        return try await connection.pipeline(statements)
    }

    /// Runs one statement and returns its first row.
    func row(_ sql: SQL) async throws(PostgresError) -> Row? { try await rows(sql).first }

    /// Runs one statement and returns how many rows it touched.
    @discardableResult
    func run(_ sql: SQL) async throws(PostgresError) -> Int { try await rows(sql).affected }

    /// Runs a `COPY … FROM STDIN` and returns how many rows it copied.
    ///
    /// - Throws: What the source of the data threw, where it did; else the database's error.
    func copy(_ sql: SQL, _ chunks: some AsyncSequence<[UInt8], any Error> & Sendable) async throws -> Int {
        precondition(isOpen, "a transaction was used after its end")
        do {
            return try await connection.copyIn(sql, chunks)
        } catch {
            guard error.kind == .copySourceFailed, let cause = error.underlying else { throw error }
            throw cause
        }
    }
}
