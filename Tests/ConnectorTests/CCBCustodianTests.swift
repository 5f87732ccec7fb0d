import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyWire
import Testing

/// CCB's dialect against its simulator over real sockets.
@Suite struct CCBCustodianTests {
    @Test(arguments: CWP1Algorithm.allCases)
    func `an order is collected, confirmed and split`(algorithm: CWP1Algorithm) async throws {
        try await CCBBench.run(algorithm) { bench in
            let payee = try await bench.merchant("甲公司")
            let platform = try await bench.merchant("平台")
            let push = try await bench.letters.wait("merchant", bench.link)
            guard case .signedSubMerchant(let signed) = try bench.custodian.notice(in: push) else {
                Issue.record("no merchant")
                return
            }
            #expect(signed.change == .added)
            #expect(try await bench.custodian.querySubMerchant(number: payee, serial: "Q").answer().state == .active)
            #expect(try await bench.custodian.querySubMerchant(number: "X", serial: "Q").answer().state == .absent)
            #expect(try await bench.custodian.queryCollection(number: "T1", serial: "Q").answer().state == .absent)
            let order = bench.order("T1", payee, platform)
            let placed = try await bench.custodian.collect(order, serial: "C1").answer()
            guard case .toPay(.url) = placed.state else {
                Issue.record("\(placed.state)")
                return
            }
            // Placed again, it is the same order.
            #expect(try await bench.custodian.collect(order, serial: "C1").answer().bankNumber == placed.bankNumber)
            let early = await bench.custodian.confirmSettlement(
                SettlementConfirmation(number: "K1", orderNumber: "T1", parts: []), serial: "K1")
            #expect(early.doubt == .systemError)
            try await bench.control("pay", [.init("main_order_no", "T1")])
            let told = try bench.custodian.notice(in: try await bench.letters.wait("payment", bench.link))
            guard case .collection("T1", let paid) = told, case .paid = paid.state else {
                Issue.record("\(told)")
                return
            }
            #expect(paid.amount == Fen(10_001))
            var split = try await bench.custodian.querySplit(number: "", orderNumber: "T1", serial: "Q").answer()
            #expect(split.state == .processing(finishBy: nil))
            _ = try await bench.custodian.confirmSettlement(
                SettlementConfirmation(number: "K2", orderNumber: "T1", parts: []), serial: "K2"
            ).answer()
            split = try await bench.custodian.querySplit(number: "", orderNumber: "T1", serial: "Q").answer()
            #expect(split.items.map(\.number) == [payee, platform])
            #expect(split.items.map(\.state) == [.succeeded, .succeeded])
        }
    }

    @Test func `a refund is sent under our number, done once, and asked for by it`() async throws {
        try await CCBBench.run { bench in
            let custodian = bench.custodian
            let payee = try await bench.merchant("甲公司")
            let platform = try await bench.merchant("平台")
            _ = try await custodian.collect(bench.order("T1", payee, platform), serial: "C1").answer()
            try await bench.control("pay", [.init("main_order_no", "T1")])
            let refund = RefundRegistration(
                number: "RF1", orderNumber: "T1", amount: Fen(1000),
                giveBack: [.init(partNumber: "S1", account: payee, amount: Fen(1000))])
            let today = BusinessDate(of: SimulatorClock.realNow())
            #expect(
                try await custodian.query(.refund, serial: "R1", sentOn: today).answer().state
                    == .absent(safeAfter: nil))
            try await bench.fault("refundOrder", "execute_no_answer")
            #expect(await custodian.refund(refund, serial: "R1").doubt == .noAnswer)
            #expect(try await custodian.query(.refund, serial: "R1", sentOn: today).answer().state == .succeeded)
            #expect(try await custodian.refund(refund, serial: "R1").answer().state == .succeeded)
            let answer = try await bench.outbound.call(
                "GET", "\(bench.base)/control/orders/\(CCBBench.market)/T1", headers: [])
            #expect(try JSON(parsing: answer.body)["refunded_fen"]?.integer == 1000)
            let told = try custodian.notice(in: try await bench.letters.wait("refund", bench.link))
            guard case .instruction(.refund, "R1", let result) = told else {
                Issue.record("\(told)")
                return
            }
            #expect(result.state == .succeeded)
            // A refusal settles nothing where money may have moved.
            try await bench.fault("refundOrder", "refuse")
            #expect(await custodian.refund(refund, serial: "R2").doubt == .systemError)
            try await bench.fault("refundOrder", "delayed", [.init("seconds", 3600)])
            #expect(
                try await custodian.refund(refund, serial: "R3").answer().state == .processing(finishBy: nil))
            try await bench.fault("refundOrder", "bad_signature")
            #expect(await custodian.refund(refund, serial: "R4").doubt == .badSignature)
            try await bench.fault("gatherEnquireOrder", "no_answer")
            #expect(await custodian.refund(refund, serial: "R5").doubt == .unreachable)
            #expect(
                try await custodian.query(.refund, serial: "R5", sentOn: today).answer().state
                    == .absent(safeAfter: nil))
        }
    }

    @Test func `what it does not have it refuses`() async throws {
        try await CCBBench.run { bench in
            let withdrawal = WithdrawalInstruction(
                number: "W", subAccount: "A", bindingNumber: "B", amount: Fen(1), memo: "")
            #expect(await bench.custodian.withdraw(withdrawal, serial: "W").refusalCode == Refusal.unsupportedCode)
            #expect(await bench.custodian.bankDay(serial: "D").refusalCode == Refusal.unsupportedCode)
            let today = BusinessDate(of: SimulatorClock.realNow())
            #expect(
                await bench.custodian.query(.split, serial: "S", sentOn: today).refusalCode
                    == Refusal.unsupportedCode)
            let partial = SettlementConfirmation(
                number: "K", orderNumber: "T",
                parts: [.init(number: "S1", account: "A", amount: Fen(1), isCommission: false)])
            #expect(await bench.custodian.confirmSettlement(partial, serial: "K").refusalCode == "partial")
        }
    }
}
