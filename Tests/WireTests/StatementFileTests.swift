import Crypto
import CustodyDomain
import Foundation
import Testing

@testable import CustodyWire

/// Every sample file there is, and everything that can be wrong with one.
@Suite struct StatementFileTests {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fixtures/samples")
    static let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).sorted()
    /// What stands beside statements and is none.
    static let companions = names.filter {
        $0.hasSuffix(".ok") || $0.hasPrefix("bank_mybankstyle_finish_") || $0.hasSuffix(".json")
    }
    static let statements = names.filter { !companions.contains($0) }

    static func source(of name: String) -> StatementSource {
        name.hasPrefix("wechat_") ? .weChatPay : name.hasPrefix("alipay_") ? .alipay : .bank
    }

    static func bytes(_ name: String) throws -> [UInt8] { Array(try Data(contentsOf: folder.appending(path: name))) }

    private func read(
        _ bytes: [UInt8], _ source: StatementSource, limits: InflateLimits = .statement
    ) throws(StatementDefect) -> StatementContent {
        try StatementContent(reading: StatementFile(bytes, name: "f"), from: source, limits: limits)
    }

    @Test(arguments: statements)
    func `every sample is read from disk and from memory alike, and its lines are what its rows are`(
        _ name: String
    ) async throws {
        let file = try StatementFile(path: Self.folder.appending(path: name).path)
        let source = Self.source(of: name)
        let content = try StatementContent(reading: file, from: source)
        #expect(content == (try StatementContent(reading: StatementFile(Self.bytes(name)), from: source)))
        #expect(content.summary.lineCount == content.lines.count && !content.lines.isEmpty)
        #expect(content.summary.amount == content.lines.map(\.amount).sum())
        #expect(content.summary.date == BusinessDate("2026-10-05"))
        #expect(Array(SHA256.hash(data: try Self.bytes(name))) == (try file.sha256()))
        let statement = try VerifiedStatement(verifying: file, from: source)
        #expect(statement.summary == content.summary)
        // What goes to the database says the same.
        let copy = try statement.rows()
        var stream: [UInt8] = []
        for try await chunk in copy { stream += chunk }
        #expect(copy.summary == content.summary)
        #expect(try CopyText(stream).lines == content.lines)
    }

    @Test(arguments: statements)
    func `a sample is refused as anything but what it is`(_ name: String) throws {
        for source in StatementSource.allCases where source != Self.source(of: name) {
            let defect = #expect(throws: StatementDefect.self) { try read(Self.bytes(name), source) }
            #expect(defect?.file != nil)
        }
    }

    @Test(arguments: companions)
    func `what stands beside a statement is no statement`(_ name: String) throws {
        for source in StatementSource.allCases {
            #expect(throws: StatementDefect.self) { try read(Self.bytes(name), source) }
        }
    }

    @Test(arguments: statements)
    func `a sample cut anywhere is refused, or lacks nothing but rows that nobody counted`(_ name: String) throws {
        let bytes = try Self.bytes(name)
        let source = Self.source(of: name)
        let whole = try read(bytes, source)
        for end in stride(from: 0, to: bytes.count - 1, by: 1 + bytes.count / 40) {
            // Banks' files without a trailer end somewhere; only a row cut in two shows.
            if name.hasPrefix("bank_"), bytes[..<end].last == 0x0A { continue }
            guard let cut = try? read(Array(bytes[..<end]), source) else { continue }
            // What may be missing behind the last total: the line end, and Alipay's time of export.
            #expect(cut == whole)
            let rest = bytes[end...]
            #expect(rest.count <= 2 || source == .alipay, "\(end)")
        }
    }

    @Test(arguments: statements.filter { $0.hasSuffix(".csv") || $0.hasSuffix(".txt") })
    func `a byte that is no text is refused with its line`(_ name: String) throws {
        var bytes = try Self.bytes(name)
        let place = try #require(bytes.indices.first { bytes[..<$0].count { $0 == 0x0A } == 3 })
        for bad in [UInt8(0xFF), 0x00] {
            bytes[place] = bad
            let defect = #expect(throws: StatementDefect.self) { try read(bytes, Self.source(of: name)) }
            #expect(defect?.line == 4)
            #expect(defect?.file == "f")
            #expect(bad == 0 ? defect?.reason == "holds U+0000" : defect?.reason.hasPrefix("not ") == true)
        }
    }

    @Test func `a character broken in its middle is refused with its line`() throws {
        let detail = "alipay_business_detail_2026-10-05.gbk.csv"
        var bytes = try Self.bytes(detail)
        // 测 of the first row loses its second byte: the comma behind takes its place, or the line ends.
        let name = try GB18030.encode("测试商品0")
        let place = try #require(bytes.firstRange(of: name))
        bytes.remove(at: place.upperBound - 2)
        #expect(throws: StatementDefect.self) { try read(bytes, .alipay) }
        let cut = try Self.bytes(detail).prefix(place.lowerBound + 1)
        #expect(throws: StatementDefect("not GB18030", file: "f", line: 6)) { try read(Array(cut), .alipay) }
    }

    @Test func `truncated gzip, a damaged checksum and a bomb are each named`() throws {
        let packed = try Self.bytes("wechat_tradebill_ALL_2026-10-05.csv.gz")
        for end in stride(from: 20, to: packed.count, by: 31) {
            let defect = #expect(throws: StatementDefect.self) { try read(Array(packed[..<end]), .weChatPay) }
            #expect(defect?.reason == "the compressed file is cut short")
            #expect(defect?.line != nil)
        }
        var damaged = packed
        damaged[packed.count - 6] ^= 1
        let broken = #expect(throws: StatementDefect.self) { try read(damaged, .weChatPay) }
        #expect(broken?.reason == "the compressed file is broken")
        let bill = Array("`".utf8) + [UInt8](repeating: 0x41, count: 8 << 20)
        let bomb = #expect(throws: StatementDefect.self) { try read(Gzip.compressed(bill), .weChatPay) }
        #expect(bomb != nil)
        let limits = InflateLimits(size: 1000, ratio: 200, ratioFloor: 0)
        let large = #expect(throws: StatementDefect.self) { try read(packed, .weChatPay, limits: limits) }
        #expect(large?.reason == "larger than allowed when unpacked")
    }

    @Test func `a line too long, and one column too many, are refused`() throws {
        let long = String(repeating: "A", count: 70_000)
        #expect(throws: StatementDefect("a line longer than 65,536 bytes", file: "f", line: 1)) {
            try read(Array(long.utf8), .weChatPay)
        }
        let wide = (0..<300).map { "c\($0)" }.joined(separator: ",")
        #expect(throws: StatementDefect("more than 256 columns", file: "f", line: 1)) {
            try read(Array(wide.utf8), .weChatPay)
        }
    }

    @Test func `an empty file is no empty day`() throws {
        for source in StatementSource.allCases {
            #expect(throws: StatementDefect("the file is empty", file: "f")) { try read([], source) }
        }
    }

    @Test func `a day for which no file came has no lines`() async throws {
        let date = try #require(BusinessDate("2026-10-05"))
        let empty = VerifiedStatement(emptyDay: date, from: .alipay, form: "trade")
        let copy = try empty.rows()
        var stream: [UInt8] = []
        for try await chunk in copy { stream += chunk }
        #expect(try CopyText(stream).lines.isEmpty)
        #expect(copy.summary == StatementSummary(source: .alipay, form: "trade", date: date))
        #expect(copy.summary == empty.summary)
    }

    @Test func `columns nobody knows are kept, in every form of file`() throws {
        let bill = try Self.bytes("wechat_tradebill_ALL_2026-10-05.csv")
        let lines = String(decoding: bill, as: UTF8.self).split(separator: "\r\n").enumerated().map { index, line in
            index == 0 ? line + ",新栏目" : index <= 20 ? line + ",`new \(index)" : line
        }
        let content = try read(Array((lines.joined(separator: "\r\n") + "\r\n").utf8), .weChatPay)
        #expect(content.lines.enumerated().allSatisfy { $1.details["新栏目"] == "new \($0 + 1)" })

        let bank = try Self.bytes("custody_P0000001_M00000000001_PAY_20261005_01.txt")
        let rows = String(decoding: bank, as: UTF8.self).split(separator: "\n").map { line in
            line.hasPrefix("C|") ? line + "|extra" : line.hasPrefix("D|") ? line + "|x" : line
        }
        let kept = try read(Array((rows.joined(separator: "\n") + "\n").utf8), .bank)
        #expect(kept.lines.allSatisfy { $0.details["extra"] == "x" })

        let detail = try GB18030.decode(Self.bytes("alipay_business_detail_2026-10-05.gbk.csv"))
            .split(separator: "\r\n").enumerated().map { index, line in
                line.hasPrefix("#") ? String(line) : line + (index == 4 ? ",新栏目" : ",\"a\\b\tc\"\t")
            }
        let alipay = try read(GB18030.encode(detail.joined(separator: "\r\n") + "\r\n"), .alipay)
        #expect(alipay.lines.count == 20)
        #expect(alipay.lines.allSatisfy { $0.details["新栏目"]?.contains("a\\b\tc") == true })
    }
}

