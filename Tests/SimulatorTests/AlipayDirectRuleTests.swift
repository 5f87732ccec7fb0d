import CustodyDomain
import CustodySimulators
import CustodyWire
import Testing

@Suite struct `The simulated Alipay keeps 直付通's rules` {
    private typealias Bench = AlipaySimulatorBench

    @Test func `an order is confirmed in parts, refunded in between, and no fen of it is stuck`() async throws {
        try await Bench.run { bench in
            let smid = try await bench.open("M1")
            let trade = try await bench.paid("P1", fen: 10_000, to: smid)
            // The amount is the order's less its refunds, never what is left.
            #expect(try await bench.confirm("C1", trade, whole: 4000).subCode == "ACQ.TRADE_SETTLE_ERROR")
            let first = try await bench.confirm("C1", trade, whole: 10_000, actual: 4000)
            #expect(first.node["settle_amount"]?.string == "40.00")
            #expect(try await bench.confirm("C1", trade, whole: 10_000, actual: 4000).code == "10000")
            #expect(
                try await bench.confirm("C1", trade, whole: 10_000, actual: 4001).subCode
                    == "ACQ.DISCORDANT_REPEAT_REQUEST")
            #expect(
                try await bench.confirm("C2", trade, whole: 10_000, actual: 6001).subCode
                    == "ACQ.TRADE_SETTLE_ERROR")
            // From what waits for its confirmation, without naming one.
            try await bench.refund("R1", of: "P1", fen: 3000)
            #expect(try await bench.confirm("C2", trade, whole: 10_000).subCode == "ACQ.TRADE_SETTLE_ERROR")
            let books = try await bench.call(
                "alipay.trade.settle.receivables.query", ["trade_no": trade, "out_request_no": "Q1"]
            ).node
            #expect(books["unsettled_amount"]?.string == "30.00" && books["settled_amount"]?.string == "39.76")
            #expect(try await bench.confirm("C2", trade, whole: 7000).code == "10000")
            #expect(try await bench.confirm("C3", trade, whole: 7000).subCode == "ACQ.TRADE_SETTLE_ERROR")
            try await bench.setClock("2026-10-06T02:00:01+08:00")
            let merchant = try await bench.state()["sub_merchants"]?.array?.first
            #expect(merchant?["payouts"]?.array?.compactMap { $0["amount_fen"]?.integer } == [6958])
            #expect(merchant?["balance_fen"]?.integer == 0 && merchant?["held_fen"]?.integer == 0)
        }
    }

    @Test func `settled money goes back against its confirmation, and no more than that`() async throws {
        try await Bench.run { bench in
            let smid = try await bench.open("M1")
            let trade = try await bench.paid("P1", fen: 10_000, to: smid)
            _ = try await bench.confirm("C1", trade, whole: 10_000, actual: 4000)
            let refund = { (number: String, yuan: String, confirmation: String?) in
                try await bench.call(
                    "alipay.trade.refund",
                    JSON.object([
                        .init("out_trade_no", "P1"), .init("out_request_no", .string(number)),
                        .init("refund_amount", .string(yuan)),
                        .init("related_settle_confirm_no", JSON(confirmation)),
                    ]).omittingNulls)
            }
            #expect(try await refund("R1", "60.01", nil).subCode == "ACQ.TRADE_SETTLE_ERROR")
            #expect(try await refund("R1", "10.00", "C9").subCode == "ACQ.TRADE_SETTLE_ERROR")
            #expect(try await refund("R1", "40.01", "C1").subCode == "ACQ.REASON_TRADE_REFUND_FEE_ERR")
            #expect(try await refund("R1", "10.00", "C1").node["fund_change"]?.string == "Y")
            #expect(try await refund("R2", "30.01", "C1").subCode == "ACQ.REASON_TRADE_REFUND_FEE_ERR")
            let info = try await bench.call(
                "alipay.trade.query", ["out_trade_no": "P1", "query_options": ["trade_settle_info"]]
            ).node["trade_settle_info"]
            #expect(
                info?["trade_settle_detail_list"]?.array?.compactMap { $0["operation_type"]?.string }
                    == ["settle", "settle_refund"])
            // Once it is paid out there is nothing to take it from.
            try await bench.setClock("2026-10-06T02:00:01+08:00")
            #expect(try await refund("R2", "10.00", "C1").subCode == "ACQ.SELLER_BALANCE_NOT_ENOUGH")
            #expect(try await refund("R2", "60.00", nil).node["fund_change"]?.string == "Y")
            let state = try await bench.state()
            #expect(state["books"]?["balanced"]?.bool == true)
            #expect(state["books"]?["paid_out_fen"]?.integer == 2982)
        }
    }

    @Test func `a confirmation is taken back while its money is here, and its number is spent`() async throws {
        try await Bench.run { bench in
            let smid = try await bench.open("M1")
            let trade = try await bench.paid("P1", fen: 10_000, to: smid)
            let cancel = { (number: JSON) in
                try await bench.call(
                    "alipay.trade.settle.confirm.cancel", ["trade_no": trade, "ori_request_no": number])
            }
            #expect(try await cancel("C1").subCode == "ACQ.TRADE_SETTLE_ERROR")
            _ = try await bench.confirm("C1", trade, whole: 10_000, actual: 4000)
            for _ in 0..<2 { #expect(try await cancel("C1").node["ori_request_no"]?.string == "C1") }
            #expect(try await bench.state()["sub_merchants"]?.array?.first?["pending_fen"]?.integer == 0)
            #expect(
                try await bench.confirm("C1", trade, whole: 10_000, actual: 4000).subCode
                    == "ACQ.DISCORDANT_REPEAT_REQUEST")
            #expect(try await bench.confirm("C2", trade, whole: 10_000).code == "10000")
            try await bench.setClock("2026-10-06T02:00:01+08:00")
            #expect(try await cancel("C2").subCode == "ACQ.TRADE_SETTLE_ERROR")
            #expect(try await bench.state()["books"]?["paid_out_fen"]?.integer == 9940)
        }
    }

    @Test func `frozen money thaws after 30 days, and what nobody confirms is confirmed when its time is over`()
        async throws
    {
        try await Bench.run { bench in
            let smid = try await bench.open("M1")
            let trade = try await bench.paid("P1", fen: 10_000, to: smid)
            _ = try await bench.paid("P2", fen: 500, to: smid, period: "2d")
            _ = try await bench.confirm("C1", trade, whole: 10_000, freezes: true)
            let payouts = { () in
                try await bench.state()["sub_merchants"]?.array?.first?["payouts"]?.array?
                    .compactMap { $0["amount_fen"]?.integer }
            }
            try await bench.setClock("2026-10-07T02:00:01+08:00")
            #expect(try await payouts() == [])
            try await bench.setClock("2026-10-08T02:00:01+08:00")
            #expect(try await payouts() == [497])
            try await bench.setClock("2026-11-04T11:00:00+08:00")
            #expect(try await payouts() == [497])
            try await bench.setClock("2026-11-05T02:00:01+08:00")
            #expect(try await payouts() == [497, 9940])
            #expect(try await bench.state()["books"]?["balanced"]?.bool == true)
        }
    }

    @Test func `where an order's money goes must be the payee's own`() async throws {
        try await Bench.run { bench in
            let smid = try await bench.open("M1")
            for (detail, code): (JSON, String?) in [
                (["trans_in_type": "defaultSettle", "amount": "0.99"], "ACQ.TRADE_SETTLE_ERROR"),
                (["trans_in_type": "cardAliasNo", "trans_in": "ALIAS0", "amount": "1.00"], "ACQ.TRADE_SETTLE_ERROR"),
                (["trans_in_type": "cash", "amount": "1.00"], "ACQ.TRADE_SETTLE_ERROR"),
                (
                    [
                        "trans_in_type": "defaultSettle", "amount": "1.00", "settle_entity_id": "2088000000000042",
                        "settle_entity_type": "SecondMerchant",
                    ], "ACQ.TRADE_SETTLE_ERROR"
                ),
                (
                    [
                        "trans_in_type": "defaultSettle", "amount": "1.00", "settle_entity_id": .string(smid),
                        "settle_entity_type": "SecondMerchant",
                    ], nil
                ),
            ] {
                let placed = try await bench.call(
                    "alipay.trade.precreate",
                    [
                        "out_trade_no": "P1", "total_amount": "1.00", "subject": "茶",
                        "sub_merchant": ["merchant_id": .string(smid)],
                        "settle_info": ["settle_detail_infos": [detail]],
                    ])
                #expect(placed.subCode == code)
            }
        }
    }

    @Test func `payouts that come back wait for another account`() async throws {
        try await Bench.run { bench in
            let smid = try await bench.open("M1")
            _ = try await bench.paid("P1", fen: 10_000, to: smid, period: nil)
            try await bench.setClock("2026-10-06T02:00:01+08:00")
            let merchant: JSON = ["merchant": .string(Bench.appID), "smid": .string(smid)]
            #expect(try await bench.control("POST", "/control/returns", merchant)["returned_fen"]?.integer == 9940)
            try await bench.setClock("2026-10-08T02:00:01+08:00")
            var state = try await bench.state()
            #expect(state["sub_merchants"]?.array?.first?["pending_fen"]?.integer == 9940)
            #expect(state["books"]?["balanced"]?.bool == true)
            let changed = try await bench.call(
                "ant.merchant.expand.indirect.zft.settlementmodify",
                [
                    "smid": .string(smid),
                    "default_settle_rule": [
                        "default_settle_type": "alipayAccount", "default_settle_target": "m1@example.com",
                    ],
                ])
            #expect(changed.code == "10000")
            try await bench.setClock("2026-10-09T02:00:01+08:00")
            state = try await bench.state()
            let payouts = state["sub_merchants"]?.array?.first?["payouts"]?.array ?? []
            #expect(payouts.map { $0["returned"]?.bool } == [true, false])
            #expect(payouts.last?["target"]?.string == "m1@example.com")
            #expect(state["books"]?["paid_out_fen"]?.integer == 9940)
        }
    }
}
