import Crypto
import Foundation
import Postgres

/// Brings a database to the schema of the migration files, and tells whether it is there.
///
/// Forward only; each file is one transaction; an applied file that was edited since is refused.
public struct Migrator: Sendable {
    /// One file.
    public struct Migration: Hashable, Sendable {
        /// Its number, the first four characters of its name.
        public let number: Int
        /// Its name without `.sql`.
        public let name: String
        /// SHA-256 of its bytes, in hex.
        public let checksum: String
        let text: String
    }

    /// Where a migration stands.
    public enum Status: String, Sendable {
        /// Applied as it is.
        case applied
        /// Not applied yet.
        case pending
        /// Applied, but the file was edited since.
        case edited
        /// Applied, but the file is gone.
        case missing
    }

    /// Why migrating was refused.
    public enum Failure: Error, Sendable, CustomStringConvertible {
        /// The directory holds no migrations, or a file's name is not `NNNN_verb_noun.sql`, or a number is missing.
        case badDirectory(String)
        /// Files that were applied and then edited or removed.
        case diverged([String])

        /// What to do about it.
        public var description: String {
            switch self {
            case .badDirectory(let reason): "the migrations cannot be read: \(reason)"
            case .diverged(let names):
                "applied migrations were changed afterwards: \(names.joined(separator: ", ")); restore them, and add a new file"
            }
        }
    }

    /// The files, in order.
    public let migrations: [Migration]

    /// Reads all migrations of a directory.
    public init(directory: String) throws {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        migrations = try names.filter { $0.hasSuffix(".sql") }.sorted().enumerated().map { index, file in
            guard let number = Int(file.prefix(4)), file.dropFirst(4).hasPrefix("_"), number == index + 1 else {
                throw Failure.badDirectory("\(file) is not number \(index + 1)")
            }
            let bytes = try Data(contentsOf: URL(fileURLWithPath: directory).appendingPathComponent(file))
            let checksum = SHA256.hash(data: bytes).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }
            return Migration(
                number: number, name: String(file.dropLast(4)), checksum: checksum.joined(),
                text: String(decoding: bytes, as: UTF8.self)
            )
        }
        if migrations.isEmpty { throw Failure.badDirectory("there are none in \(directory)") }
    }

    /// Applies what is pending.
    ///
    /// - Parameter connection: Of a role that may create roles and a schema.
    /// - Returns: The names of what was applied; empty when there was nothing to do.
    public func up(on connection: Connection) async throws -> [String] {
        try await prepare(connection)
        let diverged = try await status(on: connection).filter { $0.status == .edited || $0.status == .missing }
        guard diverged.isEmpty else { throw Failure.diverged(diverged.map(\.name)) }
        var applied: [String] = []
        for migration in migrations {
            try await connection.script("BEGIN")
            do {
                // Two at once: the second waits here, and then finds the row.
                try await connection.script("LOCK TABLE schema_migration.applied IN EXCLUSIVE MODE")
                let rows = try await connection.query(
                    "SELECT FROM schema_migration.applied WHERE number = \(migration.number)"
                )
                if rows.isEmpty {
                    try await connection.script(migration.text)
                    try await connection.script("RESET ROLE; RESET search_path")
                    _ = try await connection.query(
                        """
                        INSERT INTO schema_migration.applied (number, name, checksum, applied_at)
                        VALUES (\(migration.number), \(migration.name), \(migration.checksum), now())
                        """
                    )
                    applied.append(migration.name)
                }
                try await connection.script("COMMIT")
            } catch {
                try? await connection.script("ROLLBACK")
                throw error
            }
        }
        // Whoever serves asks whether the schema is the one it was built for.
        try await connection.script(
            """
            GRANT USAGE ON SCHEMA schema_migration TO custody_system;
            GRANT SELECT ON schema_migration.applied TO custody_system;
            """
        )
        try await connection.script("RESET lock_timeout; RESET statement_timeout")
        return applied
    }

    /// Where every known migration stands, in order.
    public func status(on connection: Connection) async throws -> [(name: String, status: Status)] {
        let exists = try await connection.query(
            "SELECT to_regclass('schema_migration.applied') IS NOT NULL AS yes"
        )
        var applied: [Int: (name: String, checksum: String)] = [:]
        if try exists.first?.get("yes", as: Bool.self) == true {
            for row in try await connection.query("SELECT number, name, checksum FROM schema_migration.applied") {
                applied[try row.get("number")] = (try row.get("name"), try row.get("checksum"))
            }
        }
        var result: [(name: String, status: Status)] = migrations.map { migration in
            guard let known = applied.removeValue(forKey: migration.number) else { return (migration.name, .pending) }
            return (migration.name, known.checksum == migration.checksum ? .applied : .edited)
        }
        result += applied.sorted { $0.key < $1.key }.map { ($0.value.name, .missing) }
        return result
    }

    private func prepare(_ connection: Connection) async throws {
        try await connection.script(
            """
            SET lock_timeout = '5s';
            CREATE SCHEMA IF NOT EXISTS schema_migration;
            CREATE TABLE IF NOT EXISTS schema_migration.applied (
                number bigint PRIMARY KEY,
                name text NOT NULL,
                checksum text NOT NULL,
                applied_at timestamptz NOT NULL
            );
            """
        )
    }
}