/// Lines read back from a COPY stream, as PostgreSQL would read them.
private struct CopyText {
    var lines: [StatementLine] = []
    private let bytes: [UInt8]
    private var place: Int

    init(_ bytes: [UInt8]) throws {
        self.bytes = bytes
        place = 19
        #expect(Array(bytes.prefix(11)) == Array("PGCOPY\n".utf8) + [0xFF, 0x0D, 0x0A, 0x00])
        while true {
            let count = Int16(truncatingIfNeeded: number(2))
            if count == -1 { break }
            #expect(count == 10)
            lines.append(try line())
        }
        #expect(place == bytes.count)
    }

    private mutating func number(_ width: Int) -> Int64 {
        defer { place += width }
        return bytes[place..<(place + width)].reduce(0) { $0 << 8 | Int64($1) }
    }

    private mutating func field() -> [UInt8]? {
        let length = Int(Int32(truncatingIfNeeded: number(4)))
        guard length >= 0 else { return nil }
        defer { place += length }
        return Array(bytes[place..<(place + length)])
    }

    private mutating func text() -> String { String(decoding: field() ?? [], as: UTF8.self) }

    private mutating func integer() -> Int64 { (field() ?? []).reduce(0) { $0 << 8 | Int64($1) } }

    private mutating func line() throws -> StatementLine {
        let lineNumber = Int(integer())
        let kind = try #require(StatementLineKind(rawValue: text()))
        let reference = text()
        let parent = field().map { String(decoding: $0, as: UTF8.self) }
        let counterpart = text()
        let (amount, fee) = (Fen(integer()), Fen(integer()))
        let status = text()
        let occurredAt = Instant(microseconds: integer() + 946_684_800_000_000)
        let json = try #require(field())
        #expect(json.first == 1)
        var details: [String: String] = [:]
        for member in try #require(try JSON(parsing: Array(json.dropFirst())).members) {
            details[member.name] = member.value.string
        }
        return StatementLine(
            lineNumber: lineNumber, kind: kind, reference: reference, parentReference: parent,
            counterpartNumber: counterpart, amount: amount, fee: fee, status: status, occurredAt: occurredAt,
            details: details)
    }
}
