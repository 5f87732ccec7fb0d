import AsyncHTTPClient
import CustodyDomain
import CustodySimulators
import CustodyWire
import Testing

@Suite struct `The simulated Alipay keeps Alipay's rules` {
    @Test func `an order placed again is the same order, and another one under its number is refused`() async throws {
        try await AlipaySimulatorBench.run { bench in
            let order: JSON = [
                "out_trade_no": "P1", "total_amount": "1.00", "subject": "茶", "timeout_express": "90m",
            ]
            let first = try await bench.call("alipay.trade.precreate", order)
            let again = try await bench.call("alipay.trade.precreate", order)
            #expect(first.node["qr_code"] == again.node["qr_code"])
            for other: JSON in [
                ["out_trade_no": "P1", "total_amount": "1.01", "subject": "茶"],
                ["out_trade_no": "P1", "total_amount": "1.00", "subject": "酒"],
            ] {
                #expect(try await bench.call("alipay.trade.precreate", other).subCode == "ACQ.CONTEXT_INCONSISTENT")
            }
            for (content, code): (JSON, String) in [
                (["out_trade_no": "P2", "total_amount": "0.00", "subject": "茶"], "ACQ.INVALID_PARAMETER"),
                (["out_trade_no": "P2", "total_amount": "100000000.01", "subject": "茶"], "ACQ.TOTAL_FEE_EXCEED"),
                (
                    [
                        "out_trade_no": "P2", "total_amount": "1.00", "subject": "茶",
                        "time_expire": "2026-10-05 09:59:59",
                    ], "ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR"
                ),
                (
                    [
                        "out_trade_no": "P2", "total_amount": "1.00", "subject": "茶",
                        "sub_merchant": ["merchant_id": "2088000000000777"],
                    ], "ACQ.SECONDARY_MERCHANT_ID_INVALID"
                ),
            ] {
                #expect(try await bench.call("alipay.trade.precreate", content).subCode == code)
            }
            // The time runs out while the buyer looks at the cashier.
            try await bench.setClock("2026-10-05T11:31:00+08:00")
            #expect(try await bench.call("alipay.trade.precreate", order).subCode == "ACQ.TRADE_HAS_CLOSE")
        }
    }

    @Test func `a paid order is refunded for a year, then it is finished`() async throws {
        try await AlipaySimulatorBench.run { bench in
            try await bench.paid("P1", fen: 10_000)
            let whole: JSON = ["out_trade_no": "P1", "refund_amount": "1.00"]
            // A part without a number of its own could never be told from the rest.
            #expect(try await bench.call("alipay.trade.refund", whole).subCode == "ACQ.INVALID_PARAMETER")
            try await bench.refund("R1", of: "P1", fen: 100)
            try await bench.setClock("2027-10-06T10:00:00+08:00")
            let late = try await bench.call(
                "alipay.trade.refund", ["out_trade_no": "P1", "out_request_no": "R2", "refund_amount": "1.00"])
            #expect(late.subCode == "ACQ.TRADE_HAS_FINISHED")
            let query = try await bench.call("alipay.trade.query", ["out_trade_no": "P1"])
            #expect(query.node["trade_status"]?.string == "TRADE_FINISHED")
        }
    }

    @Test func `a cancellation undoes what there is, within a day`() async throws {
        try await AlipaySimulatorBench.run { bench in
            let cancel = { (serial: String) in
                try await bench.call("alipay.trade.cancel", ["out_trade_no": .string(serial)])
            }
            let nothing = try await cancel("P0")
            #expect(nothing.code == "10000" && nothing.node["action"] == nil)
            _ = try await bench.call(
                "alipay.trade.create",
                ["out_trade_no": "P1", "total_amount": "1.00", "subject": "茶", "buyer_id": "2088000000000042"])
            #expect(try await cancel("P1").node["action"]?.string == "close")
            try await bench.paid("P2", fen: 100)
            #expect(try await cancel("P2").node["action"]?.string == "refund")
            #expect(try await cancel("P2").node["action"]?.string == "refund")
            try await bench.paid("P3", fen: 100)
            try await bench.refund("R3", of: "P3", fen: 1)
            #expect(try await cancel("P3").subCode == "ACQ.REASON_TRADE_REFUND_FEE_ERR")
            try await bench.paid("P4", fen: 100)
            try await bench.setClock("2026-10-06T10:30:00+08:00")
            #expect(try await cancel("P4").subCode == "ACQ.TRADE_CANCEL_TIME_OUT")
        }
    }

