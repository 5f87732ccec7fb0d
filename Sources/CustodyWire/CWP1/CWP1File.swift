import Crypto
import CustodyDomain
import Foundation

/// A daily file of a CWP/1 bank: lines `H|…`, `C|…`, `D|…`, `T|count|sum`, and its `.ok` beside it.
public struct CWP1File: Hashable, Sendable {
    /// What it lists.
    public var kind: CWP1FileKind
    /// For whom.
    public var partnerID: String
    /// For which market.
    public var marketID: String
    /// The bank's accounting date it is about.
    public var date: BusinessDate
    /// 1 at first; a file issued again counts up and replaces the one before.
    public var sequence: Int
    /// The cells of every row, in the order of ``CWP1FileKind/columns``.
    public var rows: [[String]]

    /// Makes a file.
    public init(
        kind: CWP1FileKind, partnerID: String, marketID: String, date: BusinessDate, sequence: Int, rows: [[String]]
    ) {
        self.kind = kind
        self.partnerID = partnerID
        self.marketID = marketID
        self.date = date
        self.sequence = sequence
        self.rows = rows
    }

    /// Reads a file whole, and verifies its trailer; any defect refuses all of it.
    ///
    /// - Parameter ok: The bytes of its `.ok`, where it was kept; then both must agree.
    public init(parsing bytes: [UInt8], ok: [UInt8]? = nil) throws(StatementDefect) {
        if let ok { try CWP1File.verify(bytes, against: ok) }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw StatementDefect("not UTF-8") }
        guard !text.utf8.contains(0x0D) else { throw StatementDefect("carriage return") }
        guard text.utf8.last == 0x0A else { throw StatementDefect("does not end with a line feed: truncated") }
        let lines = text.dropLast().split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.split(separator: "|", omittingEmptySubsequences: false).map(String.init) }
        guard lines.count >= 3 else { throw StatementDefect("fewer than three lines: truncated") }
        self = try CWP1File.header(lines[0])
        guard lines[1].first == "C" else { throw StatementDefect("no column line", line: 2) }
        for (index, name) in kind.columns.enumerated() {
            guard index + 1 < lines[1].count, lines[1][index + 1] == name else {
                throw StatementDefect("column missing or out of place", line: 2, column: name)
            }
        }
        guard lines[1].count == kind.columns.count + 1 else { throw StatementDefect("unknown column", line: 2) }
        for (index, cells) in lines[2..<(lines.count - 1)].enumerated() {
            guard cells.first == "D" else { throw StatementDefect("not a detail line", line: index + 3) }
            guard cells.count == kind.columns.count + 1 else {
                throw StatementDefect("has \(cells.count - 1) cells, not \(kind.columns.count)", line: index + 3)
            }
            rows.append(Array(cells.dropFirst()))
        }
        try verifyTrailer(lines[lines.count - 1], line: lines.count)
    }

    /// Its rows in the form that reconciliation knows.
    public func content() throws(StatementDefect) -> StatementContent {
        var lines: [StatementLine] = []
        lines.reserveCapacity(rows.count)
        for index in rows.indices {
            lines.append(try row(index).statementLine(of: date))
        }
        return StatementContent(source: .bank, form: kind.rawValue, account: marketID, date: date, lines: lines)
    }

    /// The sum of the amount column.
    public func total() throws(StatementDefect) -> Fen {
        var total = Fen.zero
        for index in rows.indices { total += try row(index).amount(kind.amountColumn, signed: kind == .balances) }
        return total
    }

    /// The file's name, ending in `.txt`.
    public var name: String { stem + ".txt" }

    /// The name of its `.ok`.
    public var okName: String { stem + ".ok" }

    /// The file as written. Cells lose `|` and line breaks, which the format cannot carry.
    public func bytes() throws(StatementDefect) -> [UInt8] {
        var text = "H|CWP1|\(kind.rawValue)|\(partnerID)|\(marketID)|\(date.compact)|\(sequence)\n"
        text += "C|" + kind.columns.joined(separator: "|") + "\n"
        for row in rows {
            text += "D|" + row.map { $0.filter { !"|\r\n".contains($0) } }.joined(separator: "|") + "\n"
        }
        text += "T|\(rows.count)|\(try total().value)\n"
        return Array(text.utf8)
    }

    /// The `.ok` of the file as written.
    public func ok() throws(StatementDefect) -> [UInt8] {
        let bytes = try bytes()
        return
            ([
                "file": .string(name), "bytes": JSON(bytes.count), "records": JSON(rows.count),
                "amountFen": JSON(try total().value), "sha256": .string(CWP1File.digest(of: bytes)),
            ] as JSON).bytes
    }

    /// SHA-256 in lower-case hexadecimal, as `.ok` files and the answer to FILE.APPLY give it.
    public static func digest(of bytes: [UInt8]) -> String { hexadecimal(SHA256.hash(data: bytes)) }

    private var stem: String {
        let number = sequence < 10 ? "0\(sequence)" : String(sequence)
        return "custody_\(partnerID)_\(marketID)_\(kind.rawValue)_\(date.compact)_\(number)"
    }

    private func row(_ index: Int) -> CWP1FileRow {
        CWP1FileRow(
            kind: kind, line: index + 3,
            cells: Dictionary(zip(kind.columns, rows[index]).map { ($0, $1) }) { first, _ in first }
        )
    }

    private static func header(_ cells: [String]) throws(StatementDefect) -> CWP1File {
        guard cells.count == 7, cells[0] == "H", cells[1] == "CWP1" else {
            throw StatementDefect("no CWP1 header", line: 1)
        }
        guard let kind = CWP1FileKind(rawValue: cells[2]) else {
            throw StatementDefect("unknown type of file", line: 1, column: "type")
        }
        guard cells[5].utf8.count == 8, let date = BusinessDate(cells[5]) else {
            throw StatementDefect("not a date", line: 1, column: "date")
        }
        guard let sequence = Int(cells[6]), sequence > 0 else {
            throw StatementDefect("not a sequence number", line: 1, column: "seq")
        }
        return CWP1File(
            kind: kind, partnerID: cells[3], marketID: cells[4], date: date, sequence: sequence, rows: [])
    }

    private func verifyTrailer(_ cells: [String], line: Int) throws(StatementDefect) {
        guard cells.count == 3, cells[0] == "T" else { throw StatementDefect("no trailer: truncated", line: line) }
        guard Int(cells[1]) == rows.count else {
            throw StatementDefect("the trailer counts other rows than there are", line: line, column: "count")
        }
        guard Int64(cells[2]) == (try total().value) else {
            throw StatementDefect("the trailer's sum is not the sum of the rows", line: line, column: "sumFen")
        }
    }

    private static func verify(_ bytes: [UInt8], against ok: [UInt8]) throws(StatementDefect) {
        let said: JSON
        do { said = try JSON(parsing: ok) } catch { throw StatementDefect("its .ok is not JSON") }
        guard said["bytes"]?.integer == Int64(bytes.count) else {
            throw StatementDefect("its .ok says another length", column: "bytes")
        }
        guard said["sha256"]?.string == digest(of: bytes) else {
            throw StatementDefect("its .ok says another digest", column: "sha256")
        }
        // Count and sum are compared with the trailer's here, and the trailer's with the rows while reading.
        let trailer = String(decoding: bytes.dropLast(), as: UTF8.self).split(separator: "\n").last?
            .split(separator: "|").map(String.init)
        guard let trailer, trailer.count == 3, said["records"]?.integer.map(String.init) == trailer[1] else {
            throw StatementDefect("its .ok says another number of records", column: "records")
        }
        guard said["amountFen"]?.integer.map(String.init) == trailer[2] else {
            throw StatementDefect("its .ok says another amount", column: "amountFen")
        }
    }
}
