import CustodyDomain
import Glibc

/// Takes a stream apart into lines of UTF-8, in bounded memory.
///
/// A line ends with LF or CR LF. What does not inflate, is no text or is too long is a defect of the line it stands in.
final class LineReader {
    /// How long a line may be, in bytes as delivered.
    static let longest = 64 << 10
    private static let capacity = 512 << 10

    /// The line handed over last, from 1.
    private(set) var number = 0
    /// Whether the text begins with a byte-order mark, which is skipped.
    private(set) var hasByteOrderMark = false
    /// Whether the line handed over last ended with a carriage return before its line feed.
    private(set) var hasCarriageReturn = false
    /// Whether the line handed over last had no line feed: the file ended.
    private(set) var isUnfinished = false
    /// The name that defects carry.
    let name: String?

    private let stream: any ByteStream
    private let buffer: UnsafeMutablePointer<UInt8>
    private let decoder: GB18030Lines?
    private var encoding: TextEncoding
    private var first = 0
    private var end = 0
    private var isAtEnd = false

    init(_ stream: any ByteStream, name: String?, encoding: TextEncoding) {
        self.stream = stream
        self.name = name
        self.encoding = encoding
        buffer = .allocate(capacity: LineReader.capacity)
        decoder = encoding == .gb18030 ? GB18030Lines(longest: LineReader.longest) : nil
    }

    deinit {
        buffer.deallocate()
        decoder?.deallocate()
    }

    /// The next line; nil behind the last. It is valid until this is called again.
    func next() throws(StatementDefect) -> TextSlice? {
        var seen = 0
        var length = -1
        while true {
            let from = first + seen
            if let found = memchr(buffer + from, 0x0A, end - from) {
                length = UnsafePointer(found.assumingMemoryBound(to: UInt8.self)) - UnsafePointer(buffer + first)
                break
            }
            seen = end - first
            guard seen <= LineReader.longest else { break }
            if isAtEnd { break }
            try refill()
        }
        if length < 0, seen == 0 { return nil }
        number += 1
        isUnfinished = length < 0
        if isUnfinished { length = seen }
        guard length <= LineReader.longest else {
            throw StatementDefect("a line longer than 65,536 bytes", line: number)
        }
        var line = TextSlice(buffer + first, length)
        first += isUnfinished ? length : length + 1
        hasCarriageReturn = line.count > 0 && line[line.count - 1] == 0x0D
        if hasCarriageReturn { line = line.part(from: 0, to: line.count - 1) }
        if number == 1, line.hasPrefix("\u{FEFF}") {
            hasByteOrderMark = true
            encoding = .utf8
            line = line.part(from: 3, to: line.count)
        }
        return try decoded(line)
    }

    /// A copy of the first line, for whoever opens a file only to see what it is.
    func firstLine() throws(StatementDefect) -> String {
        let text = try next()?.text
        // The line lies in this reader's memory until it was copied.
        return withExtendedLifetime(self) { text ?? "" }
    }

    private func decoded(_ line: TextSlice) throws(StatementDefect) -> TextSlice {
        let defect: LineFailure
        switch encoding {
        case .utf8:
            guard let failure = failure(ofUTF8: line) else { return line }
            defect = failure
        case .gb18030:
            switch decoder?.decode(line) ?? .failure(.malformed) {
            case .success(let text): return text
            case .failure(let failure): defect = failure
            }
        }
        throw StatementDefect(
            defect == .zero ? "holds U+0000" : encoding == .utf8 ? "not UTF-8" : "not GB18030", line: number)
    }

    /// Moves what is left of the buffer to its beginning, and fills the rest of it.
    private func refill() throws(StatementDefect) {
        if first > 0 {
            memmove(buffer, buffer + first, end - first)
            end -= first
            first = 0
        }
        let room = UnsafeMutableRawBufferPointer(start: buffer + end, count: LineReader.capacity - end)
        do {
            let count = try stream.read(into: room)
            end += count
            isAtEnd = count == 0
        } catch {
            throw LineReader.defect(error, line: number + 1)
        }
    }

    private static func defect(_ error: any Error, line: Int) -> StatementDefect {
        switch error {
        case let defect as StatementDefect: defect
        case InflateError.truncated: StatementDefect("the compressed file is cut short", line: line)
        case InflateError.tooLarge, ZipArchive.Defect.tooLarge:
            StatementDefect("larger than allowed when unpacked", line: line)
        case is InflateError: StatementDefect("the compressed file is broken", line: line)
        case let error as ZipArchive.Defect: StatementDefect(error.reason, line: line)
        default: StatementDefect("the file cannot be read", line: line)
        }
    }
}

extension ZipArchive.Defect {
    /// The defect in one sentence.
    var reason: String {
        switch self {
        case .malformed(let what): "broken zip file: \(what)"
        case .unsupported(let what): "zip file with \(what)"
        case .tooLarge: "larger than allowed when unpacked"
        case .badChecksum: "broken zip file: a checksum does not hold"
        }
    }
}
