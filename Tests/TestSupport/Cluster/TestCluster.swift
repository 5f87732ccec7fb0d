import Foundation
import Postgres

/// The PostgreSQL server that ordinary tests share.
///
/// `CUSTODY_TEST_PGHOST`, `CUSTODY_TEST_PGPORT` and `CUSTODY_TEST_PGUSER` (a superuser) name a running one, which must be
/// on this machine: a loopback address or a socket's directory. Without them a server is started for this process.
public enum TestCluster {
    /// The server is not on this machine: tests create and drop databases, and refuse to do so elsewhere.
    public struct NotLocal: Error {}

    private static let server = Task { () async throws -> (PostgresConfiguration, PrivateCluster?) in
        let environment = ProcessInfo.processInfo.environment
        guard let host = environment["CUSTODY_TEST_PGHOST"] else {
            let cluster = try await PrivateCluster()
            return (cluster.configuration(), cluster)
        }
        guard isLocal(host) else { throw NotLocal() }
        let configuration = PostgresConfiguration(
            host: host, port: environment["CUSTODY_TEST_PGPORT"].flatMap { Int($0) } ?? 5432, database: "postgres",
            user: environment["CUSTODY_TEST_PGUSER"] ?? "postgres", applicationName: "test", tls: .disable)
        return (configuration, nil)
    }

    /// True for a socket's directory and for loopback.
    public static func isLocal(_ host: String) -> Bool {
        host.hasPrefix("/") || host == "localhost" || host == "127.0.0.1" || host == "::1"
    }

    /// How to reach a database of the shared server as superuser.
    public static func configuration(database: String = "postgres") async throws -> PostgresConfiguration {
        var configuration = try await server.value.0
        configuration.database = database
        return configuration
    }

    /// Makes a database and answers with its name.
    ///
    /// - Parameter template: The database to copy; nobody may be connected to it. Without one it is empty.
    public static func createDatabase(template: String? = nil) async throws -> String {
        let name = "test_" + UUID().uuidString.replacingOccurrences(of: "-", with: "").lowercased()
        try await administer("CREATE DATABASE \"\(name)\" TEMPLATE \"\(template ?? "template0")\"")
        return name
    }

    /// Drops a database, throwing out whoever is connected.
    public static func dropDatabase(_ name: String) async throws {
        try await administer("DROP DATABASE IF EXISTS \"\(name)\" WITH (FORCE)")
    }

    /// Lends a fresh database for the time of `body`, and drops it.
    public static func withDatabase<T>(
        template: String? = nil, _ body: (PostgresConfiguration) async throws -> T
    ) async throws -> T {
        let name = try await createDatabase(template: template)
        do {
            let value = try await body(try await configuration(database: name))
            try await dropDatabase(name)
            return value
        } catch {
            try? await dropDatabase(name)
            throw error
        }
    }

    /// Runs a statement on the maintenance database, again while another test still holds the template (55006).
    private static func administer(_ text: String) async throws {
        let connection = try await Connection.open(try await configuration())
        let deadline = ContinuousClock.now + .seconds(20)
        while true {
            do throws(PostgresError) {
                try await connection.script(text)
                await connection.close()
                return
            } catch {
                guard error.sqlState == "55006", ContinuousClock.now < deadline else { throw error }
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }
}
