import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyWire
import Foundation
import Testing

/// Sub-merchants and their accounts through the connector, against the simulated bank over real sockets.
@Suite struct CWP1SubMerchantTests {
    @Test func `a merchant is reviewed over time, and opened`() async throws {
        try await CWP1Bench.run { bench in
            let opened = try await bench.custodian.openSubMerchant(CWP1Bench.opening("SUB1"), serial: "A1").answer()
            #expect(opened.state == .reviewing(signURL: nil))
            #expect(opened.applicationNumber != nil)
            #expect(opened.subAccount == nil)
            try await bench.clock("2026-10-05T12:10:00+08:00")
            let merchant = try await bench.custodian.querySubMerchant(number: "SUB1", serial: "A2").answer()
            #expect(merchant.state == .active)
            #expect(merchant.subAccount?.hasPrefix(CWP1Bench.marketID) == true)
            let result = try await bench.custodian.query(
                .openSubMerchant, serial: "A1", sentOn: try #require(BusinessDate("20261005"))
            ).answer()
            #expect(result.state == .succeeded)
            let notices = try await bench.inbox.wait("MCH.NOTIFY", count: 3)
            #expect(notices.map { $0.body["status"]?.string } == ["VERIFYING", "REVIEWING", "ACTIVE"])
            let letter = try #require(bench.inbox.all.first)
            let verified = try CWP1Notification.verify(
                method: "POST", path: letter.path, headers: letter.headers, body: letter.body, link: bench.link,
                now: SimulatorClock.realNow())
            #expect(verified.txnCode == "MCH.NOTIFY")
            #expect(try bench.custodian.notice(in: letter.body) == .subMerchant(number: "SUB1"))
            let absent = try await bench.custodian.querySubMerchant(number: "SUB9", serial: "A3").answer()
            #expect(absent.state == .absent)
        }
    }

