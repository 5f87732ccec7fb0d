import AsyncHTTPClient
import CustodyAPI
import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation
import NIOCore
import NIOHTTP1
import NIOSSL
import Testing
import TestSupport

@Suite struct OperationsTests {
    @Test func `health, readiness and metrics are on a listener of their own`() async throws {
        try await APIBench.run { bench async throws in
            func ask(_ path: String) async throws -> APIBench.Answer {
                try await bench.send("GET", path, bytes: nil, key: "", port: bench.ports.operations)
            }
            #expect(try await ask("/healthz").status == 200)
            let ready = try await ask("/readyz")
            #expect(ready.status == 200 && ready.json["database"] == true && ready.json["migrations"] == true)
            _ = try await bench.send("POST", "/v1/orders", bench.order())
            _ = try await bench.send("GET", "/v1/orders/ord_00000000000000000000000000")
            let metrics = try await ask("/metrics")
            #expect(metrics.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
            let lines = String(decoding: metrics.body, as: UTF8.self).split(separator: "\n")
            let order = #"http_requests_total{method="POST",route="/v1/orders",status="201"} 1"#
            #expect(lines.contains(Substring(order)))
            #expect(lines.contains(#"http_requests_total{method="GET",route="/v1/orders/{id}",status="404"} 1"#))
            #expect(lines.contains("# TYPE http_request_duration_seconds histogram"))
            let isForm = lines.allSatisfy {
                $0.hasPrefix("# ") || $0.contains(#/^[a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-z_]+="[^"]*",?)+\})? [0-9.e+-]+$/#)
            }
            #expect(isForm)
            #expect(try await bench.send("GET", "/metrics").status == 404)
            #expect(try await bench.send("GET", "/healthz").status == 404)
        }
    }

    @Test func `a database behind this build is not ready`() async throws {
        var configuration = APIBench.configuration()
        configuration.migration = 9999
        try await APIBench.run(configuration: configuration, world: try await TestStore.make().world()) {
            bench async throws in
            let ready = try await bench.send("GET", "/readyz", bytes: nil, key: "", port: bench.ports.operations)
            #expect(ready.status == 503 && ready.json["database"] == true && ready.json["migrations"] == false)
        }
    }

    @Test func `an admin provisions a platform that can trade at once`() async throws {
        try await APIBench.run { bench async throws in
            let tenant = try await bench.admin("POST", "/admin/tenants", ["name": "New Market", "sandbox": true])
            #expect(tenant.status == 201 && tenant.json["sandbox"] == true)
            let made = try await bench.admin("POST", "/admin/tenants/\(tenant.id)/keys", ["name": "first"])
            guard let key = made.json["key"]?.string else { throw Unexpected() }
            #expect(try await bench.send("POST", "/v1/orders", bench.order(), key: key).status == 201)
            let reader = try await bench.admin(
                "POST", "/admin/tenants/\(tenant.id)/keys", ["name": "reader", "scopes": ["read"]])
            #expect(
                try await bench.send("POST", "/v1/orders", bench.order(), key: reader.json["key"]?.string).status == 403
            )
            let odd = try await bench.admin(
                "POST", "/admin/tenants/\(tenant.id)/keys", ["name": "x", "scopes": ["all"]])
            #expect(odd.status == 400 && odd.pointer == "/scopes/0")
            let nobody = ID<Tenant>(at: Instant(seconds: 0)).text
            #expect(try await bench.admin("POST", "/admin/tenants/\(nobody)/keys", ["name": "x"]).status == 404)
        }
    }

    @Test func `an admin's request that is sent again is answered again, and not done again`() async throws {
        try await APIBench.run { bench async throws in
            let once = ["Idempotency-Key": bench.world.number("admin")]
            let body: JSON = ["name": "Twice", "sandbox": true]
            let first = try await bench.admin("POST", "/admin/tenants", body, headers: once)
            #expect(first.status == 201 && first.headers["idempotent-replayed"] == nil)
            let again = try await bench.admin("POST", "/admin/tenants", body, headers: once)
            #expect(again.status == 201 && again.body == first.body && again.headers["idempotent-replayed"] == "true")
            let all = try await bench.admin("GET", "/admin/tenants").json["data"]?.array ?? []
            #expect(all.count { $0["id"]?.string == first.id } == 1)

            // Of another request it is refused, and nothing is done.
            let other = try await bench.admin(
                "POST", "/admin/tenants", ["name": "Other", "sandbox": true], headers: once)
            #expect(other.status == 422 && other.code == "idempotency_key_reused")
            let elsewhere = try await bench.admin(
                "POST", "/admin/tenants/\(first.id)/keys", ["name": "x"], headers: once)
            #expect(elsewhere.status == 422 && elsewhere.code == "idempotency_key_reused")
            let bad = try await bench.admin("POST", "/admin/tenants", body, headers: ["Idempotency-Key": "a b"])
            #expect(bad.status == 400 && bad.pointer == "Idempotency-Key")

            // A key is shown again to whoever made it, and lies nowhere to be read.
            let keyOnce = ["Idempotency-Key": bench.world.number("admin")]
            let path = "/admin/tenants/\(first.id)/keys"
            let made = try await bench.admin("POST", path, ["name": "k"], headers: keyOnce)
            let shown = try await bench.admin("POST", path, ["name": "k"], headers: keyOnce)
            guard let key = made.json["key"]?.string else { throw Unexpected() }
            #expect(made.status == 201 && shown.body == made.body)
            #expect(try await bench.send("GET", "/v1/orders", key: key).status == 200)
            let kept = try await bench.world.keptAdminAnswer(keyOnce["Idempotency-Key"] ?? "")
            #expect(!kept.isEmpty && kept.firstRange(of: Array(key.utf8)) == nil)

            // What can be done once only is answered as it was, not with what became of it.
            let revoke = ["Idempotency-Key": bench.world.number("admin")]
            let revocation = "/admin/keys/\(key.split(separator: "_")[2])/revocation"
            for _ in 0..<2 {
                #expect(try await bench.admin("POST", revocation, headers: revoke).status == 200)
            }
            #expect(try await bench.admin("POST", revocation).status == 404)
            // A refusal is not kept.
            let refused = ["Idempotency-Key": bench.world.number("admin")]
            for _ in 0..<2 {
                let answer = try await bench.admin("POST", revocation, headers: refused)
                #expect(answer.status == 404 && answer.headers["idempotent-replayed"] == nil)
            }
        }
    }

