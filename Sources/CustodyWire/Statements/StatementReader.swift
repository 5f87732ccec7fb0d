import CustodyDomain
import Synchronization

/// Reads a statement line by line, whatever its form, in bounded memory.
final class StatementReader {
    private let format: any StatementFormat
    private let lines: LineReader
    private var encoder = StatementEncoder()
    private var lineCount = 0
    private var amount: Int128 = 0
    private var isEnded = false

    /// What the statement is about; nil until it was read to its end.
    private(set) var summary: StatementSummary?

    init(_ opened: (format: any StatementFormat, lines: LineReader)) {
        (format, lines) = opened
    }

    deinit { encoder.deallocate() }

    /// The next piece of the COPY stream; nil behind the last.
    func chunk() throws(StatementDefect) -> [UInt8]? {
        if isEnded { return nil }
        do throws(StatementDefect) {
            var row = StatementRow()
            let (format, lines) = (format, lines)
            let fields = format.fields
            while !encoder.isFull {
                guard try next(lines, format, &row) else {
                    try end()
                    encoder.end()
                    break
                }
                encoder.append(row, fields, format.details)
            }
            return encoder.take()
        } catch {
            isEnded = true
            throw named(error)
        }
    }

    /// All lines at once, for small files.
    func collect() throws(StatementDefect) -> [StatementLine] {
        var all: [StatementLine] = []
        do throws(StatementDefect) {
            var row = StatementRow()
            while try next(lines, format, &row) { all.append(row.line(format.fields, format.details)) }
            try end()
        } catch {
            throw named(error)
        }
        return all
    }

    /// Reads to the end and keeps nothing.
    func verify() throws(StatementDefect) {
        do throws(StatementDefect) {
            var row = StatementRow()
            while try next(lines, format, &row) {}
            try end()
        } catch {
            throw named(error)
        }
    }

    @inline(__always)
    private func next(
        _ lines: LineReader, _ format: any StatementFormat, _ row: inout StatementRow
    ) throws(StatementDefect) -> Bool {
        while let line = try lines.next() {
            guard try format.take(line, of: lines, into: &row) else { continue }
            row.lineNumber = lines.number
            lineCount += 1
            amount += Int128(row.amount)
            return true
        }
        return false
    }

    private func end() throws(StatementDefect) {
        let (account, date) = try format.finish(lines)
        guard let amount = Int64(exactly: amount), lineCount <= Int(Int32.max) else {
            throw StatementDefect("more lines or money than can be counted")
        }
        isEnded = true
        summary = StatementSummary(
            source: format.source, form: format.form, account: account, date: date, lineCount: lineCount,
            amount: Fen(amount))
    }

    private func named(_ defect: StatementDefect) -> StatementDefect {
        var defect = defect
        if defect.file == nil { defect.file = lines.name }
        return defect
    }
}

/// A statement's file on its way into the database: its rows as PostgreSQL's COPY takes them.
///
/// The file is read once, in pieces, as the rows are asked for; count, sums and hashes are verified at its end, before
/// ``summary`` is there.
public final class StatementCopy: StatementRows {
    private let reader: Mutex<StatementReader>

    /// Opens a file: finds its form by its first line.
    fileprivate init(
        _ file: StatementFile, from source: StatementSource, limits: InflateLimits
    ) throws(StatementDefect) {
        let opened = try StatementOpening.open(file, from: source, ok: nil, limits: limits)
        reader = Mutex(StatementReader(opened))
    }

    /// The statement of a day for which no file came, because nothing happened.
    fileprivate init(emptyDay date: BusinessDate, from source: StatementSource, form: String) {
        let lines = LineReader(FileWindow(StatementFile([])), name: nil, encoding: .utf8)
        reader = Mutex(StatementReader((EmptyDay(source, form: form, on: date), lines)))
    }

    /// What the lines come to; nil until they were read to their end.
    public var summary: StatementSummary? { reader.withLock { $0.summary } }

    /// Begins to read; a second iterator goes on where the first stopped.
    public func makeAsyncIterator() -> Iterator { Iterator(copy: self) }

    fileprivate func next() throws(StatementDefect) -> [UInt8]? {
        try reader.withLock { (reader) throws(StatementDefect) in try reader.chunk() }
    }

    /// Reads on when asked.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let copy: StatementCopy

        /// The next chunk; a defect ends the reading.
        public func next() async throws -> [UInt8]? { try copy.next() }

        /// The next chunk; a defect ends the reading.
        public func next(isolation: isolated (any Actor)?) async throws -> [UInt8]? { try copy.next() }
    }
}

extension StatementContent {
    /// Reads a file that is small enough to hold whole.
    public init(
        reading file: StatementFile, from source: StatementSource, ok: [UInt8]? = nil,
        limits: InflateLimits = .statement
    ) throws(StatementDefect) {
        let reader = StatementReader(try StatementOpening.open(file, from: source, ok: ok, limits: limits))
        let lines = try reader.collect()
        guard let summary = reader.summary else { throw StatementDefect("the file was not read to its end") }
        self.init(summary: summary, lines: lines)
    }
}

/// A statement whose file was read to its end and found consistent; its rows may be asked for, as often as needed.
public struct VerifiedStatement: Sendable {
    /// What it is about, and what its lines come to.
    public let summary: StatementSummary
    /// The file as delivered; an empty one for a day without a file.
    public let file: StatementFile
    private let limits: InflateLimits

    /// Reads a file to its end, and keeps nothing of it.
    ///
    /// - Parameters:
    ///   - ok: The bytes of a CWP/1 file's `.ok`, where it was kept: both must agree.
    ///   - limits: For what comes out of a compressed file.
    public init(
        verifying file: StatementFile, from source: StatementSource, ok: [UInt8]? = nil,
        limits: InflateLimits = .statement
    ) throws(StatementDefect) {
        let reader = StatementReader(try StatementOpening.open(file, from: source, ok: ok, limits: limits))
        try reader.verify()
        guard let summary = reader.summary else { throw StatementDefect("the file was not read to its end") }
        self.summary = summary
        self.file = file
        self.limits = limits
    }

    /// The statement of a day for which no file came, because nothing happened.
    public init(emptyDay date: BusinessDate, from source: StatementSource, form: String) {
        summary = StatementSummary(source: source, form: form, date: date)
        file = StatementFile([])
        limits = .statement
    }

    /// Its rows, from the first on.
    public func rows() throws(StatementDefect) -> StatementCopy {
        guard file.size == 0, let date = summary.date else {
            return try StatementCopy(file, from: summary.source, limits: limits)
        }
        return StatementCopy(emptyDay: date, from: summary.source, form: summary.form)
    }
}
