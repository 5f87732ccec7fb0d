import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyWire
import Foundation
import Testing

/// Files handed in, stock merchants, the bank's date and its terms.
@Suite struct CWP1BatchTests {
    private static func stock(_ rows: [String]) -> [UInt8] {
        Array(
            (["C|merchantNo|name|certNo"] + rows.map { "D|" + $0 } + ["T|\(rows.count)|0"]).joined(separator: "\n").utf8
        )
    }

    @Test func `stock merchants are imported by a file, receive at once and withdraw once they confirmed`() async throws
    {
        try await CWP1Bench.run(reviewStep: 0) { bench in
            let custodian = bench.custodian
            let bytes = CWP1BatchTests.stock(["M1|甲公司|91330100A", "M2||91330100B", "M3|丙公司|91330100C"])
            let material = try await custodian.uploadMaterial(
                MaterialUpload(kind: .stock, fileName: "stock.txt", contentType: "text/plain", bytes: bytes),
                serial: "U1"
            ).answer()
            let batch = BatchSubmission(
                number: "B1", kind: .stock, file: material.fileID, recordCount: 3, amount: .zero,
                digest: CWP1File.digest(of: bytes))
            #expect(try await custodian.importSubMerchants(batch, serial: "I1").answer().state == .processing)
            try await bench.clock("2026-10-05T12:05:00+08:00")
            #expect(
                try await custodian.queryBatch(number: "B1", serial: "Q1").answer().state
                    == .partlySucceeded(failures: 1, file: "/out/\(CWP1Bench.marketID)/batches/B1-fail.txt"))
            let failures = try await bench.outbound.call(
                "GET", "\(bench.base)/out/\(CWP1Bench.marketID)/batches/B1-fail.txt", headers: [])
            #expect(
                String(decoding: failures.body, as: UTF8.self)
                    == "C|line|failCode|failMsg\nD|2|100001|name is required\nT|1|0\n")
            let letter = try #require(try await bench.inbox.wait("BATCH.NOTIFY").first)
            #expect(try custodian.notice(in: letter.bytes) == .batch(number: "B1"))
            let merchant = try await custodian.querySubMerchant(number: "M1", serial: "Q2").answer()
            #expect(merchant.state == .reviewing(signURL: nil))
            let account = try #require(merchant.subAccount)
            let card = try await bench.bind(account)
            let withdrawal = WithdrawalInstruction(
                number: "W1", subAccount: account, bindingNumber: card, amount: Fen(100), memo: "")
            #expect(await custodian.withdraw(withdrawal, serial: "W1").refusalCode == "100502")
            try await bench.control(
                "POST", "sign", ["market_id": .string(CWP1Bench.marketID), "merchant_no": "M1"])
            #expect(try await custodian.querySubMerchant(number: "M1", serial: "Q3").answer().state == .active)
            #expect(try await custodian.querySubMerchant(number: "M2", serial: "Q4").answer().state == .absent)
        }
    }

    @Test func `a clearing file settles what agrees with its registration, and names the lines that do not`()
        async throws
    {
        try await CWP1Bench.run(reviewStep: 0) { bench in
            let custodian = bench.custodian
            let account = try await bench.openMerchant("SUB1")
            for number in ["O1", "O2", "O3"] {
                _ = try await custodian.syncOrder(bench.order(number, account, isPaid: true), serial: "S" + number)
                    .answer()
            }
            try await bench.clock("2026-10-06T02:00:00+08:00")
            try await bench.credit(["O1", "O2", "O3"])
            let rows = [
                "O1|O1-01|4200O1|100.00", "O2|O2-01|4200O1|100.00",
                "O3|O3-01|4200O3|99.99", "O9|O9|4200O9|1.00",
            ]
            let bytes = Array(
                (["C|mainOrderNo|subOrderNo|channelOrderNo|amt"] + rows.map { "D|" + $0 } + ["T|4|30099"])
                    .map { $0 + "\n" }.joined().utf8)
            let material = try await custodian.uploadMaterial(
                MaterialUpload(kind: .other, fileName: "c.txt", contentType: "text/plain", bytes: bytes), serial: "U1"
            ).answer()
            let batch = BatchSubmission(
                number: "B1", kind: .clearing, file: material.fileID, recordCount: 4, amount: Fen(30_099),
                digest: CWP1File.digest(of: bytes))
            #expect(try await custodian.submitBatch(batch, serial: "I1").answer().state == .processing)
            try await bench.clock("2026-10-06T02:05:00+08:00")
            guard
                case .partlySucceeded(3, let file?) = try await custodian.queryBatch(number: "B1", serial: "Q1")
                    .answer()
                    .state
            else {
                Issue.record("not settled in part")
                return
            }
            let failures = try await bench.outbound.call("GET", bench.base + file, headers: [])
            let lines = String(decoding: failures.body, as: UTF8.self).split(separator: "\n")
            #expect(lines.dropFirst().map { $0.prefix(10) } == ["D|2|100219", "D|3|100220", "D|4|100211", "T|3|0"])
            let balance = try await bench.account(account)
            #expect(balance["withdrawable_fen"]?.integer == 9500)
            #expect(balance["frozen_fen"]?.integer == 19_000)
            #expect(try await bench.balances()["invariant_ok"]?.bool == true)
        }
    }

    @Test func `a file that is not what the message says is refused`() async throws {
        try await CWP1Bench.run(reviewStep: 0) { bench in
            let custodian = bench.custodian
            let bytes = CWP1BatchTests.stock(["M1|甲公司|91330100A"])
            let material = try await custodian.uploadMaterial(
                MaterialUpload(kind: .stock, fileName: "s.txt", contentType: "text/plain", bytes: bytes), serial: "U1"
            ).answer()
            func submit(_ file: String, _ count: Int, _ digest: String, _ number: String) async -> String? {
                await custodian.submitBatch(
                    BatchSubmission(
                        number: number, kind: .stock, file: file, recordCount: count, amount: .zero, digest: digest),
                    serial: number
                ).refusalCode
            }
            let digest = CWP1File.digest(of: bytes)
            #expect(await submit("nothing", 1, digest, "B1") == "100221")
            #expect(await submit(material.fileID, 1, "00", "B2") == "100222")
            #expect(await submit(material.fileID, 2, digest, "B3") == "100302")
            #expect(await submit(material.fileID, 1, digest, "B4") == nil)
            var capabilities = Capabilities.cwp1
            capabilities.limits.materialBytes = 3
            let small = try CWP1Custodian(
                link: bench.link, outbound: bench.outbound, capabilities: capabilities
            ) { SimulatorClock.realNow() }
            let large = MaterialUpload(kind: .licence, fileName: "a.jpg", contentType: "image/jpeg", bytes: bytes)
            #expect(await small.uploadMaterial(large, serial: "U2").refusalCode == "too_large")
        }
    }

    @Test func `the bank's date turns at its cut-off, and money waits while it does`() async throws {
        try await CWP1Bench.run(reviewStep: 0, terms: [.init("cut_off", "23:00"), .init("cutting_minutes", 20)]) {
            bench in
            let custodian = bench.custodian
            let account = try await bench.openMerchant("SUB1")
            try await bench.clock("2026-10-05T22:59:00+08:00")
            var day = try await custodian.bankDay(serial: "D1").answer()
            #expect(day.date == BusinessDate("20261005"))
            #expect(day.state == .open)
            #expect(day.nextCutAt == Instant(text: "20261005230000"))
            try await bench.clock("2026-10-05T23:05:00+08:00")
            day = try await custodian.bankDay(serial: "D2").answer()
            #expect(day.date == BusinessDate("20261006"))
            #expect(day.state == .cutting)
            let freeze = FreezeInstruction(number: "F1", account: account, amount: Fen(1), reason: "r")
            let refused = await custodian.freeze(freeze, serial: "F1")
            #expect(refused.refusalCode == "100301")
            guard case .refused(let refusal) = refused, refusal.retryAfter != nil else {
                Issue.record("a closed day is no refusal for ever")
                return
            }
            let absent = try await custodian.query(
                .freeze, serial: "F1", sentOn: try #require(BusinessDate("20261005"))
            ).answer()
            // Ten minutes from the question would be 23:15: the cut is longer.
            #expect(absent.state == .absent(safeAfter: Instant(text: "20261005232000")))
            try await bench.clock("2026-10-05T23:20:00+08:00")
            #expect(try await custodian.bankDay(serial: "D3").answer().state == .open)
            #expect(await custodian.freeze(freeze, serial: "F2").refusalCode == "100201")
        }
    }

    @Test func `a merchant signs, and its application is void when it does not in time`() async throws {
        try await CWP1Bench.run(reviewStep: 0, terms: [.init("signature_days", 30)]) { bench in
            let custodian = bench.custodian
            for number in ["SUB1", "SUB2"] {
                _ = try await custodian.openSubMerchant(CWP1Bench.opening(number), serial: number).answer()
            }
            try await bench.clock("2026-10-05T13:00:00+08:00")
            let waiting = try await custodian.querySubMerchant(number: "SUB1", serial: "Q1").answer()
            guard case .reviewing(let url) = waiting.state, url != nil else {
                Issue.record("\(waiting.state)")
                return
            }
            try await bench.control(
                "POST", "sign", ["market_id": .string(CWP1Bench.marketID), "merchant_no": "SUB1"])
            try await bench.clock("2026-11-06T13:00:00+08:00")
            #expect(try await custodian.querySubMerchant(number: "SUB1", serial: "Q2").answer().state == .active)
            let void = try await custodian.querySubMerchant(number: "SUB2", serial: "Q3").answer()
            guard case .rejected = void.state else {
                Issue.record("\(void.state)")
                return
            }
            _ = try await custodian.resubmitSubMerchant(CWP1Bench.opening("SUB2"), serial: "R1").answer()
            var change = SubMerchantChange(number: "SUB1")
            change.name = "新名称有限公司"
            change.contactMobile = "13900139000"
            #expect(try await custodian.modifySubMerchant(change, serial: "M1").answer().state == .succeeded)
        }
    }

    @Test func `a merchant signed at the bank is pushed to us`() async throws {
        try await CWP1Bench.run(reviewStep: 0) { bench in
            let signed = try await bench.control(
                "POST", "signed", ["market_id": .string(CWP1Bench.marketID), "name": "丁公司", "cert_no": "91330100D"])
            let letter = try #require(try await bench.inbox.wait("MCH.PUSH").first)
            guard case .signedSubMerchant(let merchant) = try bench.custodian.notice(in: letter.bytes) else {
                Issue.record("no push")
                return
            }
            #expect(merchant.change == .added)
            #expect(merchant.merchantNumber == signed["sub_acct"]?.string)
            #expect(merchant.name == "丁公司")
        }
    }

    @Test func `an order not confirmed in time is set free by itself`() async throws {
        try await CWP1Bench.run(reviewStep: 0) { bench in
            let account = try await bench.openMerchant("SUB1")
            let order = bench.order("O1", account, isPaid: true)
            let timed = OrderRegistration(
                number: order.number, amount: order.amount, parts: order.parts, payment: order.payment,
                confirmBy: BusinessDate("20261008"))
            _ = try await bench.custodian.syncOrder(timed, serial: "S1").answer()
            try await bench.clock("2026-10-08T23:59:00+08:00")
            #expect(try await bench.custodian.queryOrder(number: "O1", serial: "Q1").answer().state == .registered)
            try await bench.clock("2026-10-09T00:00:01+08:00")
            #expect(try await bench.custodian.queryOrder(number: "O1", serial: "Q2").answer().state == .finished)
        }
    }
}
