/// The id of one kind of thing; its text form is `<prefix>_<26 characters>`.
public struct ID<Entity: Identified>: Hashable, Comparable, Sendable {
    /// The 128 bits, as stored.
    public let uuid: UUIDv7

    /// Makes an id of its bits, as read from the database.
    public init(_ uuid: UUIDv7) { self.uuid = uuid }

    /// Makes a new id.
    public init(at now: Instant) { uuid = UUIDv7(at: now) }

    /// Orders ids by their bits, that is by age.
    public static func < (lhs: ID, rhs: ID) -> Bool { lhs.uuid < rhs.uuid }

    /// `ord_01K6…`: the prefix, then the bits in Crockford's base 32, in upper case, without check symbol.
    public var text: String {
        var result = Array((Entity.idPrefix + "_").utf8)
        result.reserveCapacity(result.count + 26)
        // 130 bits in 26 digits: the first carries only three.
        for digit in 0..<26 {
            let shift = 125 - 5 * digit
            let bits: UInt64
            if shift >= 64 {
                bits = uuid.high >> UInt64(shift - 64)
            } else if shift > 59 {
                bits = uuid.high << UInt64(64 - shift) | uuid.low >> UInt64(shift)
            } else {
                bits = uuid.low >> UInt64(shift)
            }
            result.append(crockford[Int(bits & 31)])
        }
        return String(decoding: result, as: UTF8.self)
    }

    /// Reads the text form; nil for another prefix, length or alphabet. Lower case is accepted.
    public init?(_ text: some StringProtocol) {
        let characters = Array(text.utf8)
        let prefix = Array((Entity.idPrefix + "_").utf8)
        guard characters.count == prefix.count + 26, characters.starts(with: prefix) else { return nil }
        var (high, low) = (UInt64(0), UInt64(0))
        for (index, character) in characters.dropFirst(prefix.count).enumerated() {
            let upper = (97...122).contains(character) ? character - 32 : character
            guard let digit = crockford.firstIndex(of: upper), index > 0 || digit < 8 else { return nil }
            high = high << 5 | low >> 59
            low = low << 5 | UInt64(digit)
        }
        uuid = UUIDv7(high: high, low: low)
    }
}

/// A kind of thing that has ids of its own.
public protocol Identified {
    /// What the text form of its ids starts with, such as `ord`.
    static var idPrefix: String { get }
}

private let crockford = Array("0123456789ABCDEFGHJKMNPQRSTVWXYZ".utf8)
