import CustodyDomain
import CustodyStore
import CustodyWire
import Testing
import TestSupport

@Suite struct OrderRouteTests {
    @Test func `an order is created, shown and listed`() async throws {
        try await APIBench.run { bench async throws in
            let shop = try await bench.world.activeSubMerchant()
            let answer = try await bench.send(
                "POST", "/v1/orders",
                [
                    "out_order_no": "A-1", "amount": 1000, "currency": "CNY", "description": "茶", "payer": "buyer-1",
                    "metadata": ["cart": "7"], "split_mode": "immediate",
                    "parts": [
                        ["payee": .string(shop.text), "amount": 700], ["payee": .string(shop.text), "share_bp": 1000],
                        ["payee": "platform", "share_bp": 2000],
                    ],
                ])
            #expect(answer.status == 201)
            #expect(answer.json["state"] == "open" && answer.json["split_mode"] == "immediate")
            #expect(answer.json["parts"]?.array?.map { $0["amount"]?.integer } == [700, 100, 200])
            let shown = try await bench.send("GET", "/v1/orders/\(answer.id)")
            #expect(shown.status == 200)
            #expect(shown.body == answer.body)
            let listed = try await bench.send("GET", "/v1/orders?out_order_no=A-1")
            #expect(listed.json["data"]?.array?.first == answer.json)
            #expect(listed.json["has_more"] == false && listed.json["next_cursor"] == JSON.null)
        }
    }

    @Test func `the same key and body is answered byte for byte, and done once`() async throws {
        try await APIBench.run { bench async throws in
            for key in ["plain-key-1", "\"quoted-key-2\""] {
                let body = bench.order()
                let first = try await bench.send("POST", "/v1/orders", body, headers: ["Idempotency-Key": key])
                let second = try await bench.send("POST", "/v1/orders", body, headers: ["Idempotency-Key": key])
                #expect(first.status == 201 && second.status == 201)
                #expect(first.body == second.body)
                #expect(first.headers["idempotent-replayed"] == nil)
                #expect(second.headers["idempotent-replayed"] == "true")
                let other = try await bench.send("POST", "/v1/orders", bench.order(), headers: ["Idempotency-Key": key])
                #expect(other.status == 422 && other.code == "idempotency_key_reused")
            }
            #expect(try await bench.send("GET", "/v1/orders").json["data"]?.array?.count == 2)
        }
    }

    @Test func `a number stands for one order for ever`() async throws {
        try await APIBench.run { bench async throws in
            let first = try await bench.send("POST", "/v1/orders", bench.order("N-1"))
            let again = try await bench.send(
                "POST", "/v1/orders", bench.order("N-1"), headers: ["Idempotency-Key": "k"])
            #expect(again.status == 200 && again.id == first.id)
            let other = try await bench.send("POST", "/v1/orders", bench.order("N-1", amount: 101))
            #expect(other.status == 409 && other.code == "number_reused" && other.pointer == "/out_order_no")
        }
    }

    @Test func `parts that do not sum to the order are refused with both sums`() async throws {
        try await APIBench.run { bench async throws in
            let answer = try await bench.send(
                "POST", "/v1/orders",
                [
                    "out_order_no": "S-1", "amount": 1000, "description": "x",
                    "parts": [["payee": "platform", "amount": 400], ["payee": "platform", "amount": 599]],
                ])
            #expect(answer.status == 422 && answer.code == "split_sum_mismatch")
            let detail = answer.json["detail"]?.string ?? ""
            #expect(detail.contains("1000") && detail.contains("999"))
            #expect(answer.headers["content-type"] == "application/problem+json")
        }
    }

