import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyWire
import Foundation
import Testing

extension Reply {
    /// What was answered, or a failed expectation.
    func answer(_ location: SourceLocation = #_sourceLocation) throws -> Value {
        guard case .answered(let value) = self else {
            Issue.record("not answered: \(self)", sourceLocation: location)
            throw CWP1Bench.ControlFailed(text: "\(self)")
        }
        return value
    }

    var refusalCode: String? { if case .refused(let refusal) = self { refusal.code } else { nil } }
    var doubt: Doubt.Reason? { if case .unknown(let doubt) = self { doubt.reason } else { nil } }
}

/// Orders, refunds, splits and withdrawals through the connector, against the simulated bank over real sockets.
@Suite struct CWP1CustodianTests {
    @Test func `the parts of an order may change while it is unpaid, and not after`() async throws {
        try await CWP1Bench.run(reviewStep: 0) { bench in
            let custodian = bench.custodian
            let account = try await bench.openMerchant("SUB1")
            let intended = try await custodian.syncOrder(bench.order("O1", account, isPaid: false), serial: "S1")
                .answer()
            #expect(intended.state == .succeeded)
            // The parts may change while it is unpaid, and not after.
            _ = try await custodian.syncOrder(
                bench.order("O1", account, isPaid: false, merchantPart: 9600), serial: "S2"
            ).answer()
            let changed = await custodian.syncOrder(bench.order("O1", account, isPaid: true), serial: "S3")
            #expect(changed.refusalCode == "100209")
            let paid = try await custodian.syncOrder(
                bench.order("O1", account, isPaid: true, merchantPart: 9600), serial: "S3"
            ).answer()
            #expect(paid.state == .succeeded)
            #expect(try await bench.account(account)["frozen_fen"]?.integer == 9600)
            #expect(try await bench.account(account)["in_transit_fen"]?.integer == 9600)
            #expect(try await bench.balances()["in_transit_in_fen"]?.integer == 10000)
            let over = await custodian.split(
                SplitInstruction(
                    number: "SP0", orderNumber: "O1",
                    items: [.init(number: "S1", account: account, amount: Fen(9601), isCommission: false)],
                    isLast: false), serial: "P0")
            #expect(over.refusalCode == "100201")
        }
    }

    /// The bank told of the lump for 2026-10-05 that came a day later.
    private func expectCredit(of amount: Fen, at bench: CWP1Bench) async throws {
        let vostro = try #require(try await bench.inbox.wait("VOSTRO.NOTIFY").first)
        guard case .credit(let credit) = try bench.custodian.notice(in: vostro.bytes) else {
            Issue.record("no credit")
            return
        }
        #expect(credit.amount == amount)
        #expect(credit.channel == .weChatPay)
        #expect(credit.businessDate == BusinessDate("20261005"))
        #expect(credit.bankDate == BusinessDate("20261006"))
    }

    @Test func `a paid order is split, funded by the lump, and withdrawn`() async throws {
        try await CWP1Bench.run(reviewStep: 0) { bench in
            let custodian = bench.custodian
            let account = try await bench.openMerchant("SUB1")
            let card = try await bench.bind(account)
            let order = bench.order("O1", account, isPaid: true, merchantPart: 9600)
            _ = try await custodian.syncOrder(order, serial: "S1").answer()
            let split = try await custodian.split(
                SplitInstruction(
                    number: "SP1", orderNumber: "O1",
                    items: [.init(number: "S1", account: account, amount: Fen(9600), isCommission: false)],
                    isLast: true), serial: "P1"
            ).answer()
            #expect(split.state == .succeeded)
            #expect(try await bench.account(account)["pending_fen"]?.integer == 9600)
            let early = await custodian.withdraw(
                WithdrawalInstruction(
                    number: "W0", subAccount: account, bindingNumber: card, amount: Fen(1), memo: "提现"), serial: "W0")
            #expect(early.refusalCode == "100201")

            try await bench.clock("2026-10-06T02:00:00+08:00")
            try await bench.credit(["O1"])
            #expect(try await bench.credit(["O1"])["duplicate"]?.bool == true)
            let proof = try await bench.balances()
            #expect(proof["master_fen"]?.integer == 9940)
            #expect(proof["deposit_fen"]?.integer == -60)
            #expect(proof["platform_owes"]?.bool == true)
            #expect(proof["in_transit_in_fen"]?.integer == 0)
            #expect(try await bench.account(account)["withdrawable_fen"]?.integer == 9600)
            #expect(try await bench.account(bench.feeAccount)["withdrawable_fen"]?.integer == 400)
            try await expectCredit(of: Fen(9940), at: bench)

            let withdrawal = try await custodian.withdraw(
                WithdrawalInstruction(
                    number: "W1", subAccount: account, bindingNumber: card, amount: Fen(9600), memo: "提现"), serial: "W1"
            ).answer()
            guard case .processing(let finishBy?) = withdrawal.state else {
                Issue.record("not processing: \(withdrawal.state)")
                return
            }
            #expect(BusinessDate(of: finishBy) == BusinessDate("20261006"))
            #expect(try await bench.balances()["in_transit_out_fen"]?.integer == 9600)
            try await bench.clock("2026-10-06T02:20:00+08:00")
            let day = try #require(BusinessDate("20261006"))
            #expect(try await custodian.query(.withdraw, serial: "W1", sentOn: day).answer().state == .succeeded)
            let notice = try #require(try await bench.inbox.wait("WDR.NOTIFY").first)
            guard case .instruction(.withdraw, "W1", let result) = try custodian.notice(in: notice.bytes) else {
                Issue.record("no withdrawal")
                return
            }
            #expect(result.state == .succeeded)
            #expect(result.bankNumber == withdrawal.bankNumber)
            #expect(try await bench.balances()["master_fen"]?.integer == 340)
            #expect(try await bench.balances()["invariant_ok"]?.bool == true)
        }
    }

