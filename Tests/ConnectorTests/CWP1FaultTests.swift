import AsyncHTTPClient
import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyWire
import Foundation
import Synchronization
import Testing

/// What the connector makes of a bank that misbehaves.
@Suite struct CWP1FaultTests {
    private static let day = BusinessDate(daysSinceEpoch: 20731)  // 2026-10-05

    private static func withdrawal(_ account: String, _ card: String, _ number: String) -> WithdrawalInstruction {
        WithdrawalInstruction(number: number, subAccount: account, bindingNumber: card, amount: Fen(100), memo: "提现")
    }

    @Test func `an answer that proves nothing leaves the outcome unknown, and the query by the same number decides`()
        async throws
    {
        let executed: [(fault: String, doubt: Doubt.Reason)] = [
            ("execute_no_answer", .noAnswer), ("execute_silence", .noAnswer), ("execute_http_500", .systemError),
            ("execute_system_error", .systemError), ("bad_signature", .badSignature), ("no_signature", .badSignature),
            ("stale_time", .badSignature), ("unknown_status", .malformedAnswer), ("half_answer", .noAnswer),
            ("reset_answer", .noAnswer),
        ]
        let unexecuted: [(fault: String, doubt: Doubt.Reason)] = [
            ("no_answer", .noAnswer), ("silence", .noAnswer), ("http_500", .systemError),
            ("rate_limited", .rateLimited), ("html", .malformedAnswer), ("empty", .malformedAnswer),
            ("system_error", .systemError),
        ]
        try await CWP1Bench.run(reviewStep: 0) { bench in
            let account = try await bench.openMerchant("SUB1")
            let card = try await bench.bind(account)
            try await bench.fund("O1", account)
            for (fault, doubt) in executed {
                try await bench.fault("WDR.CREATE", fault, serial: "E" + fault)
                let instruction = CWP1FaultTests.withdrawal(account, card, "E" + fault)
                let reply = await bench.custodian.withdraw(instruction, serial: "E" + fault)
                #expect(reply.doubt == doubt, "\(fault)")
                let found = try await bench.custodian.query(.withdraw, serial: "E" + fault, sentOn: CWP1FaultTests.day)
                    .answer()
                guard case .processing = found.state else {
                    Issue.record("\(fault): \(found.state)")
                    continue
                }
                // Sent again by the same number it is answered with the original outcome, and happens once.
                let again = try await bench.custodian.withdraw(instruction, serial: "E" + fault).answer()
                #expect(again.bankNumber == found.bankNumber)
            }
            #expect(try await bench.balances()["in_transit_out_fen"]?.integer == Int64(executed.count * 100))
            for (fault, doubt) in unexecuted {
                try await bench.fault("WDR.CREATE", fault, serial: "U" + fault)
                let reply = await bench.custodian.withdraw(
                    CWP1FaultTests.withdrawal(account, card, "U" + fault), serial: "U" + fault)
                #expect(reply.doubt == doubt, "\(fault)")
                let found = try await bench.custodian.query(.withdraw, serial: "U" + fault, sentOn: CWP1FaultTests.day)
                    .answer()
                guard case .absent(let safeAfter?) = found.state else {
                    Issue.record("\(fault): \(found.state)")
                    continue
                }
                #expect(safeAfter > Instant(text: "20261005120000") ?? safeAfter)
                // Asked again the same promise stands: it does not run away.
                let again = try await bench.custodian.query(.withdraw, serial: "U" + fault, sentOn: CWP1FaultTests.day)
                    .answer()
                #expect(again.state == found.state)
            }
            #expect(try await bench.balances()["in_transit_out_fen"]?.integer == Int64(executed.count * 100))
            #expect(try await bench.balances()["invariant_ok"]?.bool == true)
        }
    }

