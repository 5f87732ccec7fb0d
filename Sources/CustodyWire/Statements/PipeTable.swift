import CustodyDomain

/// A bank's file of one header line and rows, separated by `|`, without a trailer: what is missing at its end shows only
/// by a missing line feed.
struct PipeTable {
    /// The columns.
    let header: StatementHeader
    /// The values of the row taken last.
    let fields = StatementFields()

    /// - Parameter line: The file's first, whose line feed must be there.
    init(_ line: TextSlice, of reader: LineReader) throws(StatementDefect) {
        try PipeTable.finished(reader)
        fields.split(line, at: 0x7C)
        guard fields.count <= StatementFields.limit else { throw StatementDefect("more than 256 columns", line: 1) }
        header = try StatementHeader((0..<fields.count).map { [fields] in fields[$0].trimmed.text }, line: 1)
    }

    /// Splits a row; false for a blank line.
    func takesRow(_ line: TextSlice, _ reader: LineReader) throws(StatementDefect) -> Bool {
        if line.isEmpty { return false }
        try PipeTable.finished(reader)
        fields.split(line, at: 0x7C)
        guard fields.count == header.titles.count else {
            throw StatementDefect(
                "has \(fields.count) values, not \(header.titles.count)", line: reader.number)
        }
        return true
    }

    /// Where a column stands, whatever the case of its title.
    func required(_ title: String) throws(StatementDefect) -> Int {
        guard let index = header.titles.firstIndex(where: { $0.uppercased() == title }) else {
            throw StatementDefect("a column is missing", line: 1, column: title)
        }
        return index
    }

    /// A value that must not be empty.
    func filled(_ place: Int, _ number: Int) throws(StatementDefect) -> TextSlice {
        guard !fields[place].isEmpty else { throw header.defect("empty", number, place) }
        return fields[place]
    }

    /// Yuan in whole fen, not negative.
    func yuan(_ place: Int, _ number: Int) throws(StatementDefect) -> Int64 {
        guard let amount = fields[place].yuan else { throw header.defect("not an amount in whole fen", number, place) }
        guard amount >= 0 else { throw header.defect("negative amount", number, place) }
        return amount
    }

    /// The titles as the file writes them.
    func titles(_ places: [Int]) -> Set<String> { Set(places.map { header.titles[$0] }) }

    private static func finished(_ reader: LineReader) throws(StatementDefect) {
        guard !reader.isUnfinished else {
            throw StatementDefect("does not end with a line feed: truncated", line: reader.number)
        }
    }
}

extension TextEncoding {
    /// How a bank's file is written that does not say: UTF-8 when all of it is, and none of its characters has two bytes,
    /// which no Chinese text in UTF-8 has; GB18030 otherwise.
    static func detected(in file: StatementFile) throws(StatementDefect) -> TextEncoding {
        let lines = LineReader(FileWindow(file), name: file.name, encoding: .utf8)
        do throws(StatementDefect) {
            while let line = try lines.next() {
                for index in 0..<line.count where (0xC2...0xDF).contains(line[index]) { return .gb18030 }
            }
            return .utf8
        } catch {
            return .gb18030
        }
    }
}
