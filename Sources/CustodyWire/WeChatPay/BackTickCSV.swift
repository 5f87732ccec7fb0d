import CustodyDomain

/// The shape of WeChat Pay's bills: titles, rows of values each behind a back-tick, summary titles, summary values.
struct BackTickCSV {
    private enum Part {
        case rows
        case summaryTitles
        case nothing
        /// The titles once more: another file of the same form is joined to this one.
        case another
    }

    /// The columns.
    let header: StatementHeader
    /// The values of the row taken last, still escaped.
    let fields = StatementFields()
    /// How many rows there were.
    private(set) var rowCount = 0
    /// The summary's values by their titles.
    private(set) var summary: [String: String] = [:]
    private(set) var summaryLine = 0
    private var summaryTitles: StatementHeader?
    private var part = Part.rows
    private let mayBeJoined: Bool

    /// Begins below the line of titles.
    ///
    /// - Parameter mayBeJoined: Whether another file may follow the summary, with titles, rows and a summary of its own.
    init(_ header: StatementHeader, mayBeJoined: Bool = false) {
        self.header = header
        self.mayBeJoined = mayBeJoined
    }

    /// Whether another file begins: what was read is to be verified, and ``beginAnew()`` called.
    var isAtAnother: Bool { part == .another }

    /// Goes on with the rows of another file.
    mutating func beginAnew() {
        rowCount = 0
        summary = [:]
        part = .rows
    }

    /// The titles of a first or a summary's line; parentheses become half-width, which old files write full-width.
    static func titles(_ line: TextSlice, number: Int) throws(StatementDefect) -> StatementHeader {
        guard !line.isEmpty, line[0] != 0x60 else {
            throw StatementDefect("the first line is no list of columns", line: number)
        }
        let fields = StatementFields()
        fields.split(line, at: 0x2C)
        guard fields.count <= StatementFields.limit else {
            throw StatementDefect("more than 256 columns", line: number)
        }
        // Some files put a space behind a title.
        let titles = (0..<fields.count).map {
            fields[$0].trimmed.text.replacing("（", with: "(").replacing("）", with: ")")
        }
        return try StatementHeader(titles, line: number)
    }

    /// Takes a line below the titles; true when it is a row, whose values ``fields`` are then.
    @inline(__always)
    mutating func takesRow(_ line: TextSlice, _ number: Int) throws(StatementDefect) -> Bool {
        guard part == .rows, !line.isEmpty, line[0] == 0x60 else {
            try takeSummary(line, number)
            return false
        }
        fields.splitAtBackTicks(line)
        guard fields.count == header.titles.count else {
            throw StatementDefect(
                "a row with \(fields.count) values under \(header.titles.count) columns", line: number)
        }
        rowCount += 1
        return true
    }

    private mutating func takeSummary(_ line: TextSlice, _ number: Int) throws(StatementDefect) {
        switch part {
        case .rows:
            guard !line.isEmpty else { throw StatementDefect("the file ends without its summary", line: number) }
            summaryTitles = try BackTickCSV.titles(line, number: number)
            part = .summaryTitles
        case .summaryTitles:
            guard !line.isEmpty, line[0] == 0x60, let titles = summaryTitles?.titles else {
                throw StatementDefect("the file ends without its summary", line: number)
            }
            fields.splitAtBackTicks(line)
            guard fields.count == titles.count else {
                throw StatementDefect("the summary's titles and values differ in number", line: number)
            }
            for (index, title) in titles.enumerated() { summary[title] = fields[index].text }
            summaryLine = number
            part = .nothing
        case .nothing, .another:
            if line.isEmpty { return }
            guard mayBeJoined, try BackTickCSV.titles(line, number: number).titles == header.titles else {
                throw StatementDefect("something follows the summary", line: number)
            }
            part = .another
        }
    }

    /// Refuses a file that ended before its summary.
    func finish(_ number: Int) throws(StatementDefect) {
        guard part == .nothing else { throw StatementDefect("the file ends without its summary", line: number + 1) }
    }

    /// A value of the summary, as text that may be read like a field.
    func total<Value>(
        _ title: String, _ read: (TextSlice) -> Value?
    ) throws(StatementDefect) -> Value? {
        guard let text = summary[title] else { return nil }
        let value = Array(text.utf8).withUnsafeBufferPointer { bytes in
            bytes.baseAddress.flatMap { read(TextSlice($0, bytes.count)) }
        }
        guard let value else { throw defect("not a total", title) }
        return value
    }

    /// Verifies a count that the summary must have.
    func verify(_ title: String, count: Int) throws(StatementDefect) {
        guard let stated = try total(title, \.number) else { throw defect("the summary lacks a total", title) }
        guard stated == Int64(count) else { throw defect("the summary counts other rows than there are", title) }
    }

    /// Verifies a sum, in fen, that the summary must have.
    func verify(_ title: String, sum: Int128) throws(StatementDefect) {
        guard let stated = try total(title, \.yuan) else { throw defect("the summary lacks a total", title) }
        guard Int128(stated) == sum else { throw defect("the rows do not add up to the summary", title) }
    }

    /// A defect in the summary.
    func defect(_ reason: String, _ title: String) -> StatementDefect {
        StatementDefect(reason, line: summaryLine, column: title)
    }

    /// The value with its commas and line ends back.
    static func unescaped(_ value: String) -> String {
        guard value.utf8.contains(UInt8(ascii: "\\")) else { return value }
        var result = ""
        var rest = value[...]
        while let character = rest.popFirst() {
            guard character == "\\", let next = rest.first, next == " " || next == "n" else {
                result.append(character)
                continue
            }
            rest.removeFirst()
            result.append(next == " " ? "," : "\n")
        }
        return result
    }

    /// The value with its commas and line ends written so that splitting at commas stays safe.
    static func escaped(_ value: String) -> String {
        guard value.utf8.contains(where: { [0x2C, 0x0A, 0x0D].contains($0) }) else { return value }
        var result = ""
        for scalar in value.unicodeScalars {
            switch scalar {
            case ",": result += "\\ "
            case "\n": result += "\\n"
            case "\r": continue
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