    @Test func `a withdrawal fails and restores, or succeeds and comes back days later`() async throws {
        try await CWP1Bench.run(reviewStep: 0) { bench in
            let account = try await bench.openMerchant("SUB1")
            let card = try await bench.bind(account)
            try await bench.fund("O1", account)
            try await bench.fault("WDR.CREATE", "failed", serial: "W1")
            let day = try #require(BusinessDate("20261005"))
            for (number, amount) in [("W1", 100), ("W2", 9500)] {
                if number == "W2" {
                    try await bench.control(
                        "POST", "returns",
                        ["market_id": .string(CWP1Bench.marketID), "sub_acct": .string(account), "after_days": 2])
                }
                _ = try await bench.custodian.withdraw(
                    WithdrawalInstruction(
                        number: number, subAccount: account, bindingNumber: card, amount: Fen(Int64(amount)), memo: ""),
                    serial: number
                ).answer()
                try await bench.clock(number == "W1" ? "2026-10-05T12:20:00+08:00" : "2026-10-05T12:40:00+08:00")
            }
            #expect(
                try await bench.custodian.query(.withdraw, serial: "W1", sentOn: day).answer().state
                    == .failed(Refusal(code: "B3107", message: "收款账号户名不符")))
            #expect(try await bench.custodian.query(.withdraw, serial: "W2", sentOn: day).answer().state == .succeeded)
            #expect(try await bench.account(account)["withdrawable_fen"]?.integer == 0)
            try await bench.clock("2026-10-08T11:00:00+08:00")
            let result = try await bench.custodian.query(.withdraw, serial: "W2", sentOn: day).answer()
            guard case .returned(let number, let date, let reason) = result.state else {
                Issue.record("not returned: \(result.state)")
                return
            }
            #expect(number.hasPrefix("BRT"))
            #expect(date == BusinessDate("20261007"))
            #expect(reason.contains("退票"))
            #expect(try await bench.account(account)["withdrawable_fen"]?.integer == 9500)
            let notices = try await bench.inbox.wait("WDR.NOTIFY", count: 3)
            #expect(notices.last?.body["status"]?.string == "RETURNED")
            guard
                case .file(let file) = try await bench.custodian.file(
                    .returns, of: try #require(BusinessDate("20261007")), serial: "F1"
                ).answer()
            else {
                Issue.record("no file")
                return
            }
            let lines = try StatementContent(reading: file, from: .bank).lines
            #expect(lines.map(\.reference) == ["W2"])
            #expect(lines.map(\.counterpartNumber) == [number])
        }
    }

    @Test func `a refund takes from what is frozen, then from what was split, or from the deposit`() async throws {
        try await CWP1Bench.run(reviewStep: 0) { bench in
            let custodian = bench.custodian
            let account = try await bench.openMerchant("SUB1")
            _ = try await custodian.syncOrder(bench.order("O1", account, isPaid: true), serial: "S1").answer()
            func refund(_ number: String, _ amount: Int64, from giver: String) -> RefundRegistration {
                RefundRegistration(
                    number: number, orderNumber: "O1", amount: Fen(amount),
                    giveBack: [.init(partNumber: "S1", account: giver, amount: Fen(amount))])
            }
            let first = try await custodian.refund(refund("R1", 1000, from: account), serial: "R1").answer()
            #expect(first.state == .succeeded)
            #expect(try await bench.account(account)["frozen_fen"]?.integer == 8500)
            _ = try await custodian.split(
                SplitInstruction(number: "SP", orderNumber: "O1", items: [], isLast: true), serial: "SP"
            ).answer()
            _ = try await custodian.refund(refund("R2", 500, from: account), serial: "R2").answer()
            #expect(try await bench.account(account)["pending_fen"]?.integer == 8000)
            let short = await custodian.refund(refund("R3", 100, from: bench.depositAccount), serial: "R3")
            #expect(short.refusalCode == "100201")
            try await bench.control(
                "POST", "deposits", ["market_id": .string(CWP1Bench.marketID), "amount_fen": 1000])
            let notice = try #require(try await bench.inbox.wait("DEPOSIT.NOTIFY").first)
            guard case .deposit(_, Fen(1000), _) = try custodian.notice(in: notice.bytes) else {
                Issue.record("no deposit")
                return
            }
            _ = try await custodian.refund(refund("R3", 100, from: bench.depositAccount), serial: "R3").answer()
            let more = await custodian.refund(refund("R4", 8401, from: account), serial: "R4")
            #expect(["100215", "100201"].contains(more.refusalCode))
            try await bench.clock("2026-10-06T02:00:00+08:00")
            let refunds = [("R1", 1000, -6), ("R2", 500, -3), ("R3", 100, -1)].map { number, amount, fee -> JSON in
                [
                    "kind": "refund", "channel_order_no": "4200O1", "out_no": .string(number),
                    "amount_fen": JSON(amount), "fee_fen": JSON(fee),
                ]
            }
            try await bench.credit(["O1"], refunds: refunds, net: -1590)
            let proof = try await bench.balances()
            #expect(proof["master_fen"]?.integer == 9350)
            #expect(proof["deposit_fen"]?.integer == 850)
            #expect(proof["suspense_fen"]?.integer == 0)
            #expect(proof["refunds_in_transit_fen"]?.integer == 0)
            #expect(proof["invariant_ok"]?.bool == true)
            #expect(try await bench.account(account)["withdrawable_fen"]?.integer == 8000)
            let late = try await custodian.refund(refund("R5", 8000, from: account), serial: "R5").answer()
            #expect(late.state == .succeeded)
            #expect(try await bench.account(account)["total_fen"]?.integer == 0)
        }
    }

    @Test func `money nobody registered waits in suspense until it is`() async throws {
        try await CWP1Bench.run(reviewStep: 0) { bench in
            let account = try await bench.openMerchant("SUB1")
            _ = try await bench.custodian.syncOrder(bench.order("O1", account, isPaid: true), serial: "S1").answer()
            try await bench.credit(["O1", "O2"], amount: 10010)
            // O2 is unknown, and of O1 ten fen too many came.
            #expect(try await bench.balances()["suspense_fen"]?.integer == 10020)
            _ = try await bench.custodian.syncOrder(bench.order("O2", account, isPaid: true), serial: "S2").answer()
            let proof = try await bench.balances()
            #expect(proof["suspense_fen"]?.integer == 20)
            #expect(proof["unknown_items"]?.integer == 0)
            #expect(proof["invariant_ok"]?.bool == true)
        }
    }

    @Test func `hundreds of orders at once are each registered and split exactly once`() async throws {
        try await CWP1Bench.run(reviewStep: 0) { bench in
            let account = try await bench.openMerchant("SUB1")
            let count = 400
            let failures = await withTaskGroup(of: Int.self) { group in
                for worker in 0..<16 {
                    group.addTask {
                        var failures = 0
                        for index in stride(from: worker, to: count, by: 16) {
                            let synced = await bench.custodian.syncOrder(
                                bench.order("O\(index)", account, isPaid: true), serial: "S\(index)")
                            let split = await bench.custodian.split(
                                SplitInstruction(
                                    number: "SP\(index)", orderNumber: "O\(index)", items: [], isLast: true),
                                serial: "P\(index)")
                            guard case .answered = synced, case .answered = split else {
                                failures += 1
                                continue
                            }
                        }
                        return failures
                    }
                }
                return await group.reduce(0, +)
            }
            #expect(failures == 0)
            try await bench.credit((0..<count).map { "O\($0)" })
            let proof = try await bench.balances()
            #expect(proof["invariant_ok"]?.bool == true)
            #expect(proof["in_transit_in_fen"]?.integer == 0)
            #expect(proof["master_fen"]?.integer == 3_976_000)
            #expect(try await bench.account(account)["withdrawable_fen"]?.integer == 3_800_000)
            #expect(try await bench.account(bench.feeAccount)["withdrawable_fen"]?.integer == 200_000)
            _ = try await bench.inbox.wait("SPLIT.NOTIFY", count: count)
        }
    }

    @Test func `split money waits for the day turn where the bank works so`() async throws {
        try await CWP1Bench.run(reviewStep: 0, release: "day_turn") { bench in
            let account = try await bench.openMerchant("SUB1")
            try await bench.fund("O1", account)
            #expect(try await bench.account(account)["pending_fen"]?.integer == 9500)
            try await bench.clock("2026-10-06T00:00:01+08:00")
            #expect(try await bench.account(account)["withdrawable_fen"]?.integer == 9500)
        }
    }
}

extension CWP1Bench {
    /// An order of 100.00 yuan, paid, split and funded.
    func fund(_ number: String, _ account: String) async throws {
        _ = try await custodian.syncOrder(order(number, account, isPaid: true), serial: "S" + number).answer()
        _ = try await custodian.split(
            SplitInstruction(number: "SP" + number, orderNumber: number, items: [], isLast: true), serial: "P" + number
        ).answer()
        try await credit([number])
    }
}
