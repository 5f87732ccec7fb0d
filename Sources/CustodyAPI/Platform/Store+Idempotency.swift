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

extension Store {
    /// Runs a verb once for a request, however often it is sent: the answer is kept in the transaction of its effects.
    ///
    /// A refusal is not kept: nothing happened, and what was missing may be there the next time.
    func perform(_ call: Call, _ verb: (TenantTransaction) async throws -> Outcome) async throws -> Reply {
        let claim = try call.claim()
        do {
            return try await once(call, claim, verb)
        } catch  where StoreFailure(error) == .duplicate {
            // The same came twice at the same time, and the other was faster: this time it is there to be found.
            return try await once(call, claim, verb)
        }
    }

    private func once(
        _ call: Call, _ claim: IdempotencyClaim?, _ verb: (TenantTransaction) async throws -> Outcome
    ) async throws -> Reply {
        try await withTenant(call.tenantID) { tx in
            if let claim, let stored = try await tx.replay(claim) { return Reply(replaying: stored) }
            let outcome = try await verb(tx)
            let body = outcome.body.bytes
            if let claim { try await tx.remember(StoredResponse(status: outcome.status.code, body: body), for: claim) }
            return Reply(status: outcome.status, contentType: Reply.json, body: body)
        }
    }

    /// Runs an admin's verb once for a request, as ``perform(_:_:)`` does a platform's.
    func performAsAdmin(_ call: Call, _ verb: (SystemTransaction) async throws -> Outcome) async throws -> Reply {
        let claim = try call.claim()
        do {
            return try await once(call, claim, asAdmin: verb)
        } catch  where StoreFailure(error) == .duplicate {
            return try await once(call, claim, asAdmin: verb)
        }
    }

    private func once(
        _ call: Call, _ claim: IdempotencyClaim?, asAdmin verb: (SystemTransaction) async throws -> Outcome
    ) async throws -> Reply {
        try await withSystem { tx in
            if let claim, let stored = try await tx.replay(claim) { return Reply(replaying: stored) }
            let outcome = try await verb(tx)
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
