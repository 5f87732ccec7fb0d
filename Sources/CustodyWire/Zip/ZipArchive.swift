import CustodyDomain

/// A zip file (APPNOTE 6.3) of a few entries, stored or deflated; no encryption, no ZIP64, no volumes.
public struct ZipArchive: Sendable {
    /// A file in the archive.
    public struct Entry: Hashable, Sendable {
        /// Its name: UTF-8 where the archive says so, GB18030 otherwise, as Chinese Windows writes them.
        public let name: String
        /// Its content, inflated, the checksum verified.
        public let content: [UInt8]

        /// Makes an entry.
        public init(name: String, content: [UInt8]) {
            self.name = name
            self.content = content
        }
    }

    /// Why a file was refused.
    public enum Defect: Error, Hashable, Sendable {
        /// No zip file, or a broken one.
        case malformed(String)
        /// A feature that no bill uses: encryption, ZIP64, several volumes, another compression.
        case unsupported(String)
        /// Larger than allowed, absolutely or for what it was made of: a bomb.
        case tooLarge
        /// The checksum of the entry with this index does not hold.
        case badChecksum(Int)
    }

    /// How many entries an archive may have.
    public static let entryLimit = 64

    /// The files, in the order of the directory.
    public let entries: [Entry]

    /// Whether bytes begin like a zip file.
    public static func isZip(_ bytes: [UInt8]) -> Bool {
        bytes.starts(with: [0x50, 0x4B, 3, 4]) || bytes.starts(with: [0x50, 0x4B, 5, 6])
    }

    /// Reads an archive whole.
    ///
    /// - Parameter limits: For all entries together; what the directory claims is checked before, what comes out while
    ///   inflating. Entries that overlap are refused.
    public init(reading bytes: [UInt8], limits: InflateLimits = .statement) throws(Defect) {
        let reader = ZipReader(bytes: bytes)
        let records = try reader.directory()
        var claimed = 0
        for record in records {
            claimed += record.size
            guard limits.size >= claimed else { throw .tooLarge }
        }
        var end = 0
        var room = limits.size
        var entries = [Entry?](repeating: nil, count: records.count)
        for (index, record) in records.enumerated().sorted(by: { $0.element.offset < $1.element.offset }) {
            let data = try reader.data(of: record)
            guard record.offset >= end else { throw .malformed("entries overlap") }
            end = data.upperBound
            let content = try reader.content(of: record, in: data, limits: limits, room: room)
            room -= content.count
            guard Deflate.crc32(content) == record.checksum else { throw .badChecksum(index) }
            entries[index] = Entry(name: try record.text(), content: content)
        }
        self.entries = entries.compactMap { $0 }
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

private struct ZipReader {
    let bytes: [UInt8]

    func directory() throws(ZipArchive.Defect) -> [ZipRecord] {
        let end = try endRecord()
        let count = try number(2, at: end + 10)
        let size = try number(4, at: end + 12)
        var offset = try number(4, at: end + 16)
        guard try number(2, at: end + 4) == 0, try number(2, at: end + 6) == 0, try number(2, at: end + 8) == count
        else { throw .unsupported("several volumes") }
        guard count != 0xFFFF, size != 0xFFFF_FFFF, offset != 0xFFFF_FFFF else { throw .unsupported("ZIP64") }
        guard count <= ZipArchive.entryLimit else { throw .tooLarge }
        guard offset + size == end else { throw .malformed("the directory is not where it should be") }
        var records: [ZipRecord] = []
        for _ in 0..<count {
            guard try number(4, at: offset) == 0x0201_4B50 else { throw .malformed("no directory entry") }
            var record = ZipRecord()
            record.flags = try number(2, at: offset + 8)
            record.method = try number(2, at: offset + 10)
            record.checksum = UInt32(try number(4, at: offset + 16))
            record.compressedSize = try number(4, at: offset + 20)
            record.size = try number(4, at: offset + 24)
            let nameLength = try number(2, at: offset + 28)
            let extra = try number(2, at: offset + 30) + number(2, at: offset + 32)
            record.offset = try number(4, at: offset + 42)
            guard record.flags & 1 == 0 else { throw .unsupported("encryption") }
            guard record.method == 0 || record.method == 8 else { throw .unsupported("compression method") }
            guard offset + 46 + nameLength + extra <= end else { throw .malformed("directory cut short") }
            record.name = Array(bytes[(offset + 46)..<(offset + 46 + nameLength)])
            offset += 46 + nameLength + extra
            records.append(record)
        }
        guard offset == end else { throw .malformed("the directory holds more than it says") }
        return records
    }

    /// Where an entry's compressed bytes lie, by its local header.
    func data(of record: ZipRecord) throws(ZipArchive.Defect) -> Range<Int> {
        guard try number(4, at: record.offset) == 0x0403_4B50 else { throw .malformed("no local header") }
        let nameLength = try number(2, at: record.offset + 26)
        let start = try record.offset + 30 + nameLength + number(2, at: record.offset + 28)
        guard start + record.compressedSize <= bytes.count else { throw .malformed("an entry is cut short") }
        guard bytes[(record.offset + 30)..<(record.offset + 30 + nameLength)].elementsEqual(record.name) else {
            throw .malformed("local header and directory disagree")
        }
        return start..<(start + record.compressedSize)
    }

    func content(
        of record: ZipRecord, in range: Range<Int>, limits: InflateLimits, room: Int
    ) throws(ZipArchive.Defect) -> [UInt8] {
        guard record.method == 8 else {
            guard record.size == range.count else { throw .malformed("a stored entry's sizes differ") }
            return Array(bytes[range])
        }
        var limits = limits
        limits.size = min(room, record.size)
        do {
            let content = try Deflate.inflated(Array(bytes[range]), frame: .raw, limits: limits)
            guard content.count == record.size else { throw ZipArchive.Defect.malformed("an entry's size differs") }
            return content
        } catch InflateError.tooLarge {
            throw .tooLarge
        } catch {
            throw .malformed("an entry does not inflate")
        }
    }

    private func endRecord() throws(ZipArchive.Defect) -> Int {
        // The record is 22 bytes and a comment of at most 65,535; it is found from the end.
        var offset = bytes.count - 22
        while offset >= 0, offset >= bytes.count - 22 - 0xFFFF {
            if try number(4, at: offset) == 0x0605_4B50, try number(2, at: offset + 20) == bytes.count - offset - 22 {
                return offset
            }
            offset -= 1
        }
        throw .malformed("no end of directory")
    }

    private func number(_ width: Int, at offset: Int) throws(ZipArchive.Defect) -> Int {
        guard offset >= 0, offset + width <= bytes.count else { throw .malformed("cut short") }
        return (0..<width).reversed().reduce(0) { $0 << 8 | Int(bytes[offset + $1]) }
    }
}
