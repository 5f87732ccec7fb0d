import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyWire
import Foundation
import Testing

/// Whole days at CCB: merchants pushed by the bank, orders with parts, refunds, confirmations, and the three files of each
/// day against the simulator's own books.
@Suite struct CCBDayTests {
    private static let first = BusinessDate(daysSinceEpoch: 20731)  // 2026-10-05

    /// What the files of a day say.
    private struct Day {
        var paid: [String: Fen] = [:]
        var fees = Fen.zero
        var splitOrders: Set<String> = []
        var shares = Fen.zero
        var sums: [String: Fen] = [:]
    }

    private func day(_ date: BusinessDate, _ bench: CCBBench) async throws -> Day {
        var day = Day()
        func lines(_ kind: CustodianFileKind) async throws -> [StatementLine] {
            switch try await bench.custodian.file(kind, of: date, into: .ofTests, serial: "F").answer() {
            case .file(let file):
                let content = try StatementContent(reading: file, from: .bank)
                #expect(content.summary.form == kind.rawValue)
                #expect(content.summary.date == date)
                #expect(content.summary.account == CCBBench.market)
                return content.lines
            case .empty: return []
            case .notReady: throw CWP1Bench.Missing(txnCode: kind.rawValue, found: 0)
            }
        }
        for line in try await lines(.collections) { day.paid[line.reference] = line.amount }
        for line in try await lines(.splits) {
            day.splitOrders.insert(try #require(line.parentReference))
            day.shares += line.amount
            day.fees += line.fee
        }
        for line in try await lines(.splitSums) { day.sums[line.reference, default: .zero] += line.amount }
        return day
    }

    private func refund(_ order: String, _ bench: CCBBench, _ serial: String, _ givers: [(String, Int64)]) async throws
    {
        let result = try await bench.custodian.refund(
            RefundRegistration(
                number: serial, orderNumber: order, amount: givers.map { Fen($0.1) }.sum(),
                giveBack: givers.map { .init(partNumber: "S1", account: $0.0, amount: Fen($0.1)) }), serial: serial
        ).answer()
        #expect(result.state == .succeeded)
    }

    private func confirm(_ order: String, _ bench: CCBBench) async throws {
        let result = try await bench.custodian.confirmSettlement(
            SettlementConfirmation(number: "K" + order, orderNumber: order, parts: []), serial: "K" + order
        ).answer()
        #expect(result.state == .succeeded)
    }

    /// Five orders: the fifth is never paid, the fourth confirmed by nobody until its time is over.
    private func collect(_ bench: CCBBench, _ payee: String, _ other: String, _ platform: String) async throws {
        let orders: [(String, String, Int64)] = [
            ("T1", payee, 10_001), ("T2", other, 36_384), ("T3", payee, 72_635), ("T4", other, 833), ("T5", payee, 999),
        ]
        for (number, merchant, amount) in orders {
            let order = bench.order(
                number, merchant, platform, amount: amount,
                confirmBy: number == "T4" ? CCBDayTests.first.advanced(by: 1) : nil)
            _ = try await bench.custodian.collect(order, serial: "C" + number).answer()
            if number != "T5" { try await bench.control("pay", [.init("main_order_no", .string(number))]) }
        }
    }

    @Test(arguments: CWP1Algorithm.allCases)
    func `two days, and their files agree with the bank's books to the fen`(algorithm: CWP1Algorithm) async throws {
        try await CCBBench.run(algorithm) { bench in
            try await bench.clock("2026-10-05T10:00:00+08:00")
            let (payee, other) = (try await bench.merchant("甲公司"), try await bench.merchant("乙商行"))
            let platform = try await bench.merchant("平台")
            for number in [payee, other, platform] {
                #expect(
                    try await bench.custodian.querySubMerchant(number: number, serial: "Q").answer().state == .active)
            }
            try await collect(bench, payee, other, platform)
            try await refund("T1", bench, "R1", [(payee, 1500), (platform, 100)])
            try await confirm("T1", bench)
            try await confirm("T2", bench)
            // What was split already comes out of what merchants have, and out of no file.
            try await refund("T2", bench, "R2", [(other, 700)])

            try await bench.clock("2026-10-06T10:29:00+08:00")
            for kind in bench.custodian.capabilities.fileKinds {
                #expect(
                    try await bench.custodian.file(kind, of: CCBDayTests.first, into: .ofTests, serial: "F").answer()
                        .isNotReady)
            }
            try await confirm("T3", bench)
            try await bench.clock("2026-10-06T10:30:01+08:00")
            let monday = try await day(CCBDayTests.first, bench)
            #expect(monday.paid == ["T1": Fen(10_001), "T2": Fen(36_384), "T3": Fen(72_635), "T4": Fen(833)])
            #expect(monday.splitOrders == ["T1", "T2"])
            // 0.60 on 100.01 less 0.10 on the 16.00 given back; 2.18 on 363.84.
            #expect(monday.fees == Fen(60 - 10 + 218))

            try await bench.clock("2026-10-08T12:00:00+08:00")
            let tuesday = try await day(CCBDayTests.first.advanced(by: 1), bench)
            #expect(tuesday.paid == [:])
            #expect(tuesday.splitOrders == ["T3"])
            let wednesday = try await day(CCBDayTests.first.advanced(by: 2), bench)
            // Its Clrg_Dt was over.
            #expect(wednesday.splitOrders == ["T4"])

            let books = try await bench.books()
            #expect(books["invariant_ok"]?.bool == true)
            #expect(books["paid_fen"]?.integer == 119_853)
            #expect(books["refunded_before_split_fen"]?.integer == 1600)
            let days = [monday, tuesday, wednesday]
            #expect(books["fees_fen"]?.integer == days.map(\.fees).sum().value)
            for merchant in try #require(books["merchants"]?.array) {
                let number = try #require(merchant["mkt_mrch_id"]?.string)
                #expect(merchant["held_fen"]?.integer == 0)
                #expect(merchant["settled_fen"]?.integer == days.compactMap { $0.sums[number] }.sum().value)
                #expect(merchant["given_back_fen"]?.integer == (number == other ? 700 : 0))
            }
            #expect(Set(days.flatMap(\.sums.keys)) == [payee, other, platform])
            let all = days.map(\.shares).sum() + days.map(\.fees).sum()
            #expect(all == Fen(119_853 - 1600))
            #expect(days.flatMap(\.sums.values).sum() == days.map(\.shares).sum())
        }
    }

    @Test func `files that are cut, no files, or at odds with each other are not taken`() async throws {
        try await CCBBench.run { bench in
            try await bench.clock("2026-10-05T10:00:00+08:00")
            let payee = try await bench.merchant("甲公司")
            let platform = try await bench.merchant("平台")
            for number in ["T1", "T2"] {
                _ = try await bench.custodian.collect(bench.order(number, payee, platform), serial: "C" + number)
                    .answer()
                try await bench.control("pay", [.init("main_order_no", .string(number))])
                try await confirm(number, bench)
            }
            try await bench.clock("2026-10-06T11:00:00+08:00")
            let faults: [(fault: String, file: String, words: String)] = [
                ("truncated", "chk", "truncated"), ("truncated", "det", "truncated"), ("truncated", "sum", "truncated"),
                ("html", "det", "truncated"), ("doubled_row", "chk", "the order is there twice"),
                ("missing_row", "det", "is not what the merchant's splits"),
                ("doubled_row", "det", "is not what the merchant's splits"),
                ("wrong_amount", "sum", "column TO_CLRGAMT"), ("missing_row", "sum", "column RCVPRT_MKT_MRCH_ID"),
                ("doubled_row", "sum", "column TO_CLRGAMT"),
            ]
            for (fault, file, words) in faults {
                try await bench.fault("file", fault, [.init("match", ["serial": .string(file)])])
                let reply = await bench.custodian.file(.splitSums, of: CCBDayTests.first, into: .ofTests, serial: "F")
                guard case .unknown(let doubt) = reply else {
                    Issue.record("\(fault) of \(file): \(reply)")
                    continue
                }
                #expect(doubt.reason == .malformedAnswer)
                #expect(doubt.detail.contains(words), "\(fault) of \(file): \(doubt.detail)")
                #expect(doubt.detail.contains("12345678901234-20261005-"))
            }
            try await bench.fault("file", "missing", [.init("match", ["serial": "det"])])
            #expect(
                try await bench.custodian.file(.collections, of: CCBDayTests.first, into: .ofTests, serial: "F")
                    .answer().isNotReady)
            guard
                case .file = try await bench.custodian.file(
                    .splitSums, of: CCBDayTests.first, into: .ofTests, serial: "F"
                ).answer()
            else {
                Issue.record("no file")
                return
            }
            // A day on which nothing happened has files of headers alone.
            try await bench.clock("2026-10-07T11:00:00+08:00")
            for kind in bench.custodian.capabilities.fileKinds {
                let next = CCBDayTests.first.advanced(by: 1)
                #expect(try await bench.custodian.file(kind, of: next, into: .ofTests, serial: "F").answer().isEmpty)
            }
        }
    }

    @Test func `a market whose files are handed in by hand has none to fetch`() async throws {
        try await CCBBench.run { bench in
            var link = bench.link
            link.filesURL = nil
            let custodian = try CCBCustodian(link: link, outbound: bench.outbound) { SimulatorClock.realNow() }
            #expect(custodian.capabilities.fileKinds == [])
            let reply = await custodian.file(.collections, of: CCBDayTests.first, into: .ofTests, serial: "F")
            #expect(reply.refusalCode == Refusal.unsupportedCode)
            #expect(
                await bench.custodian.file(.balances, of: CCBDayTests.first, into: .ofTests, serial: "F").refusalCode
                    == Refusal.unsupportedCode)
        }
    }

    @Test func `nothing is confirmed while a refund of it is open, and early not found is no end`() async throws {
        try await CCBBench.run { bench in
            let (payee, platform) = (try await bench.merchant("甲公司"), try await bench.merchant("平台"))
            _ = try await bench.custodian.collect(bench.order("T1", payee, platform), serial: "C1").answer()
            try await bench.control("pay", [.init("main_order_no", "T1")])
            try await bench.fault("refundOrder", "processing")
            let refund = RefundRegistration(
                number: "R1", orderNumber: "T1", amount: Fen(100),
                giveBack: [.init(partNumber: "S1", account: payee, amount: Fen(100))])
            #expect(try await bench.custodian.refund(refund, serial: "R1").answer().state == .processing(finishBy: nil))
            let confirmation = SettlementConfirmation(number: "K1", orderNumber: "T1", parts: [])
            #expect(await bench.custodian.confirmSettlement(confirmation, serial: "K1").doubt == .systemError)
            let today = BusinessDate(of: SimulatorClock.realNow())
            try await bench.fault("enquireRefundOrder", "not_found")
            #expect(
                try await bench.custodian.query(.refund, serial: "R1", sentOn: today).answer().state
                    == .absent(safeAfter: nil))
            #expect(
                try await bench.custodian.query(.refund, serial: "R1", sentOn: today).answer().state
                    == .processing(finishBy: nil))
            try await bench.fault("enquireRefundOrder", "unknown_state")
            #expect(await bench.custodian.query(.refund, serial: "R1", sentOn: today).doubt == .malformedAnswer)
            try await bench.fault("enquireRefundOrder", "empty")
            #expect(await bench.custodian.query(.refund, serial: "R1", sentOn: today).doubt == .malformedAnswer)
        }
    }
}
