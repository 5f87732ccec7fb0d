import CustodyDomain
import Postgres

/// A platform as the deployment knows it.
public struct TenantRecord: Hashable, Sendable {
    /// Its id.
    public let id: ID<Tenant>
    /// Its name.
    public let name: String
    /// Whether it is a sandbox.
    public let isSandbox: Bool
    /// Whether it may use the API.
    public let isActive: Bool
    /// The secret part of the addresses at which counterparties call back.
    public let callbackToken: String
    /// When it was provisioned, by the database's clock.
    public let createdAt: Instant

    init(_ row: Row) throws {
        id = try row.get("id")
        name = try row.get("name")
        isSandbox = try row.get("mode", as: String.self) == "sandbox"
        isActive = try row.get("state", as: String.self) == "active"
        callbackToken = try row.get("callback_token")
        createdAt = try row.get("created_at")
    }
}

extension SystemTransaction {
    /// Provisions a platform with a data key of its own.
    public func createTenant(name: String, isSandbox: Bool) async throws -> TenantRecord {
        let id = ID<Tenant>(at: now)
        guard
            let row = try await row(
                """
                INSERT INTO tenant (id, name, mode, callback_token, wrapped_key, created_at)
                VALUES (
                    \(id), \(name), \(isSandbox ? "sandbox" : "live"), \(randomText(40)), \(try vault.newTenantKey()), \(now)
                )
                RETURNING id, name, mode, state, callback_token, created_at
                """
            )
        else { throw Rejection.notFound }
        return try TenantRecord(row)
    }

    /// All platforms, the oldest first.
    public func tenants() async throws -> [TenantRecord] {
        try await rows(
            "SELECT id, name, mode, state, callback_token, created_at FROM tenant ORDER BY id"
        ).map(TenantRecord.init)
    }

    /// The platform that a callback's address belongs to; nil for an unknown one.
    public func tenant(callbackToken: String) async throws -> ID<Tenant>? {
        try await row("SELECT id FROM tenant WHERE callback_token = \(callbackToken)")?.get("id")
    }
}

/// Letters and digits from the system's random source; 40 of them carry 238 bits.
func randomText(_ count: Int) -> String {
    let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
    var generator = SystemRandomNumberGenerator()
    return String(
        decoding: (0..<count).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &generator)] },
        as: UTF8.self
    )
}
