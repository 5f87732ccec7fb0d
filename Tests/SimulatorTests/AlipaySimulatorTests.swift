import CustodyDomain
import CustodySimulators
import CustodyWire
import Testing

@Suite struct `The simulated Alipay notifies` {
    @Test func `at once, then after 4m, 10m, 10m, 1h, 2h, 6h and 15h, by the same notify_id`() async throws {
        try await AlipaySimulatorBench.run { bench in
            // A word too many, a redirect, an error: nothing but the seven characters counts.
            bench.notifications.answer(
                [(200, "success\n"), (302, "success"), (500, "success")] + .init(repeating: (200, "fail"), count: 20))
            try await bench.paid("P1", fen: 100)
            #expect(bench.notifications.bodies.count == 1)
            try await bench.setClock("2026-10-08T00:00:00+08:00")
            let fields = try bench.fields()
            let times = try fields.map { try #require(Instant(text: $0["notify_time"] ?? "")) }
            let waits = zip(times.dropFirst(), times).map { ($0.0 - $0.1).components.seconds }
            #expect(waits == [240, 600, 600, 3600, 7200, 21_600, 54_000])
            #expect(Set(fields.map { $0["notify_id"] }).count == 1)
            #expect(fields.allSatisfy { $0["trade_status"] == "TRADE_SUCCESS" && $0["total_amount"] == "1.00" })
            let state = try await bench.control("GET", "/control/merchants/\(AlipaySimulatorBench.appID)")
            let notify = state["trades"]?.array?.first?["notifies"]?.array?.first
            #expect(notify?["attempts"]?.integer == 8)
            #expect(notify?["acknowledged"]?.bool == false)
        }
    }

    @Test func `no more once it is acknowledged`() async throws {
        try await AlipaySimulatorBench.run { bench in
            bench.notifications.answer([(200, "fail")])
            try await bench.paid("P1", fen: 100)
            try await bench.setClock("2026-10-08T00:00:00+08:00")
            #expect(bench.notifications.bodies.count == 2)
        }
    }

    @Test func `never, later, several times or forged, as planted`() async throws {
        try await AlipaySimulatorBench.run { bench in
            try await bench.plantFault("never", serial: "P1")
            try await bench.plantFault("duplicate", serial: "P2", ("times", 5))
            try await bench.plantFault("delay", serial: "P3", ("delay_seconds", 7200))
            try await bench.plantFault("bad_signature", serial: "P4")
            try await bench.paid("P1", fen: 100)
            #expect(bench.notifications.bodies.isEmpty)
            try await bench.paid("P2", fen: 100)
            #expect(bench.notifications.bodies.count == 5)
            #expect(Set(try bench.fields().map { $0["notify_id"] }).count == 1)
            try await bench.paid("P3", fen: 100)
            #expect(bench.notifications.bodies.count == 5)
            try await bench.setClock("2026-10-05T12:30:00+08:00")
            #expect(bench.notifications.bodies.count == 6)
            #expect(try bench.fields().last?["out_trade_no"] == "P3")
            try await bench.paid("P4", fen: 100)
            #expect(bench.notifications.bodies.count == 8)
            #expect(throws: AlipayNotify.Rejection.badSignature) {
                try AlipayNotify.verify(body: bench.notifications.bodies[6], link: bench.link)
            }
            #expect(throws: Never.self) {
                try AlipayNotify.verify(body: bench.notifications.bodies[7], link: bench.link)
            }
        }
    }

    @Test func `of refunds by their number, with the sum so far`() async throws {
        try await AlipaySimulatorBench.run { bench in
            try await bench.paid("P1", fen: 10_000)
            try await bench.refund("R1", of: "P1", fen: 2000)
            try await bench.waitForNotifications(2)
            try await bench.refund("R2", of: "P1", fen: 8000)
            try await bench.waitForNotifications(3)
            let fields = try bench.fields()
            #expect(fields.map { $0["out_biz_no"] } == [nil, "R1", "R2"])
            #expect(fields.map { $0["refund_fee"] } == [nil, "20.00", "100.00"])
            #expect(fields.map { $0["trade_status"] } == ["TRADE_SUCCESS", "TRADE_SUCCESS", "TRADE_CLOSED"])
            #expect(fields[2]["gmt_close"] != nil)
        }
    }
}

