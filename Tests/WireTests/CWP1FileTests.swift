import CustodyDomain
import CustodyWire
import Foundation
import Testing

/// The sample files of a CWP/1 bank, as delivered.
@Suite struct CWP1FileTests {
    static let samples = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fixtures/samples")

    static let names: [String] =
        ((try? FileManager.default.contentsOfDirectory(atPath: samples.path)) ?? [])
        .filter { $0.hasPrefix("custody_") && $0.hasSuffix(".txt") }.sorted()

    private func bytes(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: CWP1FileTests.samples.appending(path: name)))
    }

    private func sample(_ kind: String) throws -> [UInt8] {
        try bytes("custody_P0000001_M00000000001_\(kind)_20261005_01.txt")
    }

    @Test func `there are samples of four kinds`() { #expect(CWP1FileTests.names.count == 4) }

    @Test(arguments: names)
    func `a sample agrees with its ok and is written back byte for byte`(name: String) throws {
        let text = try bytes(name)
        let ok = try bytes(String(name.dropLast(4)) + ".ok")
        let content = try StatementContent(reading: StatementFile(text), from: .bank, ok: ok)
        // The writer, given the file's own cells, makes the same bytes.
        let cells = String(decoding: text, as: UTF8.self).split(separator: "\n")
            .map { $0.split(separator: "|", omittingEmptySubsequences: false).map(String.init) }
        let file = CWP1File(
            kind: try #require(CWP1FileKind(rawValue: cells[0][2])), partnerID: cells[0][3], marketID: cells[0][4],
            date: try #require(BusinessDate(cells[0][5])), sequence: try #require(Int(cells[0][6])),
            rows: cells.filter { $0[0] == "D" }.map { Array($0.dropFirst()) })
        #expect(file.name == name)
        #expect(try file.bytes() == text)
        let said = try JSON(parsing: ok)
        #expect(try JSON(parsing: file.ok()) == said)
        #expect(Int64(file.rows.count) == said["records"]?.integer)
        #expect(try file.total().value == said["amountFen"]?.integer)
        #expect(content.summary.source == .bank)
        #expect(content.summary.account == "M00000000001")
        #expect(content.summary.date == BusinessDate("20261005"))
        #expect(content.lines.map(\.lineNumber) == Array(3..<(3 + file.rows.count)))
        #expect(content.lines.map(\.amount).sum() == (try file.total()))
    }

    @Test func `a receipt is read with all it says`() throws {
        let content = try StatementContent(reading: StatementFile(sample("PAY")), from: .bank)
        let first = try #require(content.lines.first)
        #expect(content.summary.form == "PAY")
        #expect(first.kind == .bankReceipt)
        #expect(first.reference == "T20261005000000000000")
        #expect(first.counterpartNumber == "B202610050000000000000000000000")
        #expect(first.amount == Fen(36384))
        #expect(first.fee == Fen(218))
        #expect(first.status == "SUCCESS")
        #expect(first.occurredAt == Instant(text: "20261005083418"))
        #expect(first.details["channelOrderNo"] == "4200002412202610051234567800")
        #expect(first.details["payeeSubAcct"] == "M00000000001000010")
    }

    @Test func `withdrawals, returns and balances are read with all they say`() throws {
        let withdrawals = try StatementContent(reading: StatementFile(sample("WDR")), from: .bank).lines
        #expect(withdrawals.filter { $0.status == "FAILED" }.count == 6)
        #expect(withdrawals[2].reference == "P000000120261005W000000000000002")
        #expect(withdrawals[2].details["failMsg"] == "收款账号户名不符")
        let returned = try #require(
            try StatementContent(reading: StatementFile(sample("WRT")), from: .bank).lines.first)
        #expect(returned.kind == .withdrawalReturn)
        #expect(returned.reference == "P000000120261004W000000000000001")
        #expect(returned.amount == Fen(8800))
        let balances = try StatementContent(reading: StatementFile(sample("BAL")), from: .bank).lines
        #expect(balances.map(\.kind) == Array(repeating: .balance, count: 6))
        #expect(balances[1].amount == Fen(100_001))
        #expect(balances[1].details["withdrawableFen"] == "50001")
        #expect(balances[1].occurredAt == Instant(text: "20261006000000"))
    }

    @Test func `a day on which nothing happened is a file of no rows`() throws {
        let date = try #require(BusinessDate("20261005"))
        for kind in CWP1FileKind.allCases {
            let empty = CWP1File(
                kind: kind, partnerID: "P", marketID: "M", date: date, sequence: 12, rows: [])
            let text = try empty.bytes()
            #expect(String(decoding: text, as: UTF8.self).hasSuffix("\nT|0|0\n"))
            #expect(empty.name == "custody_P_M_\(kind.rawValue)_20261005_12.txt")
            let content = try StatementContent(reading: StatementFile(text), from: .bank, ok: empty.ok())
            #expect(content.summary == StatementSummary(source: .bank, form: kind.rawValue, account: "M", date: date))
            #expect(content.lines.isEmpty)
        }
    }

    @Test func `a refund is read with its order and the fee given back`() throws {
        let date = try #require(BusinessDate("20261005"))
        let file = CWP1File(
            kind: .refunds, partnerID: "P", marketID: "M", date: date, sequence: 1,
            rows: [["B1", "R1", "REF1", "ORD1", "WXPAY", "500", "-3", "SUCCESS", "20261005", "20261005120000"]])
        let line = try #require(try StatementContent(reading: StatementFile(file.bytes()), from: .bank).lines.first)
        #expect(line.kind == .bankRefund)
        #expect(line.reference == "REF1")
        #expect(line.parentReference == "ORD1")
        #expect(line.fee == Fen(-3))
    }

    @Test(arguments: names)
    func `a file cut anywhere is refused`(name: String) throws {
        let text = try bytes(name)
        for count in stride(from: 0, to: text.count - 1, by: 7) {
            #expect(throws: StatementDefect.self) {
                try StatementContent(reading: StatementFile(Array(text.prefix(count))), from: .bank)
            }
        }
        #expect(throws: StatementDefect.self) {
            try StatementContent(reading: StatementFile(Array(text.dropLast())), from: .bank)
        }
        let lines = String(decoding: text, as: UTF8.self).split(separator: "\n")
        for dropped in lines.indices {
            var rest = lines
            rest.remove(at: dropped)
            #expect(throws: StatementDefect.self) {
                try StatementContent(
                    reading: StatementFile(Array((rest.joined(separator: "\n") + "\n").utf8)), from: .bank)
            }
        }
    }

    @Test func `an ok that disagrees in anything is refused, by its field`() throws {
        let text = try sample("PAY")
        let said = try JSON(parsing: bytes("custody_P0000001_M00000000001_PAY_20261005_01.ok"))
        for name in ["bytes", "records", "amountFen", "sha256"] {
            let changed = JSON.object(
                (said.members ?? []).map { member in
                    guard member.name == name else { return member }
                    return .init(name, name == "sha256" ? "00" : .number("7"))
                })
            let defect = #expect(throws: StatementDefect.self) {
                try StatementContent(reading: StatementFile(text), from: .bank, ok: changed.bytes)
            }
            #expect(defect?.column == name)
        }
        #expect(throws: StatementDefect.self) {
            try StatementContent(reading: StatementFile(text), from: .bank, ok: Array("<html>".utf8))
        }
    }

    @Test(arguments: [
        ("|36384|", "|363.84|", "amtFen"), ("|36384|", "|-1|", "amtFen"), ("|36384|", "||", "amtFen"),
        ("|218|", "|x|", "feeFen"), ("|SUCCESS|20261005|20261005083418", "|SUCCESS|20261005|2026100508", "finishTime"),
        ("|SUCCESS|20261005|20261005083418", "|SUCCESS|20261305|20261005083418", "bankDate"),
        ("D|B202610050000000000000000000000|", "D||", "bankSeqNo"),
    ])
    func `a bad cell is refused with its line and column`(old: String, new: String, column: String) throws {
        var text = String(decoding: try sample("PAY"), as: UTF8.self)
        let range = try #require(text.range(of: old))
        text.replaceSubrange(range, with: new)
        // The trailer must agree for the cell to be what is refused, where the amount reads as one.
        let defect = #expect(throws: StatementDefect.self) {
            _ = try StatementContent(reading: StatementFile(Array(text.utf8)), from: .bank)
        }
        #expect(defect?.line == 3)
        #expect(defect?.column == column)
    }

    @Test func `a balance that is not the sum of its parts is refused`() throws {
        let text = String(decoding: try sample("BAL"), as: UTF8.self)
            .replacing("|100000|40000|50000|10000|0", with: "|100000|40000|50001|10000|0")
        let defect = #expect(throws: StatementDefect.self) {
            _ = try StatementContent(reading: StatementFile(Array(text.utf8)), from: .bank)
        }
        #expect(defect == StatementDefect(defect?.reason ?? "", line: 3, column: "totalFen"))
    }

    @Test func `a negative balance of the deposit is read`() throws {
        let date = try #require(BusinessDate("20261005"))
        let file = CWP1File(
            kind: .balances, partnerID: "P", marketID: "M", date: date, sequence: 1,
            rows: [["DEP", "DEPOSIT", "-60", "0", "0", "0", "0"]])
        #expect(try StatementContent(reading: StatementFile(file.bytes()), from: .bank).lines.first?.amount == Fen(-60))
    }
}
