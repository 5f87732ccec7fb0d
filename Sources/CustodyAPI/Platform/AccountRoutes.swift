import CustodyDomain
import CustodyStore
import CustodyWire
import HTTPTypes

/// What concerns the platform as a whole: its balances, its events, its test clock.
struct AccountRoutes {
    let store: Store

    var routes: [Route] {
        let (read, write) = (Route.Access.platform(scope: "read"), Route.Access.platform(scope: "write"))
        return [
            Route(.get, "/v1/balances", read, balances),
            Route(.get, "/v1/events", read, events),
            Route(.get, "/v1/test-clock", read, clock),
            Route(.post, "/v1/test-clock", write, setClock),
        ]
    }

    @Sendable private func balances(_ call: Call) async throws -> Reply {
        var query = try Query(call)
        let at = try query.instant("at")
        try query.end()
        let (now, found) = try await store.look(call) { tx in
            if let at { return (at, try await tx.balances(before: at)) }
            return (tx.now, try await tx.balances())
        }
        return Reply(.ok, ["at": JSON(now), "data": .array(found.map(\.json))])
    }

    @Sendable private func events(_ call: Call) async throws -> Reply {
        var query = try Query(call)
        let page = try query.page(of: Event.self)
        try query.end()
        let found = try await store.look(call) { try await $0.events(after: page.cursor, limit: page.fetched) }
        return page.reply(found, id: \.id, \.json)
    }

    @Sendable private func clock(_ call: Call) async throws -> Reply {
        let now = try await store.look(call) { tx in
            guard tx.isSandbox else { throw Rejection.sandboxOnly }
            return tx.now
        }
        return Reply(.ok, ["now": JSON(now)])
    }

    @Sendable private func setClock(_ call: Call) async throws -> Reply {
        let instant = try call.read { fields throws(Rejection) in try fields.instant("now") }
        return try await store.perform(call, audited: ("test_clock.set", instant.rfc3339)) { tx in
            try await tx.setClock(to: instant)
            return Outcome(.ok, ["now": JSON(instant)])
        }
    }
}
