import Crypto
import CustodyDomain
import Glibc

/// A statement's file as delivered, in memory or on disk; it is read in pieces, as often as needed.
public struct StatementFile: Sendable {
    private enum Storage: Sendable {
        case memory([UInt8])
        case disk(FileDescriptor)
    }

    /// Its name, which defects carry; nil when it has none.
    public let name: String?
    /// Its length in bytes.
    public let size: Int
    private let storage: Storage

    /// How long a part of ``part(_:)`` is.
    public static let partSize = 1 << 20

    /// Takes bytes that are in memory already.
    public init(_ bytes: [UInt8], name: String? = nil) {
        self.name = name
        size = bytes.count
        storage = .memory(bytes)
    }

    /// Reads an open file of a known length.
    init(_ descriptor: FileDescriptor, size: Int, name: String) {
        self.name = name
        self.size = size
        storage = .disk(descriptor)
    }

    /// Opens a file on disk.
    public init(path: String) throws(StatementDefect) {
        let name = String(path.split(separator: "/").last ?? "")
        let number = open(path, O_RDONLY | O_CLOEXEC)
        guard number >= 0 else { throw StatementDefect("the file cannot be opened", file: name) }
        let descriptor = FileDescriptor(number)
        // A pipe has no end to seek, and a directory no bytes to read.
        let end = lseek(number, 0, SEEK_END)
        var first: UInt8 = 0
        guard end >= 0, pread(number, &first, 1, 0) >= 0 else {
            throw StatementDefect("not a file", file: name)
        }
        self.name = name
        size = Int(end)
        storage = .disk(descriptor)
    }

    /// Reads at a place, as much as there is and fits.
    func read(at offset: Int, into target: UnsafeMutableRawBufferPointer) throws(StatementDefect) -> Int {
        let wanted = min(target.count, max(0, size - offset))
        guard wanted > 0, let base = target.baseAddress else { return 0 }
        switch storage {
        case .memory(let bytes):
            bytes.withUnsafeBytes { source in
                target.copyMemory(from: UnsafeRawBufferPointer(rebasing: source[offset..<(offset + wanted)]))
            }
            return wanted
        case .disk(let descriptor):
            var done = 0
            while done < wanted {
                let count = pread(descriptor.number, base + done, wanted - done, off_t(offset + done))
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw StatementDefect("the file cannot be read", file: name) }
                done += count
            }
            return done
        }
    }

    /// Some bytes at a place; fewer when it ends before.
    public func bytes(at offset: Int, count: Int) throws(StatementDefect) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: max(0, min(count, size - offset)))
        var failure: StatementDefect?
        result.withUnsafeMutableBytes { target in
            do throws(StatementDefect) { _ = try read(at: offset, into: target) } catch { failure = error }
        }
        if let failure { throw failure }
        return result
    }

    /// The file in parts of ``partSize``, counted from 0; nil behind the last.
    public func part(_ index: Int) throws(StatementDefect) -> [UInt8]? {
        let offset = index * StatementFile.partSize
        return offset < size ? try bytes(at: offset, count: StatementFile.partSize) : nil
    }

    /// The SHA-256 of its bytes as delivered.
    public func sha256() throws(StatementDefect) -> [UInt8] {
        var hash = SHA256()
        var index = 0
        while let part = try part(index) {
            hash.update(data: part)
            index += 1
        }
        return Array(hash.finalize())
    }

    /// Whether it begins like a gzip file.
    public var isGzip: Bool { (try? bytes(at: 0, count: 2)) == [0x1F, 0x8B] }

    /// Hands over its content, inflated where it is a gzip file, in pieces of at most 64 KiB.
    ///
    /// - Throws: ``InflateError`` when it is broken or larger than allowed, a `StatementDefect` when it cannot be read.
    public func unpacked(
        limits: InflateLimits = .statement, into take: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        let stream: any ByteStream =
            isGzip ? Inflater(FileWindow(self), frame: .gzip, limits: limits) : FileWindow(self)
        try stream.drain(into: take)
    }
}

/// Bytes that come one after the other.
protocol ByteStream: AnyObject {
    /// Fills the beginning of the target; zero only at the end.
    func read(into target: UnsafeMutableRawBufferPointer) throws -> Int
}

extension ByteStream {
    /// Hands over all that comes, in pieces.
    func drain(into take: (UnsafeRawBufferPointer) throws -> Void) throws {
        let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 8)
        defer { chunk.deallocate() }
        while true {
            let count = try read(into: chunk)
            guard count > 0 else { return }
            try take(UnsafeRawBufferPointer(rebasing: chunk[..<count]))
        }
    }
}

/// A range of a file as a stream.
final class FileWindow: ByteStream {
    private let file: StatementFile
    private var position: Int
    private let end: Int

    /// How many bytes the range has.
    let size: Int

    init(_ file: StatementFile, _ range: Range<Int>? = nil) {
        let range = range ?? 0..<file.size
        self.file = file
        position = range.lowerBound
        end = range.upperBound
        size = range.count
    }

    func read(into target: UnsafeMutableRawBufferPointer) throws -> Int {
        let room = UnsafeMutableRawBufferPointer(rebasing: target[..<min(target.count, end - position)])
        let count = try file.read(at: position, into: room)
        position += count
        return count
    }
}
