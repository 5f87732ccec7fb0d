import Glibc

/// Why a file could not be spooled. Nothing of it is left.
public enum SpoolFailure: Error, Hashable, Sendable {
    /// No room is left on the disk, or in our share of it.
    case noSpace
    /// It is longer than a file may be.
    case tooLarge(limit: Int)
    /// The directory cannot be written to; the number is the system's reason.
    case unwritable(Int32)

    /// What is wrong, in one sentence without a path.
    public var sentence: String {
        switch self {
        case .noSpace: "no space is left for fetched files"
        case .tooLarge(let limit): "longer than the \(limit) bytes that a fetched file may have"
        case .unwritable(let number): "the directory for fetched files cannot be written to (errno \(number))"
        }
    }
}

/// Where fetched files lie while they are read: a directory that nobody else can look into.
///
/// A file loses its name as soon as it is open: whatever ends the process, the system takes the space back.
public struct Spool: Hashable, Sendable {
    /// Its path.
    public let directory: String
    /// How many bytes a file may have.
    public let limit: Int

    /// 4 GiB: more than a bill of any platform, as delivered.
    public static let usualLimit = 4 << 30

    /// Names a directory; it is made, and made private, when the first file is.
    public init(directory: String, limit: Int = Spool.usualLimit) {
        self.directory = directory
        self.limit = limit
    }

    /// Begins an empty file, readable and writable by us alone.
    ///
    /// - Parameter name: What defects and the books call it; on disk it has none.
    public func file(named name: String) throws(SpoolFailure) -> SpooledFile {
        if mkdir(directory, 0o700) != 0, errno != EEXIST { throw Spool.failure() }
        // Fails when the directory is somebody else's.
        guard chmod(directory, 0o700) == 0 else { throw Spool.failure() }
        let path = "\(directory)/fetched-\(UInt64.random(in: 0...UInt64.max))"
        let number = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard number >= 0 else { throw Spool.failure() }
        let file = SpooledFile(number, name: name, limit: limit)
        guard unlink(path) == 0 else { throw Spool.failure() }
        return file
    }

    fileprivate static func failure() -> SpoolFailure {
        [ENOSPC, EDQUOT].contains(errno) ? .noSpace : .unwritable(errno)
    }
}

/// A file that is being fetched.
public final class SpooledFile {
    /// What it is called.
    public let name: String
    /// How many bytes it has by now.
    public private(set) var size = 0
    private let descriptor: FileDescriptor
    private let limit: Int

    /// Takes over an open file.
    init(_ number: Int32, name: String, limit: Int) {
        descriptor = FileDescriptor(number)
        self.name = name
        self.limit = limit
    }

    /// Writes bytes at its end.
    public func append(_ bytes: UnsafeRawBufferPointer) throws(SpoolFailure) {
        guard bytes.count <= limit - size else { throw .tooLarge(limit: limit) }
        var done = 0
        while done < bytes.count, let base = bytes.baseAddress {
            let count = write(descriptor.number, base + done, bytes.count - done)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw Spool.failure() }
            done += count
        }
        size += done
    }

    /// Writes bytes at its end.
    public func append(_ bytes: [UInt8]) throws(SpoolFailure) {
        var failure: SpoolFailure?
        bytes.withUnsafeBytes { bytes in
            do throws(SpoolFailure) { try append(bytes) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    /// What was written, to be read as often as needed; the space is free again when nobody reads it any more.
    public func finished() -> StatementFile { StatementFile(descriptor, size: size, name: name) }
}

/// An open file, closed when nobody uses it any more.
final class FileDescriptor: Sendable {
    let number: Int32

    init(_ number: Int32) { self.number = number }

    deinit { close(number) }
}
