import ArgumentParser
import Foundation
import Postgres

/// How a subcommand is told which database to use: `--database-url`, `CUSTODY_DATABASE_URL`, or libpq's own variables.
struct DatabaseOptions: ParsableArguments {
    @Option(
        help: """
            postgres://user[:password]@host[:port]/database[?host=/socket/directory&sslmode=…]; \
            CUSTODY_DATABASE_URL or PGHOST, PGPORT, PGUSER, PGPASSWORD and PGDATABASE serve as well.
            """
    )
    var databaseURL: String?

    /// The database that the option or the environment names.
    ///
    /// - Parameter role: The role to log in as, when neither names one.
    func configuration(role: String? = nil) throws -> PostgresConfiguration {
        var configuration = try named(role: role)
        if let file = ProcessInfo.processInfo.environment["CUSTODY_DATABASE_PASSWORD_FILE"] {
            configuration.password = try secret(in: file)
        }
        return configuration
    }

    private func named(role: String?) throws -> PostgresConfiguration {
        let environment = ProcessInfo.processInfo.environment
        if let text = databaseURL ?? environment["CUSTODY_DATABASE_URL"] {
            return try DatabaseOptions.configuration(url: text, role: role)
        }
        guard environment["PGHOST"] != nil || environment["PGDATABASE"] != nil else {
            throw ValidationError("Which database? Give --database-url, CUSTODY_DATABASE_URL or PGHOST and PGDATABASE.")
        }
        let user = environment["PGUSER"] ?? role ?? NSUserName()
        let host = environment["PGHOST"] ?? "/var/run/postgresql"
        return PostgresConfiguration(
            host: host, port: environment["PGPORT"].flatMap { Int($0) } ?? 5432,
            database: environment["PGDATABASE"] ?? user, user: user, password: environment["PGPASSWORD"],
            tls: try DatabaseOptions.tls(
                mode: environment["PGSSLMODE"], rootCertificate: environment["PGSSLROOTCERT"], host: host)
        )
    }

    /// Reads a URL. Nothing of it is repeated in an error: it may hold a password.
    static func configuration(url text: String, role: String?) throws -> PostgresConfiguration {
        guard let url = URLComponents(string: text), ["postgres", "postgresql"].contains(url.scheme) else {
            throw ValidationError("The database's address is not a postgres:// URL.")
        }
        var query: [String: String] = [:]
        for item in url.queryItems ?? [] {
            guard ["host", "port", "user", "password", "sslmode", "sslrootcert"].contains(item.name) else {
                throw ValidationError("The database's address has an unknown parameter: \(item.name).")
            }
            query[item.name] = item.value
        }
        let named = url.host.flatMap { $0.isEmpty ? nil : $0 }
        guard let host = query["host"] ?? named else { throw ValidationError("The database's address names no host.") }
        let user = url.user ?? query["user"] ?? role ?? NSUserName()
        let database = String(url.path.drop { $0 == "/" })
        return PostgresConfiguration(
            host: host, port: url.port ?? query["port"].flatMap { Int($0) } ?? 5432,
            database: database.isEmpty ? user : database, user: user, password: url.password ?? query["password"],
            tls: try tls(mode: query["sslmode"], rootCertificate: query["sslrootcert"], host: host)
        )
    }

    private static func tls(
        mode: String?, rootCertificate: String?, host: String
    ) throws -> PostgresConfiguration.TLS {
        switch mode {
        case nil: return host.hasPrefix("/") ? .disable : .prefer
        case "disable": return .disable
        case "prefer": return .prefer
        case "require": return .require
        case "verify-full":
            guard let rootCertificate else { throw ValidationError("sslmode=verify-full needs sslrootcert.") }
            return .verifyFull(rootCertificatePath: rootCertificate)
        default: throw ValidationError("The sslmode is disable, prefer, require or verify-full.")
        }
    }
}

/// Opens a connection for one command's work, and closes it.
func withConnection<Value>(
    to configuration: PostgresConfiguration, _ body: (Connection) async throws -> Value
) async throws -> Value {
    let connection = try await Connection.open(configuration)
    do {
        let value = try await body(connection)
        await connection.close()
        return value
    } catch {
        await connection.close()
        throw error
    }
}
