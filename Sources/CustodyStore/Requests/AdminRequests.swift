import CustodyDomain
import Postgres

extension SystemTransaction {
    /// The answer that this very request of an admin was given before; nil when it is new.
    ///
    /// - Throws: ``Rejection/idempotencyKeyReused`` for another request under the same key;
    ///   ``Rejection/idempotencyKeyInUse`` when one is running right now.
    public func replay(_ claim: IdempotencyClaim) async throws -> StoredResponse? {
        // Only a courtesy: it turns waiting into a clear answer. The primary key is what keeps a second one out.
        let lock = try await row(
            "SELECT pg_try_advisory_xact_lock(hashtextextended(\("admin " + claim.key), 0)) AS free")
        let known = try await row(
            "SELECT route, body_hash, status, response FROM admin_request WHERE key = \(claim.key)")
        if let known {
            let route: String = try known.get("route")
            let hash: [UInt8] = try known.get("body_hash")
            guard route == claim.route, hash == claim.bodyHash else { throw Rejection.idempotencyKeyReused }
            let body = try vault.openAnswer(try known.get("response"), to: claim.key)
            return StoredResponse(status: try known.get("status"), body: body)
        }
        guard try lock?.get("free", as: Bool.self) == true else { throw Rejection.idempotencyKeyInUse }
        return nil
    }

    /// Keeps the answer to an admin's request, encrypted, in the transaction of its effects.
    public func remember(_ response: StoredResponse, for claim: IdempotencyClaim) async throws {
        let sealed = try vault.sealAnswer(response.body, to: claim.key)
        let stored = try await run(
            """
            INSERT INTO admin_request (key, route, body_hash, status, response, created_at)
            VALUES (\(claim.key), \(claim.route), \(claim.bodyHash), \(response.status), \(sealed), \(now))
            ON CONFLICT (key) DO NOTHING
            """
        )
        // Somebody else was faster: what was done here must not stand beside what they did.
        guard stored == 1 else { throw Rejection.idempotencyKeyInUse }
    }

    /// Forgets answers to admins that are older than ``TenantTransaction/idempotencyKeyLifetime``, in real time.
    ///
    /// - Returns: Whether there may be more.
    public func forgetOldAdminRequests(batch: Int = 10_000) async throws -> Bool {
        let before = now - TenantTransaction.idempotencyKeyLifetime
        let row = try await row("SELECT forget_admin_requests(\(before), \(batch)::int) AS forgotten")
        return (try row?.get("forgotten", as: Int.self) ?? 0) == batch
    }
}
