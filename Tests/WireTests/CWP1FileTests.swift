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
        let file = try CWP1File(parsing: text, ok: ok)
        #expect(file.name == name)
        #expect(try file.bytes() == text)
        let said = try JSON(parsing: ok)
        #expect(try JSON(parsing: file.ok()) == said)
        #expect(Int64(file.rows.count) == said["records"]?.integer)
        #expect(try file.total().value == said["amountFen"]?.integer)
        let content = try file.content()
        #expect(content.source == .bank)
        #expect(content.account == "M00000000001")
        #expect(content.date == BusinessDate("20261005"))
        #expect(content.lines.map(\.lineNumber) == Array(3..<(3 + file.rows.count)))
        #expect(content.lines.map(\.amount).sum() == (try file.total()))
    }

    @Test func `a receipt is read with all it says`() throws {
        let content = try CWP1File(parsing: sample("PAY")).content()
        let first = try #require(content.lines.first)
        #expect(content.form == "PAY")
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
        let withdrawals = try CWP1File(parsing: sample("WDR")).content().lines
        #expect(withdrawals.filter { $0.status == "FAILED" }.count == 6)
        #expect(withdrawals[2].reference == "P000000120261005W000000000000002")
        #expect(withdrawals[2].details["failMsg"] == "收款账号户名不符")
        let returned = try #require(try CWP1File(parsing: sample("WRT")).content().lines.first)
        #expect(returned.kind == .withdrawalReturn)
        #expect(returned.reference == "P000000120261004W000000000000001")
        #expect(returned.amount == Fen(8800))
        let balances = try CWP1File(parsing: sample("BAL")).content().lines
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
            #expect(try CWP1File(parsing: text, ok: empty.ok()) == empty)
            #expect(try empty.content().lines.isEmpty)
        }
    }

    @Test func `a refund is read with its order and the fee given back`() throws {
        let date = try #require(BusinessDate("20261005"))
        let file = CWP1File(
            kind: .refunds, partnerID: "P", marketID: "M", date: date, sequence: 1,
            rows: [["B1", "R1", "REF1", "ORD1", "WXPAY", "500", "-3", "SUCCESS", "20261005", "20261005120000"]])
        let line = try #require(try CWP1File(parsing: file.bytes()).content().lines.first)
        #expect(line.kind == .bankRefund)
        #expect(line.reference == "REF1")
        #expect(line.parentReference == "ORD1")
        #expect(line.fee == Fen(-3))
    }

    @Test(arguments: names)
    func `a file cut anywhere is refused`(name: String) throws {
        let text = try bytes(name)
        for count in stride(from: 0, to: text.count - 1, by: 7) {
            #expect(throws: StatementDefect.self) { try CWP1File(parsing: Array(text.prefix(count))) }
        }
        #expect(throws: StatementDefect.self) { try CWP1File(parsing: text.dropLast()) }
        let lines = String(decoding: text, as: UTF8.self).split(separator: "\n")
        for dropped in lines.indices {
            var rest = lines
            rest.remove(at: dropped)
            #expect(throws: StatementDefect.self) {
                try CWP1File(parsing: Array((rest.joined(separator: "\n") + "\n").utf8))
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
            let defect = #expect(throws: StatementDefect.self) { try CWP1File(parsing: text, ok: changed.bytes) }
            #expect(defect?.column == name)
        }
        #expect(throws: StatementDefect.self) { try CWP1File(parsing: text, ok: Array("<html>".utf8)) }
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
        let defect = #expect(throws: StatementDefect.self) { _ = try CWP1File(parsing: Array(text.utf8)).content() }
        #expect(defect?.line == 3)
        #expect(defect?.column == column)
    }

    @Test func `a balance that is not the sum of its parts is refused`() throws {
        let text = String(decoding: try sample("BAL"), as: UTF8.self)
            .replacing("|100000|40000|50000|10000|0", with: "|100000|40000|50001|10000|0")
        let defect = #expect(throws: StatementDefect.self) { _ = try CWP1File(parsing: Array(text.utf8)).content() }
        #expect(defect == StatementDefect(defect?.reason ?? "", line: 3, column: "totalFen"))
    }

    @Test func `a negative balance of the deposit is read`() throws {
        let date = try #require(BusinessDate("20261005"))
        let file = CWP1File(
            kind: .balances, partnerID: "P", marketID: "M", date: date, sequence: 1,
            rows: [["DEP", "DEPOSIT", "-60", "0", "0", "0", "0"]])
        #expect(try CWP1File(parsing: file.bytes()).content().lines.first?.amount == Fen(-60))
    }
}
