import CustodyDomain
import CustodySimulators
import CustodyWire
import Testing

/// WeChat's rules about money that is shared: who may receive, what is added, and what goes back.
@Suite struct WeChatPaySplitRulesTests {
    private typealias World = WeChatPayPartnerWorld

    @Test func `only who was made a receiver receives, and only while it is one`() async throws {
        try await World.with { world in
            try await world.clock("2026-10-05T12:00:00+08:00")
            let transaction = try await world.paid("RECEIVER1")
            let early = try await world.split("S0", transaction, 100)
            #expect(early.code == "INVALID_REQUEST" && early.json["message"]?.string == "订单处理中，请稍后重试")
            try await world.clock("2026-10-05T12:02:00+08:00")
            #expect(try await world.split("S0", transaction, 100).code == "INVALID_REQUEST")
            let wrong: JSON = [
                "appid": .string(World.appid), "type": "MERCHANT_ID", "account": .string(World.mchid),
                "relation_type": "STORE_OWNER",
            ]
            let add = "/v3/ecommerce/profitsharing/receivers/add"
            #expect(try await world.send("POST", add, wrong).code == "PARAM_ERROR")
            try await world.addReceiver()
            try await world.addReceiver()
            #expect(try await world.split("S1", transaction, 100).status == 200)
            let gone: JSON = [
                "appid": .string(World.appid), "type": "MERCHANT_ID", "account": .string(World.mchid),
            ]
            _ = try await world.send("POST", "/v3/ecommerce/profitsharing/receivers/delete", gone)
            try await world.clock("2026-10-05T12:03:00+08:00")
            #expect(try await world.splitResult("S1", transaction) == ["CLOSED", "NO_RELATION"])
            #expect(try await world.funds() == [0, 9940])

            // The same number for something else.
            let other = try await world.paid("RECEIVER2")
            try await world.addReceiver()
            try await world.clock("2026-10-05T12:05:00+08:00")
            let moved = try await world.split("S1", other, 100)
            #expect(moved.code == "PARAM_ERROR" && moved.json["message"]?.string == "微信支付订单号与原请求不一致")
            #expect(try await world.split("S1", transaction, 99).code == "PARAM_ERROR")
        }
    }

