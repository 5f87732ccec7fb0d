import CustodyDomain
import Logging
import Postgres

/// The database: the only way to the data, for one tenant at a time or for the system's own tables.
public final class Store: Sendable {
    /// Logs in as `custody_app`.
    let app: Pool
    /// Logs in as `custody_system`.
    let system: Pool
    let vault: Vault
    let waker: Waker
    let logger: Logger

    /// How often a transaction is run again after the database asked for it.
    private static let attempts = 5

    /// Opens a store over two pools, one per role.
    ///
    /// - Parameters:
    ///   - app: Connections of the role `custody_app`.
    ///   - system: Connections of the role `custody_system`.
    ///   - vault: Keeps personal data and secrets.
    public init(app: Pool, system: Pool, vault: Vault, logger: Logger) {
        self.app = app
        self.system = system
        self.vault = vault
        self.logger = logger
        waker = Waker(pool: system, logger: logger)
    }

    /// Runs work inside one transaction that sees one tenant's rows only.
    ///
    /// Commits when the body returns, rolls back when it throws. A deadlock or a serialisation failure runs the body again,
    /// so it does nothing but database work: the network is never called inside a transaction.
    ///
    /// - Throws: ``Rejection/notFound`` when there is no such tenant; `PostgresError` with `outcomeUnknown` when the
    ///   connection was lost while committing.
    public func withTenant<Value>(
        _ tenantID: ID<Tenant>, _ body: (TenantTransaction) async throws -> Value
    ) async throws -> Value {
        var attempt = 1
        while true {
            do {
                return try await runOnce(tenantID, "BEGIN", body)
            } catch let error as PostgresError where error.isConflict && attempt < Store.attempts {
                attempt += 1
            }
        }
    }

    /// Reads one tenant's rows as they all were at one instant, however many statements it takes and whatever is written
    /// meanwhile.
    ///
    /// - Throws: ``Rejection/notFound`` when there is no such tenant; an error of the database for a body that writes.
    public func withSnapshot<Value>(
        of tenantID: ID<Tenant>, _ body: (TenantTransaction) async throws -> Value
    ) async throws -> Value {
        try await runOnce(tenantID, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", body)
    }

    private func runOnce<Value>(
        _ tenantID: ID<Tenant>, _ begin: SQL, _ body: (TenantTransaction) async throws -> Value
    ) async throws -> Value {
        let (value, queues) = try await app.withConnection { connection in
            let transaction = try await TenantTransaction.begin(
                tenantID, begin, on: connection, vault: self.vault)
            do {
                let value = try await body(transaction)
                transaction.isOpen = false
                _ = try await connection.pipeline(transaction.last + ["COMMIT"])
                return (value, transaction.queuesToWake)
            } catch let error as PostgresError where error.kind == .outcomeUnknown {
                throw error
            } catch {
                transaction.isOpen = false
                _ = try? await connection.query("ROLLBACK")
                throw error
            }
        }
        if !queues.isEmpty { waker.wake(queues) }
        return value
    }

    /// Runs work inside one transaction of the system's role: tenants, keys, clocks, jobs.
    public func withSystem<Value>(_ body: (SystemTransaction) async throws -> Value) async throws -> Value {
        try await system.withConnection { connection in
            let begun = try await connection.pipeline(["BEGIN", "SELECT now() AS now"])
            guard let row = begun[1].first else { throw PostgresError(.badColumn("now"), message: "no clock") }
            let transaction = SystemTransaction(
                connection: connection, now: try row.get("now", as: Instant.self), vault: self.vault
            )
            do {
                let value = try await body(transaction)
                _ = try await connection.query("COMMIT")
                return value
            } catch let error as PostgresError where error.kind == .outcomeUnknown {
                throw error
            } catch {
                _ = try? await connection.query("ROLLBACK")
                throw error
            }
        }
    }

    /// Closes both pools.
    public func close() async {
        await app.close()
        await system.close()
    }
}

extension PostgresError {
    /// Whether another transaction was in the way and running again will do.
    ///
    /// That includes a number or key that another transaction took between our look and our insert: the second run finds it.
    var isConflict: Bool {
        switch kind {
        case .serialization, .deadlock, .stalePlan: true
        case .uniqueViolation(let constraint): PostgresError.looksAgain.contains(constraint)
        default: false
        }
    }

    /// What every verb looks for before it inserts.
    private static let looksAgain: Set<String> = [
        "idempotency_key_pkey", "instruction_one_open", "instruction_serial", "refund_out_no", "split_out_no",
        "sub_merchant_out_no", "withdrawal_out_no",
    ]
}
