import AsyncHTTPClient
import CustodyDomain
import CustodySimulators
import CustodyWire
import Testing

/// What the simulator demands of service providers and e-commerce platforms, as a stranger meets it.
@Suite struct WeChatPayPartnerRulesTests {
    private typealias World = WeChatPayPartnerWorld

    @Test func `a scenario that makes no sense is refused by its step`() async throws {
        let simulator = try WeChatPaySimulator(client: .shared)
        let cases: [(JSON, Int)] = [
            ([:], 0), ([["path": "/v3/certificates"]], 1), ([["path": "/control/merchants", "body": [:]]], 1),
            ([["path": "/control/faults", "method": "DELETE"], ["path": "/control/nothing"]], 2),
        ]
        for (json, step) in cases {
            do throws(SimulatorScenario.Failure) {
                try await simulator.play(try SimulatorScenario(json))
                Issue.record("played: \(json.text)")
            } catch { #expect(error.step == step) }
        }
    }

    @Test func `each kind of merchant has its own endpoints`() async throws {
        try await World.with("service_provider") { world in
            for target in ["/v3/ecommerce/fund/balance/\(World.sub)", "/v3/ecommerce/profitsharing/orders/1/amounts"] {
                let refused = try await world.send("GET", target)
                #expect(refused.code == "NO_AUTH")
            }
            #expect(try await world.send("GET", "/v3/profitsharing/merchant-configs/\(World.sub)").status == 200)
        }
        try await World.with("ecommerce") { world in
            let refused = try await world.send("GET", "/v3/profitsharing/transactions/1/amounts")
            #expect(refused.code == "NO_AUTH")
            #expect(try await world.send("GET", "/v3/ecommerce/fund/balance/1900009999").code == "NO_AUTH")
        }
    }

    @Test func `numbers have their alphabets and lengths`() async throws {
        try await World.with { world in
            let transaction = try await world.paid("NUMBERS1")
            for number in ["", "a b", String(repeating: "1", count: 65), "中"] {
                let refund: JSON = [
                    "sub_mchid": .string(World.sub), "sp_appid": .string(World.appid), "transaction_id": transaction,
                    "out_refund_no": .string(number), "amount": ["refund": 1, "total": 10000, "currency": "CNY"],
                ]
                #expect(try await world.send("POST", "/v3/ecommerce/refunds/apply", refund).code == "PARAM_ERROR")
            }
            for number in ["W-1", "W_1", "", String(repeating: "1", count: 33)] {
                let withdrawal: JSON = [
                    "sub_mchid": .string(World.sub), "out_request_no": .string(number), "amount": 1,
                ]
                #expect(try await world.send("POST", "/v3/ecommerce/fund/withdraw", withdrawal).code == "PARAM_ERROR")
            }
        }
    }

    @Test func `splits keep to their windows, caps and numbers`() async throws {
        try await World.with { world in
            try await world.clock("2026-10-05T12:00:00+08:00")
            let transaction = try await world.paid("SPLITS01")
            func split(
                _ number: String, _ amount: Int64, count: Int = 1, finish: Bool = false
            ) async throws -> World.Answer {
                let receiver: JSON = [
                    "type": "MERCHANT_ID", "receiver_account": .string(World.mchid), "amount": JSON(amount),
                    "description": "佣金",
                ]
                return try await world.send(
                    "POST", "/v3/ecommerce/profitsharing/orders",
                    [
                        "appid": .string(World.appid), "sub_mchid": .string(World.sub), "transaction_id": transaction,
                        "out_order_no": .string(number), "finish": .bool(finish),
                        "receivers": .array(Array(repeating: receiver, count: count)),
                    ])
            }
            _ = try await world.send(
                "POST", "/v3/ecommerce/profitsharing/receivers/add",
                [
                    "appid": .string(World.appid), "type": "MERCHANT_ID", "account": .string(World.mchid),
                    "relation_type": "PLATFORM",
                ])
            #expect(try await split("S1", 100).code == "INVALID_REQUEST")
            try await world.clock("2026-10-05T12:01:10+08:00")
            #expect(try await split("S1", 3001).code == "RULE_LIMIT")
            #expect(try await split("S1", 1, count: 51).code == "PARAM_ERROR")
            #expect(try await split("S1", 2900).status == 200)
            #expect(try await split("S1", 2900).status == 200)
            #expect(try await split("S1", 2901).code == "PARAM_ERROR")
            // The cap counts all splits of the order.
            #expect(try await split("S2", 101).code == "RULE_LIMIT")
            #expect(try await split("S2", 100).status == 200)
            try await world.clock("2026-10-05T12:02:00+08:00")

            // Finishing under the number of a split says yes and does nothing.
            func finish(_ number: String) async throws -> World.Answer {
                try await world.send(
                    "POST", "/v3/ecommerce/profitsharing/finish-order",
                    [
                        "sub_mchid": .string(World.sub), "transaction_id": transaction, "out_order_no": .string(number),
                        "description": "完结",
                    ])
            }
            let left = "/v3/ecommerce/profitsharing/orders/\(transaction.string ?? "")/amounts"
            #expect(try await finish("S1").status == 200)
            #expect(try await world.send("GET", left).json["unsplit_amount"]?.integer == 10_000 - 60 - 3000)
            #expect(try await finish("S3").status == 200)
            #expect(try await world.send("GET", left).json["unsplit_amount"]?.integer == 0)
            #expect(try await split("S4", 1).code == "INVALID_REQUEST")

            // A return that takes five days has failed; nothing moved.
            try await world.control("POST", "/faults", ["operation": "return_result", "fault": "processing"])
            let back: JSON = [
                "sub_mchid": .string(World.sub), "out_order_no": "S1", "out_return_no": "B1",
                "return_mchid": .string(World.mchid), "amount": 2900, "description": "退",
            ]
            let path = "/v3/ecommerce/profitsharing/returnorders"
            #expect(try await world.send("POST", path, back).json["result"]?.string == "PROCESSING")
            try await world.clock("2026-10-10T12:03:00+08:00")
            let failed = try await world.send(
                "GET", "\(path)?sub_mchid=\(World.sub)&out_order_no=S1&out_return_no=B1")
            #expect(failed.json["result"]?.string == "FAIL")
            #expect(failed.json["fail_reason"]?.string == "TIME_OUT_CLOSED")
            var again = back.members ?? []
            again.removeAll { $0.name == "out_return_no" }
            let second = JSON.object(again + [.init("out_return_no", "B2")])
            #expect(try await world.send("POST", path, second).json["result"]?.string == "SUCCESS")
            let third = JSON.object(again + [.init("out_return_no", "B3")])
            #expect(try await world.send("POST", path, third).code == "INVALID_REQUEST")
        }
    }

    @Test func `sealed fields need the key they were sealed for, and forms take no empty ones`() async throws {
        try await World.with { world in
            let key = try #require(world.link.publicKey)
            func sealed(_ text: String) throws -> JSON {
                .string(try WeChatPaySensitiveField.encrypted(text, publicKeyPEM: try key.publicKeyPEM))
            }
            let change: JSON = [
                "account_type": "ACCOUNT_TYPE_PRIVATE", "account_bank": "招商银行", "bank_address_code": "310000",
                "account_number": try sealed("6225880123456789"),
            ]
            let target = "/v3/apply4sub/sub_merchants/\(World.sub)/modify-settlement"
            let certificate = try #require(world.link.platformKeys.first { !$0.isPublicKey })
            #expect(try await world.send("POST", target, change).code == "PARAM_ERROR")
            #expect(
                try await world.send("POST", target, change, sealedFor: certificate.serial).code == "PARAM_ERROR")
            #expect(try await world.send("POST", target, change, sealedFor: key.serial).status == 200)

            func form(_ more: [JSON.Member]) throws -> JSON {
                .object(
                    [
                        .init("out_request_no", "F1"), .init("organization_type", "2401"),
                        .init("merchant_shortname", "茶铺"), .init("sales_scene_info", ["store_name": "茶铺"]),
                        .init(
                            "contact_info",
                            ["contact_name": try sealed("张三"), "mobile_phone": try sealed("13800138000")]),
                    ] + more)
            }
            let apply = "/v3/ecommerce/applyments/"
            let empty = try await world.send(
                "POST", apply, try form([.init("id_card_info", ["id_card_copy": ""])]), sealedFor: key.serial)
            #expect(empty.code == "PARAM_ERROR")
            #expect(try await world.send("POST", apply, try form([]), sealedFor: key.serial).status == 200)
            // From CHECKING no signature is asked for.
            let jump = try await world.send(
                "POST", "/control/applyments",
                ["merchant": .string(World.mchid), "out_request_no": "F1", "state": "NEED_SIGN"])
            #expect(jump.status == 409)
        }
    }

