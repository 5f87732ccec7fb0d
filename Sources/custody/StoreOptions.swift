import ArgumentParser
import CustodyStore
import Foundation
import Logging
import Postgres

/// How a subcommand opens the store: two roles of one database, and the key that wraps all others.
struct StoreOptions: ParsableArguments {
    @OptionGroup var database: DatabaseOptions

    @Option(help: "The file with the key-encryption key: 64 hex digits, or 32 bytes (CUSTODY_MASTER_KEY_FILE).")
    var masterKeyFile: String?

    /// Opens the store with so many connections per role.
    func open(connections: Int, logger: Logger) throws -> Store {
        Store(
            app: Pool(configuration: try role("custody_app"), size: connections, logger: logger),
            system: Pool(configuration: try role("custody_system"), size: max(2, connections / 2), logger: logger),
            vault: try vault(), logger: logger
        )
    }

    /// A listener for wake-ups, past any pooler.
    func listener(logger: Logger) throws -> Listener {
        let url = ProcessInfo.processInfo.environment["CUSTODY_LISTEN_DATABASE_URL"]
        return Listener(configuration: try role("custody_system", url: url), logger: logger)
    }

    /// The database as one of the two roles. Whoever the address names, nothing but these two ever serves.
    private func role(_ name: String, url: String? = nil) throws -> PostgresConfiguration {
        let environment = ProcessInfo.processInfo.environment
        let isSystem = name == "custody_system"
        let own = url ?? (isSystem ? environment["CUSTODY_SYSTEM_DATABASE_URL"] : nil)
        var configuration =
            try own.map { try DatabaseOptions.configuration(url: $0, role: name) } ?? database.configuration(role: name)
        configuration.user = name
        configuration.applicationName = "custody"
        let file = environment[isSystem ? "CUSTODY_SYSTEM_DATABASE_PASSWORD_FILE" : "CUSTODY_DATABASE_PASSWORD_FILE"]
        if let file { configuration.password = try secret(in: file) }
        if environment["CUSTODY_POOLED"] == "true" { configuration.preparesStatements = false }
        return configuration
    }

    private func vault() throws -> Vault {
        guard let file = masterKeyFile ?? ProcessInfo.processInfo.environment["CUSTODY_MASTER_KEY_FILE"] else {
            throw ValidationError("Where is the key-encryption key? Give --master-key-file or CUSTODY_MASTER_KEY_FILE.")
        }
        guard let bytes = FileManager.default.contents(atPath: file) else {
            throw ValidationError("The key-encryption key cannot be read from its file.")
        }
        if bytes.count == 32 { return try Vault(master: Array(bytes)) }
        let digits = String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }
        let key = stride(from: 0, to: digits.count - 1, by: 2).compactMap { index -> UInt8? in
            let start = digits.index(digits.startIndex, offsetBy: index)
            return UInt8(digits[start...digits.index(after: start)], radix: 16)
        }
        guard digits.count == 64, key.count == 32 else {
            throw ValidationError("The key-encryption key is 64 hex digits, or 32 bytes.")
        }
        return try Vault(master: key)
    }
}

/// The text of a secret's file, without the line end that editors add.
func secret(in file: String) throws -> String {
    guard let bytes = FileManager.default.contents(atPath: file) else {
        throw ValidationError("A secret's file cannot be read: \(file).")
    }
    return String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .newlines)
}

/// `host:port`, as options and environment variables write it.
struct ListenAddress: ExpressibleByArgument, Sendable {
    let host: String
    let port: Int

    init?(argument: String) {
        let parts = argument.split(separator: ":", maxSplits: 1)
        guard parts.count == 2, let port = Int(parts[1]), (0...65_535).contains(port) else { return nil }
        host = String(parts[0])
        self.port = port
    }
}