    @Test func `whoever is frozen neither gives nor receives, and a person receives so much a month`() async throws {
        try await World.with { world in
            try await world.clock("2026-10-05T12:00:00+08:00")
            try await world.control(
                "POST", "/sub-merchants", ["merchant": .string(World.mchid), "sub_mchid": .string(World.otherSub)])
            for (account, type) in [
                (World.mchid, "MERCHANT_ID"), (World.otherSub, "MERCHANT_ID"), ("oWho", "PERSONAL_OPENID"),
            ] { try await world.addReceiver(account, type) }
            let transaction = try await world.paid("FROZEN01", 100_000_000)
            try await world.clock("2026-10-05T12:02:00+08:00")
            func freeze(_ sub: String, _ isFrozen: Bool) async throws {
                try await world.control(
                    "POST", "/sub-merchants",
                    ["merchant": .string(World.mchid), "sub_mchid": .string(sub), "frozen": .bool(isFrozen)])
            }
            try await freeze(World.otherSub, true)
            #expect(try await world.split("F1", transaction, 100, to: World.otherSub).status == 200)
            try await world.clock("2026-10-05T12:03:00+08:00")
            #expect(try await world.splitResult("F1", transaction) == ["CLOSED", "ACCOUNT_ABNORMAL"])
            try await freeze(World.otherSub, false)
            #expect(try await world.split("F2", transaction, 500, to: World.otherSub).status == 200)
            #expect(try await world.split("F3", transaction, 20_000_000, to: "oWho", "PERSONAL_OPENID").status == 200)
            try await world.clock("2026-10-05T12:04:00+08:00")
            #expect(try await world.splitResult("F3", transaction) == ["SUCCESS", nil])
            #expect(try await world.split("F4", transaction, 1, to: "oWho", "PERSONAL_OPENID").status == 200)
            try await freeze(World.sub, true)
            try await world.clock("2026-10-05T12:05:00+08:00")
            // F4 was looked at while its payer was frozen already.
            #expect(try await world.splitResult("F4", transaction) == ["CLOSED", "PAYER_ACCOUNT_ABNORMAL"])
            try await freeze(World.sub, false)
            #expect(try await world.split("F5", transaction, 1, to: "oWho", "PERSONAL_OPENID").status == 200)
            try await world.clock("2026-10-05T12:06:00+08:00")
            #expect(try await world.splitResult("F5", transaction) == ["CLOSED", "RECEIVER_RECEIPT_LIMIT"])
            try await world.clock("2026-11-01T00:01:00+08:00")
            #expect(try await world.split("F6", transaction, 1, to: "oWho", "PERSONAL_OPENID").status == 200)
            try await world.clock("2026-11-01T00:02:00+08:00")
            #expect(try await world.splitResult("F6", transaction) == ["SUCCESS", nil])
            #expect(try await world.books()["outside_fen"]?.integer == 20_000_001)

            // What a frozen receiver got does not come back.
            try await freeze(World.otherSub, true)
            let back = try await Self.back(world, "B1", of: "F2", 500, from: World.otherSub)
            #expect(back.json["result"]?.string == "FAIL")
            #expect(back.json["fail_reason"]?.string == "ACCOUNT_ABNORMAL")
            try await freeze(World.otherSub, false)
            #expect(
                try await Self.back(world, "B2", of: "F2", 500, from: World.otherSub).json["result"]?.string
                    == "SUCCESS")
            _ = try await world.books()
        }
    }

    private static let returns = "/v3/ecommerce/profitsharing/returnorders"

    private static func back(
        _ world: World, _ number: String, of split: String, _ amount: Int64, from account: String = World.mchid
    ) async throws -> World.Answer {
        try await world.send(
            "POST", returns,
            [
                "sub_mchid": .string(World.sub), "out_order_no": .string(split), "out_return_no": .string(number),
                "return_mchid": .string(account), "amount": JSON(amount), "description": "退",
            ])
    }

    @Test func `receivers hear of what they get and of what goes back, and nobody else does`() async throws {
        try await World.with { world in
            try await world.clock("2026-10-05T12:00:00+08:00")
            try await world.addReceiver()
            let transaction = try await world.paid("HEARD001")
            try await world.clock("2026-10-05T12:02:00+08:00")
            #expect(try await world.split("S1", transaction, 700).status == 200)
            try await world.clock("2026-10-05T12:03:00+08:00")
            try await world.fault("return_result", "delayed", [.init("seconds", 600)])
            #expect(try await Self.back(world, "B1", of: "S1", 200).json["result"]?.string == "PROCESSING")
            #expect(try await Self.back(world, "B1", of: "S1", 199).code == "PARAM_ERROR")
            #expect(try await world.funds(World.mchid) == [700, 0])
            try await world.clock("2026-10-05T12:14:00+08:00")
            #expect(try await world.funds(World.mchid) == [500, 0])
            // What came back is available, and cannot be split again.
            #expect(try await world.funds() == [200, 9940 - 700])
            try await world.fault("return_result", "failed", [.init("fail_reason", "ACCOUNT_ABNORMAL")])
            #expect(try await Self.back(world, "B2", of: "S1", 100).json["result"]?.string == "FAIL")
            try await world.clock("2026-10-05T12:15:00+08:00")
            let heard = try world.inbox.contents(world.link)
            #expect(heard.map(\.eventType) == ["TRANSACTION.SUCCESS", "PROFITSHARING.SUCCESS", "PROFITSHARING.RETURN"])
            #expect(heard[1].resource["receiver"]?["account"]?.string == World.mchid)
            // After a return the notice names whoever has the money now.
            #expect(heard[2].resource["receiver"]?["account"]?.string == World.sub)
            #expect(heard[2].resource["receiver"]?["amount"]?.integer == 200)
            #expect(heard[2].resource["out_order_no"]?.string == "B1")
        }
    }

    private static func subsidy(_ world: World, _ verb: String, _ body: JSON) async throws -> World.Answer {
        try await world.send("POST", "/v3/ecommerce/subsidies/\(verb)", body)
    }

    private static func addition(
        _ transaction: JSON, _ amount: Int64, refund: JSON? = nil, _ number: String = "SUB1"
    ) -> JSON {
        let body: JSON = [
            "sub_mchid": .string(World.sub), "transaction_id": transaction, "amount": JSON(amount),
            "description": "平台补贴", "refund_id": refund ?? .null, "out_subsidy_no": .string(number),
        ]
        return body.omittingNulls
    }

    @Test func `an announced subsidy comes before the first split, once, and as announced`() async throws {
        try await World.with { world in
            try await world.clock("2026-10-05T12:00:00+08:00")
            try await world.addReceiver()
            let plain = try await world.paid("PLAIN001")
            #expect(try await Self.subsidy(world, "create", Self.addition(plain, 500)).code == "INVALID_REQUEST")
            let transaction = try await world.paid("SUBSIDY1", subsidy: 500)
            try await world.clock("2026-10-05T12:02:00+08:00")
            #expect(try await world.split("S1", transaction, 100).code == "INVALID_REQUEST")
            #expect(try await Self.subsidy(world, "create", Self.addition(transaction, 501)).code == "PARAM_ERROR")
            #expect(try await Self.subsidy(world, "create", Self.addition(transaction, 400)).code == "PARAM_ERROR")
            #expect(try await Self.subsidy(world, "create", Self.addition(transaction, 500)).code == "NOT_ENOUGH")
            try await world.deposit(800, toPlatform: true)
            let added = try await Self.subsidy(world, "create", Self.addition(transaction, 500))
            #expect(added.json["result"]?.string == "SUCCESS")
            #expect(try await Self.subsidy(world, "create", Self.addition(transaction, 500)).json == added.json)
            #expect(
                try await Self.subsidy(world, "create", Self.addition(transaction, 500, "SUB2")).code
                    == "INVALID_REQUEST")
            #expect(try await world.funds(World.mchid) == [300, 0])
            #expect(try await world.funds() == [0, 9940 + 9940 + 500])
            let left = "/v3/ecommerce/profitsharing/orders/\(transaction.string ?? "")/amounts"
            #expect(try await world.send("GET", left).json["unsplit_amount"]?.integer == 10_440)
            // The cap is on what the buyer paid.
            #expect(try await world.split("S1", transaction, 3001).code == "RULE_LIMIT")
            #expect(try await world.split("S1", transaction, 3000).status == 200)
            let cancel: JSON = [
                "sub_mchid": .string(World.sub), "transaction_id": transaction, "description": "不补了",
            ]
            #expect(try await Self.subsidy(world, "cancel", cancel).code == "INVALID_REQUEST")
            _ = try await world.books()
            for settlement in [
                ["profit_sharing": true, "subsidy_amount": 1_000_001], ["profit_sharing": false, "subsidy_amount": 1],
                ["profit_sharing": true, "subsidy_amount": 0],
            ] as [JSON] {
                let order: JSON = [
                    "sp_appid": .string(World.appid), "sp_mchid": .string(World.mchid),
                    "sub_mchid": .string(World.sub), "description": "茶", "out_trade_no": "SUBSIDY9",
                    "notify_url": "http://127.0.0.1:9/cb", "amount": ["total": 10000], "settle_info": settlement,
                ]
                #expect(
                    try await world.send("POST", "/v3/pay/partner/transactions/native", order).code == "PARAM_ERROR")
            }
        }
    }

    @Test func `a subsidy goes back with refunds, each once, and is cancelled only after one`() async throws {
        try await World.with { world in
            try await world.clock("2026-10-05T12:00:00+08:00")
            try await world.addReceiver()
            try await world.deposit(1000, toPlatform: true)
            let transaction = try await world.paid("RETURNS1", subsidy: 600)
            _ = try await Self.subsidy(world, "create", Self.addition(transaction, 600))
            func back(
                _ number: String, _ amount: Int64, _ refund: JSON, _ from: JSON = .null
            ) async throws -> World.Answer {
                let body: JSON = [
                    "sub_mchid": .string(World.sub), "out_order_no": .string(number), "transaction_id": transaction,
                    "refund_id": refund, "amount": JSON(amount), "description": "退补贴", "from": from,
                ]
                return try await Self.subsidy(world, "return", body.omittingNulls)
            }
            #expect(try await back("R1", 100, "500000").code == "INVALID_REQUEST")
            let first = try #require(try await world.refund("RF1", transaction, 1000).json["refund_id"])
            let second = try #require(try await world.refund("RF2", transaction, 1000).json["refund_id"])
            #expect(try await back("R1", 601, first).code == "INVALID_REQUEST")
            let available: JSON = [["account": "AVAILABLE", "amount": 100]]
            #expect(try await back("R1", 100, first, available).code == "NOT_ENOUGH")
            #expect(try await back("R1", 100, first, [["account": "UNAVAILABLE", "amount": 99]]).code == "PARAM_ERROR")
            let held: JSON = [["account": "UNAVAILABLE", "amount": 100]]
            let done = try await back("R1", 100, first, held)
            #expect(done.json["result"]?.string == "SUCCESS")
            #expect(try await back("R1", 100, first, held).json == done.json)
            #expect(try await back("R2", 100, first).code == "INVALID_REQUEST")
            #expect(try await back("R2", 501, second).code == "INVALID_REQUEST")
            #expect(try await back("R2", 500, second).json["result"]?.string == "SUCCESS")
            #expect(try await world.funds(World.mchid) == [1000, 0])
            _ = try await world.books()

            let other = try await world.paid("RETURNS2", subsidy: 600)
            let cancel: JSON = ["sub_mchid": .string(World.sub), "transaction_id": other, "description": "退货"]
            #expect(try await Self.subsidy(world, "cancel", cancel).code == "INVALID_REQUEST")
            let refund = try #require(try await world.refund("RF3", other, 1000).json["refund_id"])
            #expect(try await Self.subsidy(world, "cancel", cancel).json["result"]?.string == "SUCCESS")
            #expect(try await Self.subsidy(world, "cancel", cancel).json["result"]?.string == "SUCCESS")
            #expect(try await Self.subsidy(world, "create", Self.addition(other, 600)).code == "INVALID_REQUEST")
            try await world.clock("2026-10-05T12:02:00+08:00")
            #expect(try await world.split("S2", other, 100).status == 200)

            // After a refund less than was announced may be added.
            let third = try await world.paid("RETURNS3", subsidy: 600)
            #expect(
                try await Self.subsidy(world, "create", Self.addition(third, 300, refund: refund, "SUB3")).code
                    == "PARAM_ERROR")
            let own = try #require(try await world.refund("RF4", third, 1000).json["refund_id"])
            #expect(
                try await Self.subsidy(world, "create", Self.addition(third, 300, refund: own, "SUB3")).json["result"]?
                    .string == "SUCCESS")
            _ = try await world.books()
        }
    }

    @Test func `a merchant that pays itself combines two orders to ten`() async throws {
        try await World.with("direct") { world in
            func order(_ count: Int) -> JSON {
                let parts = (0..<count).map { index -> JSON in
                    [
                        "mchid": .string(World.mchid), "attach": "-", "out_trade_no": .string("OWN\(count)-\(index)"),
                        "description": "茶", "amount": ["total_amount": 1, "currency": "CNY"],
                    ]
                }
                return [
                    "combine_appid": .string(World.appid), "combine_mchid": .string(World.mchid),
                    "combine_out_trade_no": .string("OWN\(count)PARTS"), "sub_orders": .array(parts),
                    "notify_url": .string(world.callbackURL),
                ]
            }
            for (count, status) in [(1, 400), (2, 200), (10, 200), (11, 400)] {
                let answer = try await world.send("POST", "/v3/combine-transactions/native", order(count))
                #expect(answer.status == status, "\(count)")
            }
            var changed = try #require(order(2).members)
            changed.removeAll { $0.name == "notify_url" }
            let again = JSON.object(changed + [.init("notify_url", "https://pay.example.com/other")])
            #expect(
                try await world.send("POST", "/v3/combine-transactions/native", again).code == "OUT_TRADE_NO_USED")
        }
    }
}
