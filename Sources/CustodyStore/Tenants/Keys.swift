import Crypto
import CustodyDomain
import Foundation
import Postgres

/// Whose key a request carries, and what it may do.
public struct KeyIdentity: Hashable, Sendable {
    /// The platform.
    public let tenantID: ID<Tenant>
    /// The public part of the key; names the actor in the audit trail.
    public let keyID: String
    /// What it may do: `read`, `write`.
    public let scopes: Set<String>
    /// Until when it is valid; nil for ever.
    public let expiresAt: Instant?
}

extension SystemTransaction {
    /// Makes an API key for a platform. The key is returned once and cannot be read again.
    ///
    /// Its form is `ck_test_<id>_<secret>` for sandboxes, `ck_live_…` otherwise: scanners find it, and people see what it is.
    public func createKey(
        for tenantID: ID<Tenant>, name: String, scopes: Set<String>, expiresAt: Instant?
    ) async throws -> String {
        guard let tenant = try await row("SELECT mode FROM tenant WHERE id = \(tenantID)") else {
            throw Rejection.notFound
        }
        let mode = try tenant.get("mode", as: String.self) == "sandbox" ? "test" : "live"
        let keyID = randomText(12)
        let key = "ck_\(mode)_\(keyID)_\(randomText(40))"
        try await run(
            """
            INSERT INTO api_key (tenant_id, key_id, key_hash, name, scopes, last_four, expires_at, created_at)
            VALUES (
                \(tenantID), \(keyID), \(vault.hash(ofAPIKey: key)), \(name), \(scopes.sorted()), \(String(key.suffix(4))),
                \(expiresAt), \(now)
            )
            """
        )
        return key
    }

    /// Makes a key invalid at once.
    ///
    /// - Returns: Whose it was.
    /// - Throws: ``Rejection/notFound``.
    @discardableResult
    public func revokeKey(_ keyID: String) async throws -> ID<Tenant> {
        let revoked = try await row(
            """
            UPDATE api_key SET revoked_at = \(now) WHERE key_id = \(keyID) AND revoked_at IS NULL RETURNING tenant_id
            """
        )
        guard let revoked else { throw Rejection.notFound }
        return try revoked.get("tenant_id")
    }

    /// Tells whose key this is; nil for an unknown, revoked or expired one, or one of a suspended platform.
    public func identify(key: String) async throws -> KeyIdentity? {
        let parts = key.split(separator: "_", omittingEmptySubsequences: false)
        guard parts.count == 4, parts[0] == "ck", parts[2].count == 12 else { return nil }
        guard
            let row = try await row(
                """
                SELECT k.tenant_id, k.key_id, k.key_hash, k.scopes, k.expires_at
                  FROM api_key k JOIN tenant t ON t.id = k.tenant_id
                 WHERE k.key_id = \(String(parts[2])) AND k.revoked_at IS NULL AND t.state = 'active'
                   AND (k.expires_at IS NULL OR k.expires_at > \(now))
                """
            )
        else { return nil }
        let expected: [UInt8] = try row.get("key_hash")
        guard constantTimeEqual(expected, vault.hash(ofAPIKey: key)) else { return nil }
        return KeyIdentity(
            tenantID: try row.get("tenant_id"), keyID: try row.get("key_id"),
            scopes: Set(try row.get("scopes", as: [String].self)),
            expiresAt: try row.get("expires_at")
        )
    }
}

/// Compares without telling by its duration where two values differ.
private func constantTimeEqual(_ lhs: [UInt8], _ rhs: [UInt8]) -> Bool {
    guard lhs.count == rhs.count else { return false }
    return zip(lhs, rhs).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
}
