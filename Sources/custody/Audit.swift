import ArgumentParser
import CustodyDomain
import CustodyStore
import CustodyWire

/// Proves that what is kept is true.
struct Audit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prove that what is kept is true.", subcommands: [AuditVerify.self])
}

struct AuditVerify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Prove a platform's books from their postings; fail on any violation."
    )

    @OptionGroup var options: StoreOptions

    @Option(help: "The platform.") var tenant: TenantID

    @Flag(help: "Answer in JSON, one object.") var json = false

    func run() async throws {
        let violations = try await withStore(options) { store in
            try await store.withTenant(tenant.id) { try await $0.ledgerViolations() }
        }.map(\.description)
        if json {
            let answer: JSON = [
                "tenant": .string(tenant.id.text), "verified": .bool(violations.isEmpty),
                "violations": .array(violations.map { .string($0) }),
            ]
            print(answer.text)
        } else if violations.isEmpty {
            print("the books are proven")
        } else {
            for violation in violations { print(violation) }
        }
        guard violations.isEmpty else { throw ExitCode.failure }
    }
}
