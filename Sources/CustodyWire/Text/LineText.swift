/// In what a file's text is written.
enum TextEncoding {
    /// UTF-8, strictly.
    case utf8
    /// GB18030, of which GBK is a part.
    case gb18030
}

/// Why a line is no text.
enum LineFailure: Error {
    /// Not in the encoding.
    case malformed
    /// Holds U+0000, which no database keeps.
    case zero
}

/// Whether bytes are text in UTF-8 (RFC 3629: no overlong forms, no surrogates) without U+0000; nil when they are.
func failure(ofUTF8 line: TextSlice) -> LineFailure? {
    let (start, count) = (line.start, line.count)
    let raw = UnsafeRawPointer(start)
    var index = 0
    while index < count {
        if index + 8 <= count {
            let word = raw.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            let high = word & 0x8080_8080_8080_8080
            if high == 0, (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080 == 0 {
                index += 8
                continue
            }
        }
        let byte = start[index]
        if byte < 0x80 {
            if byte == 0 { return .zero }
            index += 1
            continue
        }
        guard let length = lengthOfSequence(start + index, room: count - index) else { return .malformed }
        index += length
    }
    return nil
}

/// How long the well-formed sequence of a scalar beyond ASCII is; nil when it is not well formed.
@inline(__always)
private func lengthOfSequence(_ start: UnsafePointer<UInt8>, room: Int) -> Int? {
    @inline(__always)
    func isTail(_ index: Int) -> Bool { start[index] & 0xC0 == 0x80 }
    switch start[0] {
    case 0xE1...0xEC, 0xEE, 0xEF: return room >= 3 && isTail(1) && isTail(2) ? 3 : nil
    case 0xC2...0xDF: return room >= 2 && isTail(1) ? 2 : nil
    case 0xE0: return room >= 3 && (0xA0...0xBF).contains(start[1]) && isTail(2) ? 3 : nil
    case 0xED: return room >= 3 && (0x80...0x9F).contains(start[1]) && isTail(2) ? 3 : nil
    case 0xF0: return room >= 4 && (0x90...0xBF).contains(start[1]) && isTail(2) && isTail(3) ? 4 : nil
    case 0xF1...0xF3: return room >= 4 && isTail(1) && isTail(2) && isTail(3) ? 4 : nil
    case 0xF4: return room >= 4 && (0x80...0x8F).contains(start[1]) && isTail(2) && isTail(3) ? 4 : nil
    default: return nil
    }
}

/// Turns lines in GB18030 into UTF-8, ASCII eight bytes at a time and two-byte characters by a table made with iconv.
struct GB18030Lines {
    private let output: UnsafeMutablePointer<UInt8>
    private let table: UnsafeMutablePointer<UInt32>
    private let converter = Converter(from: "GB18030", to: "UTF-8")

    /// Makes a decoder for lines of at most so many bytes.
    init(longest: Int) {
        // Two bytes become three at most, or four for the few beyond the basic plane; eight more for the last word.
        output = .allocate(capacity: longest * 2 + 16)
        table = GB18030Table.shared.copy()
    }

    func deallocate() {
        output.deallocate()
        table.deallocate()
    }

    /// A line in UTF-8, valid until the next one.
    func decode(_ line: TextSlice) -> Result<TextSlice, LineFailure> {
        let (start, count) = (line.start, line.count)
        let (source, target) = (UnsafeRawPointer(start), UnsafeMutableRawPointer(output))
        var (index, end) = (0, 0)
        while index < count {
            if index + 8 <= count {
                let word = source.loadUnaligned(fromByteOffset: index, as: UInt64.self)
                if word & 0x8080_8080_8080_8080 == 0 {
                    if (word &- 0x0101_0101_0101_0101) & ~word & 0x8080_8080_8080_8080 != 0 { return .failure(.zero) }
                    target.storeBytes(of: word, toByteOffset: end, as: UInt64.self)
                    index += 8
                    end += 8
                    continue
                }
            }
            let byte = start[index]
            if byte < 0x80 {
                if byte == 0 { return .failure(.zero) }
                output[end] = byte
                index += 1
                end += 1
                continue
            }
            guard index + 1 < count else { return .failure(.malformed) }
            let packed = table[Int(byte) << 8 | Int(start[index + 1])]
            if packed != 0 {
                target.storeBytes(of: packed, toByteOffset: end, as: UInt32.self)
                index += 2
                end += packed < 0x1_0000 ? 2 : packed < 0x100_0000 ? 3 : 4
            } else {
                // Four bytes: rare characters, which iconv knows.
                guard index + 3 < count, (0x30...0x39).contains(start[index + 1]),
                    let length = converter?.convert(start + index, 4, into: output + end)
                else { return .failure(.malformed) }
                index += 4
                end += length
            }
        }
        return .success(TextSlice(output, end))
    }
}

/// Characters of two bytes by their bytes, as their UTF-8 in the order of memory; zero where there is none.
final class GB18030Table: Sendable {
    /// Made once, by iconv.
    static let shared = GB18030Table()

    private let entries: [UInt32]

    private init() {
        var entries = [UInt32](repeating: 0, count: 1 << 16)
        let converter = Converter(from: "GB18030", to: "UTF-8")
        let bytes = UnsafeMutablePointer<UInt8>.allocate(capacity: 8)
        defer { bytes.deallocate() }
        for first in 0x81...0xFE {
            for second in 0x40...0xFE {
                (bytes[0], bytes[1]) = (UInt8(first), UInt8(second))
                guard let length = converter?.convert(bytes, 2, into: bytes + 4) else { continue }
                for index in (0..<length).reversed() {
                    entries[first << 8 | second] = entries[first << 8 | second] << 8 | UInt32(bytes[4 + index])
                }
            }
        }
        self.entries = entries
    }

    /// Copies it to where no bounds are checked.
    func copy() -> UnsafeMutablePointer<UInt32> {
        let copy = UnsafeMutablePointer<UInt32>.allocate(capacity: entries.count)
        copy.initialize(from: entries, count: entries.count)
        return copy
    }
}
