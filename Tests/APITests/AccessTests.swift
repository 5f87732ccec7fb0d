import CustodyAPI
import CustodyDomain
import CustodyStore
import CustodyWire
import Testing
import TestSupport

@Suite struct AccessTests {
    @Test func `without a valid key there is nothing`() async throws {
        try await APIBench.run { bench async throws in
            let expired = try await bench.world.store.withSystem { tx in
                try await tx.createKey(
                    for: bench.world.tenantID, name: "old", scopes: ["read"], expiresAt: tx.now - .seconds(1))
            }
            let wrong = String(bench.key.dropLast()) + (bench.key.hasSuffix("a") ? "b" : "a")
            let keys = ["", "x", wrong, expired, "ck_test_000000000000_x", String(repeating: "k", count: 4000)]
            for key in keys {
                for (method, path) in [("GET", "/v1/orders"), ("POST", "/v1/orders"), ("GET", "/v1/balances")] {
                    let answer = try await bench.send(method, path, bytes: nil, key: key)
                    #expect(answer.status == 401 && answer.code == "unauthenticated")
                    #expect(answer.headers["www-authenticate"]?.hasPrefix("Bearer") == true)
                }
            }
            let basic = try await bench.send(
                "GET", "/v1/orders", key: "", headers: ["Authorization": "Basic \(bench.key)"])
            #expect(basic.status == 401)
        }
    }

    @Test func `a revoked key dies within seconds`() async throws {
        try await APIBench.run { bench async throws in
            let key = try await bench.world.store.withSystem {
                try await $0.createKey(for: bench.world.tenantID, name: "lost", scopes: ["read"], expiresAt: nil)
            }
            #expect(try await bench.send("GET", "/v1/orders", key: key).status == 200)
            let keyID = String(key.split(separator: "_")[2])
            #expect(try await bench.admin("POST", "/admin/keys/\(keyID)/revocation").status == 200)
            try await eventually("the key is dead", within: .seconds(6)) {
                try await bench.send("GET", "/v1/orders", key: key).status == 401
            }
        }
    }

    @Test func `a key does what its scopes say`() async throws {
        try await APIBench.run { bench async throws in
            let key = try await bench.world.store.withSystem {
                try await $0.createKey(for: bench.world.tenantID, name: "reader", scopes: ["read"], expiresAt: nil)
            }
            #expect(try await bench.send("GET", "/v1/orders", key: key).status == 200)
            let answer = try await bench.send("POST", "/v1/orders", bench.order(), key: key)
            #expect(answer.status == 403 && answer.code == "scope_missing")
        }
    }

    @Test func `another platform's things do not exist`() async throws {
        try await APIBench.run { bench async throws in
            let other = try await bench.world.test.world()
            let shop = try await other.activeSubMerchant()
            let (order, payment) = try await other.paidOrder([(shop, Fen(100))])
            let paths = [
                ("GET", "/v1/orders/\(order.id.text)"), ("POST", "/v1/orders/\(order.id.text)/close"),
                ("GET", "/v1/orders/\(order.id.text)/splits"), ("GET", "/v1/orders/\(order.id.text)/payments"),
                ("GET", "/v1/payments/\(payment.id.text)"), ("GET", "/v1/payments/\(payment.id.text)/refunds"),
                ("GET", "/v1/sub-merchants/\(shop.text)"), ("GET", "/v1/sub-merchants/\(shop.text)/balances"),
                ("GET", "/v1/sub-merchants/\(shop.text)/settlement-account"),
                ("POST", "/v1/sub-merchants/\(shop.text)/freeze"), ("POST", "/v1/sub-merchants/\(shop.text)/closure"),
                ("GET", "/v1/orders/ord_00000000000000000000000000"), ("GET", "/v1/orders/nonsense"),
                ("GET", "/v1/orders/\(shop.text)"), ("GET", "/v1/refunds/x"), ("GET", "/v1/withdrawals/x"),
                ("GET", "/v1/discrepancies/x"), ("GET", "/v1/statements/x"),
            ]
            for (method, path) in paths {
                let answer = try await bench.send(method, path)
                #expect(answer.status == 404 && answer.code == "not_found", "\(method) \(path)")
            }
            let split = try await bench.send("POST", "/v1/orders/\(order.id.text)/splits", ["out_split_no": "1"])
            #expect(split.status == 404)
            let refund = try await bench.send(
                "POST", "/v1/payments/\(payment.id.text)/refunds", ["out_refund_no": "1", "amount": 1])
            #expect(refund.status == 404)
            #expect(try await bench.send("GET", "/v1/orders").json["data"] == [])
            #expect(try await bench.send("GET", "/v1/payments?order=\(order.id.text)").json["data"] == [])
        }
    }

    @Test func `a method that a path does not have is told which it has`() async throws {
        try await APIBench.run { bench async throws in
            for operation in Contract.operations {
                let parts = operation.split(separator: " ")
                let path = String(parts[1]).replacing("{id}", with: "x").replacing("{token}", with: "x")
                for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "HEAD"] {
                    let answer = try await bench.send(method, path)
                    #expect(answer.status == 405, "\(method) \(path)")
                    let allowed = answer.headers["allow"]?.split(separator: ", ").map { $0.lowercased() } ?? []
                    #expect(allowed.contains(String(parts[0])) && !allowed.contains(method.lowercased()))
                }
            }
        }
    }

    @Test func `a path that leads nowhere is not found`() async throws {
        try await APIBench.run { bench async throws in
            for path in ["/", "/v1", "/v1/orders/", "/v1//orders", "/v2/orders", "/v1/orders/x/y/z", "/v1/orders/%ff"] {
                #expect(try await bench.send("GET", path).status == 404, "\(path)")
            }
        }
    }

    @Test func `admin routes are not on the platforms' listener, and want their token`() async throws {
        try await APIBench.run { bench async throws in
            #expect(try await bench.send("GET", "/admin/tenants").status == 404)
            #expect(try await bench.admin("GET", "/admin/tenants", token: bench.key).status == 401)
            #expect(try await bench.admin("GET", "/admin/tenants", token: "").status == 401)
            #expect(try await bench.admin("GET", "/admin/tenants").status == 200)
        }
    }
}
