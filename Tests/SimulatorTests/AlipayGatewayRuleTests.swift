import CustodyDomain
import CustodySimulators
import CustodyWire
import Testing

@Suite struct `The simulated Alipay's gateway` {
    private typealias Bench = AlipaySimulatorBench

    @Test func `names what is missing or wrong of the parameters that all methods share`() async throws {
        try await Bench.run { bench in
            let good = AlipayRequest(
                method: "alipay.trade.query", content: ["out_trade_no": "P1"], appID: Bench.appID,
                now: SimulatorClock.realNow()
            ).parameters
            let ask = { (parameters: [URLForm.Field]) in
                let signed = try AlipayRequest(parameters: parameters).signed(by: bench.signer)
                let answer = try await bench.send(
                    "POST", "\(bench.base)/gateway.do?\(signed.query)", Array(signed.body.utf8))
                return try AlipayResponse(
                    verifying: answer.body, method: "alipay.trade.query", keys: bench.keys)
            }
            #expect(try await ask(good).subCode == "ACQ.TRADE_NOT_EXIST")
            for (name, code) in [
                ("app_id", "isv.missing-app-id"), ("method", "isv.missing-method"),
                ("charset", "isv.missing-charset"), ("sign_type", "isv.missing-signature-type"),
                ("timestamp", "isv.missing-timestamp"), ("version", "isv.missing-version"),
            ] {
                let answer = try await ask(good.filter { $0.name != name })
                #expect(answer.code == "40001" && answer.subCode == code)
            }
            for (name, value, code) in [
                ("charset", "gbk", "isv.invalid-charset"), ("sign_type", "RSA", "isv.invalid-signature-type"),
                ("timestamp", "yesterday", "isv.invalid-timestamp"), ("version", "2.0", "isv.invalid-version"),
                ("format", "xml", "isv.invalid-format"), ("biz_content", "[]", "isv.invalid-parameter"),
                ("method", "alipay.trade.nothing", "isv.invalid-method"),
            ] {
                let answer = try await ask(good.map { $0.name == name ? .init(name, value) : $0 })
                #expect(answer.code == "40002" && answer.subCode == code)
            }
            #expect(
                try await ask(good + [.init("encrypt_type", "AES")]).subCode == "isv.missing-encrypt-key")
        }
    }

    @Test func `limits a method by itself`() async throws {
        try await Bench.run { bench in
            try await bench.register([.init("method_limits", ["bill": 2])])
            let bill: JSON = ["bill_type": "trade", "bill_date": "2026-10-01"]
            // At once: so many within one second.
            let codes = try await withThrowingTaskGroup(of: String?.self) { group in
                for _ in 0..<30 {
                    group.addTask {
                        try await bench.call("alipay.data.dataservice.bill.downloadurl.query", bill).subCode
                    }
                }
                return try await group.reduce(into: [String?]()) { $0.append($1) }
            }
            #expect(codes.contains("NO_BILL_DATA") && codes.contains("isv.method-call-limited"))
            #expect(try await bench.call("alipay.trade.query", ["out_trade_no": "P1"]).code == "40004")
        }
    }

    @Test func `notifies the end of a trade where that is switched on`() async throws {
        try await Bench.run { bench in
            try await bench.register([.init("notify_end", true)])
            for number: JSON in ["P1", "P2", "P3"] {
                _ = try await bench.call(
                    "alipay.trade.create",
                    [
                        "out_trade_no": number, "total_amount": "1.00", "subject": "茶", "timeout_express": "90m",
                        "buyer_id": "2088000000000042",
                    ])
            }
            // A code that nobody scanned has no end to tell of.
            _ = try await bench.call(
                "alipay.trade.precreate",
                ["out_trade_no": "P4", "total_amount": "1.00", "subject": "茶", "timeout_express": "90m"])
            _ = try await bench.call("alipay.trade.close", ["out_trade_no": "P1"])
            try await bench.control("POST", "/control/pay", ["app_id": .string(Bench.appID), "out_trade_no": "P2"])
            try await bench.setClock("2026-10-05T12:00:00+08:00")
            var told = try bench.fields().map { "\($0["out_trade_no"] ?? "") \($0["trade_status"] ?? "")" }
            #expect(told.sorted() == ["P1 TRADE_CLOSED", "P2 TRADE_SUCCESS", "P3 TRADE_CLOSED"])
            #expect(try bench.fields().allSatisfy { ($0["gmt_close"] != nil) == ($0["gmt_payment"] == nil) })
            try await bench.setClock("2027-10-06T10:00:00+08:00")
            told = try bench.fields().map { "\($0["out_trade_no"] ?? "") \($0["trade_status"] ?? "")" }
            #expect(told.last == "P2 TRADE_FINISHED" && told.count == 4)
        }
    }

    @Test func `gives each kind of bill from its own time on`() async throws {
        try await Bench.run { bench in
            try await bench.register([.init("registered_on", "2026-08-01")])
            try await bench.paid("P1", fen: 10_000)
            let code = { (kind: String, date: String, more: [JSON.Member]) in
                try await bench.call(
                    "alipay.data.dataservice.bill.downloadurl.query",
                    .object([.init("bill_type", .string(kind)), .init("bill_date", .string(date))] + more)
                ).subCode
            }
            #expect(try await code("trade", "2026-10-05", []) == "BILL_NOT_EXIST")
            #expect(try await code("zft_acc", "2026-10-05", []) == "TYPE_NOT_SUPPORTED")
            #expect(try await code("merchant_act", "2026-10-04", []) == "TYPE_NOT_SUPPORTED")
            #expect(try await code("gifts", "2026-10-04", []) == "TYPE_NOT_SUPPORTED")
            for (kind, date, more): (String, String, [JSON.Member]) in [
                ("trade", "2026-10-06", []), ("trade", "20261004", []), ("trade", "2026-13", []),
                ("trade", "2019-10-05", []), ("trade", "2026-10-04", [.init("smid", "2088000000000042")]),
                ("settlementMerge", "2026-09", []),
            ] {
                #expect(try await code(kind, date, more) == "INVAILID_ARGUMENTS")
            }
            #expect(try await code("trade", "2026-07-31", []) == "BILL_DATE_BEFORE_REGISTRATION")
            #expect(try await code("trade", "2026-09", []) == "NO_BILL_DATA")
            try await bench.setClock("2026-10-06T09:00:00+08:00")
            #expect(try await code("trade", "2026-10-05", []) == nil)
            #expect(try await code("signcustomer", "2026-10-05", []) == nil)
            // The month is told of on the 3rd of the next.
            #expect(try await code("trade", "2026-10", []) == "BILL_NOT_EXIST")
            try await bench.setClock("2026-11-03T09:00:00+08:00")
            #expect(try await code("trade", "2026-10", []) == nil)
        }
    }

    @Test func `tells of transfers that end`() async throws {
        try await Bench.run { bench in
            // Transfers are for applications in certificate mode alone.
            let link = try await bench.certificateLink()
            try await bench.control(
                "POST", "/control/deposits", ["merchant": .string(Bench.appID), "amount_fen": 20_000])
            for (number, yuan): (String, String) in [("T1", "10.00"), ("T2", "44.32"), ("T3", "44.33")] {
                let answer = try await bench.call(
                    "alipay.fund.trans.uni.transfer",
                    [
                        "out_biz_no": .string(number), "trans_amount": .string(yuan), "biz_scene": "DIRECT_TRANSFER",
                        "product_code": "TRANS_ACCOUNT_NO_PWD",
                        "payee_info": ["identity": "2088000000000061", "identity_type": "ALIPAY_USER_ID"],
                    ], as: link)
                #expect(answer.code == "10000", "\(answer.message)")
            }
            try await bench.setClock("2026-10-06T11:00:00+08:00")
            let told = try bench.notifications.bodies.map { body in
                let fields = try AlipayNotify.verify(body: body, link: link, now: SimulatorClock.realNow()).fields
                #expect(fields["msg_method"] == "alipay.fund.trans.order.changed")
                let content = try JSON(parsing: fields["biz_content"] ?? "")
                return "\(content["out_biz_no"]?.string ?? "") \(content["status"]?.string ?? "")"
            }
            #expect(told.sorted() == ["T1 SUCCESS", "T2 FAIL", "T3 REFUND", "T3 SUCCESS"])
            let books = try await bench.state()["books"]
            #expect(books?["platform_fen"]?.integer == 19_000 && books?["transferred_fen"]?.integer == 1000)
        }
    }
}
