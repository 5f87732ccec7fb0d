import CustodyConnectors
import CustodyDomain
import CustodyWire
import Testing

@Suite struct `Alipay bill fetching` {
    private static let day = BusinessDate("2026-10-05")

    @Test func `a bill is not there before 09:00, then it is, and an empty day is empty`() async throws {
        try await AlipayBench.run { bench in
            let alipay = try bench.alipay()
            let day = try #require(Self.day)
            try await bench.paid("P1", fen: 10_000)
            try await bench.paid("P2", fen: 150)
            _ = try await alipay.refund(bench.refund("R1", of: "P1", fen: 2500, total: 10_000)).answeredValue()
            #expect(try await alipay.tradeBill(of: day).answeredValue().isNotReady)
            try await bench.setClock("2026-10-06T08:59:00+08:00")
            #expect(try await alipay.tradeBill(of: day).answeredValue().isNotReady)
            try await bench.setClock("2026-10-06T09:00:00+08:00")
            guard case .file(let file) = try await alipay.tradeBill(of: day).answeredValue() else {
                Issue.record("no file")
                return
            }
            #expect(file.name == "\(AlipayBench.sellerID)_20261005.csv.zip")
            let content = try StatementContent(reading: file, from: .alipay)
            #expect(content.summary.account == AlipayBench.sellerID)
            #expect(content.summary.date == day)
            #expect(content.lines.map(\.reference) == ["P1", "P2", "R1"])
            #expect(content.lines.map(\.amount) == [Fen(10_000), Fen(150), Fen(2500)])
            // 0.60 %, rounded half up: 0.9 fen is 1.
            #expect(content.lines.map(\.fee) == [Fen(60), Fen(1), Fen(-15)])
            #expect(try await alipay.tradeBill(of: day.advanced(by: -1)).answeredValue().isEmpty)
        }
    }

    @Test func `planted differences stand in the bill`() async throws {
        try await AlipayBench.run { bench in
            let alipay = try bench.alipay()
            let day = try #require(Self.day)
            for serial in ["P1", "P2", "P3", "P4"] { try await bench.paid(serial, fen: 10_000) }
            for json: JSON in [
                ["merchant": .string(AlipayBench.appID), "kind": "surplus", "amount_fen": 777],
                ["merchant": .string(AlipayBench.appID), "kind": "late", "out_trade_no": "P2"],
                ["merchant": .string(AlipayBench.appID), "kind": "fee", "out_trade_no": "P3", "fee_fen": 66],
                ["merchant": .string(AlipayBench.appID), "kind": "amount", "out_trade_no": "P4", "amount_fen": 9999],
            ] {
                try await bench.control("POST", "/control/plant", json)
            }
            try await bench.setClock("2026-10-07T09:00:00+08:00")
            let lines = try await Self.lines(alipay, day)
            #expect(lines.count == 4)
            #expect(lines.map(\.amount) == [Fen(10_000), Fen(10_000), Fen(9999), Fen(777)])
            #expect(lines.map(\.fee) == [Fen(60), Fen(66), Fen(60), Fen(5)])
            #expect(lines.prefix(3).map(\.reference) == ["P1", "P3", "P4"])
            #expect(lines.last?.reference.hasPrefix("UNKNOWN") == true)
            #expect(try await Self.lines(alipay, day.advanced(by: 1)).map(\.reference) == ["P2"])
        }
    }

    @Test func `an address that expired, a late bill, a broken file and one with wrong totals are told apart`()
        async throws
    {
        try await AlipayBench.run { bench in
            let alipay = try bench.alipay()
            let day = try #require(Self.day)
            try await bench.paid("P1")
            try await bench.setClock("2026-10-06T10:00:00+08:00")
            try await bench.plantFault("bill", "expired")
            #expect(await alipay.tradeBill(of: day).unknownReason == .malformedAnswer)
            try await bench.plantFault("bill", "not_ready")
            #expect(try await alipay.tradeBill(of: day).answeredValue().isNotReady)
            try await bench.plantFault("bill", "empty_code")
            #expect(try await alipay.tradeBill(of: day).answeredValue().isEmpty)
            for fault in ["truncated", "wrong_total"] {
                try await bench.plantFault("bill", fault)
                guard case .file(let file) = try await alipay.tradeBill(of: day).answeredValue() else {
                    Issue.record("no file")
                    continue
                }
                #expect(throws: StatementDefect.self) {
                    try StatementContent(reading: file, from: .alipay)
                }
            }
            #expect(try await Self.lines(alipay, day).count == 1)
        }
    }

    private static func lines(_ alipay: Alipay, _ day: BusinessDate) async throws -> [StatementLine] {
        guard case .file(let file) = try await alipay.tradeBill(of: day).answeredValue() else { return [] }
        return try StatementContent(reading: file, from: .alipay).lines
    }
}
