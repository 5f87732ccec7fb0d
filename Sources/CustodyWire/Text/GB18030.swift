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
        let descriptor = iconv_open(to, from)
        // iconv_open answers (iconv_t) -1 where the C library came without its conversion tables.
        guard let descriptor, Int(bitPattern: descriptor) != -1 else { throw Defect(offset: 0) }
        defer { iconv_close(descriptor) }
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
                    let result = iconv(descriptor, &position, &left, &end, &room)
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
