import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyWire
import Foundation
import Testing

/// The bank's daily files through the connector.
@Suite struct CWP1DailyFileTests {
    private static let day = BusinessDate(daysSinceEpoch: 20731)  // 2026-10-05

    private static func lines(_ answer: BillAnswer) throws -> [StatementLine] {
        guard case .file(let file) = answer else { return [] }
        return try StatementContent(reading: file, from: .bank).lines
    }

    /// Two orders paid, one refunded in part, one paid out in part, and the lumps of the day; the sub-account used.
    private static func spendDay(at bench: CWP1Bench) async throws -> String {
        let account = try await bench.openMerchant("SUB1")
        let card = try await bench.bind(account)
        _ = try await bench.custodian.syncOrder(bench.order("O1", account, isPaid: true), serial: "S1").answer()
        _ = try await bench.custodian.refund(
            RefundRegistration(
                number: "R1", orderNumber: "O1", amount: Fen(1000),
                giveBack: [.init(partNumber: "S1", account: account, amount: Fen(1000))]), serial: "SR1"
        ).answer()
        try await bench.fund("O0", account)
        _ = try await bench.custodian.withdraw(
            WithdrawalInstruction(
                number: "W1", subAccount: account, bindingNumber: card, amount: Fen(500), memo: ""), serial: "SW1"
        ).answer()
        try await bench.clock("2026-10-06T02:00:00+08:00")
        try await bench.credit(
            ["O1"],
            refunds: [
                [
                    "kind": "refund", "channel_order_no": "4200O1", "out_no": "OUT", "amount_fen": 1000,
                    "fee_fen": -6,
                ]
            ], net: -994)
        return account
    }

    @Test(arguments: CWP1Algorithm.allCases)
    func `the files of a day are there from half past ten, and say what happened`(
        algorithm: CWP1Algorithm
    ) async throws {
        try await CWP1Bench.run(reviewStep: 0, algorithm: algorithm) { bench in
            let account = try await CWP1DailyFileTests.spendDay(at: bench)
            try await bench.clock("2026-10-06T10:29:00+08:00")
            #expect(
                try await bench.custodian.file(.receipts, of: CWP1DailyFileTests.day, serial: "F0").answer().isNotReady)
            try await bench.clock("2026-10-06T10:30:01+08:00")
            let answer = try await bench.custodian.file(.receipts, of: CWP1DailyFileTests.day, serial: "F1").answer()
            guard case .file(let file) = answer else {
                Issue.record("no file")
                return
            }
            #expect(file.name == "custody_P0000001_M00000000001_PAY_20261005_01.txt")
            let receipts = try CWP1DailyFileTests.lines(answer)
            #expect(receipts.map(\.reference) == ["O0", "O1"])
            #expect(receipts.map(\.amount) == [Fen(10000), Fen(10000)])
            #expect(receipts.map(\.fee) == [Fen(60), Fen(60)])
            #expect(receipts[1].details["channelOrderNo"] == "4200O1")
            #expect(receipts[1].details["payeeSubAcct"] == account)
            let refund = try #require(
                try CWP1DailyFileTests.lines(
                    await bench.custodian.file(.refunds, of: CWP1DailyFileTests.day, serial: "F2").answer()
                ).first)
            #expect(refund.reference == "R1")
            #expect(refund.parentReference == "O1")
            #expect(refund.fee == Fen(-6))
            let withdrawal = try #require(
                try CWP1DailyFileTests.lines(
                    await bench.custodian.file(.withdrawals, of: CWP1DailyFileTests.day, serial: "F3").answer()
                ).first)
            #expect(withdrawal.reference == "SW1")
            #expect(withdrawal.details["payeeAcctMask"] == "622202****0123")
            let balances = try CWP1DailyFileTests.lines(
                await bench.custodian.file(.balances, of: CWP1DailyFileTests.day, serial: "F4").answer())
            func balance(_ type: String) -> Fen {
                balances.filter { $0.details["acctType"] == type }.map(\.amount).sum()
            }
            let parts = ["MERCHANT", "FEE", "SUSPENSE", "DEPOSIT", "IN_TRANSIT_OUT"].map(balance).sum()
            let master = try #require(balances.first { $0.details["acctType"] == "MASTER" })
            #expect(master.amount == Fen(9940 - 500))
            #expect(Int64(master.details["inTransitFen"] ?? "") == 9000)
            #expect(master.amount == parts - Fen(9000))
            #expect(
                try await bench.custodian.file(.returns, of: CWP1DailyFileTests.day, serial: "F5").answer().isNotReady
                    == false
            )
        }
    }

    @Test func `a file that is missing, cut, changed or without its ok is not taken`() async throws {
        try await CWP1Bench.run { bench in
            try await bench.control("POST", "deposits", ["market_id": .string(CWP1Bench.marketID), "amount_fen": 1])
            try await bench.clock("2026-10-06T11:00:00+08:00")
            func fetch() async -> Reply<BillAnswer> {
                await bench.custodian.file(.balances, of: CWP1DailyFileTests.day, serial: "F" + CWP1Signer.nonce())
            }
            for operation in ["FILE.GET", "FILE.OK"] {
                try await bench.fault(operation, "missing", serial: "BAL")
                #expect(try await fetch().answer().isNotReady)
                for fault in ["wrong_digest", "html"] {
                    try await bench.fault(operation, fault, serial: "BAL")
                    let reason = Doubt.Reason.self
                    let expected = operation == "FILE.GET" ? reason.badHash : reason.malformedAnswer
                    #expect(await fetch().doubt == expected, "\(operation) \(fault)")
                }
            }
            try await bench.fault("FILE.GET", "truncated", serial: "BAL")
            #expect(await fetch().doubt == .badHash)
            try await bench.fault("FILE.APPLY", "generating", serial: "BAL")
            #expect(try await fetch().answer().isNotReady)
            #expect(try CWP1DailyFileTests.lines(try await fetch().answer()).count == 5)
        }
    }

    @Test func `a planted difference shows in the balances of its day, in a second issue of the file`() async throws {
        try await CWP1Bench.run(reviewStep: 0) { bench in
            let account = try await bench.openMerchant("SUB1")
            try await bench.clock("2026-10-06T11:00:00+08:00")
            func balance() async throws -> Fen? {
                let answer = try await bench.custodian.file(
                    .balances, of: CWP1DailyFileTests.day, serial: "F" + CWP1Signer.nonce()
                ).answer()
                return try CWP1DailyFileTests.lines(answer).first { $0.reference == account }?.amount
            }
            #expect(try await balance() == Fen(0))
            try await bench.control(
                "POST", "plant",
                [
                    "market_id": .string(CWP1Bench.marketID), "sub_acct": .string(account), "amount_fen": 7,
                    "bank_date": "2026-10-05",
                ])
            #expect(try await balance() == Fen(7))
            #expect(try await bench.balances()["invariant_ok"]?.bool == true)
        }
    }
}