    @Test func `more calls a second than allowed are refused`() async throws {
        try await World.with { world in
            try await world.clock("2026-10-05T12:00:00+08:00")
            let target = "/v3/bill/fundflowbill?bill_date=2026-10-03"
            let codes = try await withThrowingTaskGroup(of: String?.self) { group in
                for _ in 0..<60 { group.addTask { try await world.send("GET", target).code } }
                return try await group.reduce(into: [String?]()) { $0.append($1) }
            }
            #expect(codes.contains("RATELIMIT_EXCEEDED"))
            #expect(codes.contains("NO_STATEMENT_EXIST"))
        }
    }

    @Test func `a combined order has at most fifty parts`() async throws {
        try await World.with { world in
            func order(_ count: Int) -> JSON {
                let parts = (0..<count).map { index -> JSON in
                    [
                        "mchid": .string(World.mchid), "sub_mchid": .string(World.sub), "attach": "-",
                        "out_trade_no": .string("PART00-\(index)"), "description": "茶",
                        "amount": ["total_amount": 1, "currency": "CNY"],
                    ]
                }
                return [
                    "combine_appid": .string(World.appid), "combine_mchid": .string(World.mchid),
                    "combine_out_trade_no": .string("FIFTY\(count)X"), "sub_orders": .array(parts),
                    "notify_url": "https://pay.example.com/cb",
                ]
            }
            let target = "/v3/combine-transactions/native"
            let empty = try await world.send("POST", target, order(0))
            #expect(empty.code == "PARAM_ERROR")
            #expect(try await world.send("POST", target, order(51)).code == "PARAM_ERROR")
            #expect(try await world.send("POST", target, order(50)).status == 200)
            // A part's number is taken then.
            #expect(try await world.send("POST", target, order(2)).code == "OUT_TRADE_NO_USED")
        }
    }
}
