/// 128 bits that name something: a UUID of version 7, so that ids made later sort later.
public struct UUIDv7: Hashable, Comparable, Sendable {
    /// The first eight bytes, in network order.
    public let high: UInt64
    /// The last eight bytes, in network order.
    public let low: UInt64

    /// Makes an id of its two halves as they are.
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Makes a new id: 48 bits of milliseconds, then 74 random bits.
    ///
    /// - Parameter now: When the thing came to be; only orders ids, and is never read back as a time.
    public init(at now: Instant) {
        var generator = SystemRandomNumberGenerator()
        self.init(at: now, using: &generator)
    }

    /// Makes a new id of given randomness, for tests that must repeat.
    public init(at now: Instant, using generator: inout some RandomNumberGenerator) {
        let milliseconds = UInt64(bitPattern: now.microseconds / 1000) & 0xFFFF_FFFF_FFFF
        high = milliseconds << 16 | 0x7000 | UInt64.random(in: 0...0xFFF, using: &generator)
        low = 0x8000_0000_0000_0000 | UInt64.random(in: 0...0x3FFF_FFFF_FFFF_FFFF, using: &generator)
    }

    /// Orders ids by their bytes, as PostgreSQL orders `uuid`.
    public static func < (lhs: UUIDv7, rhs: UUIDv7) -> Bool { (lhs.high, lhs.low) < (rhs.high, rhs.low) }

    /// The 16 bytes, in network order.
    public var bytes: [UInt8] {
        [high, low].flatMap { half in (0..<8).map { UInt8(truncatingIfNeeded: half >> (56 - 8 * UInt64($0))) } }
    }

    /// The id of 16 bytes in network order; nil for any other count.
    public init?(bytes: some Collection<UInt8>) {
        guard bytes.count == 16 else { return nil }
        let halves = bytes.reduce(into: (high: UInt64(0), low: UInt64(0))) { halves, byte in
            halves.high = halves.high << 8 | halves.low >> 56
            halves.low = halves.low << 8 | UInt64(byte)
        }
        self.init(high: halves.high, low: halves.low)
    }

    /// The usual text, `0199b2c4-…`, in lower case.
    public var text: String {
        let digits = Array("0123456789abcdef".utf8)
        var result: [UInt8] = []
        result.reserveCapacity(36)
        for (index, byte) in bytes.enumerated() {
            if [4, 6, 8, 10].contains(index) { result.append(UInt8(ascii: "-")) }
            result.append(digits[Int(byte >> 4)])
            result.append(digits[Int(byte & 15)])
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// Reads the usual text; nil for anything else.
    public init?(text: some StringProtocol) {
        let characters = Array(text.utf8)
        guard characters.count == 36 else { return nil }
        var (high, low) = (UInt64(0), UInt64(0))
        for (index, character) in characters.enumerated() {
            if [8, 13, 18, 23].contains(index) {
                guard character == UInt8(ascii: "-") else { return nil }
                continue
            }
            let digit: UInt64
            switch character {
            case 48...57: digit = UInt64(character - 48)
            case 97...102: digit = UInt64(character - 87)
            case 65...70: digit = UInt64(character - 55)
            default: return nil
            }
            high = high << 4 | low >> 60
            low = low << 4 | digit
        }
        self.init(high: high, low: low)
    }
}
