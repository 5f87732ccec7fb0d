import CustodyDomain
import CustodySimulators
import CustodyWire
import Foundation
import Testing

@Suite struct `Other people's Alipay clients at our simulator` {
    @Test func `Alipay's own SDK pays, asks, refunds, closes, cancels, splits and reads the bill`() async throws {
        try await AlipayPeerBench.run { bench in
            let result = try await Peer(environment: "alipay-official").run(
                "alipay_official_client",
                input: bench.setup(
                    ("private_key", .string(AlipayPeerBench.bare(try AlipayPeerBench.key("alipay_app.pkcs1")))),
                    (
                        "alipay_public_key",
                        .string(AlipayPeerBench.bare(bench.registration["alipay_public_key_pem"]?.string ?? ""))
                    ),
                    ("day", "2026-10-05"), ("next_day", "2026-10-06")
                ).text)
            let value = { (step: String, name: String) in result[step]?[name]?.string }
            #expect(value("precreate", "qr_code")?.hasPrefix("https://qr.alipay.com/") == true)
            #expect(value("unscanned", "sub_code") == "ACQ.TRADE_NOT_EXIST")
            #expect(value("query", "trade_status") == "TRADE_SUCCESS")
            #expect(value("query", "total_amount") == "100.00")
            #expect(value("query", "subject") == "平台订单 & 测试=1+2 \"},\"sign\":\"x")
            #expect(value("refund", "fund_change") == "Y")
            #expect(value("refund", "refund_fee") == "3.45")
            #expect(value("refund_query", "refund_status") == "REFUND_SUCCESS")
            #expect(value("refund_query", "refund_amount") == "3.45")
            #expect(value("create", "trade_no")?.hasPrefix("2026100522001") == true)
            #expect(value("close", "out_trade_no") == "OF2")
            #expect(value("closed", "trade_status") == "TRADE_CLOSED")
            #expect(value("pay", "total_amount") == "88.88" && value("pay", "gmt_payment") != nil)
            #expect(value("cancel", "action") == "refund" && value("cancel", "retry_flag") == "N")
            #expect(value("bind", "result_code") == "SUCCESS")
            #expect(value("settle", "settle_no") != nil)
            let details = result["settle_query"]?["royalty_detail_list"]?.array
            #expect(details?.first?["state"]?.string == "SUCCESS" && details?.first?["amount"]?.string == "20.00")
            #expect(value("page", "trade_status") == "TRADE_SUCCESS")
            // The archive's names are GBK, its text GB18030.
            let names = result["entries"]?.array?.compactMap(\.string)
            #expect(names?.first == "2088000000000000_20261005_业务明细.csv")
            let rows = result["rows"]?.array?.compactMap { $0.array?.compactMap(\.string) } ?? []
            #expect(rows.first?.first == "支付宝交易号")
            #expect(rows.dropFirst().map { $0[1] } == ["OF1", "OF3", "OF4", "OF1", "OF3"])
            #expect(rows.dropFirst().map { $0[2] } == ["交易", "交易", "交易", "退款", "退款"])
            try await bench.expectJudged(count: 5)
        }
    }

