import CustodyDomain

/// The form that detail and summary share: lines beginning with `#` around a table with a header.
struct AlipayBillTable {
    /// A row's values by column, trimmed of the tabs that many end with.
    struct Row {
        let line: Int
        let values: [String]
    }

    /// What stands behind `#`, by line.
    private(set) var remarks: [(line: Int, text: String)] = []
    /// The columns' names, with full-width parentheses.
    private(set) var columns: [String] = []
    /// The table.
    private(set) var rows: [Row] = []

    private static let tab = UInt8(ascii: "\t")

    /// Reads a file in GB18030.
    init(reading bytes: [UInt8]) throws(StatementDefect) {
        let text: String
        do {
            text = try GB18030.decode(bytes)
        } catch {
            throw StatementDefect("not GB18030", line: bytes.prefix(error.offset).count { $0 == 0x0A } + 1)
        }
        var number = 0
        for raw in Array(text.utf8).split(separator: 0x0A, omittingEmptySubsequences: false) {
            number += 1
            let line = raw.last == 0x0D ? raw.dropLast() : raw
            if line.contains(0) { throw StatementDefect("holds U+0000", line: number) }
            if line.allSatisfy({ $0 == 0x20 || $0 == AlipayBillTable.tab }) { continue }
            if line.first == UInt8(ascii: "#") {
                remarks.append((number, AlipayBillTable.trimmed(line.dropFirst())))
                continue
            }
            try append(line, number)
        }
        guard !columns.isEmpty else { throw StatementDefect("no header line") }
    }

    /// Where each column of a kind stands.
    func positions<Column: RawRepresentable & CaseIterable & Hashable>(
        _: Column.Type
    ) throws(StatementDefect) -> [Column: Int] where Column.RawValue == String {
        var found: [Column: Int] = [:]
        for column in Column.allCases {
            guard let index = columns.firstIndex(of: column.rawValue) else {
                throw StatementDefect("a column is missing", column: column.rawValue)
            }
            found[column] = index
        }
        return found
    }

    /// The remark that begins with a word, without it.
    func remark(_ prefix: String) -> (line: Int, text: String)? {
        remarks.first { $0.text.hasPrefix(prefix) }.map { ($0.line, String($0.text.dropFirst(prefix.count))) }
    }

    private mutating func append(_ line: ArraySlice<UInt8>, _ number: Int) throws(StatementDefect) {
        var values = AlipayBillTable.fields(line)
        if columns.isEmpty {
            columns = values.map { $0.replacing("(", with: "（").replacing(")", with: "）") }
            guard Set(columns).count == columns.count else {
                throw StatementDefect("a column appears twice", line: number)
            }
            return
        }
        if values.count != columns.count, line.contains(UInt8(ascii: "\"")) {
            values = AlipayBillTable.quotedFields(line)
        }
        guard values.count == columns.count else {
            throw StatementDefect("\(values.count) values under \(columns.count) columns", line: number)
        }
        rows.append(Row(line: number, values: values))
    }

    private static func fields(_ line: ArraySlice<UInt8>) -> [String] {
        line.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false).map(trimmed)
    }

    /// Splits as RFC 4180 says, for feeds that quote a value with a comma in it.
    private static func quotedFields(_ line: ArraySlice<UInt8>) -> [String] {
        var fields: [String] = []
        var field: [UInt8] = []
        var isQuoted = false
        var rest = line
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "\"") where isQuoted && rest.first == byte:
                field.append(byte)
                rest.removeFirst()
            case UInt8(ascii: "\"") where isQuoted || field.allSatisfy({ $0 == tab }): isQuoted.toggle()
            case UInt8(ascii: ",") where !isQuoted:
                fields.append(trimmed(field[...]))
                field = []
            default: field.append(byte)
            }
        }
        return fields + [trimmed(field[...])]
    }

    private static func trimmed(_ bytes: ArraySlice<UInt8>) -> String {
        let isSpace = { (byte: UInt8) in byte == tab || byte == 0x20 }
        let tail = bytes.drop(while: isSpace)
        let end = tail.lastIndex { !isSpace($0) }.map { $0 + 1 } ?? tail.startIndex
        return String(decoding: tail[..<end], as: UTF8.self)
    }
}
