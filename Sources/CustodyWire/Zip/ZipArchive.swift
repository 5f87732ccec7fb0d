import CustodyDomain

/// A zip file (APPNOTE 6.3) of a few entries, stored or deflated; no encryption, no ZIP64, no volumes.
///
/// Only its directory is held; what the entries hold is read in pieces.
public struct ZipArchive: Sendable {
    /// A file in the archive.
    public struct Entry: Hashable, Sendable {
        /// Its name: UTF-8 where the archive says so, GB18030 otherwise, as Chinese Windows writes them.
        public let name: String
        /// How many bytes its content has, as the directory claims.
        public let size: Int
        let data: Range<Int>
        let isDeflated: Bool
        let checksum: UInt32
    }

    /// Why a file was refused.
    public enum Defect: Error, Hashable, Sendable {
        /// No zip file, or a broken one.
        case malformed(String)
        /// A feature that no bill uses: encryption, ZIP64, several volumes, another compression.
        case unsupported(String)
        /// Larger than allowed, absolutely or for what it was made of: a bomb.
        case tooLarge
        /// An entry's checksum does not hold.
        case badChecksum
    }

    /// How many entries an archive may have.
    public static let entryLimit = 64

    /// The files, in the order of the directory.
    public let entries: [Entry]
    private let file: StatementFile
    private let limits: InflateLimits

    /// Whether a file begins like a zip file.
    public static func isZip(_ file: StatementFile) -> Bool {
        let start = try? file.bytes(at: 0, count: 4)
        return start == [0x50, 0x4B, 3, 4] || start == [0x50, 0x4B, 5, 6]
    }

    /// Reads an archive's directory.
    ///
    /// - Parameter limits: For all entries together, as the directory claims them, and for each while it is inflated.
    ///   Entries that overlap are refused.
    /// - Throws: ``Defect``, or a `StatementDefect` when the file cannot be read.
    public init(reading file: StatementFile, limits: InflateLimits = .statement) throws {
        let directory = ZipDirectory(file: file)
        let records = try directory.records()
        var claimed = 0
        for record in records {
            claimed += record.size
            guard limits.size >= claimed else { throw Defect.tooLarge }
        }
        var end = 0
        var entries = [Entry?](repeating: nil, count: records.count)
        for (index, record) in records.enumerated().sorted(by: { $0.element.offset < $1.element.offset }) {
            let data = try directory.data(of: record)
            guard record.offset >= end else { throw Defect.malformed("entries overlap") }
            end = data.upperBound
            guard record.method == 8 || record.size == data.count else {
                throw Defect.malformed("a stored entry's sizes differ")
            }
            entries[index] = Entry(
                name: try record.text(), size: record.size, data: data, isDeflated: record.method == 8,
                checksum: record.checksum)
        }
        self.entries = entries.compactMap { $0 }
        self.file = file
        self.limits = limits
    }

    /// Hands over an entry's content in pieces; its size and checksum are verified at its end.
    public func unpack(_ entry: Entry, into take: (UnsafeRawBufferPointer) throws -> Void) throws {
        do { try stream(of: entry).drain(into: take) } catch let error as InflateError { throw Defect(error) }
    }

    /// An entry's content.
    func stream(of entry: Entry) -> any ByteStream {
        let window = FileWindow(file, entry.data)
        var limits = limits
        limits.size = min(limits.size, entry.size)
        let content: any ByteStream = entry.isDeflated ? Inflater(window, frame: .raw, limits: limits) : window
        return CheckedStream(content, size: entry.size, checksum: entry.checksum)
    }
}

extension ZipArchive.Defect {
    /// What a broken entry means for its archive.
    init(_ error: InflateError) {
        self = error == .tooLarge ? .tooLarge : .malformed("an entry does not inflate")
    }
}

/// An entry as the central directory describes it.
private struct ZipRecord {
    var flags = 0
    var method = 0
    var checksum: UInt32 = 0
    var compressedSize = 0
    var size = 0
    var name: [UInt8] = []
    var offset = 0

    func text() throws(ZipArchive.Defect) -> String {
        if flags & 0x800 != 0 {
            guard let text = String(validating: name, as: UTF8.self) else { throw .malformed("a name is not UTF-8") }
            return text
        }
        do { return try GB18030.decode(name) } catch { throw .malformed("a name is not GB18030") }
    }
}