    @Test func `sixty-four requests with one key at once have one effect`() async throws {
        try await APIBench.run { bench async throws in
            let body = bench.order()
            let answers = try await withThrowingTaskGroup(of: APIBench.Answer.self) { group in
                for _ in 0..<64 {
                    group.addTask {
                        try await bench.send("POST", "/v1/orders", body, headers: ["Idempotency-Key": "one"])
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            let created = answers.filter { $0.status == 201 }
            #expect(
                answers.allSatisfy { $0.status == 201 || ($0.status == 409 && $0.code == "idempotency_key_in_use") })
            #expect(created.count { $0.headers["idempotent-replayed"] == nil } == 1)
            #expect(Set(created.map(\.body)).count == 1)
            #expect(try await bench.send("GET", "/v1/orders").json["data"]?.array?.count == 1)
        }
    }

    @Test func `orders that arrive together are each answered for themselves`() async throws {
        try await APIBench.run { bench async throws in
            let answers = try await withThrowingTaskGroup(of: (Int, APIBench.Answer).self) { group in
                for index in 0..<96 {
                    group.addTask {
                        var body = bench.order("T-\(index)", amount: Int64(100 + index))
                        if index % 8 == 3 {
                            body = [
                                "out_order_no": .string("T-\(index)"), "amount": 5, "description": "x",
                                "parts": [
                                    ["payee": .string(ID<SubMerchant>(at: Instant(seconds: 0)).text), "amount": 5]
                                ],
                            ]
                        }
                        return (
                            index,
                            try await bench.send("POST", "/v1/orders", body, headers: ["Idempotency-Key": "t-\(index)"])
                        )
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            for (index, answer) in answers {
                if index % 8 == 3 {
                    #expect(answer.status == 422 && answer.code == "sub_merchant_not_active")
                } else {
                    #expect(answer.status == 201 && answer.json["amount"]?.integer == Int64(100 + index))
                    #expect(answer.json["out_order_no"]?.string == "T-\(index)")
                }
            }
            #expect(Set(answers.map { $0.1.id }.filter { !$0.isEmpty }).count == 84)
        }
    }

    @Test func `of many orders each is accepted or refused on its own`() async throws {
        try await APIBench.run { bench async throws in
            _ = try await bench.send("POST", "/v1/orders", bench.order("B-1"))
            let body: JSON = [
                "orders": [
                    bench.order("B-1"), bench.order("B-2"), ["out_order_no": "B-3"], bench.order("B-1", amount: 7),
                    bench.order("B-2"),
                ]
            ]
            let answer = try await bench.send("POST", "/v1/orders/batch", body, headers: ["Idempotency-Key": "b"])
            #expect(answer.status == 200)
            let results = answer.json["results"]?.array ?? []
            #expect(results.map { $0["status"]?.string } == ["existing", "created", "refused", "refused", "existing"])
            #expect(results[2]["error"]?["errors"]?.array?.first?["pointer"] == "/orders/2/amount")
            #expect(results[3]["error"]?["code"] == "number_reused")
            let again = try await bench.send("POST", "/v1/orders/batch", body, headers: ["Idempotency-Key": "b"])
            #expect(again.body == answer.body)
            let tooMany = JSON.array((0..<501).map { bench.order("M-\($0)") })
            #expect(try await bench.send("POST", "/v1/orders/batch", ["orders": tooMany]).pointer == "/orders")
            let most = JSON.array((0..<500).map { bench.order("M-\($0)") })
            let all = try await bench.send("POST", "/v1/orders/batch", ["orders": most])
            #expect(all.json["results"]?.array?.count { $0["status"] == "created" } == 500)
        }
    }

    @Test func `pages show everything once, the youngest first`() async throws {
        try await APIBench.run { bench async throws in
            for index in 0..<7 { _ = try await bench.send("POST", "/v1/orders", bench.order("P-\(index)")) }
            var seen: [String] = []
            var cursor: String?
            repeat {
                let page = try await bench.send("GET", "/v1/orders?limit=3" + (cursor.map { "&cursor=\($0)" } ?? ""))
                seen += page.json["data"]?.array?.compactMap { $0["out_order_no"]?.string } ?? []
                cursor = page.json["next_cursor"]?.string
                #expect((page.json["has_more"] == true) == (cursor != nil))
            } while cursor != nil
            #expect(seen == (0..<7).reversed().map { "P-\($0)" })
            for query in [
                "limit=0", "limit=201", "limit=x", "cursor=pay_1", "state=odd", "colour=red", "limit=1&limit=2",
            ] {
                let answer = try await bench.send("GET", "/v1/orders?\(query)")
                #expect(answer.status == 400, "\(query)")
            }
        }
    }

    @Test func `an open order is closed, and a closed one is not paid`() async throws {
        try await APIBench.run { bench async throws in
            let order = try await bench.send("POST", "/v1/orders", bench.order())
            #expect(try await bench.send("POST", "/v1/orders/\(order.id)/close").json["state"] == "closed")
            let paid = try await bench.send(
                "POST", "/v1/orders/\(order.id)/payments", ["channel": "wechat_pay", "method": "native"])
            #expect(paid.status == 409 && paid.code == "order_state")
        }
    }

    @Test func `an order that would expire before now is refused`() async throws {
        try await APIBench.run { bench async throws in
            let body: JSON = [
                "out_order_no": "E-1", "amount": 1, "description": "x", "expires_at": "2020-01-01T00:00:00Z",
                "parts": [["payee": "platform", "amount": 1]],
            ]
            let answer = try await bench.send("POST", "/v1/orders", body)
            #expect(answer.status == 400 && answer.pointer == "/expires_at")
        }
    }
}
