import ArgumentParser
import CustodyConnectors
import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation

/// Looks whether a deployment is set up as money needs it.
struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Look whether this deployment is well: database, roles, keys, clocks, migrations.",
        discussion: "Exits with 1 when something is to be done, and says what."
    )

    @OptionGroup var options: StoreOptions

    @Option(help: "The directory of the migration files.") var migrations = "./sql/migrations"

    @Flag(help: "Answer in JSON, one array.") var json = false

    func run() async throws {
        let known = try Migrator(directory: migrations).migrations.count
        let findings = try await withStore(options) { store in
            try await store.withSystem { system in
                var findings = try await system.inspect()
                findings.append(try await system.inspectKeys())
                let applied = try await system.lastMigration()
                findings.append(
                    Finding(
                        "\(applied) of \(known) migrations are applied",
                        remedy: applied < known ? "run custody migrate up" : nil)
                )
                let skew = abs((WallClock.now() - system.now).components.seconds)
                findings.append(
                    Finding(
                        "this machine's clock is \(skew) s off the database's",
                        remedy: skew > 30 ? "synchronise both clocks" : nil)
                )
                return findings
            }
        }
        if json {
            print(JSON.array(findings.map { ["finding": .string($0.text), "remedy": JSON($0.remedy)] }).text)
        } else {
            for finding in findings {
                print(
                    (finding.remedy == nil ? "ok    " : "TO DO ") + finding.text
                        + (finding.remedy.map { "\n      \($0)" } ?? ""))
            }
        }
        if findings.contains(where: { $0.remedy != nil }) { throw ExitCode(1) }
    }
}
