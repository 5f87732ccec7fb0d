/// The little of DER that signatures and ciphertexts of SM2 are made of; whatever is not minimal is refused.
enum DER {
    static let integer: UInt8 = 0x02
    static let octets: UInt8 = 0x04
    static let sequence: UInt8 = 0x30

    /// One element.
    static func element(_ tag: UInt8, _ content: [UInt8]) -> [UInt8] {
        let count = content.count
        if count < 0x80 { return [tag, UInt8(count)] + content }
        var bytes: [UInt8] = []
        var rest = count
        while rest > 0 {
            bytes.insert(UInt8(rest & 0xFF), at: 0)
            rest >>= 8
        }
        return [tag, 0x80 | UInt8(bytes.count)] + bytes + content
    }

    /// A number that is not negative.
    static func integer(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        var digits = Array(bytes.drop { $0 == 0 })
        if digits.first.map({ $0 & 0x80 != 0 }) ?? true { digits.insert(0, at: 0) }
        return element(integer, digits)
    }

    /// Takes an element of a kind off the front; nil when another, or none, stands there.
    static func take(_ tag: UInt8, from bytes: inout ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        var rest = bytes
        guard rest.popFirst() == tag, let first = rest.popFirst() else { return nil }
        var count = Int(first)
        if first >= 0x80 {
            let size = Int(first & 0x7F)
            // More than four bytes of length is no message of ours.
            guard (1...4).contains(size), rest.count >= size, rest.first != 0 else { return nil }
            count = rest.prefix(size).reduce(0) { $0 << 8 | Int($1) }
            rest = rest.dropFirst(size)
            guard count >= 0x80 else { return nil }
        }
        guard rest.count >= count else { return nil }
        defer { bytes = rest.dropFirst(count) }
        return rest.prefix(count)
    }

    /// Takes a number of at most 32 bytes off the front, filled up to 32.
    static func takeInteger(from bytes: inout ArraySlice<UInt8>) -> [UInt8]? {
        guard var digits = take(integer, from: &bytes), let first = digits.first, first & 0x80 == 0 else { return nil }
        if first == 0, digits.count > 1 {
            digits = digits.dropFirst()
            guard digits.first.map({ $0 & 0x80 != 0 }) == true else { return nil }
        }
        guard digits.count <= 32 else { return nil }
        return [UInt8](repeating: 0, count: 32 - digits.count) + digits
    }
}