@Suite struct `The simulated Alipay pays the day out` {
    @Test func `the lump of a day equals its bill, planted differences included`() async throws {
        try await AlipaySimulatorBench.run { bench in
            for index in 1...4 { try await bench.paid("P\(index)", fen: 10_000) }
            try await bench.refund("R1", of: "P1", fen: 2500)
            for json: JSON in [
                ["merchant": .string(AlipaySimulatorBench.appID), "kind": "surplus", "amount_fen": 777],
                ["merchant": .string(AlipaySimulatorBench.appID), "kind": "late", "out_trade_no": "P2"],
                ["merchant": .string(AlipaySimulatorBench.appID), "kind": "fee", "out_trade_no": "P3", "fee_fen": 66],
                [
                    "merchant": .string(AlipaySimulatorBench.appID), "kind": "amount", "out_trade_no": "P4",
                    "amount_fen": 9999,
                ],
            ] {
                try await bench.control("POST", "/control/plant", json)
            }
            try await bench.setClock("2026-10-06T01:59:00+08:00")
            #expect(bench.lumps.bodies.isEmpty)
            try await bench.setClock("2026-10-06T02:00:00+08:00")
            #expect(bench.lumps.bodies.count == 1)
            let lump = try JSON(parsing: try #require(bench.lumps.bodies.first))
            #expect(lump["market_id"]?.string == "M00000000001")
            #expect(lump["channel"]?.string == "ALIPAY")
            #expect(lump["business_date"]?.string == "2026-10-05")
            // P1 10000-60, P3 10000-66, P4 9999-60, surplus 777-5; R1 2500-15 back.
            #expect(lump["net_fen"]?.integer == Int64(9940 + 9934 + 9939 + 772 - 2485))
            try await bench.setClock("2026-10-06T09:00:00+08:00")
            let lines = try await Self.bill(bench, "2026-10-05")
            let net = lines.map { $0.kind == .payment ? $0.amount - $0.fee : -($0.amount + $0.fee) }.sum()
            #expect(net.value == lump["net_fen"]?.integer)
            #expect(
                Set(lines.map { "\($0.kind.rawValue) \($0.reference) \($0.amount.value) \($0.fee.value)" })
                    == Set(
                        (lump["items"]?.array ?? []).map {
                            "\($0["kind"]?.string ?? "") \($0["out_no"]?.string ?? "") "
                                + "\($0["amount_fen"]?.integer ?? 0) \($0["fee_fen"]?.integer ?? 0)"
                        }))
            // The late one comes a day later, and a day without anything brings no lump.
            try await bench.setClock("2026-10-09T09:00:00+08:00")
            #expect(bench.lumps.bodies.count == 2)
            let late = try JSON(parsing: bench.lumps.bodies[1])
            #expect(late["business_date"]?.string == "2026-10-06")
            #expect(late["net_fen"]?.integer == 9940)
            #expect(try await Self.bill(bench, "2026-10-06").map(\.reference) == ["P2"])
        }
    }

    @Test func `a bank that refuses is told again`() async throws {
        try await AlipaySimulatorBench.run { bench in
            bench.lumps.answer([(500, ""), (503, "")])
            try await bench.paid("P1", fen: 10_000)
            try await bench.setClock("2026-10-06T03:00:00+08:00")
            #expect(bench.lumps.bodies.count == 3)
            #expect(Set(bench.lumps.bodies).count == 1)
            let state = try await bench.control("GET", "/control/merchants/\(AlipaySimulatorBench.appID)")
            #expect(state["remittances"]?.array?.count == 1)
            #expect(state["remittances"]?.array?.first?["accepted"]?.bool == true)
        }
    }