    @Test func `splits are capped, need receivers, and move money once`() async throws {
        try await AlipaySimulatorBench.run { bench in
            try await bench.paid("P1", fen: 10_000)
            let trade = try await bench.call("alipay.trade.query", ["out_trade_no": "P1"]).node["trade_no"]
            let settle = { (number: String, amount: String, more: [JSON.Member]) in
                try await bench.call(
                    "alipay.trade.order.settle",
                    .object(
                        [
                            .init("out_request_no", .string(number)), .init("trade_no", trade ?? .null),
                            .init(
                                "royalty_parameters",
                                [
                                    [
                                        "trans_in": "2088000000000051", "trans_in_type": "userId",
                                        "amount": .string(amount),
                                    ]
                                ]
                            ),
                        ] + more))
            }
            #expect(try await settle("S1", "1.00", []).subCode == "ACQ.ROYALTY_RECEIVER_INVALID")
            let bound = try await bench.call(
                "alipay.trade.royalty.relation.bind",
                ["out_request_no": "B1", "receiver_list": [["type": "userId", "account": "2088000000000051"]]])
            #expect(bound.node["result_code"]?.string == "SUCCESS")
            #expect(try await settle("S1", "30.01", []).subCode == "ACQ.ALLOC_AMOUNT_VALIDATE_ERROR")
            let first = try await settle("S1", "20.00", [])
            #expect(first.node["settle_no"] != nil)
            #expect(try await settle("S1", "20.00", []).node["settle_no"] == first.node["settle_no"])
            #expect(try await settle("S1", "19.00", []).subCode == "ACQ.DISCORDANT_REPEAT_REQUEST")
            #expect(try await settle("S2", "10.01", []).subCode == "ACQ.ALLOC_AMOUNT_VALIDATE_ERROR")
            let last = try await settle("S3", "10.00", [.init("extend_params", ["royalty_finish": "true"])])
            #expect(last.code == "10000")
            #expect(try await settle("S4", "0.01", []).subCode == "ACQ.ILLEGAL_SETTLE_STATE")
            let listed = try await bench.call(
                "alipay.trade.royalty.relation.batchquery", ["out_request_no": "Q1", "page_num": 1])
            #expect(listed.node["total_record_num"]?.integer == 1)
            // Who received gives back no more than that, and only when it is said.
            let refund: JSON = [
                "out_trade_no": "P1", "out_request_no": "R1", "refund_amount": "50.00",
                "refund_royalty_parameters": [["trans_out": "2088000000000051", "amount": "30.01"]],
            ]
            #expect(try await bench.call("alipay.trade.refund", refund).subCode == "ACQ.ALLOC_AMOUNT_VALIDATE_ERROR")
        }
    }

    @Test func `too many calls within a second are limited, and magic amounts provoke what they promise`() async throws
    {
        try await AlipaySimulatorBench.run { bench in
            try await bench.register([.init("rate_limit", 3), .init("magic_amounts", true)])
            var codes: [String] = []
            for _ in 0..<6 { codes.append(try await bench.call("alipay.trade.query", ["out_trade_no": "P9"]).code) }
            #expect(codes.contains("40005") && codes.first == "40004")
            try await bench.register([.init("magic_amounts", true)])
            let pay = { (number: String, amount: String) in
                try await bench.call(
                    "alipay.trade.pay",
                    [
                        "out_trade_no": .string(number), "total_amount": .string(amount), "subject": "茶",
                        "scene": "bar_code", "auth_code": "28763443825664394",
                    ])
            }
            #expect(try await pay("M1", "44.01").subCode == "ACQ.BUYER_BALANCE_NOT_ENOUGH")
            #expect(try await pay("M2", "44.02").code == "10003")
            #expect(try await pay("M3", "44.03").code == "20000")
            let known = try await bench.call("alipay.trade.query", ["out_trade_no": "M3"])
            #expect(known.node["trade_status"]?.string == "TRADE_SUCCESS")
            #expect(try await pay("M4", "1.00").node["gmt_payment"] != nil)
        }
    }

    @Test func `a scenario is played before anything else, and one that is refused says at which step`() async throws {
        let client = HTTPClient(eventLoopGroupProvider: .singleton)
        let simulator = try AlipaySimulator(client: client)
        let registration: JSON = [
            "path": "/control/merchants",
            "body": [
                "app_id": "1", "seller_id": "2088000000000000",
                "app_public_key_pem": .string(try AlipaySimulatorBench.key("alipay_app.pub")),
            ],
        ]
        let scenario: JSON = [
            registration,
            [
                "method": "PUT", "path": "/control/clock",
                "body": ["merchant": "1", "now": "2026-10-05T10:00:00+08:00"],
            ],
            ["path": "/control/faults", "body": ["operation": "query", "fault": "html"]],
        ]
        try await simulator.play(try SimulatorScenario(scenario))
        let wrong: JSON = [registration, ["path": "/control/plant", "body": ["merchant": "2"]]]
        do {
            try await simulator.play(try SimulatorScenario(wrong))
            Issue.record("a refused step was passed over")
        } catch {
            #expect(error.step == 2)
        }
        try await client.shutdown()
    }
}