private struct ZipDirectory {
    typealias Defect = ZipArchive.Defect

    let file: StatementFile

    func records() throws -> [ZipRecord] {
        let (end, tail) = try endRecord()
        let count = try number(2, in: tail, at: 10)
        let size = try number(4, in: tail, at: 12)
        let offset = try number(4, in: tail, at: 16)
        guard try number(2, in: tail, at: 4) == 0, try number(2, in: tail, at: 6) == 0,
            try number(2, in: tail, at: 8) == count
        else { throw Defect.unsupported("several volumes") }
        guard count != 0xFFFF, size != 0xFFFF_FFFF, offset != 0xFFFF_FFFF else { throw Defect.unsupported("ZIP64") }
        guard count <= ZipArchive.entryLimit else { throw Defect.tooLarge }
        guard offset + size == end, size <= 4 << 20 else {
            throw Defect.malformed("the directory is not where it should be")
        }
        let bytes = try file.bytes(at: offset, count: size)
        var place = 0
        var records: [ZipRecord] = []
        for _ in 0..<count {
            let record = try record(in: bytes, at: place)
            place +=
                try 46 + record.name.count + number(2, in: bytes, at: place + 30)
                + number(2, in: bytes, at: place + 32)
            guard place <= bytes.count else { throw Defect.malformed("directory cut short") }
            records.append(record)
        }
        guard place == bytes.count else { throw Defect.malformed("the directory holds more than it says") }
        return records
    }

    private func record(in bytes: [UInt8], at place: Int) throws -> ZipRecord {
        guard try number(4, in: bytes, at: place) == 0x0201_4B50 else { throw Defect.malformed("no directory entry") }
        var record = ZipRecord()
        record.flags = try number(2, in: bytes, at: place + 8)
        record.method = try number(2, in: bytes, at: place + 10)
        record.checksum = UInt32(try number(4, in: bytes, at: place + 16))
        record.compressedSize = try number(4, in: bytes, at: place + 20)
        record.size = try number(4, in: bytes, at: place + 24)
        record.offset = try number(4, in: bytes, at: place + 42)
        guard record.flags & 1 == 0 else { throw Defect.unsupported("encryption") }
        guard record.method == 0 || record.method == 8 else { throw Defect.unsupported("compression method") }
        let nameEnd = try place + 46 + number(2, in: bytes, at: place + 28)
        guard nameEnd <= bytes.count else { throw Defect.malformed("directory cut short") }
        record.name = Array(bytes[(place + 46)..<nameEnd])
        return record
    }

    /// Where an entry's compressed bytes lie, by its local header.
    func data(of record: ZipRecord) throws -> Range<Int> {
        let header = try file.bytes(at: record.offset, count: 30 + record.name.count)
        guard try number(4, in: header, at: 0) == 0x0403_4B50 else { throw Defect.malformed("no local header") }
        let nameLength = try number(2, in: header, at: 26)
        let start = try record.offset + 30 + nameLength + number(2, in: header, at: 28)
        guard start + record.compressedSize <= file.size else { throw Defect.malformed("an entry is cut short") }
        guard nameLength == record.name.count, header.dropFirst(30).elementsEqual(record.name) else {
            throw Defect.malformed("local header and directory disagree")
        }
        return start..<(start + record.compressedSize)
    }

    /// The end record and its place. It is 22 bytes and a comment of at most 65,535; it is found from the end.
    private func endRecord() throws -> (place: Int, bytes: [UInt8]) {
        let first = max(0, file.size - 22 - 0xFFFF)
        let tail = try file.bytes(at: first, count: file.size - first)
        var place = tail.count - 22
        while place >= 0 {
            if try number(4, in: tail, at: place) == 0x0605_4B50,
                try number(2, in: tail, at: place + 20) == tail.count - place - 22
            {
                return (first + place, Array(tail[place...]))
            }
            place -= 1
        }
        throw Defect.malformed("no end of directory")
    }

    private func number(_ width: Int, in bytes: [UInt8], at offset: Int) throws(Defect) -> Int {
        guard offset >= 0, offset + width <= bytes.count else { throw .malformed("cut short") }
        return (0..<width).reversed().reduce(0) { $0 << 8 | Int(bytes[offset + $1]) }
    }
}
