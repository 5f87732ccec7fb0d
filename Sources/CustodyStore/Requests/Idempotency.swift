import CustodyDomain
import Postgres

/// What makes a request recognisable when it is sent again.
public struct IdempotencyClaim: Hashable, Sendable {
    /// The key the caller chose.
    public let key: String
    /// Method and path.
    public let route: String
    /// SHA-256 of the body.
    public let bodyHash: [UInt8]

    /// Makes a claim.
    public init(key: String, route: String, bodyHash: [UInt8]) {
        self.key = key
        self.route = route
        self.bodyHash = bodyHash
    }
}

/// An answer given before.
public struct StoredResponse: Hashable, Sendable {
    /// The HTTP status.
    public let status: Int
    /// The body, byte for byte.
    public let body: [UInt8]

    /// Makes a response.
    public init(status: Int, body: [UInt8]) {
        self.status = status
        self.body = body
    }
}

extension TenantTransaction {
    /// The answer that this very request was given before; nil when it is new.
    ///
    /// - Throws: ``Rejection/idempotencyKeyReused`` for another request under the same key;
    ///   ``Rejection/idempotencyKeyInUse`` when one is running right now.
    public func replay(_ claim: IdempotencyClaim) async throws -> StoredResponse? {
        let answers = try await rows([
            // Only a courtesy: it turns waiting into a clear answer. The primary key is what keeps a second one out.
            "SELECT pg_try_advisory_xact_lock(hashtextextended(\(tenantID.uuid.text + claim.key), 0)) AS free",
            """
            SELECT route, body_hash, status, response FROM idempotency_key
             WHERE tenant_id = \(tenantID) AND key = \(claim.key)
            """,
        ])
        if let row = answers[1].first {
            let route: String = try row.get("route")
            let hash: [UInt8] = try row.get("body_hash")
            guard route == claim.route, hash == claim.bodyHash else { throw Rejection.idempotencyKeyReused }
            return StoredResponse(status: try row.get("status"), body: try row.get("response"))
        }
        guard try answers[0].first?.get("free", as: Bool.self) == true else { throw Rejection.idempotencyKeyInUse }
        return nil
    }

    /// Keeps the answer to a request, in the transaction of its effects.
    public func remember(_ response: StoredResponse, for claim: IdempotencyClaim) async throws {
        let stored = try await run(
            """
            INSERT INTO idempotency_key (tenant_id, key, route, body_hash, status, response, created_at)
            VALUES (
                \(tenantID), \(claim.key), \(claim.route), \(claim.bodyHash), \(response.status), \(response.body), \(now)
            )
            ON CONFLICT (tenant_id, key) DO NOTHING
            """
        )
        // Somebody else was faster: what was done here must not stand beside what they did.
        guard stored == 1 else { throw Rejection.idempotencyKeyInUse }
    }

    /// For how long a key and its answer are kept: 30 days of the platform's clock.
    public static let idempotencyKeyLifetime = Duration.seconds(30 * 86_400)

    /// Forgets keys that are older than ``idempotencyKeyLifetime``; a platform's own numbers are taken for ever all the same.
    ///
    /// - Returns: Whether there may be more.
    public func forgetOldIdempotencyKeys(batch: Int = 10_000) async throws -> Bool {
        let row = try await row(
            """
            SELECT forget_idempotency_keys(
                       \(tenantID), \(now - TenantTransaction.idempotencyKeyLifetime), \(batch)::int
                   ) AS forgotten
            """
        )
        return (try row?.get("forgotten", as: Int.self) ?? 0) == batch
    }
}