    @Test func `refused, failed and duplicate are told apart`() async throws {
        try await CWP1Bench.run(reviewStep: 0) { bench in
            let account = try await bench.openMerchant("SUB1")
            let card = try await bench.bind(account)
            try await bench.fund("O1", account)
            let first = CWP1FaultTests.withdrawal(account, card, "W1")
            try await bench.fault("WDR.CREATE", "reject", [.init("ret_code", "100301")])
            #expect(await bench.custodian.withdraw(first, serial: "W1").refusalCode == "100301")
            // Refused before it was recorded: the number may be used again.
            _ = try await bench.custodian.withdraw(first, serial: "W1").answer()
            var other = CWP1FaultTests.withdrawal(account, card, "W1")
            other = WithdrawalInstruction(
                number: "W1", subAccount: account, bindingNumber: card, amount: Fen(101), memo: "提现")
            #expect(await bench.custodian.withdraw(other, serial: "W1").refusalCode == "200002")
            #expect(await bench.custodian.withdraw(other, serial: "W1b").refusalCode == "200002")
            let sameIntent = try await bench.custodian.withdraw(first, serial: "W1c").answer()
            #expect(try await bench.balances()["in_transit_out_fen"]?.integer == 100)
            #expect(sameIntent.bankNumber != nil)
            try await bench.fault("WDR.CREATE", "business_failed", [.init("ret_code", "300107")])
            let failed = try await bench.custodian.withdraw(
                CWP1FaultTests.withdrawal(account, card, "W2"), serial: "W2"
            ).answer()
            #expect(failed.state == .failed(Refusal(code: "300107", message: "failed on demand")))
            let asked = try await bench.custodian.query(.withdraw, serial: "W2", sentOn: CWP1FaultTests.day).answer()
            #expect(asked.state == failed.state)
        }
    }

    @Test func `a query may say not found early, or processing for ever, while the notification says success`()
        async throws
    {
        try await CWP1Bench.run(reviewStep: 0) { bench in
            let account = try await bench.openMerchant("SUB1")
            let card = try await bench.bind(account)
            try await bench.fund("O1", account)
            _ = try await bench.custodian.withdraw(CWP1FaultTests.withdrawal(account, card, "W1"), serial: "W1")
                .answer()
            try await bench.fault("TXN.QUERY", "not_found", serial: "W1")
            try await bench.fault("TXN.QUERY", "processing", serial: "W1")
            try await bench.clock("2026-10-05T12:20:00+08:00")
            let notice = try #require(try await bench.inbox.wait("WDR.NOTIFY").first)
            #expect(notice.body["status"]?.string == "SUCCESS")
            var states: [CustodianResult.State] = []
            for _ in 0..<3 {
                states.append(
                    try await bench.custodian.query(.withdraw, serial: "W1", sentOn: CWP1FaultTests.day).answer().state)
            }
            guard case .absent = states[0], case .processing = states[1] else {
                Issue.record("\(states)")
                return
            }
            #expect(states[2] == .succeeded)
            try await bench.fault("WDR.CREATE", "processing", serial: "W2")
            _ = try await bench.custodian.withdraw(CWP1FaultTests.withdrawal(account, card, "W2"), serial: "W2")
                .answer()
            try await bench.clock("2026-10-09T12:20:00+08:00")
            let stuck = try await bench.custodian.query(.withdraw, serial: "W2", sentOn: CWP1FaultTests.day).answer()
            guard case .processing(let finishBy?) = stuck.state else {
                Issue.record("\(stuck.state)")
                return
            }
            #expect(BusinessDate(of: finishBy) == CWP1FaultTests.day)
        }
    }

