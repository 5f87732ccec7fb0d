import CZlib
import CustodyDomain

/// Inflates a stream piece by piece, in bounded memory, and stops as soon as its output breaks the limits.
final class Inflater: ByteStream {
    private let source: FileWindow
    private let frame: Deflate.Frame
    private let limits: InflateLimits
    private let stream: UnsafeMutablePointer<z_stream>
    private let input: UnsafeMutableRawBufferPointer
    private var isAtMemberEnd = false
    private var isSourceEmpty = false
    private var output = 0

    init(_ source: FileWindow, frame: Deflate.Frame, limits: InflateLimits) {
        self.source = source
        self.frame = frame
        self.limits = limits
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        input = .allocate(byteCount: 128 << 10, alignment: 8)
        let status = inflateInit2_(stream, frame.windowBits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        precondition(status == Z_OK, "zlib has no memory")
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
        input.deallocate()
    }

    func read(into target: UnsafeMutableRawBufferPointer) throws -> Int {
        guard let base = target.baseAddress?.assumingMemoryBound(to: UInt8.self), target.count > 0 else { return 0 }
        while true {
            if stream.pointee.avail_in == 0, !isSourceEmpty { try refill() }
            if isAtMemberEnd {
                if stream.pointee.avail_in == 0 { return 0 }
                guard frame == .gzip else { throw InflateError.trailingBytes }
                inflateReset(stream)
                isAtMemberEnd = false
            }
            stream.pointee.next_out = base
            stream.pointee.avail_out = UInt32(clamping: target.count)
            let status = inflate(stream, Z_NO_FLUSH)
            let count = min(target.count, Int(UInt32.max)) - Int(stream.pointee.avail_out)
            output += count
            guard limits.allows(output, from: source.size) else { throw InflateError.tooLarge }
            switch status {
            case Z_STREAM_END: isAtMemberEnd = true
            case Z_OK: break
            case Z_BUF_ERROR where count == 0 && stream.pointee.avail_in == 0:
                if isSourceEmpty { throw InflateError.truncated }
            default: throw InflateError.malformed
            }
            if count > 0 { return count }
            if !isAtMemberEnd, isSourceEmpty, stream.pointee.avail_in == 0 { throw InflateError.truncated }
        }
    }

    private func refill() throws {
        let count = try source.read(into: input)
        isSourceEmpty = count == 0
        stream.pointee.next_in = input.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_in = UInt32(count)
    }
}

/// Verifies the size and CRC-32 that a zip file's directory states of an entry, at its end.
final class CheckedStream: ByteStream {
    private let source: any ByteStream
    private let size: Int
    private let checksum: UInt32
    private var count = 0
    private var sum: UInt = 0

    init(_ source: any ByteStream, size: Int, checksum: UInt32) {
        self.source = source
        self.size = size
        self.checksum = checksum
    }

    func read(into target: UnsafeMutableRawBufferPointer) throws -> Int {
        let read = try source.read(into: target)
        guard read > 0 else {
            guard count == size else { throw ZipArchive.Defect.malformed("an entry's size differs") }
            guard UInt32(truncatingIfNeeded: sum) == checksum else { throw ZipArchive.Defect.badChecksum }
            return 0
        }
        count += read
        guard count <= size else { throw ZipArchive.Defect.tooLarge }
        sum = CZlib.crc32(sum, target.baseAddress?.assumingMemoryBound(to: UInt8.self), UInt32(read))
        return read
    }
}