    @Test func `many of an admin's requests at once under one key are one`() async throws {
        try await APIBench.run { bench async throws in
            let once = ["Idempotency-Key": bench.world.number("admin")]
            let name = bench.world.number("Crowd")
            let answers = try await withThrowingTaskGroup(of: APIBench.Answer.self) { group in
                for _ in 0..<12 {
                    group.addTask {
                        try await bench.admin(
                            "POST", "/admin/tenants", ["name": .string(name), "sandbox": true], headers: once)
                    }
                }
                return try await group.reduce(into: [APIBench.Answer]()) { $0.append($1) }
            }
            #expect(
                answers.allSatisfy { $0.status == 201 || ($0.status == 409 && $0.code == "idempotency_key_in_use") })
            #expect(Set(answers.filter { $0.status == 201 }.map(\.id)).count == 1)
            let all = try await bench.admin("GET", "/admin/tenants").json["data"]?.array ?? []
            #expect(all.count { $0["name"]?.string == name } == 1)
        }
    }

    @Test func `queues are watched, paused and resumed; dead jobs are nobody's until there are some`() async throws {
        try await TestStore.withFresh { test in
            try await APIBench.run(configuration: APIBench.configuration(), world: try await test.world()) {
                bench async throws in
                func paused(_ queue: String) async throws -> Bool? {
                    let all = try await bench.admin("GET", "/admin/queues").json["data"]?.array
                    return all?.first { $0["queue"]?.string == queue }?["is_paused"]?.bool
                }
                #expect(try await paused("webhooks") == false)
                #expect(try await bench.admin("POST", "/admin/queues/webhooks/pause").status == 200)
                #expect(try await paused("webhooks") == true)
                #expect(try await bench.admin("POST", "/admin/queues/webhooks/resume").status == 200)
                #expect(try await paused("webhooks") == false)
                #expect(try await bench.admin("POST", "/admin/queues/nothing/pause").status == 404)
                #expect(try await bench.admin("GET", "/admin/dead-jobs").json["data"] == [])
                let job = ID<Job>(at: Instant(seconds: 0)).text
                #expect(try await bench.admin("POST", "/admin/dead-jobs/\(job)/retry").status == 404)
                #expect(try await bench.admin("POST", "/admin/dead-jobs/\(job)/discard").status == 404)
            }
        }
    }

    @Test func `over TLS the same is served, with HTTP 2`() async throws {
        let keys = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fixtures/vectors/keys")
        var configuration = APIBench.configuration()
        configuration.tls = .init(
            certificatePath: keys.appendingPathComponent("wx_platform.cert.pem").path,
            keyPath: keys.appendingPathComponent("wx_platform.key.pem").path)
        configuration.limits.header = .seconds(1)
        try await APIBench.run(configuration: configuration, world: try await TestStore.make().world()) {
            bench async throws in
            var client = HTTPClient.Configuration()
            client.tlsConfiguration = .makeClientConfiguration()
            client.tlsConfiguration?.certificateVerification = .none
            let secure = HTTPClient(configuration: client)
            let url = "https://127.0.0.1:\(bench.ports.platform)/v1/orders"
            var request = HTTPClientRequest(url: url)
            request.headers.add(name: "Authorization", value: "Bearer \(bench.key)")
            let response = try await secure.execute(request, timeout: .seconds(10))
            #expect(response.status == .ok && response.version == .http2)
            try await secure.shutdown()
            let silent = try RawConnection(port: bench.ports.platform)
            #expect(await silent.readAll(within: .seconds(5)).isClosed)
        }
    }
}
