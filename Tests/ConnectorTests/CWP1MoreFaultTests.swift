import AsyncHTTPClient
import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyWire
import Foundation
import Testing

/// What a bank can do wrong beyond silence: late execution, early notifications, refunds that hang, files that disagree.
@Suite struct CWP1MoreFaultTests {
    private func refund(_ amount: Int64, _ bench: CWP1Bench, _ account: String) -> RefundRegistration {
        RefundRegistration(
            number: "RF\(amount)", orderNumber: "O1", amount: Fen(amount),
            giveBack: [.init(partNumber: "S1", account: account, amount: Fen(amount))])
    }

    @Test func `an instruction that is executed late is absent first and done later, once`() async throws {
        try await CWP1Bench.run(reviewStep: 0) { bench in
            let account = try await bench.openMerchant("SUB1")
            try await bench.fault("ORD.SYNC", "execute_late", [.init("seconds", 1200)])
            let order = bench.order("O1", account, isPaid: true)
            #expect(await bench.custodian.syncOrder(order, serial: "S1").doubt == .noAnswer)
            let date = try #require(BusinessDate("20261005"))
            let early = try await bench.custodian.query(.syncOrder, serial: "S1", sentOn: date).answer()
            guard case .absent(let safeAfter) = early.state, safeAfter != nil else {
                Issue.record("\(early.state)")
                return
            }
            try await bench.clock("2026-10-05T12:30:00+08:00")
            #expect(
                try await bench.custodian.query(.syncOrder, serial: "S1", sentOn: date).answer().state == .succeeded)
            #expect(try await bench.custodian.syncOrder(order, serial: "S1").answer().state == .succeeded)
            #expect(try await bench.account(account)["frozen_fen"]?.integer == 9500)
        }
    }

    @Test(arguments: ["delayed", "uncertain", "to_confirm", "failed"])
    func `a refund that hangs holds its money until it ends`(fault: String) async throws {
        try await CWP1Bench.run(reviewStep: 0) { bench in
            let account = try await bench.openMerchant("SUB1")
            _ = try await bench.custodian.syncOrder(bench.order("O1", account, isPaid: true), serial: "S1").answer()
            try await bench.fault("REF.CREATE", fault, [.init("seconds", 60)])
            let sent = try await bench.custodian.refund(refund(9000, bench, account), serial: "R1").answer()
            guard case .processing(let finishBy) = sent.state, finishBy != nil else {
                Issue.record("\(sent.state)")
                return
            }
            // The quota is taken: another refund of as much is refused.
            let second = RefundRegistration(
                number: "RF2", orderNumber: "O1", amount: Fen(9000),
                giveBack: [.init(partNumber: "S1", account: account, amount: Fen(9000))])
            #expect(await bench.custodian.refund(second, serial: "R2").refusalCode != nil)
            try await bench.clock("2026-10-05T12:30:00+08:00")
            let date = try #require(BusinessDate("20261005"))
            let ended = try await bench.custodian.query(.refund, serial: "R1", sentOn: date).answer()
            if fault == "failed" {
                guard case .failed(let refusal) = ended.state else {
                    Issue.record("\(ended.state)")
                    return
                }
                #expect(refusal.code == "B3108")
                #expect(try await bench.account(account)["frozen_fen"]?.integer == 9500)
                _ = try await bench.custodian.refund(second, serial: "R3").answer()
            } else {
                #expect(ended.state == .succeeded)
                #expect(try await bench.account(account)["frozen_fen"]?.integer == 500)
            }
            #expect(try await bench.balances()["invariant_ok"]?.bool == true)
        }
    }

    @Test func `a notification may come before the answer, and many at once`() async throws {
        try await CWP1Bench.run(reviewStep: 0) { bench in
            let account = try await bench.openMerchant("SUB1")
            _ = try await bench.custodian.syncOrder(bench.order("O1", account, isPaid: true), serial: "S1").answer()
            try await bench.fault("REF.CREATE", "notify_first")
            _ = try await bench.custodian.refund(refund(100, bench, account), serial: "R1").answer()
            // No waiting: it had come when the answer was there.
            let told = bench.inbox.all.compactMap { try? CWP1Notification(parsing: $0.body) }
            #expect(told.contains { $0.txnCode == "REF.NOTIFY" && $0.body["origReqSeqNo"]?.string == "R1" })
            try await bench.fault("REF.NOTIFY", "concurrent", [.init("copies", 4)])
            _ = try await bench.custodian.refund(refund(200, bench, account), serial: "R2").answer()
            let all = try await bench.inbox.wait("REF.NOTIFY", count: 5)
            #expect(Set(all.filter { $0.body["origReqSeqNo"]?.string == "R2" }.map(\.notifyID)).count == 1)
        }
    }

    @Test func `the platform's deposit covers a refund where a merchant is short`() async throws {
        try await CWP1Bench.run(reviewStep: 0, terms: [.init("deposit_covers_refunds", true)]) { bench in
            let account = try await bench.openMerchant("SUB1")
            _ = try await bench.custodian.syncOrder(bench.order("O1", account, isPaid: true), serial: "S1").answer()
            let more = RefundRegistration(
                number: "RF1", orderNumber: "O1", amount: Fen(10_000),
                giveBack: [.init(partNumber: "S1", account: account, amount: Fen(10_000))])
            #expect(await bench.custodian.refund(more, serial: "R1").refusalCode == "100201")
            try await bench.control(
                "POST", "deposits", ["market_id": .string(CWP1Bench.marketID), "amount_fen": 5000])
            #expect(try await bench.custodian.refund(more, serial: "R2").answer().state == .succeeded)
            let letters = try await bench.inbox.wait("DEPOSIT.NOTIFY", count: 2)
            let used = try letters.map { try bench.custodian.notice(in: $0.bytes) }.contains {
                if case .deposit(_, let amount, _) = $0 { amount == Fen(-500) } else { false }
            }
            #expect(used)
        }
    }

    @Test func `magic amounts do what is written of them`() async throws {
        try await CWP1Bench.run(reviewStep: 0) { bench in
            let custodian = bench.custodian
            let account = try await bench.openMerchant("SUB1")
            let card = try await bench.bind(account)
            try await bench.control(
                "POST", "deposits", ["market_id": .string(CWP1Bench.marketID), "amount_fen": 90_000_000])
            _ = try await custodian.transfer(
                TransferInstruction(
                    number: "X1", from: bench.depositAccount, to: account, amount: Fen(80_000_000),
                    purpose: .subsidy, memo: "test"), serial: "X1"
            ).answer()
            func withdraw(_ amount: Int64) async -> Reply<CustodianResult> {
                await custodian.withdraw(
                    WithdrawalInstruction(
                        number: "W\(amount)", subAccount: account, bindingNumber: card, amount: Fen(amount), memo: ""),
                    serial: "W\(amount)")
            }
            #expect(await withdraw(9_000_004).refusalCode == "100201")
            #expect(await withdraw(9_000_012).refusalCode == "100301")
            #expect(await withdraw(9_000_005).doubt == .noAnswer)
            #expect(await withdraw(9_000_009).doubt == .rateLimited)
            for amount in [9_000_001, 9_000_002, 9_000_003] as [Int64] { _ = try await withdraw(amount).answer() }
            try await bench.clock("2026-10-07T12:00:00+08:00")
            let date = try #require(BusinessDate("20261005"))
            func state(_ amount: Int64) async throws -> CustodianResult.State {
                try await custodian.query(.withdraw, serial: "W\(amount)", sentOn: date).answer().state
            }
            guard case .failed = try await state(9_000_001), case .returned = try await state(9_000_002),
                case .processing = try await state(9_000_003)
            else {
                Issue.record("not what is written")
                return
            }
            #expect(try await state(9_000_005) == .succeeded)
        }
    }

    @Test(arguments: ["missing", "extra", "amount", "status"])
    func `a file disagrees with the messages as planted, in its next issue`(kind: String) async throws {
        try await CWP1Bench.run(reviewStep: 0) { bench in
            let account = try await bench.openMerchant("SUB1")
            _ = try await bench.custodian.syncOrder(bench.order("O1", account, isPaid: true), serial: "S1").answer()
            try await bench.clock("2026-10-06T02:00:00+08:00")
            try await bench.credit(["O1"])
            try await bench.clock("2026-10-06T11:00:00+08:00")
            let date = try #require(BusinessDate("20261005"))
            func rows() async throws -> [[String]] {
                let answer = try await bench.custodian.file(
                    .receipts, of: date, serial: "F" + CWP1Signer.nonce()
                ).answer()
                return try String(decoding: answer.bytes ?? [], as: UTF8.self).split(separator: "\n")
                    .filter { $0.hasPrefix("D|") }
                    .map { $0.split(separator: "|", omittingEmptySubsequences: false).map(String.init) }
            }
            #expect(try await rows().count == 1)
            var plant: [JSON.Member] = [
                .init("market_id", .string(CWP1Bench.marketID)), .init("kind", .string(kind)), .init("type", "PAY"),
                .init("bank_date", "20261005"), .init("number", "O1"), .init("amount_fen", 1),
                .init("status", "FAILED"),
            ]
            plant.append(
                .init(
                    "row",
                    [
                        "B9", "R9", "O9", "O9-01", "WXPAY", "42009", .string(account), "5", "0", "SUCCESS", "20261005",
                        "20261005120000",
                    ]))
            try await bench.control("POST", "plant", .object(plant))
            let found = try await rows()
            switch kind {
            case "missing": #expect(found.isEmpty)
            case "extra": #expect(found.map { $0[3] } == ["O1", "O9"])
            case "amount": #expect(found.map { $0[8] } == ["1"])
            default: #expect(found.map { $0[10] } == ["FAILED"])
            }
        }
    }

    @Test func `a file is issued again under the next number, and one with a wrong total is not taken`() async throws {
        try await CWP1Bench.run(reviewStep: 0) { bench in
            try await bench.clock("2026-10-06T11:00:00+08:00")
            let date = try #require(BusinessDate("20261005"))
            let first = try await bench.custodian.listFiles(.balances, of: date, serial: "L1").answer()
            guard case .files(let one) = first else {
                Issue.record("\(first)")
                return
            }
            try await bench.control(
                "POST", "reissue",
                ["market_id": .string(CWP1Bench.marketID), "type": "BAL", "bank_date": "20261005"])
            guard case .files(let two) = try await bench.custodian.listFiles(.balances, of: date, serial: "L2").answer()
            else { return }
            #expect(two.count == one.count + 1)
            try await bench.fault("FILE.GET", "wrong_total", serial: "BAL")
            let spoiled = await bench.custodian.file(.balances, of: date, serial: "F1")
            #expect(spoiled.doubt == .badHash)
            let good = try await bench.custodian.file(.balances, of: date, serial: "F2").answer()
            guard case .file(let file) = good else {
                Issue.record("no file")
                return
            }
            #expect(file.name == two.last?.name)
        }
    }

    @Test func `a scenario is played, and a step that is refused is named`() async throws {
        let bank = try BankSimulator(client: .shared)
        let key = try CWP1KeyPair(.sm2SM3)
        let market: JSON = [
            "partner_id": "P", "market_id": "M", "partner_serial": "1",
            "partner_public_key_pem": .string(key.publicPEM),
        ]
        try await bank.play(
            SimulatorScenario([
                ["path": "/control/markets", "body": market],
                [
                    "method": "PUT", "path": "/control/clock",
                    "body": ["merchant": "M", "now": "2026-10-05T12:00:00+08:00"],
                ],
                ["path": "/control/faults", "body": ["operation": "WDR.CREATE", "fault": "processing"]],
            ]))
        let refused = try SimulatorScenario([
            ["path": "/control/deposits", "body": ["market_id": "M", "amount_fen": 1]],
            ["path": "/control/deposits", "body": ["market_id": "other", "amount_fen": 1]],
        ])
        do {
            try await bank.play(refused)
            Issue.record("a scenario that is refused ends")
        } catch {
            #expect(error.step == 2)
        }
        #expect(throws: SimulatorScenario.Failure.self) { try SimulatorScenario(["path": "/control/markets"]) }
        #expect(throws: SimulatorScenario.Failure.self) { try SimulatorScenario([["path": "/elsewhere"]]) }
    }
}
