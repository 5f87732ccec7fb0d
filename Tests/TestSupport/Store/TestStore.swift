import CustodyDomain
import CustodyStore
import Foundation
import Logging
import Postgres

/// A store on a migrated database of the test server, with the production roles and nothing else's privileges.
///
/// The migrations run once per process, into a template; databases are copies of it.
public struct TestStore: Sendable {
    /// The roles of the product, and the superuser who may do everything.
    public enum Role: String, Sendable {
        /// Serves one tenant at a time.
        case app = "custody_app"
        /// Sees all tenants' names, keys, clocks and jobs.
        case system = "custody_system"
        /// Goes around every rule; for looking, and for making what cannot be made otherwise.
        case superuser = "postgres"
    }

    /// The store.
    public let store: Store
    /// The database it works on.
    public let database: String
    /// What seals its secrets.
    public let vault: Vault

    /// Describes a store made elsewhere, such as on a server that a test kills.
    public init(store: Store, database: String, vault: Vault) {
        self.store = store
        self.database = database
        self.vault = vault
    }

    /// The migration files.
    public static let migrations = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("sql/migrations").path

    /// The key-encryption key of all test stores.
    public static let masterKey = [UInt8](repeating: 7, count: 32)

    private static let template = Task { () async throws -> String in
        let name = try await TestCluster.createDatabase()
        let connection = try await Connection.open(try await TestCluster.configuration(database: name))
        try await migrate(connection)
        await connection.close()
        return name
    }

    private static let common = Task { () async throws -> TestStore in try await makeFresh(connections: 16) }

    /// A store: on the database that the process's tests share, each in a tenant of its own, or on a fresh one.
    ///
    /// - Parameter isFresh: Whether nobody else is to be in the database, for tests that look at all tenants or all jobs.
    ///   Such a store is given back with ``remove()``.
    public static func make(isFresh: Bool = false) async throws -> TestStore {
        isFresh ? try await makeFresh(connections: 6) : try await common.value
    }

    /// The name of the migrated database, which may be copied but not connected to.
    public static func templateDatabase() async throws -> String { try await template.value }

    private static func makeFresh(connections: Int) async throws -> TestStore {
        let database = try await TestCluster.createDatabase(template: try await template.value)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let vault = try Vault(master: masterKey)
        func pool(_ role: Role, _ size: Int) async throws -> Pool {
            Pool(configuration: try await configuration(role, database), size: size, logger: logger)
        }
        let store = Store(
            app: try await pool(.app, connections), system: try await pool(.system, max(2, connections / 4)),
            vault: vault, logger: logger
        )
        return TestStore(store: store, database: database, vault: vault)
    }

    /// Roles belong to the whole server: when two processes migrate at once, one of them may have to begin again.
    private static func migrate(_ connection: Connection) async throws {
        let migrator = try Migrator(directory: migrations)
        for attempt in 1... {
            do {
                _ = try await migrator.up(on: connection)
                return
            } catch let error as PostgresError
                where attempt < 20 && ["XX000", "42710", "23505"].contains(error.sqlState)
            {
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }

    private static func configuration(_ role: Role, _ database: String) async throws -> PostgresConfiguration {
        var configuration = try await TestCluster.configuration(database: database)
        if role != .superuser { configuration.user = role.rawValue }
        return configuration
    }

    /// How to reach the database as a role.
    public func configuration(_ role: Role) async throws -> PostgresConfiguration {
        try await TestStore.configuration(role, database)
    }

    /// Lends a connection of its own, outside the store's pools: for SQL that the store would never send.
    public func withConnection<Value>(
        as role: Role, _ body: (Connection) async throws -> Value
    ) async throws -> Value {
        let connection = try await Connection.open(try await configuration(role))
        do {
            let value = try await body(connection)
            await connection.close()
            return value
        } catch {
            await connection.close()
            throw error
        }
    }

    /// Provisions a platform.
    public func freshTenant(sandbox: Bool = true) async throws -> ID<Tenant> {
        try await store.withSystem { try await $0.createTenant(name: "Test Market", isSandbox: sandbox).id }
    }

    /// Provisions a platform with links to everybody, ready to trade.
    public func world(sandbox: Bool = true) async throws -> World {
        let world = World(test: self, tenantID: try await freshTenant(sandbox: sandbox))
        try await world.link()
        return world
    }

    /// Closes the pools and drops the database; only for a fresh one.
    public func remove() async throws {
        await store.close()
        try await TestCluster.dropDatabase(database)
    }

    /// Lends a store on a fresh database for the time of `body`.
    public static func withFresh<Value>(_ body: (TestStore) async throws -> Value) async throws -> Value {
        let test = try await make(isFresh: true)
        do {
            let value = try await body(test)
            try await test.remove()
            return value
        } catch {
            try? await test.remove()
            throw error
        }
    }
}

/// The rejection that a body throws; nil when it throws nothing. Any other error goes on.
public func rejection(_ body: () async throws -> Void) async throws -> Rejection? {
    do {
        try await body()
        return nil
    } catch let rejection as Rejection {
        return rejection
    }
}
