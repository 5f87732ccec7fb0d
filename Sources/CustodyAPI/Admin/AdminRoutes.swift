import CustodyDomain
import CustodyStore
import CustodyWire
import HTTPTypes

/// What the deployment's admins do: platforms, keys, queues.
struct AdminRoutes {
    let store: Store

    var routes: [Route] {
        [
            Route(.post, "/admin/tenants", .admin, createTenant),
            Route(.get, "/admin/tenants", .admin, tenants),
            Route(.post, "/admin/tenants/{id}/keys", .admin, createKey),
            Route(.post, "/admin/keys/{id}/revocation", .admin, revokeKey),
            Route(.get, "/admin/queues", .admin, queues),
            Route(.post, "/admin/queues/{id}/pause", .admin) { try await setPaused($0, true) },
            Route(.post, "/admin/queues/{id}/resume", .admin) { try await setPaused($0, false) },
            Route(.get, "/admin/dead-jobs", .admin, deadJobs),
            Route(.post, "/admin/dead-jobs/{id}/retry", .admin, retry),
            Route(.post, "/admin/dead-jobs/{id}/discard", .admin, discard),
            Route(.get, "/admin/audit-entries", .admin, auditTrail),
        ]
    }

    @Sendable private func createTenant(_ call: Call) async throws -> Reply {
        let (name, isSandbox) = try call.read { fields throws(Rejection) in
            (try fields.text("name", 1...100), try fields.flag("sandbox"))
        }
        let reply = try await store.performAsAdmin(call, "tenant.create") { tx in
            let tenant = try await tx.createTenant(name: name, isSandbox: isSandbox)
            return AdminOutcome(Outcome(.created, tenant.json), on: tenant.id.text, of: tenant.id)
        }
        // Its days are rows of the tenant, which the system role does not see. Starting them twice changes nothing, so a
        // request that broke off here is mended by sending it again.
        guard let id = try JSON(parsing: reply.body)["id"]?.string.flatMap({ ID<Tenant>($0) }) else { return reply }
        try await store.withTenant(id) { try await $0.startDays() }
        return reply
    }

    @Sendable private func tenants(_ call: Call) async throws -> Reply {
        let found = try await store.withSystem { try await $0.tenants() }
        return Reply(.ok, ["data": .array(found.map(\.json)), "has_more": false, "next_cursor": nil])
    }

    private enum Scope: String, CaseIterable { case read, write }

    @Sendable private func createKey(_ call: Call) async throws -> Reply {
        let id: ID<Tenant> = try call.id()
        let (name, scopes, expiry) = try call.read { fields throws(Rejection) in
            let name = try fields.text("name", 1...100)
            let scopes = try fields.optionalElements("scopes", 1...2) { element, place throws(Rejection) in
                guard let scope = element.string, Scope(rawValue: scope) != nil else {
                    throw .invalidField(pointer: place, reason: "must be read or write")
                }
                return scope
            }
            return (name, Set(scopes ?? Scope.allCases.map(\.rawValue)), try fields.optionalInstant("expires_at"))
        }
        return try await store.performAsAdmin(call, "key.create") { tx in
            let key = try await tx.createKey(for: id, name: name, scopes: scopes, expiresAt: expiry)
            return AdminOutcome(
                Outcome(.created, ["key": .string(key), "tenant": .string(id.text), "name": .string(name)]),
                on: String(key.split(separator: "_")[2]), of: id)
        }
    }

    @Sendable private func revokeKey(_ call: Call) async throws -> Reply {
        let key = call.parameters["id"] ?? ""
        try call.readNothing()
        return try await store.performAsAdmin(call, "key.revoke") { tx in
            let owner = try await tx.revokeKey(key)
            return AdminOutcome(Outcome(.ok, ["key_id": .string(key), "state": "revoked"]), on: key, of: owner)
        }
    }

    @Sendable private func queues(_ call: Call) async throws -> Reply {
        let found = try await store.withSystem { try await $0.queues() }
        return Reply(.ok, ["data": .array(found.map(\.json)), "has_more": false, "next_cursor": nil])
    }

    private func setPaused(_ call: Call, _ isPaused: Bool) async throws -> Reply {
        guard let queue = call.parameters["id"].flatMap({ Queue(rawValue: $0) }) else { throw Rejection.notFound }
        try call.readNothing()
        return try await store.performAsAdmin(call, isPaused ? "queue.pause" : "queue.resume") { tx in
            try await tx.setPaused(isPaused, queue: queue)
            return AdminOutcome(
                Outcome(.ok, ["queue": .string(queue.rawValue), "is_paused": .bool(isPaused)]), on: queue.rawValue)
        }
    }

    @Sendable private func deadJobs(_ call: Call) async throws -> Reply {
        let found = try await store.withSystem { try await $0.deadJobs() }
        return Reply(.ok, ["data": .array(found.map(\.json)), "has_more": false, "next_cursor": nil])
    }

    @Sendable private func retry(_ call: Call) async throws -> Reply {
        let id: ID<Job> = try call.id()
        try call.readNothing()
        return try await store.performAsAdmin(call, "job.retry") { tx in
            try await tx.retryDeadJob(id)
            return AdminOutcome(Outcome(.ok, ["id": .string(id.text), "state": "ready"]), on: id.text)
        }
    }

    @Sendable private func discard(_ call: Call) async throws -> Reply {
        let id: ID<Job> = try call.id()
        try call.readNothing()
        return try await store.performAsAdmin(call, "job.discard") { tx in
            try await tx.discardDeadJob(id)
            return AdminOutcome(Outcome(.ok, ["id": .string(id.text), "state": "discarded"]), on: id.text)
        }
    }
}

extension AdminRoutes {
    @Sendable private func auditTrail(_ call: Call) async throws -> Reply {
        var query = try Query(call)
        let tenant: ID<Tenant>? = try query.id("tenant")
        let page = try query.page(of: AuditEntry.self)
        try query.end()
        let found = try await store.withSystem {
            try await $0.auditTrail(of: tenant, before: page.cursor, limit: page.fetched)
        }
        return page.reply(found, id: \.id, \.json)
    }
}

extension AuditRecord {
    /// How admins see it.
    fileprivate var json: JSON {
        [
            "id": .string(id.text), "tenant": JSON(tenantID?.text), "actor": .string(principal.name),
            "action": .string(action), "subject": .string(subject), "origin": .string(principal.origin),
            "request_id": .string(principal.requestID), "succeeded": .bool(succeeded),
            "occurred_at": JSON(occurredAt),
        ]
    }
}

extension TenantRecord {
    /// How admins see it.
    fileprivate var json: JSON {
        [
            "id": .string(id.text), "name": .string(name), "sandbox": .bool(isSandbox), "is_active": .bool(isActive),
            "callback_token": .string(callbackToken), "created_at": JSON(createdAt),
        ]
    }
}

extension QueueStatus {
    /// How admins see it.
    fileprivate var json: JSON {
        [
            "queue": .string(queue.rawValue), "is_paused": .bool(isPaused), "ready": JSON(ready),
            "running": JSON(running), "later": JSON(later), "dead": JSON(dead),
        ]
    }
}

extension DeadJob {
    /// How admins see it.
    fileprivate var json: JSON {
        [
            "id": .string(id.text), "tenant": .string(tenantID.text), "queue": .string(queue.rawValue),
            "kind": .string(request.kind.rawValue), "subject": .string(request.subject), "attempts": JSON(attempt),
            "reason": .string(reason), "died_at": JSON(diedAt),
        ]
    }
}
