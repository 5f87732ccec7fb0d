import ArgumentParser
import CustodyDomain
import CustodyStore
import CustodyWire

/// Proves that what is kept is true, and tells who did what.
struct Audit: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Prove that what is kept is true, and tell who did what.",
        subcommands: [AuditVerify.self, AuditTrail.self])
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

struct AuditTrail: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trail", abstract: "Tell who did what, from where, when; the youngest first.")

    @OptionGroup var options: StoreOptions

    @Option(help: "Only what concerns this platform.") var tenant: TenantID?

    @Option(help: "So many entries at most.") var limit = 100

    @Flag(help: "Answer in JSON, one object a line.") var json = false

    func run() async throws {
        guard (1...10_000).contains(limit) else { throw ValidationError("The limit is 1 to 10000.") }
        let entries = try await withStore(options) { store in
            try await store.withSystem { try await $0.auditTrail(of: tenant?.id, before: nil, limit: limit) }
        }
        for entry in entries {
            if json {
                let line: JSON = [
                    "id": .string(entry.id.text), "tenant": JSON(entry.tenantID?.text),
                    "actor": .string(entry.principal.name), "action": .string(entry.action),
                    "subject": .string(entry.subject), "origin": .string(entry.principal.origin),
                    "succeeded": .bool(entry.succeeded), "occurred_at": .string(entry.occurredAt.rfc3339),
                ]
                print(line.text)
            } else {
                print(
                    "\(entry.occurredAt.rfc3339)  \(entry.principal.name) from \(entry.principal.origin)  "
                        + "\(entry.succeeded ? "" : "REFUSED ")\(entry.action) \(entry.subject)")
            }
        }
    }
}
