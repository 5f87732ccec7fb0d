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

    /// The sum of the amount column; zero where there is none.
    ///
    /// - Throws: A `StatementDefect` when a row has no amount in fen there.
    public func total() throws(StatementDefect) -> Fen {
        guard let title = kind.amountColumn, let column = kind.columns.firstIndex(of: title) else { return .zero }
        var total = Fen.zero
        for (index, row) in rows.enumerated() {
            guard row.indices.contains(column), let amount = Int64(row[column]) else {
                throw StatementDefect("not an amount in fen", line: index + 3, column: title)
            }
            total += Fen(amount)
        }
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

    /// The same of a file, which is read in pieces.
    public static func digest(of file: StatementFile) throws(StatementDefect) -> String {
        hexadecimal(try file.sha256())
    }

    private var stem: String {
        let number = sequence < 10 ? "0\(sequence)" : String(sequence)
        return "custody_\(partnerID)_\(marketID)_\(kind.rawValue)_\(date.compact)_\(number)"
    }
}