    @Test func `notifications come twice, late, out of order, badly signed, and again until they are answered`()
        async throws
    {
        try await CWP1Bench.run(reviewStep: 0) { bench in
            func deposit(_ amount: Int64) async throws {
                try await bench.control(
                    "POST", "deposits", ["market_id": .string(CWP1Bench.marketID), "amount_fen": JSON(amount)])
            }
            func amounts(_ count: Int) async throws -> [String] {
                try await bench.inbox.wait("DEPOSIT.NOTIFY", count: count).compactMap { $0.body["amt"]?.string }
            }
            try await bench.fault("DEPOSIT.NOTIFY", "duplicate")
            try await deposit(1)
            #expect(try await amounts(2) == ["0.01", "0.01"])
            try await bench.fault("DEPOSIT.NOTIFY", "out_of_order")
            try await deposit(2)
            try await deposit(3)
            #expect(try await amounts(4).suffix(2) == ["0.03", "0.02"])
            try await bench.fault("DEPOSIT.NOTIFY", "late", [.init("seconds", 3600)])
            try await deposit(4)
            try await deposit(5)
            #expect(try await amounts(5).last == "0.05")
            try await bench.clock("2026-10-05T13:30:00+08:00")
            #expect(try await amounts(6).last == "0.04")
            try await bench.fault("DEPOSIT.NOTIFY", "bad_signature")
            try await deposit(6)
            _ = try await amounts(7)
            let letter = try #require(bench.inbox.all.last)
            #expect(throws: CWP1Rejection.badSignature) {
                try CWP1Notification.verify(
                    method: "POST", path: letter.path, headers: letter.headers, body: letter.body, link: bench.link,
                    now: SimulatorClock.realNow())
            }
            bench.inbox.refusals.withLock { $0 = 100 }
            try await deposit(7)
            _ = try await amounts(8)
            try await bench.clock("2026-10-05T14:30:00+08:00")
            let sent = try await bench.inbox.wait("DEPOSIT.NOTIFY", count: 14)
            // Once, and again six times, always by the same number.
            #expect(sent.count == 14)
            #expect(Set(sent.suffix(7).map(\.notifyID)).count == 1)
        }
    }

    @Test func `a notification that says processing after the final one settles nothing, and the query says what is`()
        async throws
    {
        try await CWP1Bench.run(reviewStep: 0) { bench in
            let account = try await bench.openMerchant("SUB1")
            let card = try await bench.bind(account)
            try await bench.fund("O1", account)
            try await bench.fault("WDR.NOTIFY", "late_processing", [.init("seconds", 120)])
            _ = try await bench.custodian.withdraw(CWP1FaultTests.withdrawal(account, card, "W1"), serial: "W1")
                .answer()
            try await bench.clock("2026-10-05T12:30:00+08:00")
            let letters = try await bench.inbox.wait("WDR.NOTIFY", count: 2)
            let states = try letters.map { letter -> CustodianResult.State? in
                guard case .instruction(.withdraw, "W1", let result) = try bench.custodian.notice(in: letter.bytes)
                else {
                    return nil
                }
                return result.state
            }
            #expect(states.first == .succeeded)
            guard case .processing = try #require(states.last ?? nil) else {
                Issue.record("\(states)")
                return
            }
            #expect(
                try await bench.custodian.query(.withdraw, serial: "W1", sentOn: CWP1FaultTests.day).answer().state
                    == .succeeded)
        }
    }

    @Test func `the bank refuses a stranger, another's key, a replay and a question to another path`() async throws {
        try await CWP1Bench.run(reviewStep: 0) { bench in
            let stranger = try CWP1KeyPair()
            var link = bench.link
            link.partnerPrivateKeyPEM = stranger.privatePEM
            let forged = try CWP1Custodian(link: link, outbound: bench.outbound) { SimulatorClock.realNow() }
            #expect(await forged.querySubMerchant(number: "S", serial: "1").refusalCode == "100002")
            link = bench.link
            link.marketID = "M9"
            let foreign = try CWP1Custodian(link: link, outbound: bench.outbound) { SimulatorClock.realNow() }
            #expect(await foreign.querySubMerchant(number: "S", serial: "1").refusalCode == "100003")
            let late = try CWP1Custodian(link: bench.link, outbound: bench.outbound) {
                SimulatorClock.realNow() - .seconds(400)
            }
            // The bank refuses, and its fresh answer is stale by our slow clock.
            #expect(await late.querySubMerchant(number: "S", serial: "1").doubt == .badSignature)
            let request = CWP1Request(
                txnCode: "SYS.ECHO", partnerID: "P0000001", marketID: CWP1Bench.marketID, number: "N1",
                at: SimulatorClock.realNow(), body: [:])
            let signer = try CWP1Signer(serial: "P1", privateKeyPEM: bench.link.partnerPrivateKeyPEM)
            let fields = try signer.headers(
                for: .request(
                    path: CWP1Request.path, partnerID: "P0000001", txnCode: "SYS.ECHO", number: "N1"),
                body: request.bytes, at: SimulatorClock.realNow()
            ).fields
            var codes: [String] = []
            for path in [CWP1Request.path, CWP1Request.path, "/other" + CWP1Request.path] {
                let answer = try await bench.outbound.call(
                    "POST", bench.base + path, headers: fields, body: request.bytes)
                codes.append(try CWP1Response(parsing: answer.body).returnCode.text)
            }
            #expect(codes == ["000000", "100005", "100002"])
        }
    }

    @Test func `a bank nobody answers for is unreachable, and nothing was sent`() async throws {
        let keys = try CWP1Bench.keys.get()
        let link = CWP1Link(
            baseURL: "http://127.0.0.1:1", partnerID: "P", marketID: "M", partnerSerial: "1",
            partnerPrivateKeyPEM: keys.privatePEM, bankKeys: [.init(serial: "B", pem: keys.publicPEM)])
        let custodian = try CWP1Custodian(link: link, outbound: Outbound(client: .shared, timeout: .seconds(2))) {
            SimulatorClock.realNow()
        }
        let reply = await custodian.querySubMerchant(number: "S", serial: "1")
        #expect(reply.doubt == .unreachable || reply.doubt == .noAnswer)
    }
}
