import CustodyDomain
import Postgres

/// Who does something, and from where, as the audit trail (操作日志) names them.
public struct Principal: Hashable, Sendable {
    /// Who: `admin`, `key:<id>`, `cli:<user>`, a counterparty, or `nobody` for whom we could not tell.
    public let name: String
    /// From where: the address of the connection's other end, or the machine a command ran on.
    public let origin: String
    /// The request's id; empty for commands.
    public let requestID: String

    /// Names somebody.
    public init(name: String, origin: String, requestID: String = "") {
        self.name = String(name.prefix(128))
        self.origin = String(origin.prefix(128))
        self.requestID = String(requestID.prefix(128))
    }
}

/// An entry of the audit trail.
public struct AuditRecord: Hashable, Sendable {
    /// Its id.
    public let id: ID<AuditEntry>
    /// Whose data it concerns; nil for the deployment's own.
    public let tenantID: ID<Tenant>?
    /// Who.
    public let principal: Principal
    /// What was done, such as `key.create`; of a refusal the code, such as `refused.four_eyes`.
    public let action: String
    /// To what.
    public let subject: String
    /// Whether it was done; false for what was refused.
    public let succeeded: Bool
    /// When, by the database's clock: test clocks have no say here.
    public let occurredAt: Instant

    init(_ row: Row) throws {
        id = try row.get("id")
        let tenant: ID<Tenant> = try row.get("tenant_id")
        tenantID = tenant == SystemTransaction.noTenant ? nil : tenant
        principal = Principal(
            name: try row.get("actor"), origin: try row.get("origin"), requestID: try row.get("request_id"))
        action = try row.get("action")
        subject = try row.get("subject")
        succeeded = try row.get("succeeded")
        occurredAt = try row.get("occurred_at")
    }
}

extension TenantTransaction {
    /// Notes who did what, or was refused it, in the transaction of its effects: one stands with the other, or neither does.
    public func audit(
        _ action: String, on subject: String, by principal: Principal, succeeded: Bool = true
    ) async throws {
        let real = now - clockOffset
        try await run(
            """
            INSERT INTO audit_entry (tenant_id, id, actor, action, subject, origin, request_id, succeeded, occurred_at)
            VALUES (
                \(tenantID), \(ID<AuditEntry>(at: real)), \(principal.name), \(action), \(String(subject.prefix(200))),
                \(principal.origin), \(principal.requestID), \(succeeded), \(real)
            )
            """
        )
    }
}

extension SystemTransaction {
    /// Stands where an entry concerns no platform.
    static let noTenant = ID<Tenant>(UUIDv7(high: 0, low: 0))

    /// Notes who did what, or was refused it, in the transaction of its effects.
    ///
    /// - Parameter tenant: Whose data it concerns; nil for the deployment's own.
    public func audit(
        _ action: String, on subject: String, of tenant: ID<Tenant>?, by principal: Principal, succeeded: Bool = true
    ) async throws {
        try await run(
            """
            INSERT INTO audit_entry (tenant_id, id, actor, action, subject, origin, request_id, succeeded, occurred_at)
            VALUES (
                \(tenant ?? SystemTransaction.noTenant), \(ID<AuditEntry>(at: now)), \(principal.name), \(action),
                \(String(subject.prefix(200))), \(principal.origin), \(principal.requestID), \(succeeded), \(now)
            )
            """
        )
    }

    /// The audit trail, the youngest first, in pages.
    ///
    /// - Parameter tenant: Only what concerns this platform; nil for everything.
    public func auditTrail(
        of tenant: ID<Tenant>?, before: ID<AuditEntry>?, limit: Int
    ) async throws -> [AuditRecord] {
        try await rows(
            """
            SELECT tenant_id, id, actor, action, subject, origin, request_id, succeeded, occurred_at FROM audit_entry
             WHERE (\(tenant)::uuid IS NULL OR tenant_id = \(tenant)::uuid)
               AND (\(before)::uuid IS NULL OR id < \(before)::uuid)
             ORDER BY id DESC LIMIT \(limit)
            """
        ).map(AuditRecord.init)
    }
}
