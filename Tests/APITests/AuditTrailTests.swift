import CustodyAPI
import CustodyDomain
import CustodyStore
import CustodyWire
import Postgres
import Testing
import TestSupport

/// Who did what, from where, when; and who was refused what.
@Suite struct AuditTrailTests {
    /// The entries of one request, waited for: those of refusals are written after the answer.
    private static func entries(_ bench: APIBench, request: String, count: Int = 1) async throws -> [JSON] {
        var found: [JSON] = []
        try await eventually("\(request) is in the trail") {
            let all = try await bench.admin("GET", "/admin/audit-entries?limit=200").json["data"]?.array ?? []
            found = all.filter { $0["request_id"]?.string == request }
            return found.count >= count
        }
        return found
    }

    private static func name(_ bench: APIBench) -> [String: String] { ["X-Request-Id": bench.world.number("req")] }

    @Test func `every action of an admin is in the trail once, with who and from where`() async throws {
        try await TestStore.withFresh { test in
            try await APIBench.run(configuration: APIBench.configuration(), world: try await test.world()) {
                bench async throws in
                let tenant = try await bench.admin("POST", "/admin/tenants", ["name": "Audited", "sandbox": true])
                let made = try await bench.admin("POST", "/admin/tenants/\(tenant.id)/keys", ["name": "k"])
                let keyID = String(made.json["key"]?.string?.split(separator: "_")[2] ?? "")
                let once = ["Idempotency-Key": "revoke"]
                for _ in 0..<2 {
                    _ = try await bench.admin("POST", "/admin/keys/\(keyID)/revocation", headers: once)
                }
                _ = try await bench.admin("POST", "/admin/queues/webhooks/pause")
                _ = try await bench.admin("POST", "/admin/queues/webhooks/resume")
                let all = try await bench.admin("GET", "/admin/audit-entries").json["data"]?.array ?? []
                #expect(
                    all.reversed().map { $0["action"]?.string }
                        == ["tenant.create", "key.create", "key.revoke", "queue.pause", "queue.resume"])
                #expect(
                    all.reversed().map { $0["subject"]?.string } == [tenant.id, keyID, keyID, "webhooks", "webhooks"])
                for entry in all {
                    #expect(entry["actor"] == "admin" && entry["origin"] == "127.0.0.1" && entry["succeeded"] == true)
                    #expect(entry["request_id"]?.string?.isEmpty == false)
                }
                // Nothing secret: the key's public part only.
                let text = JSON.array(all).text
                #expect(!text.contains(made.json["key"]?.string ?? "ck_"))
                let own = try await bench.admin("GET", "/admin/audit-entries?tenant=\(tenant.id)").json["data"]?.array
                #expect(own?.count == 3)
                // Page by page it is the same.
                var (paged, cursor): ([JSON], String?) = ([], nil)
                repeat {
                    let path = "/admin/audit-entries?limit=2" + (cursor.map { "&cursor=\($0)" } ?? "")
                    let page = try await bench.admin("GET", path).json
                    paged += page["data"]?.array ?? []
                    cursor = page["next_cursor"]?.string
                } while cursor != nil
                #expect(paged == all)
                #expect(try await bench.admin("GET", "/admin/audit-entries?tenant=x").status == 400)
            }
        }
    }

    @Test func `an action stands with its entry, or neither does`() async throws {
        try await TestStore.withFresh { test in
            try await test.withConnection(as: .superuser) { connection in
                try await connection.script(
                    """
                    CREATE FUNCTION custody.refuse_entry() RETURNS trigger LANGUAGE plpgsql AS
                    'BEGIN RAISE EXCEPTION ''no room''; END';
                    CREATE TRIGGER refuse_entry BEFORE INSERT ON custody.audit_entry FOR EACH ROW
                    WHEN (NEW.action IN ('queue.pause', 'sub_merchant.freeze'))
                    EXECUTE FUNCTION custody.refuse_entry();
                    """)
            }
            try await APIBench.run(configuration: APIBench.configuration(), world: try await test.world()) {
                bench async throws in
                #expect(try await bench.admin("POST", "/admin/queues/webhooks/pause").status == 500)
                let queues = try await bench.admin("GET", "/admin/queues").json["data"]?.array ?? []
                #expect(queues.first { $0["queue"] == "webhooks" }?["is_paused"] == false)
                let shop = try await bench.world.activeSubMerchant()
                let answer = try await bench.send(
                    "POST", "/v1/sub-merchants/\(shop.text)/freeze", bytes: nil, port: bench.ports.platform)
                #expect(answer.status == 500 && answer.code == "internal_error")
                #expect(try await bench.send("GET", "/v1/sub-merchants/\(shop.text)").json["state"] == "active")
            }
        }
    }

    @Test func `what people decide over the API is in the trail under their keys`() async throws {
        try await APIBench.run { bench async throws in
            let shop = try await bench.world.activeSubMerchant()
            for verb in ["freeze", "unfreeze"] {
                let request = Self.name(bench)
                let path = "/v1/sub-merchants/\(shop.text)/\(verb)"
                #expect(try await bench.send("POST", path, headers: request).status == 200)
                let found = try await Self.entries(bench, request: request["X-Request-Id"] ?? "")
                #expect(found.map { $0["action"]?.string } == ["sub_merchant.\(verb)"])
                #expect(found.first?["actor"]?.string == "key:\(bench.key.split(separator: "_")[2])")
                #expect(found.first?["tenant"]?.string == bench.world.tenantID.text)
                #expect(found.first?["subject"]?.string == shop.text)
            }
            // A test clock that ran years ahead has no say in when it was.
            let request = Self.name(bench)
            _ = try await bench.send("POST", "/v1/test-clock", ["now": "2035-01-01T00:00:00Z"], headers: request)
            let set = try await Self.entries(bench, request: request["X-Request-Id"] ?? "")
            #expect(set.first?["action"] == "test_clock.set")
            #expect((set.first?["occurred_at"]?.string ?? "9") < "2035")
        }
    }

    @Test func `wrong keys, foreign ids and overreaching keys are in the trail, without the secret`() async throws {
        try await APIBench.run { bench async throws in
            let keyID = String(bench.key.split(separator: "_")[2])
            let wrong = String(bench.key.dropLast()) + (bench.key.hasSuffix("a") ? "b" : "a")
            let reader = try await bench.world.store.withSystem {
                try await $0.createKey(for: bench.world.tenantID, name: "reader", scopes: ["read"], expiresAt: nil)
            }
            let readerID = "key:\(reader.split(separator: "_")[2])"
            let other = try await bench.world.test.world()
            let order = try await other.order([(try await other.activeSubMerchant(), Fen(100))])
            let own = bench.world.tenantID.text
            let cases: [(key: String, path: String, action: String, actor: String, tenant: String?)] = [
                (wrong, "/v1/orders", "refused.unauthenticated", "key:\(keyID)", nil),
                ("nonsense", "/v1/orders", "refused.unauthenticated", "nobody", nil),
                (bench.key, "/v1/orders/\(order.id.text)/close", "refused.not_found", "key:\(keyID)", own),
                (reader, "/v1/orders", "refused.scope_missing", readerID, own),
            ]
            for (key, path, action, actor, tenant) in cases {
                let request = Self.name(bench)
                let answer = try await bench.send("POST", path, nil, key: key, headers: request)
                #expect([401, 403, 404].contains(answer.status))
                let found = try await Self.entries(bench, request: request["X-Request-Id"] ?? "")
                #expect(found.count == 1, "\(action)")
                #expect(found.first?["action"]?.string == action && found.first?["actor"]?.string == actor)
                #expect(found.first?["tenant"]?.string == tenant && found.first?["succeeded"] == false)
                #expect(found.first?["origin"] == "127.0.0.1")
                #expect(!JSON.array(found).text.contains(String(key.suffix(20))) || key == "nonsense")
            }
            // The id that was tried is what an investigation begins with.
            let tried = Self.name(bench)
            _ = try await bench.send("GET", "/v1/orders/\(order.id.text)", headers: tried)
            let found = try await Self.entries(bench, request: tried["X-Request-Id"] ?? "")
            #expect(found.first?["subject"]?.string == "GET /v1/orders/{id} \(order.id.text)")
            // An admin's token that is wrong, and what an admin is refused.
            let guess = Self.name(bench)
            _ = try await bench.admin("GET", "/admin/tenants", token: bench.key, headers: guess)
            #expect(
                try await Self.entries(bench, request: guess["X-Request-Id"] ?? "").first?["action"]
                    == "refused.unauthenticated")
            let missing = Self.name(bench)
            _ = try await bench.admin("POST", "/admin/keys/nobodyskey00/revocation", headers: missing)
            let refused = try await Self.entries(bench, request: missing["X-Request-Id"] ?? "")
            #expect(refused.first?["action"] == "refused.not_found" && refused.first?["actor"] == "admin")
        }
    }

    @Test func `forged callbacks are in the trail of the platform they were sent to`() async throws {
        try await APIBench.run { bench async throws in
            let token = try await CallbackTests.link(bench)
            for counterparty in ["wechat_pay", "alipay", "bank"] {
                let request = Self.name(bench)
                _ = try await bench.send(
                    "POST", "/callbacks/\(counterparty)/\(token)", bytes: Array("{}".utf8), key: "", headers: request)
                let found = try await Self.entries(bench, request: request["X-Request-Id"] ?? "")
                #expect(found.count == 1 && found.first?["action"] == "refused.callback")
                #expect(found.first?["subject"]?.string?.hasPrefix("\(counterparty): ") == true)
                #expect(found.first?["tenant"]?.string == bench.world.tenantID.text)
                #expect(found.first?["actor"] == "nobody" && found.first?["succeeded"] == false)
            }
            let request = Self.name(bench)
            _ = try await bench.send(
                "POST", "/callbacks/bank/\(String(repeating: "x", count: 40))", bytes: [], key: "", headers: request)
            let found = try await Self.entries(bench, request: request["X-Request-Id"] ?? "")
            #expect(found.first?["action"] == "refused.callback_address" && found.first?["tenant"] == .null)
            #expect(found.first?["subject"] == "bank")
        }
    }

    @Test func `a flood of refusals does not become a flood of entries`() async throws {
        try await TestStore.withFresh { test in
            try await APIBench.run(configuration: APIBench.configuration(), world: try await test.world()) {
                bench async throws in
                for _ in 0..<100 { _ = try await bench.send("GET", "/v1/orders", key: "ck_test_000000000000_x") }
                try await eventually("the trail has what it keeps") {
                    try await bench.admin("GET", "/admin/audit-entries?limit=200").json["data"]?.array?.count ?? 0 >= 30
                }
                let all = try await bench.admin("GET", "/admin/audit-entries?limit=200").json["data"]?.array ?? []
                // Two windows, if the minute turned meanwhile.
                #expect((30...60).contains(all.count))
            }
        }
    }
}
