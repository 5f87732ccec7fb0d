import ArgumentParser
import CustodyConnectors
import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation

/// Looks whether a deployment, or a link of it, is set up as money needs it.
struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Look whether this deployment, or a platform's link, is well.",
        discussion: "Exits with 1 when something is to be done, and says what.",
        subcommands: [DoctorDeployment.self, DoctorBank.self, DoctorWeChat.self, DoctorAlipay.self],
        defaultSubcommand: DoctorDeployment.self
    )

    /// Prints what was found, and fails when something is to be done.
    static func report(_ findings: [Finding], asJSON: Bool) throws {
        if asJSON {
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

/// Looks at the database, its roles, keys and clocks.
struct DoctorDeployment: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deployment", abstract: "Look at database, roles, keys, clocks, migrations (the default)."
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
        try Doctor.report(findings, asJSON: json)
    }
}
