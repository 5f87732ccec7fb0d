import CustodyDomain
import CustodyStore
import CustodyWire
import Testing
import TestSupport

@Suite struct MoneyRouteTests {
    private static let shop: JSON = [
        "out_sub_merchant_no": "SHOP-1", "kind": "individual", "display_name": "老王茶店", "name": "王小明",
        "certificate_number": "310101199001011234", "legal_person": ["name": "王小明", "id_number": "310101199001011234"],
        "contact": ["name": "李四", "mobile": "13812345678"],
    ]

    @Test func `a sub-merchant is opened, and its people are masked`() async throws {
        try await APIBench.run { bench async throws in
            let answer = try await bench.send("POST", "/v1/sub-merchants", MoneyRouteTests.shop)
            #expect(answer.status == 201 && answer.json["state"] == "submitted")
            let again = try await bench.send("POST", "/v1/sub-merchants", MoneyRouteTests.shop)
            #expect(again.id == answer.id)
            for path in ["/v1/sub-merchants/\(answer.id)", "/v1/sub-merchants?out_sub_merchant_no=SHOP-1"] {
                let text = String(decoding: try await bench.send("GET", path).body, as: UTF8.self)
                #expect(text.contains("王**") && text.contains("****1234") && text.contains("****5678"))
                for secret in ["王小明", "李四", "310101199001011234", "13812345678"] { #expect(!text.contains(secret)) }
            }
            let refused = try await bench.send("POST", "/v1/sub-merchants/\(answer.id)/freeze")
            #expect(refused.status == 422 && refused.code == "sub_merchant_not_active")
        }
    }

    @Test func `a settlement account is bound and verified, its numbers masked`() async throws {
        try await APIBench.run { bench async throws in
            let shop = try await bench.world.activeSubMerchant(bindsAccount: false)
            let path = "/v1/sub-merchants/\(shop.text)"
            #expect(try await bench.send("GET", path + "/settlement-account").status == 404)
            let body: JSON = [
                "account_number": "6222021001116245702", "account_name": "张三", "mobile": "13800000000",
                "bank_name": "中国工商银行", "verification": "small_amount",
            ]
            let bound = try await bench.send("POST", path + "/settlement-account", body)
            #expect(bound.status == 202 && bound.json["account_number"] == "****5702")
            let text = String(decoding: bound.body, as: UTF8.self)
            #expect(!text.contains("6222021001116245702") && !text.contains("张三") && !text.contains("13800000000"))
            #expect(try await bench.send("POST", path + "/settlement-account", body).code == "bank_account_pending")
            let proof: JSON = ["amount": 17, "instruction_number": "I-1"]
            #expect(try await bench.send("POST", path + "/verification", proof).code == "nothing_to_verify")
            guard let id = ID<BankAccount>(bound.id) else { throw Unexpected() }
            try await bench.world.run { try await $0.noteBinding(id, .toVerify, bindingNumber: "B-1", triesLeft: 3) }
            let verified = try await bench.send("POST", path + "/verification", proof)
            #expect(verified.status == 202 && verified.json["state"] == "verifying")
            #expect(try await bench.send("POST", path + "/verification", ["sms_code": "abc"]).pointer == "/sms_code")
            try await bench.world.run { try await $0.noteBinding(id, .bound) }
            #expect(try await bench.send("GET", path + "/settlement-account").json["state"] == "bound")
        }
    }

    @Test func `a payment answers at once, or waits for the channel when it is asked to`() async throws {
        try await APIBench.run { bench async throws in
            let order = try await bench.send("POST", "/v1/orders", bench.order())
            let body: JSON = ["channel": "wechat_pay", "method": "native"]
            let path = "/v1/orders/\(order.id)/payments"
            let worker = Task {
                // The worker's part: as soon as the payment is there, the channel's answer is noted.
                while !Task.isCancelled {
                    try await Task.sleep(for: .milliseconds(100))
                    let open = try await bench.world.run {
                        try await $0.payments(order: nil, state: .created, before: nil, limit: 10)
                    }
                    for payment in open {
                        try await bench.world.run { try await $0.notePrompt(payment.id, #"{"code_url":"weixin://x"}"#) }
                    }
                }
            }
            defer { worker.cancel() }
            let waited = try await bench.send(
                "POST", path, body, headers: ["Prefer": "wait=10", "Idempotency-Key": "p"])
            #expect(waited.status == 202 && waited.json["state"] == "paying")
            #expect(waited.json["prompt"]?["code_url"] == "weixin://x")
            #expect(waited.headers["preference-applied"] == "wait=10")
            let replayed = try await bench.send("POST", path, body, headers: ["Idempotency-Key": "p"])
            #expect(replayed.id == waited.id && replayed.headers["idempotent-replayed"] == "true")
            #expect(try await bench.send("POST", path, body).code == "payment_open")
            let wrong = try await bench.send("POST", path, ["channel": "alipay", "method": "native"])
            #expect(wrong.status == 422 && wrong.code == "method_not_of_channel")
            #expect(try await bench.send("GET", path).json["data"]?.array?.count == 1)
            #expect(try await bench.send("GET", "/v1/payments/\(waited.id)").status == 200)
            #expect(try await bench.send("POST", path, body, headers: ["Prefer": "wait=x"]).pointer == "Prefer")
        }
    }

    @Test func `a wait ends when its time is over`() async throws {
        try await APIBench.run { bench async throws in
            let order = try await bench.send("POST", "/v1/orders", bench.order())
            let start = ContinuousClock.now
            let answer = try await bench.send(
                "POST", "/v1/orders/\(order.id)/payments", ["channel": "alipay", "method": "page"],
                headers: ["Prefer": "wait=1"])
            #expect(answer.status == 202 && answer.json["state"] == "created")
            #expect(ContinuousClock.now - start >= .seconds(1))
        }
    }

    @Test func `refunds and splits take only what is held`() async throws {
        try await APIBench.run { bench async throws in
            let shop = try await bench.world.activeSubMerchant()
            let (order, payment) = try await bench.world.paidOrder([(shop, Fen(700)), (nil, Fen(300))])
            let refunds = "/v1/payments/\(payment.id.text)/refunds"
            let refund = try await bench.send(
                "POST", refunds,
                ["out_refund_no": "R-1", "amount": 100, "reason": "broken", "parts": [["number": 1, "amount": 100]]])
            #expect(refund.status == 202 && refund.json["parts"]?.array?.count == 1)
            let tooMuch = try await bench.send("POST", refunds, ["out_refund_no": "R-2", "amount": 901])
            #expect(tooMuch.status == 422 && tooMuch.code == "refund_exceeds_payment")
            let twice: JSON = [
                "out_refund_no": "R-3", "amount": 2,
                "parts": [["number": 1, "amount": 1], ["number": 1, "amount": 1]],
            ]
            #expect(try await bench.send("POST", refunds, twice).pointer == "/parts")
            #expect(try await bench.send("GET", refunds).json["data"]?.array?.count == 1)
            #expect(try await bench.send("GET", "/v1/refunds/\(refund.id)").json == refund.json)
            #expect(
                try await bench.send("GET", "/v1/refunds?payment=\(payment.id.text)").json["data"]?.array?.count == 1)
            let splits = "/v1/orders/\(order.id.text)/splits"
            let part = try await bench.send(
                "POST", splits, ["out_split_no": "S-1", "parts": [["number": 2, "amount": 300]]])
            #expect(part.status == 202 && part.json["is_last"] == false)
            let over = try await bench.send(
                "POST", splits, ["out_split_no": "S-2", "parts": [["number": 1, "amount": 601]]])
            #expect(over.status == 422 && over.code == "split_exceeds_held")
            let rest = try await bench.send("POST", splits, ["out_split_no": "S-3"])
            #expect(rest.json["is_last"] == true && rest.json["parts"]?.array?.first?["amount"] == 600)
            #expect(try await bench.send("GET", splits).json["data"]?.array?.count == 2)
            #expect(try await bench.world.violations() == [])
        }
    }

    @Test func `income is withdrawn to the bound account, and the books show it`() async throws {
        try await APIBench.run { bench async throws in
            let shop = try await bench.world.activeSubMerchant()
            try await bench.world.settledIncome(Fen(1000), of: shop)
            let body: JSON = ["out_withdrawal_no": "W-1", "sub_merchant": .string(shop.text), "amount": 400]
            let answer = try await bench.send("POST", "/v1/withdrawals", body, headers: ["Idempotency-Key": "w"])
            #expect(answer.status == 202 && answer.json["state"] == "requested")
            let tooMuch = try await bench.send(
                "POST", "/v1/withdrawals",
                ["out_withdrawal_no": "W-2", "sub_merchant": .string(shop.text), "amount": 601])
            #expect(tooMuch.status == 422 && tooMuch.code == "insufficient_funds")
            #expect(try await bench.send("GET", "/v1/withdrawals/\(answer.id)").json == answer.json)
            #expect(
                try await bench.send(
                    "GET", "/v1/withdrawals?sub_merchant=\(shop.text)&state=requested&out_withdrawal_no=W-1"
                )
                .json["data"]?.array?.count == 1)
            let balances = try await bench.send("GET", "/v1/sub-merchants/\(shop.text)/balances").json
            #expect(balances["available"] == 600 && balances["withdrawing"] == 400 && balances["held"] == 0)
            let books = try await bench.send("GET", "/v1/balances").json
            let own = books["data"]?.array?.first { $0["account"] == "available" && $0["owner"]?.string == shop.text }
            #expect(own?["balance"] == 600 && own?["side"] == "credit")
            let before = try await bench.send("GET", "/v1/balances?at=2020-01-01T00:00:00Z").json
            #expect(before["data"]?.array?.allSatisfy { $0["balance"] == 0 } == true)
            #expect(try await bench.send("GET", "/v1/settlement-runs").json["data"]?.array?.count == 1)
            let blocked = try await bench.send("POST", "/v1/sub-merchants/\(shop.text)/closure")
            #expect(blocked.status == 422 && blocked.code == "closure_blocked")
            #expect(try await bench.send("POST", "/v1/sub-merchants/\(shop.text)/freeze").json["state"] == "frozen")
            let frozen = try await bench.send(
                "POST", "/v1/withdrawals",
                ["out_withdrawal_no": "W-3", "sub_merchant": .string(shop.text), "amount": 1])
            #expect(frozen.code == "sub_merchant_not_active")
            #expect(try await bench.send("POST", "/v1/sub-merchants/\(shop.text)/unfreeze").json["state"] == "active")
            #expect(try await bench.world.violations() == [])
        }
    }

    @Test func `events are read from the oldest on, page by page`() async throws {
        try await APIBench.run { bench async throws in
            let shop = try await bench.world.activeSubMerchant()
            _ = try await bench.world.paidOrder([(shop, Fen(10))])
            let all = try await bench.send("GET", "/v1/events").json["data"]?.array ?? []
            #expect(all.contains { $0["type"] == "payment.succeeded" })
            var (paged, cursor): ([JSON], String?) = ([], nil)
            repeat {
                let page = try await bench.send("GET", "/v1/events?limit=2" + (cursor.map { "&cursor=\($0)" } ?? ""))
                    .json
                paged += page["data"]?.array ?? []
                cursor = page["next_cursor"]?.string
            } while cursor != nil
            #expect(paged == all)
        }
    }

    @Test func `a sandbox's clock moves forward only; a live platform has none`() async throws {
        try await APIBench.run { bench async throws in
            #expect(try await bench.send("POST", "/v1/test-clock", ["now": "2031-01-01T00:00:00Z"]).status == 200)
            let shown = try await bench.send("GET", "/v1/test-clock").json["now"]?.string ?? ""
            #expect(shown.hasPrefix("2031-01-01T00:0"))
            let back = try await bench.send("POST", "/v1/test-clock", ["now": "2030-01-01T00:00:00Z"])
            #expect(back.status == 422 && back.code == "clock_moves_backward")
            let order = try await bench.send("POST", "/v1/orders", bench.order())
            #expect(order.json["expires_at"]?.string?.hasPrefix("2031-01-01T02:0") == true)
        }
        try await APIBench.run(sandbox: false) { bench async throws in
            #expect(try await bench.send("GET", "/v1/test-clock").code == "sandbox_only")
            #expect(
                try await bench.send("POST", "/v1/test-clock", ["now": "2031-01-01T00:00:00Z"]).code == "sandbox_only")
        }
    }

    @Test func `lists of reconciliation are there before there is anything to list`() async throws {
        try await APIBench.run { bench async throws in
            for path in [
                "/v1/statements?source=bank&date=2026-10-05", "/v1/reconciliations?date=2026-10-05",
                "/v1/discrepancies?state=open",
            ] {
                let answer = try await bench.send("GET", path)
                #expect(answer.status == 200 && answer.json["data"] == [])
            }
            #expect(try await bench.send("GET", "/v1/statements?date=20261005").status == 400)
        }
    }
}

/// Something a test relied on was not so.
struct Unexpected: Error {}
