/// An SM2 signature: two numbers, which banks write as 64 bytes or in DER.
public struct SM2Signature: Hashable, Sendable {
    /// r ‖ s, 32 bytes each.
    public let raw: [UInt8]

    /// Reads r ‖ s; nil for any other count than 64.
    public init?(raw: [UInt8]) {
        guard raw.count == 64 else { return nil }
        self.raw = raw
    }

    /// Reads a DER sequence of two integers; nil unless it is minimal and nothing follows it.
    public init?(der: [UInt8]) {
        var bytes = der[...]
        guard var content = DER.take(DER.sequence, from: &bytes), bytes.isEmpty,
            let r = DER.takeInteger(from: &content), let s = DER.takeInteger(from: &content), content.isEmpty
        else { return nil }
        raw = r + s
    }

    /// A DER sequence of two integers.
    public var der: [UInt8] {
        DER.element(DER.sequence, DER.integer(raw[..<32]) + DER.integer(raw[32...]))
    }
}
