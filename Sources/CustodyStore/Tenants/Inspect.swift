import CustodyDomain
import Postgres

/// What an inspection of the database found, in one sentence, and what to do when it is not well.
public struct Finding: Hashable, Sendable {
    /// What was looked at, and how it is.
    public let text: String
    /// What to do about it; nil when all is well.
    public let remedy: String?

    /// Makes a finding.
    public init(_ text: String, remedy: String?) {
        self.text = text
        self.remedy = remedy
    }
}

extension SystemTransaction {
    /// Looks whether the database is set up as money needs it.
    public func inspect() async throws -> [Finding] {
        var findings: [Finding] = []
        for row in try await rows(
            """
            SELECT name, setting FROM pg_settings
             WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'server_version_num')
             ORDER BY name
            """
        ) {
            let (name, value): (String, String) = (try row.get("name"), try row.get("setting"))
            if name == "server_version_num" {
                let isOld = (Int(value) ?? 0) < 150_000
                findings.append(Finding("PostgreSQL \(value)", remedy: isOld ? "use PostgreSQL 15 or later" : nil))
            } else {
                findings.append(
                    Finding(
                        "\(name) is \(value)",
                        remedy: value == "off" ? "set \(name) = on: acknowledged money must survive a crash" : nil))
            }
        }
        for row in try await rows(
            "SELECT rolname, rolsuper OR rolbypassrls AS is_mighty FROM pg_roles WHERE rolname LIKE 'custody\\_%' ORDER BY rolname"
        ) {
            let name: String = try row.get("rolname")
            let isMighty = try row.get("is_mighty", as: Bool.self)
            findings.append(
                Finding(
                    "the role \(name) \(isMighty ? "bypasses" : "is under") row-level security",
                    remedy: isMighty ? "ALTER ROLE \(name) NOSUPERUSER NOBYPASSRLS" : nil
                )
            )
        }
        let bare: [String] = try await rows(
            """
            SELECT c.relname FROM pg_class c
              JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
             WHERE c.relnamespace = 'custody'::regnamespace AND c.relkind IN ('r', 'p')
               AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
             ORDER BY 1
            """
        ).map { try $0.get("relname") }
        findings.append(
            Finding(
                bare.isEmpty
                    ? "row-level security is forced on every tenant table"
                    : "not forced on \(bare.joined(separator: ", "))",
                remedy: bare.isEmpty ? nil : "ALTER TABLE … FORCE ROW LEVEL SECURITY"
            )
        )
        let dead = try await queues().map(\.dead).reduce(0, +)
        findings.append(Finding("\(dead) dead jobs", remedy: dead == 0 ? nil : "see custody job dead"))
        return findings
    }

    /// Looks whether every tenant's data key opens with this deployment's key-encryption key.
    public func inspectKeys() async throws -> Finding {
        var closed: [String] = []
        let tenants = try await rows("SELECT id, wrapped_key FROM tenant ORDER BY id")
        for row in tenants {
            let id: ID<Tenant> = try row.get("id")
            if (try? vault.keys(of: id, wrapped: try row.get("wrapped_key"))) == nil { closed.append(id.text) }
        }
        return Finding(
            "the data keys of \(tenants.count - closed.count) of \(tenants.count) tenants open",
            remedy: closed.isEmpty
                ? nil : "give the key-encryption key that \(closed.joined(separator: ", ")) was made with"
        )
    }
}
