import CustodyDomain

/// The shape of WeChat Pay's bills: titles, rows of values each behind a back-tick, summary titles, summary values.
struct BackTickCSV {
    /// A row of values, without their back-ticks, still escaped.
    struct Row {
        /// Its line in the file, from 1.
        let line: Int
        let values: [Substring]
    }

    /// Where each column is, by its title.
    private(set) var columns: [String: Int] = [:]
    private(set) var rows: [Row] = []
    /// The summary's values by their titles.
    private(set) var summary: [String: Substring] = [:]
    let headerLine = 1
    private(set) var summaryLine = 0

    /// Takes a file apart, plain or gzipped, with or without a byte-order mark, with either line end.
    init(_ file: [UInt8]) throws(StatementDefect) {
        let lines = try BackTickCSV.lines(of: file)
        guard let header = lines.first, !header.isEmpty, !header.hasPrefix("`") else {
            throw StatementDefect("the first line is no list of columns", line: 1)
        }
        columns = try BackTickCSV.titles(header, line: 1)
        var index = 1
        while index < lines.count, lines[index].hasPrefix("`") {
            let values = BackTickCSV.values(lines[index])
            guard values.count == columns.count else {
                throw StatementDefect(
                    "a row with \(values.count) values under \(columns.count) columns", line: index + 1)
            }
            rows.append(Row(line: index + 1, values: values))
            index += 1
        }
        guard index + 1 < lines.count, !lines[index].isEmpty, lines[index + 1].hasPrefix("`") else {
            throw StatementDefect("the file ends without its summary", line: index + 1)
        }
        guard index + 2 == lines.count else { throw StatementDefect("something follows the summary", line: index + 3) }
        let titles = try BackTickCSV.titles(lines[index], line: index + 1)
        let values = BackTickCSV.values(lines[index + 1])
        guard values.count == titles.count else {
            throw StatementDefect("the summary's titles and values differ in number", line: index + 2)
        }
        summaryLine = index + 2
        for (title, place) in titles { summary[title] = values[place] }
    }

    /// The value with its commas and line ends back.
    static func unescaped(_ value: Substring) -> String {
        guard value.utf8.contains(UInt8(ascii: "\\")) else { return String(value) }
        var result = ""
        var rest = value
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

    private static func lines(of file: [UInt8]) throws(StatementDefect) -> [Substring] {
        var bytes = file[...]
        if Gzip.isGzip(file) {
            do throws(InflateError) {
                bytes = try Gzip.decompressed(file)[...]
            } catch { throw StatementDefect("the gzip file is broken or too large (\(error))") }
        }
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes = bytes.dropFirst(3) }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw StatementDefect("not UTF-8") }
        var lines: [Substring] = []
        // By bytes: to Swift, CR LF is one character.
        var rest = text.utf8[...]
        while let end = rest.firstIndex(of: 0x0A) {
            var line = rest[..<end]
            if line.last == 0x0D { line.removeLast() }
            lines.append(Substring(line))
            rest = rest[rest.index(after: end)...]
        }
        if rest.last == 0x0D { rest.removeLast() }
        lines.append(Substring(rest))
        while lines.last?.isEmpty == true { lines.removeLast() }
        return lines
    }

    private static func titles(_ line: Substring, line number: Int) throws(StatementDefect) -> [String: Int] {
        var titles: [String: Int] = [:]
        for (index, part) in line.split(separator: ",", omittingEmptySubsequences: false).enumerated() {
            // Some files put a space behind a title.
            let title = String(part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
            guard !title.isEmpty else { throw StatementDefect("an empty column title", line: number) }
            guard titles.updateValue(index, forKey: title) == nil else {
                throw StatementDefect("a column appears twice", line: number, column: title)
            }
        }
        return titles
    }

    /// Values start behind back-ticks; a comma that is no separator would not be followed by one.
    private static func values(_ line: Substring) -> [Substring] {
        var values: [Substring] = []
        let bytes = line.utf8
        var start = bytes.index(after: bytes.startIndex)
        var index = start
        while index < bytes.endIndex {
            let next = bytes.index(after: index)
            if bytes[index] == 0x2C, next < bytes.endIndex, bytes[next] == 0x60 {
                values.append(line[start..<index])
                start = bytes.index(after: next)
                index = start
            } else {
                index = next
            }
        }
        values.append(line[start...])
        return values
    }
}
