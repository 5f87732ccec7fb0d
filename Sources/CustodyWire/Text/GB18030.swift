import Glibc

/// Chinese text as the channels' files are written: GB18030, of which GBK is a part; through glibc's iconv.
public enum GB18030 {
    /// Why a text could not be converted.
    public struct Defect: Error, Hashable, Sendable {
        /// The count of bytes before the first one that makes no sense.
        public let offset: Int
    }

    /// Reads bytes, strictly.
    public static func decode(_ bytes: [UInt8]) throws(Defect) -> String {
        String(decoding: try convert(bytes, from: "GB18030", to: "UTF-8"), as: UTF8.self)
    }

    /// Writes text; every character of Unicode has its place.
    public static func encode(_ text: String) throws(Defect) -> [UInt8] {
        try convert(Array(text.utf8), from: "UTF-8", to: "GB18030")
    }

    private static func convert(_ bytes: [UInt8], from: String, to: String) throws(Defect) -> [UInt8] {
        guard let converter = Converter(from: from, to: to) else { throw Defect(offset: 0) }
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count * 3 / 2)
        var input = bytes.map { CChar(bitPattern: $0) }
        var chunk = [CChar](repeating: 0, count: 64 << 10)
        let failedAt: Int? = input.withUnsafeMutableBufferPointer { source in
            var position = source.baseAddress
            var left = source.count
            while left > 0 {
                let (result, reason) = chunk.withUnsafeMutableBufferPointer { target in
                    var end = target.baseAddress
                    var room = target.count
                    let result = iconv(converter.descriptor, &position, &left, &end, &room)
                    let reason = errno
                    output.append(
                        contentsOf: target.prefix(target.count - room).lazy.map { UInt8(bitPattern: $0) })
                    return (result, reason)
                }
                if result == -1, reason != E2BIG { return source.count - left }
            }
            return nil
        }
        if let failedAt { throw Defect(offset: failedAt) }
        return output
    }
}

/// glibc's iconv between two encodings, open until nobody needs it.
final class Converter {
    fileprivate let descriptor: iconv_t

    /// Opens a conversion; nil where the C library came without its tables.
    init?(from: String, to: String) {
        // iconv_open answers (iconv_t) -1 for a conversion it does not know.
        guard let descriptor = iconv_open(to, from), Int(bitPattern: descriptor) != -1 else { return nil }
        self.descriptor = descriptor
    }

    deinit { iconv_close(descriptor) }

    /// Converts one character into at most four bytes; nil when it is none.
    func convert(_ source: UnsafePointer<UInt8>, _ count: Int, into target: UnsafeMutablePointer<UInt8>) -> Int? {
        var position: UnsafeMutablePointer<CChar>? = UnsafeMutableRawPointer(mutating: source)
            .assumingMemoryBound(to: CChar.self)
        var end: UnsafeMutablePointer<CChar>? = UnsafeMutableRawPointer(target).assumingMemoryBound(to: CChar.self)
        var (left, room) = (count, 4)
        guard iconv(descriptor, &position, &left, &end, &room) != -1, left == 0 else {
            _ = iconv(descriptor, nil, nil, nil, nil)
            return nil
        }
        return 4 - room
    }
}
