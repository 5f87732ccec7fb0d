import CustodyDomain
import CustodyStore
import CustodyWire
import HTTPTypes

/// What a verb made, ready to be sent and to be kept.
struct Outcome {
    /// The status it is answered with.
    let status: HTTPResponse.Status
    /// What is answered.
    let body: JSON

    init(_ status: HTTPResponse.Status, _ body: JSON) {
        self.status = status
        self.body = body
    }
}

/// What an admin's verb did, and to what, for the audit trail.
struct AdminOutcome {
    /// What is answered.
    let outcome: Outcome
    /// What it was done to.
    let subject: String
    /// Whose data it concerns; nil for the deployment's own.
    let tenant: ID<Tenant>?

    init(_ outcome: Outcome, on subject: String, of tenant: ID<Tenant>? = nil) {
        self.outcome = outcome
        self.subject = subject
        self.tenant = tenant
    }
}

extension Store {
    /// Runs a verb once for a request, however often it is sent: the answer is kept in the transaction of its effects.
    ///
    /// A refusal is not kept: nothing happened, and what was missing may be there the next time.
    ///
    /// - Parameter audited: How the audit trail calls what is done, and what to; nil for the business of every day.
    func perform(
        _ call: Call, audited: (action: String, subject: String)? = nil,
        _ verb: (TenantTransaction) async throws -> Outcome
    ) async throws -> Reply {
        let claim = try call.claim()
        do {
            return try await once(call, claim, audited, verb)
        } catch  where StoreFailure(error) == .duplicate {
            // The same came twice at the same time, and the other was faster: this time it is there to be found.
            return try await once(call, claim, audited, verb)
        }
    }

    private func once(
        _ call: Call, _ claim: IdempotencyClaim?, _ audited: (action: String, subject: String)?,
        _ verb: (TenantTransaction) async throws -> Outcome
    ) async throws -> Reply {
        try await withTenant(call.tenantID) { tx in
            if let claim, let stored = try await tx.replay(claim) { return Reply(replaying: stored) }
            let outcome = try await verb(tx)
            if let audited { try await tx.audit(audited.action, on: audited.subject, by: call.principal) }
            let body = outcome.body.bytes
            if let claim { try await tx.remember(StoredResponse(status: outcome.status.code, body: body), for: claim) }
            return Reply(status: outcome.status, contentType: Reply.json, body: body)
        }
    }

    /// Runs an admin's verb once for a request, as ``perform(_:audited:_:)`` does a platform's; all of them are audited.
    func performAsAdmin(
        _ call: Call, _ action: String, _ verb: (SystemTransaction) async throws -> AdminOutcome
    ) async throws -> Reply {
        let claim = try call.claim()
        do {
            return try await once(call, claim, asAdmin: action, verb)
        } catch  where StoreFailure(error) == .duplicate {
            return try await once(call, claim, asAdmin: action, verb)
        }
    }

    private func once(
        _ call: Call, _ claim: IdempotencyClaim?, asAdmin action: String,
        _ verb: (SystemTransaction) async throws -> AdminOutcome
    ) async throws -> Reply {
        try await withSystem { tx in
            if let claim, let stored = try await tx.replay(claim) { return Reply(replaying: stored) }
            let done = try await verb(tx)
            try await tx.audit(action, on: done.subject, of: done.tenant, by: call.principal)
            let outcome = done.outcome
            let body = outcome.body.bytes
            if let claim { try await tx.remember(StoredResponse(status: outcome.status.code, body: body), for: claim) }
            return Reply(status: outcome.status, contentType: Reply.json, body: body)
        }
    }

    /// Reads for a request.
    func look<Value>(_ call: Call, _ verb: (TenantTransaction) async throws -> Value) async throws -> Value {
        try await withTenant(call.tenantID, verb)
    }
}
