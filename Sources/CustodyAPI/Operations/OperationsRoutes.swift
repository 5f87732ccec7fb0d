import CustodyStore
import CustodyWire
import HTTPTypes

/// What orchestrators and monitoring ask.
struct OperationsRoutes {
    let store: Store
    /// The number of the newest migration this build knows.
    let migration: Int
    let metrics: PrometheusRegistry

    var routes: [Route] {
        [
            Route(.get, "/healthz", .open) { _ in Reply(.ok, ["status": "ok"]) },
            Route(.get, "/readyz", .open) { _ in await ready() },
            Route(.get, "/metrics", .open) { _ in
                Reply(
                    status: .ok, contentType: "text/plain; version=0.0.4; charset=utf-8",
                    body: Array(metrics.text().utf8))
            },
        ]
    }

    /// Whether requests can be served: the database answers, and its schema is the one this build knows.
    private func ready() async -> Reply {
        let last = try? await store.withSystem { try await $0.lastMigration() }
        let isReady = last.map { $0 >= migration } ?? false
        return Reply(
            isReady ? .ok : .serviceUnavailable,
            [
                "status": isReady ? "ready" : "unready", "database": .bool(last != nil),
                "migrations": .bool(isReady), "migration": JSON(last.map(Int64.init)),
            ])
    }
}
