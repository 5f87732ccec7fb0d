import CustodyDomain

/// The fields of the line that is being read, in memory that is taken once.
final class StatementFields {
    /// More columns than any statement has.
    static let limit = 256

    /// How many fields the line has; more than ``limit`` are counted, not kept.
    private(set) var count = 0
    private let slices: UnsafeMutablePointer<TextSlice>
    private let unquoted: UnsafeMutablePointer<UInt8>

    init() {
        slices = .allocate(capacity: StatementFields.limit)
        slices.initialize(repeating: .empty, count: StatementFields.limit)
        unquoted = .allocate(capacity: LineReader.longest * 2 + 16)
    }

    deinit {
        slices.deallocate()
        unquoted.deallocate()
    }

    @inline(__always)
    subscript(index: Int) -> TextSlice { slices[index] }

    /// Splits at every separator.
    func split(_ line: TextSlice, at separator: UInt8) {
        var (found, start) = (0, 0)
        while let end = line.index(of: separator, from: start) {
            keep(line.part(from: start, to: end), found)
            found += 1
            start = end + 1
        }
        keep(line.part(from: start, to: line.count), found)
        count = found + 1
    }

    /// Splits `` `a,`b `` into values; a comma that is no separator is not followed by a back-tick.
    func splitAtBackTicks(_ line: TextSlice) {
        var (found, start, from) = (0, 1, 1)
        while let comma = line.index(of: 0x2C, from: from) {
            from = comma + 1
            guard from < line.count, line[from] == 0x60 else { continue }
            keep(line.part(from: start, to: comma), found)
            found += 1
            start = from + 1
            from = start
        }
        keep(line.part(from: start, to: line.count), found)
        count = found + 1
    }

    /// Splits at commas, without the tabs and spaces around values; where that gives another number of values than
    /// wanted, quoted values are read as RFC 4180 says.
    func splitAtCommas(_ line: TextSlice, wanted: Int) {
        split(line, at: 0x2C)
        if count != wanted, line.index(of: 0x22) != nil { splitQuoted(line) }
        for index in 0..<min(count, StatementFields.limit) { slices[index] = slices[index].trimmed }
    }

    private func splitQuoted(_ line: TextSlice) {
        var (found, start, end, isQuoted, isBlank) = (0, 0, 0, false, true)
        var index = 0
        while index < line.count {
            let byte = line[index]
            index += 1
            switch byte {
            case 0x22 where isQuoted && index < line.count && line[index] == 0x22:
                unquoted[end] = byte
                end += 1
                index += 1
            case 0x22 where isQuoted || isBlank:
                isQuoted.toggle()
                isBlank = false
            case 0x2C where !isQuoted:
                keep(TextSlice(unquoted + start, end - start), found)
                found += 1
                start = end
                isBlank = true
            default:
                unquoted[end] = byte
                end += 1
                if byte != 0x09 { isBlank = false }
            }
        }
        keep(TextSlice(unquoted + start, end - start), found)
        count = found + 1
    }

    @inline(__always)
    private func keep(_ slice: TextSlice, _ index: Int) {
        if index < StatementFields.limit { slices[index] = slice }
    }
}

/// The columns of a file, found by their titles.
struct StatementHeader {
    /// The titles in their order.
    let titles: [String]
    /// Which line of the file it is.
    let line: Int

    /// No columns.
    init() {
        titles = []
        line = 0
    }

    /// - Parameter titles: As the file writes them, or in the one form that formats look for.
    init(_ titles: [String], line: Int) throws(StatementDefect) {
        guard titles.count <= StatementFields.limit else { throw StatementDefect("more than 256 columns", line: line) }
        var known: Set<String> = []
        for title in titles {
            guard !title.isEmpty else { throw StatementDefect("an empty column title", line: line) }
            guard known.insert(title).inserted else {
                throw StatementDefect("a column appears twice", line: line, column: title)
            }
        }
        self.titles = titles
        self.line = line
    }

    /// Where a column stands that the file must have.
    func required(_ title: String) throws(StatementDefect) -> Int {
        guard let index = titles.firstIndex(of: title) else {
            throw StatementDefect("a column is missing", line: line, column: title)
        }
        return index
    }

    /// Where a column stands, or -1.
    func optional(_ title: String) -> Int { titles.firstIndex(of: title) ?? -1 }

    /// A defect in a row's value.
    func defect(_ reason: String, _ number: Int, _ column: Int) -> StatementDefect {
        StatementDefect(reason, line: number, column: titles.indices.contains(column) ? titles[column] : nil)
    }
}