    @Test func `personal fields never travel in clear, and the same opening sent again is the same one`() async throws {
        try await CWP1Bench.run { bench in
            let first = try await bench.custodian.openSubMerchant(CWP1Bench.opening("SUB1"), serial: "A1").answer()
            // Sealed anew under another key, it is still the same content to the bank.
            let again = try await bench.custodian.openSubMerchant(CWP1Bench.opening("SUB1"), serial: "A1").answer()
            #expect(again == first)
            let other = await bench.custodian.openSubMerchant(CWP1Bench.opening("SUB2"), serial: "A1")
            #expect(other.refusalCode == "200002")

            let inbox = CWP1Bench.Inbox()
            let listener = SimulatorServer { inbox.receive($0) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await listener.run() }
                defer { group.cancelAll() }
                var link = bench.link
                link.baseURL = "http://127.0.0.1:\(try await listener.boundPort())"
                let custodian = try CWP1Custodian(link: link, outbound: bench.outbound) { SimulatorClock.realNow() }
                // What answers is no bank: the outcome stays unknown.
                #expect(
                    await custodian.openSubMerchant(CWP1Bench.opening("SUB1"), serial: "A1").doubt == .malformedAnswer)
                _ = await custodian.bindAccount(CWP1Bench.card("ACCT"), serial: "A2")
            }
            let sent = inbox.all.map { String(decoding: $0.body, as: UTF8.self) }
            #expect(sent.count == 2)
            let secrets = [
                "91330100MA27XXXX0X", "张三", "330106199001011234", "李四", "13800138000", "6222021234567890123",
            ]
            for text in sent {
                for secret in secrets { #expect(!text.contains(secret)) }
                #expect(text.contains("{A256}"))
            }
        }
    }

    @Test func `a rejected merchant is told which fields and why, and may come again`() async throws {
        try await CWP1Bench.run(reviewStep: 0) { bench in
            try await bench.control(
                "POST", "rejections",
                [
                    "market_id": .string(CWP1Bench.marketID), "name_contains": "坏",
                    "items": [["field": "certNo", "reason": "证照已过期"]],
                ])
            _ = try await bench.custodian.openSubMerchant(CWP1Bench.opening("SUB1", name: "坏公司"), serial: "A1").answer()
            _ = try await bench.inbox.wait("MCH.NOTIFY", count: 3)
            let rejected = try await bench.custodian.querySubMerchant(number: "SUB1", serial: "A2").answer()
            #expect(rejected.state == .rejected([.init(field: "certNo", reason: "证照已过期")]))
            _ = try await bench.custodian.openSubMerchant(CWP1Bench.opening("SUB1", name: "好公司"), serial: "A3").answer()
            _ = try await bench.inbox.wait("MCH.NOTIFY", count: 6)
            let opened = try await bench.custodian.querySubMerchant(number: "SUB1", serial: "A4").answer()
            #expect(opened.state == .active)
            try await bench.control(
                "POST", "freeze", ["market_id": .string(CWP1Bench.marketID), "merchant_no": "SUB1", "frozen": true])
            let frozen = try await bench.custodian.querySubMerchant(number: "SUB1", serial: "A5").answer()
            #expect(frozen.state == .frozen)
        }
    }

    @Test func `a merchant with money is not closed, an empty one is`() async throws {
        try await CWP1Bench.run(reviewStep: 0) { bench in
            let account = try await bench.openMerchant("SUB1")
            _ = try await bench.openMerchant("SUB2")
            _ = try await bench.custodian.syncOrder(bench.order("O1", account, isPaid: true), serial: "S1").answer()
            let refused = await bench.custodian.closeSubMerchant(number: "SUB1", reason: "停业", serial: "C1")
            #expect(refused.refusalCode == "100401")
            let closed = try await bench.custodian.closeSubMerchant(number: "SUB2", reason: "停业", serial: "C2").answer()
            #expect(closed.state == .succeeded)
            #expect(
                try await bench.custodian.querySubMerchant(number: "SUB2", serial: "C3").answer().state == .closed)
        }
    }

    @Test func `an account is bound by the small amount its holder sees, within three tries`() async throws {
        try await CWP1Bench.run(reviewStep: 0) { bench in
            let account = try await bench.openMerchant("SUB1")
            let binding = try await bench.custodian.bindAccount(CWP1Bench.card(account), serial: "B1").answer()
            let slip = try await bench.control("GET", "cards/\(binding.bindingNumber)")
            guard case .toVerify(let expiresAt?, 3) = binding.state else {
                Issue.record("not to be verified: \(binding.state)")
                return
            }
            #expect(Instant(text: slip["expires_at"]?.string ?? "")?.seconds == expiresAt.seconds)
            let amount = Fen(try #require(slip["amount_fen"]?.integer))
            let number = try #require(slip["instruction_no"]?.string)
            let wrong = try await bench.custodian.confirmAccount(
                bindingNumber: binding.bindingNumber, proof: .amount(amount, instructionNumber: "x"), serial: "B2"
            ).answer()
            #expect(wrong.state == .toVerify(expiresAt: expiresAt, triesLeft: 2))
            let right = try await bench.custodian.confirmAccount(
                bindingNumber: binding.bindingNumber, proof: .amount(amount, instructionNumber: number), serial: "B3"
            ).answer()
            #expect(right.state == .bound)
            let notice = try #require(try await bench.inbox.wait("CARD.NOTIFY").first)
            #expect(try bench.custodian.notice(in: notice.bytes) == .binding(number: binding.bindingNumber))

            let second = try await bench.custodian.bindAccount(CWP1Bench.card(account), serial: "B4").answer()
            var last = second
            for attempt in 0..<3 {
                last = try await bench.custodian.confirmAccount(
                    bindingNumber: second.bindingNumber, proof: .amount(Fen(50), instructionNumber: "0"),
                    serial: "B5\(attempt)"
                ).answer()
            }
            #expect(last.state == .failed(Refusal(code: "B2101", message: "验证次数超限")))
            let day = try #require(BusinessDate("20261005"))
            #expect(
                try await bench.custodian.query(.bindAccount, serial: "B4", sentOn: day).answer().state
                    == .failed(Refusal(code: "B2101", message: "验证次数超限")))
            #expect(
                try await bench.custodian.query(.bindAccount, serial: "B1", sentOn: day).answer().state == .succeeded)
        }
    }

    @Test func `an SMS code expires after two minutes, a small amount after a day`() async throws {
        try await CWP1Bench.run(reviewStep: 0) { bench in
            let account = try await bench.openMerchant("SUB1")
            let late = try await bench.custodian.bindAccount(CWP1Bench.card(account, .smsCode), serial: "B1").answer()
            let code = try #require(try await bench.control("GET", "cards/\(late.bindingNumber)")["sms_code"]?.string)
            let small = try await bench.custodian.bindAccount(CWP1Bench.card(account), serial: "B2").answer()
            try await bench.clock("2026-10-05T12:03:00+08:00")
            let refused = await bench.custodian.confirmAccount(
                bindingNumber: late.bindingNumber, proof: .smsCode(code), serial: "B3")
            #expect(refused.refusalCode == "100205")
            let good = try await bench.custodian.bindAccount(CWP1Bench.card(account, .smsCode), serial: "B4").answer()
            let sms = try #require(try await bench.control("GET", "cards/\(good.bindingNumber)")["sms_code"]?.string)
            let bound = try await bench.custodian.confirmAccount(
                bindingNumber: good.bindingNumber, proof: .smsCode(sms), serial: "B5"
            ).answer()
            #expect(bound.state == .bound)
            try await bench.clock("2026-10-06T12:03:00+08:00")
            let slip = try await bench.control("GET", "cards/\(small.bindingNumber)")
            #expect(slip["state"]?.string == "EXPIRED")
        }
    }
}