    @Test func `refunds that outweigh payments make the lump negative`() async throws {
        try await AlipaySimulatorBench.run { bench in
            try await bench.paid("P1", fen: 10_000)
            try await bench.setClock("2026-10-06T10:00:00+08:00")
            try await bench.refund("R1", of: "P1", fen: 10_000)
            try await bench.setClock("2026-10-07T10:00:00+08:00")
            #expect(try bench.lumps.bodies.map { try JSON(parsing: $0)["net_fen"]?.integer } == [9940, -9940])
        }
    }

    private static func bill(_ bench: AlipaySimulatorBench, _ date: String) async throws -> [StatementLine] {
        let answer = try await bench.call(
            "alipay.data.dataservice.bill.downloadurl.query", ["bill_type": "trade", "bill_date": .string(date)])
        let url = try #require(answer.node["bill_download_url"]?.string)
        return try StatementContent(reading: StatementFile(await bench.send("GET", url).body), from: .alipay).lines
    }
}

@Suite struct `The simulated Alipay as a stranger` {
    @Test func `unknown apps, methods, signatures and bodies are refused, signed`() async throws {
        try await AlipaySimulatorBench.run { bench in
            let request = AlipayRequest(
                method: "alipay.trade.query", content: ["out_trade_no": "P1"], appID: AlipaySimulatorBench.appID,
                now: SimulatorClock.realNow())
            let other = try RSASigner(pem: AlipaySimulatorBench.key("partner_rsa.key"))
            let foreign = AlipayRequest(
                method: "alipay.trade.query", content: ["out_trade_no": "P1"], appID: "9", now: Instant(seconds: 0))
            let unknown = AlipayRequest(
                method: "alipay.trade.page", content: [:], appID: AlipaySimulatorBench.appID, now: Instant(seconds: 0))
            for (request, signer, subCode) in [
                (request, other, "isv.invalid-signature"), (foreign, bench.signer, "isv.invalid-app-id"),
                (unknown, bench.signer, "isv.invalid-method"),
            ] {
                let signed = try request.signed(by: signer)
                let answer = try await bench.send(
                    "POST", "\(bench.base)/gateway.do?\(signed.query)", Array(signed.body.utf8))
                let read = try AlipayResponse(
                    verifying: answer.body, method: "alipay.trade.query", key: bench.verifier)
                #expect(read.subCode == subCode)
            }
            try await bench.control("GET", "/control/nothing", status: 404)
            try await bench.control("GET", "/control/merchants/9", status: 404)
            try await bench.control("POST", "/control/plant", ["merchant": "9"], status: 400)
            let missing: JSON = [
                "merchant": .string(AlipaySimulatorBench.appID), "kind": "late", "out_trade_no": "P9",
            ]
            try await bench.control("POST", "/control/plant", missing, status: 404)
        }
    }

    @Test func `a thousand payments take seconds, and none is lost`() async throws {
        try await AlipaySimulatorBench.run { bench in
            let start = ContinuousClock.now
            try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in 0..<20 {
                    group.addTask {
                        for index in 0..<50 { try await bench.paid("W\(worker)N\(index)", fen: 100 + Int64(index)) }
                    }
                }
                try await group.waitForAll()
            }
            #expect(ContinuousClock.now - start < .seconds(30))
            #expect(bench.notifications.bodies.count == 1000)
            #expect(Set(try bench.fields().map { $0["notify_id"] }).count == 1000)
            try await bench.setClock("2026-10-06T02:00:00+08:00")
            let lump = try JSON(parsing: try #require(bench.lumps.bodies.first))
            #expect(lump["items"]?.array?.count == 1000)
        }
    }

    @Test func `fresh keys sign, and a simulator without given keys makes them`() throws {
        let pair = try AlipayKeyPair()
        let signature = try RSASigner(pem: pair.privateKeyPEM).base64Signature(of: Array("x".utf8))
        #expect(try RSAVerifier(pem: pair.publicKeyPEM).isValid(base64: signature, for: Array("x".utf8)))
    }
}
