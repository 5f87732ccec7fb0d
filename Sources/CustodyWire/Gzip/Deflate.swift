import CZlib

/// Why compressed bytes were refused.
public enum InflateError: Error, Hashable, Sendable {
    /// Not a stream of the expected form, or its checksum does not hold.
    case malformed
    /// Ends before the stream does.
    case truncated
    /// Bytes follow the stream.
    case trailingBytes
    /// Larger than allowed, absolutely or for what it was made of: a bomb.
    case tooLarge
}

/// How large the inflated bytes may be.
public struct InflateLimits: Hashable, Sendable {
    /// The largest result in bytes.
    public var size: Int
    /// The largest result as a multiple of the compressed bytes; what is below ``ratioFloor`` is never refused for it.
    public var ratio: Int
    /// Results up to so many bytes may have any ratio.
    public var ratioFloor: Int

    /// For bills and bank files: 8 GiB, 200 times (DEFLATE's own limit is 1,032), 1 MiB free.
    ///
    /// What is inflated is never held, so the size only bounds the time that a file can take.
    public static let statement = InflateLimits(size: 8 << 30, ratio: 200, ratioFloor: 1 << 20)

    /// Makes limits.
    public init(size: Int, ratio: Int, ratioFloor: Int) {
        self.size = size
        self.ratio = ratio
        self.ratioFloor = ratioFloor
    }

    func allows(_ output: Int, from input: Int) -> Bool {
        output <= size && (output <= ratioFloor || output / max(ratio, 1) <= input)
    }
}

/// DEFLATE (RFC 1951), bare or in gzip's frame (RFC 1952), by zlib.
public enum Deflate {
    /// What frames the compressed bytes.
    public enum Frame: Sendable {
        /// None: a zip entry's data.
        case raw
        /// gzip, one member or several in a row.
        case gzip

        var windowBits: Int32 {
            switch self {
            case .raw: -MAX_WBITS
            case .gzip: MAX_WBITS + 16
            }
        }
    }

    /// Compresses bytes.
    public static func compressed(_ bytes: [UInt8], frame: Frame) -> [UInt8] {
        var stream = z_stream()
        guard
            deflateInit2_(
                &stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, frame.windowBits, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
                Int32(MemoryLayout<z_stream>.size)) == Z_OK
        else { preconditionFailure("zlib has no memory") }
        defer { deflateEnd(&stream) }
        var input = bytes
        var output = [UInt8](repeating: 0, count: Int(deflateBound(&stream, UInt(bytes.count))) + 64)
        let count = input.withUnsafeMutableBufferPointer { source in
            output.withUnsafeMutableBufferPointer { target in
                stream.next_in = source.baseAddress
                stream.avail_in = UInt32(source.count)
                stream.next_out = target.baseAddress
                stream.avail_out = UInt32(target.count)
                let status = deflate(&stream, Z_FINISH)
                precondition(status == Z_STREAM_END, "deflateBound is too small")
                return target.count - Int(stream.avail_out)
            }
        }
        output.removeLast(output.count - count)
        return output
    }

    /// The CRC-32 of bytes, as gzip and zip carry it.
    public static func crc32(_ bytes: [UInt8]) -> UInt32 {
        UInt32(truncatingIfNeeded: CZlib.crc32(0, bytes, UInt32(bytes.count)))
    }
}

/// gzip files (RFC 1952).
public enum Gzip {
    /// Compresses bytes.
    public static func compressed(_ bytes: [UInt8]) -> [UInt8] { Deflate.compressed(bytes, frame: .gzip) }
}