    @Test(arguments: [nil, "ABEiM0RVZneImaq7zN3u/w=="])
    func `Alipay's own SDK opens a sub-merchant and settles its order, in the open or encrypted`(
        key: String?
    ) async throws {
        try await AlipayPeerBench.run(encryptKey: key) { bench in
            var setup = bench.setup(
                ("private_key", .string(AlipayPeerBench.bare(try AlipayPeerBench.key("alipay_app.pkcs1")))),
                (
                    "alipay_public_key",
                    .string(AlipayPeerBench.bare(bench.registration["alipay_public_key_pem"]?.string ?? ""))
                ))
            if let key { setup = .object((setup.members ?? []) + [.init("encrypt_key", .string(key))]) }
            let result = try await Peer(environment: "alipay-official").run(
                "alipay_official_direct", input: setup.text)
            let value = { (step: String, name: String) in result[step]?[name]?.string }
            #expect(value("image", "image_id")?.hasSuffix(".png") == true)
            #expect(value("consult", "risk_audit") == "PASS" && value("consult", "account_audit") == "PASS")
            #expect(value("create", "order_id") != nil)
            #expect(value("quick", "sign_short_chain_url")?.hasPrefix("https://u.alipay.cn/") == true)
            #expect(result["orders"]?["orders"]?.array?.first?["status"]?.string == "99")
            #expect(value("card", "consistent") == "true")
            #expect(
                result["account"]?["biz_cards"]?.array?.first?["account_no"]?.string == "6222****1234")
            #expect(result["rate"]?["max_ratio"]?.integer == 30)
            #expect(
                result["relations"]?["receiver_list"]?.array?.first?["account"]?.string == "2088102116770001")
            #expect(value("confirm", "settle_amount") == "60.00")
            #expect(value("receivables", "unsettled_amount") == "40.00")
            #expect(value("receivables", "on_settle_amount") == "59.64")
            #expect(value("splittable", "unsettled_amount") == "60.00")
            #expect(value("settle", "settle_no") != nil)
            #expect(value("confirm_rest", "settle_amount") == "40.00")
            #expect(value("cancel", "ori_request_no") == "DC2")
            let details = result["settled"]?["trade_settle_info"]?["trade_settle_detail_list"]?.array ?? []
            #expect(details.compactMap { $0["operation_type"]?.string } == ["transfer", "settle"])
            let rows = { (bill: String) in
                (result[bill]?.array?.compactMap { $0.array?.compactMap(\.string) } ?? []).dropFirst()
            }
            #expect(rows("trades").map { $0[1] } == ["D1"])
            #expect(
                rows("accounts").map { [$0[6], $0[7], $0[8]] }
                    == [["0.00", "-10.00", "89.40"], ["0.00", "-0.60", "99.40"], ["100.00", "0.00", "100.00"]])
            #expect(rows("platform").map { [$0[6], $0[8], $0[10]] } == [["50.00", "50.00", "充值"]])
            #expect(
                rows("settlements").map { [$0[4], $0[5], $0[7]] }
                    == [["D1", "结算", "49.64"], ["D1", "结算", "39.76"], ["D1", "撤销", "-39.76"]])
            #expect(value("empty", "sub_code") == "NO_BILL_DATA")
        }
    }

    @Test(arguments: ["key", "certificate"])
    func `python-alipay-sdk walks through the same day, in either mode`(mode: String) async throws {
        try await AlipayPeerBench.run(mode: mode) { bench in
            var more: [JSON.Member] = [
                .init("private_key", .string(try AlipayPeerBench.key("alipay_app.key"))), .init("prefix", "PY"),
            ]
            if mode == "key" {
                more.append(.init("alipay_public_key", bench.registration["alipay_public_key_pem"] ?? .null))
            } else {
                more += [
                    .init("app_certificate", bench.registration["app_certificate_pem"] ?? .null),
                    .init("alipay_certificate", bench.registration["alipay_certificate_pem"] ?? .null),
                    .init("alipay_root_certificate", bench.registration["alipay_root_certificate_pem"] ?? .null),
                ]
            }
            let setup = JSON.object((bench.setup().members ?? []) + more)
            let result = try await Peer(environment: "alipay-community").run(
                "alipay_community_client", input: setup.text)
            let value = { (step: String, name: String) in result[step]?[name]?.string }
            #expect(value("precreate", "code") == "10000")
            #expect(value("query", "trade_status") == "TRADE_SUCCESS")
            #expect(value("query", "total_amount") == "100.01")
            #expect(value("refund", "fund_change") == "Y")
            #expect(value("refund_again", "fund_change") == "N")
            #expect(value("refund_other", "sub_code") == "ACQ.DISCORDANT_REPEAT_REQUEST")
            #expect(value("refund_query", "refund_status") == "REFUND_SUCCESS")
            #expect(value("close", "code") == "10000")
            #expect(value("pay", "code") == "10000")
            #expect(value("cancel", "action") == "refund")
            #expect(result["settle_query"]?["royalty_detail_list"]?.array?.first?["state"]?.string == "SUCCESS")
            for method in ["page", "wap", "app"] { #expect(value(method, "trade_status") == "TRADE_SUCCESS") }
            #expect(value("unknown", "sub_code") == "ACQ.TRADE_NOT_EXIST")
            if mode == "certificate" {
                #expect(value("transfer", "status") == "SUCCESS")
                #expect(value("transfer_query", "trans_amount") == "12.34")
                let rows = result["account_rows"]?.array?.compactMap { $0.array?.compactMap(\.string) } ?? []
                #expect(rows.contains { $0[7] == "-12.34" && $0[10] == "转账" })
                #expect(value("month_bill", "sub_code") == "BILL_NOT_EXIST")
                // Their serials and ours are the same.
                let ours = try AlipayKeys(link: bench.link(), now: SimulatorClock.realNow()).requestFields
                #expect(ours.map(\.value) == [value("serials", "app"), value("serials", "root")])
            }
            try await bench.expectJudged(count: 6)
        }
    }
}

extension AlipayPeerBench {
    /// Has both libraries judge what our simulator notified, as it came and with another amount.
    func expectJudged(count: Int) async throws {
        let bodies = try await notifications(count)
        let forged = bodies.filter { $0.contains("total_amount=") }.map { body in
            body.split(separator: "&").map { $0.hasPrefix("total_amount=") ? "total_amount=0.01" : $0 }
                .joined(separator: "&")
        }
        #expect(!forged.isEmpty)
        for environment in ["alipay-official", "alipay-community"] {
            let isOfficial = environment == "alipay-official"
            let publicKey = try AlipayPeerBench.key("alipay_gateway.pub")
            let setup: JSON = [
                "app_id": .string(Self.appID),
                "public_key": .string(isOfficial ? AlipayPeerBench.bare(publicKey) : publicKey),
                "private_key": .string(try AlipayPeerBench.key("alipay_app.key")),
                "bodies": .array((bodies + forged).map(JSON.string)),
            ]
            let verdicts = try await Peer(environment: environment).run(
                "alipay_verify", [isOfficial ? "official" : "community"], input: setup.text)
            #expect(
                verdicts.array?.map(\.bool) == bodies.map { _ in true } + forged.map { _ in false }, "\(environment)")
        }
        // And we accept each as well.
        for body in bodies {
            #expect(throws: Never.self) {
                try AlipayNotify.verify(body: Array(body.utf8), link: link(), now: SimulatorClock.realNow())
            }
        }
    }
}
