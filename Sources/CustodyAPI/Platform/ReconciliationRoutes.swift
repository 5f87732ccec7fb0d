import CustodyDomain
import CustodyStore
import CustodyWire
import HTTPTypes

/// Statements, the days they were matched on, and what did not match (对账).
struct ReconciliationRoutes {
    let store: Store

    var routes: [Route] {
        let (read, write) = (Route.Access.platform(scope: "read"), Route.Access.platform(scope: "write"))
        return [
            Route(.get, "/v1/statements", read, statements),
            Route(.get, "/v1/statements/{id}", read, statement),
            Route(.get, "/v1/reconciliations", read, reconciliations),
            Route(.get, "/v1/reconciliation-days/{date}", read, day),
            Route(.get, "/v1/discrepancies", read, discrepancies),
            Route(.get, "/v1/discrepancies/{id}", read, discrepancy),
            Route(.post, "/v1/discrepancies/{id}/resolutions", write, propose),
            Route(.get, "/v1/discrepancies/{id}/resolutions", read, resolutions),
            Route(.post, "/v1/resolutions/{id}/approve", write) { try await decide($0, approve: true) },
            Route(.post, "/v1/resolutions/{id}/reject", write) { try await decide($0, approve: false) },
        ]
    }

    @Sendable private func statements(_ call: Call) async throws -> Reply {
        var query = try Query(call)
        let source: StatementSource? = try query.word("source")
        let date = try query.date("date")
        let page = try query.page(of: Statement.self)
        try query.end()
        let found = try await store.look(call) {
            try await $0.statements(source: source, on: date, before: page.cursor, limit: page.fetched)
        }
        return page.reply(found, id: \.id, \.json)
    }

    @Sendable private func statement(_ call: Call) async throws -> Reply {
        let id: ID<Statement> = try call.id()
        return Reply(.ok, try await store.look(call) { try await $0.statement(id) }.json)
    }

    @Sendable private func reconciliations(_ call: Call) async throws -> Reply {
        var query = try Query(call)
        let date = try query.date("date")
        let page = try query.page(of: Reconciliation.self)
        try query.end()
        let found = try await store.look(call) {
            try await $0.reconciliations(on: date, before: page.cursor, limit: page.fetched)
        }
        return page.reply(found, id: \.id, \.json)
    }

    @Sendable private func day(_ call: Call) async throws -> Reply {
        guard let date = call.parameters["date"].flatMap({ BusinessDate($0) }) else { throw Rejection.notFound }
        return Reply(.ok, try await store.look(call) { try await $0.reconciliationDay(date) }.json)
    }

    @Sendable private func discrepancies(_ call: Call) async throws -> Reply {
        var query = try Query(call)
        let state: DiscrepancyState? = try query.word("state")
        let date = try query.date("date")
        let page = try query.page(of: Discrepancy.self)
        try query.end()
        let found = try await store.look(call) {
            try await $0.discrepancies(state: state, on: date, before: page.cursor, limit: page.fetched)
        }
        return page.reply(found, id: \.id, \.json)
    }

    @Sendable private func discrepancy(_ call: Call) async throws -> Reply {
        let id: ID<Discrepancy> = try call.id()
        return Reply(.ok, try await store.look(call) { try await $0.discrepancy(id) }.json)
    }

    @Sendable private func propose(_ call: Call) async throws -> Reply {
        let id: ID<Discrepancy> = try call.id()
        let (action, note) = try call.read { fields throws(Rejection) in
            let action: ResolutionAction = try fields.word("action")
            return (action, try fields.text("note", 1...500))
        }
        let maker = call.principal.name
        return try await store.perform(call, audited: ("resolution.propose", id.text)) { tx in
            Outcome(.created, try await tx.propose(action, for: id, note: note, by: maker).json)
        }
    }

    @Sendable private func resolutions(_ call: Call) async throws -> Reply {
        let id: ID<Discrepancy> = try call.id()
        let found = try await store.look(call) { tx in
            _ = try await tx.discrepancy(id)
            return try await tx.resolutions(of: id)
        }
        return Reply(.ok, ["data": .array(found.map(\.json)), "has_more": false, "next_cursor": nil])
    }

    private func decide(_ call: Call, approve: Bool) async throws -> Reply {
        let id: ID<Resolution> = try call.id()
        try call.readNothing()
        let checker = call.principal.name
        let action = approve ? "resolution.approve" : "resolution.reject"
        return try await store.perform(call, audited: (action, id.text)) { tx in
            Outcome(.ok, try await tx.decide(id, approve: approve, by: checker).json)
        }
    }
}

extension StatementRecord {
    /// How platforms see it.
    fileprivate var json: JSON {
        [
            "id": .string(id.text), "source": .string(source.rawValue), "form": .string(form),
            "business_date": .string(businessDate.iso), "file_name": .string(fileName),
            "sha256": .string(sha256.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()),
            "revision": JSON(revision), "lines": JSON(lineCount), "amount": JSON(amount), "currency": "CNY",
            "is_current": .bool(isCurrent), "received_at": JSON(receivedAt),
        ]
    }
}

extension ReconciliationDay {
    /// How platforms see it: every expected statement with the files that came for it.
    fileprivate var json: JSON {
        [
            "business_date": .string(businessDate.iso),
            "statements": .array(
                expected.map { expected in
                    [
                        "source": .string(expected.source.rawValue), "form": .string(expected.form),
                        "state": .string(expected.state.rawValue), "reason": JSON(expected.reason),
                        "due_at": JSON(expected.dueAt), "asked": JSON(expected.asked),
                        "asked_at": JSON(expected.askedAt),
                        "files": .array(
                            statements.filter { ($0.source, $0.form) == (expected.source, expected.form) }.map(\.json)),
                    ]
                }),
            "reconciliations": .array(reconciliations.map(\.json)),
        ]
    }
}

extension ReconciliationRecord {
    /// How platforms see it.
    fileprivate var json: JSON {
        [
            "id": .string(id.text), "channel": .string(channel.rawValue), "business_date": .string(businessDate.iso),
            "state": .string(state), "payments": JSON(payments), "refunds": JSON(refunds), "matched": JSON(matched),
            "fees": JSON(fees), "currency": "CNY", "discrepancies": JSON(discrepancies),
            "finished_at": JSON(finishedAt),
        ]
    }
}

extension DiscrepancyRecord {
    /// How platforms see it.
    fileprivate var json: JSON {
        [
            "id": .string(id.text), "kind": .string(kind), "channel": .string(channel.rawValue),
            "business_date": .string(businessDate.iso), "reference": .string(reference),
            "payment": JSON(paymentID?.text), "refund": JSON(refundID?.text), "ours": JSON(ours?.value),
            "theirs": JSON(theirs?.value), "bank": JSON(bank?.value), "suspense": JSON(suspense), "currency": "CNY",
            "state": .string(state.rawValue), "due_at": JSON(dueAt), "created_at": JSON(createdAt),
            "resolved_at": JSON(resolvedAt),
        ]
    }
}

extension ResolutionRecord {
    /// How platforms see it.
    fileprivate var json: JSON {
        [
            "id": .string(id.text), "discrepancy": .string(discrepancyID.text), "action": .string(action.rawValue),
            "note": .string(note), "maker": .string(maker), "checker": JSON(checker), "state": .string(state),
        ]
    }
}
