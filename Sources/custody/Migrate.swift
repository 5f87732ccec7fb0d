import ArgumentParser
import CustodyStore
import CustodyWire
import Postgres

/// Brings a database to the schema of the migration files, and tells whether it is there.
struct Migrate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Bring a database to the current schema.",
        discussion: "Migrating needs a role that may create roles and a schema; serving and working never use it.",
        subcommands: [MigrateUp.self, MigrateStatus.self, MigrateVerify.self]
    )
}

/// What all migration commands are told.
struct MigrationOptions: ParsableArguments {
    @OptionGroup var database: DatabaseOptions

    @Option(help: "The directory of the migration files.")
    var migrations = "./sql/migrations"

    @Flag(help: "Answer in JSON, one object.")
    var json = false

    func run<Value>(_ body: (Migrator, Connection) async throws -> Value) async throws -> Value {
        let migrator = try Migrator(directory: migrations)
        return try await withConnection(to: try database.configuration()) { try await body(migrator, $0) }
    }
}

struct MigrateUp: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "up", abstract: "Apply what is pending.")

    @OptionGroup var options: MigrationOptions

    func run() async throws {
        let applied = try await options.run { try await $0.up(on: $1) }
        if options.json {
            print(JSON(dictionaryLiteral: ("applied", .array(applied.map { .string($0) }))).text)
        } else if applied.isEmpty {
            print("nothing to do")
        } else {
            for name in applied { print("applied \(name)") }
        }
    }
}

struct MigrateStatus: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "List every migration and where it stands.")

    @OptionGroup var options: MigrationOptions

    func run() async throws {
        let all = try await options.run { try await $0.status(on: $1) }
        if options.json {
            print(JSON(dictionaryLiteral: ("migrations", .array(all.map(described)))).text)
        } else {
            for migration in all { print("\(migration.status.rawValue) \(migration.name)") }
        }
    }
}

struct MigrateVerify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Fail unless every migration is applied, and none was edited since.")

    @OptionGroup var options: MigrationOptions

    func run() async throws {
        let wrong = try await options.run { try await $0.status(on: $1) }.filter { $0.status != .applied }
        if options.json {
            let answer: JSON = ["verified": .bool(wrong.isEmpty), "wrong": .array(wrong.map(described))]
            print(answer.text)
        } else if wrong.isEmpty {
            print("the schema is current")
        } else {
            for migration in wrong { print("\(migration.status.rawValue) \(migration.name)") }
        }
        guard wrong.isEmpty else { throw ExitCode.failure }
    }
}

private func described(_ migration: (name: String, status: Migrator.Status)) -> JSON {
    ["name": .string(migration.name), "status": .string(migration.status.rawValue)]
}
