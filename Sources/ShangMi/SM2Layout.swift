/// How the three parts of an SM2 ciphertext are put together: the point C1, the text C2, the digest C3.
public enum SM2Layout: Hashable, Sendable, CaseIterable {
    /// C1 ‖ C3 ‖ C2, as the standard has it since 2012. Written with the point's leading 04, read with it or without.
    case c1c3c2
    /// C1 ‖ C2 ‖ C3, as older systems have it. Written with the point's leading 04, read with it or without.
    case c1c2c3
    /// A DER sequence of x, y, C3 and C2 (GM/T 0009).
    case asn1

    /// Puts OpenSSL's DER into this layout.
    func writing(_ der: [UInt8]) -> [UInt8]? {
        guard self != .asn1 else { return der }
        var bytes = der[...]
        guard var content = DER.take(DER.sequence, from: &bytes), bytes.isEmpty,
            let x = DER.takeInteger(from: &content), let y = DER.takeInteger(from: &content),
            let digest = DER.take(DER.octets, from: &content), let text = DER.take(DER.octets, from: &content),
            digest.count == SM3.byteCount, content.isEmpty
        else { return nil }
        let point = [0x04] + x + y
        return self == .c1c3c2 ? point + digest + text : point + text + digest
    }

    /// Makes OpenSSL's DER of a ciphertext in this layout; nil when it is too short to be one.
    func reading(_ ciphertext: [UInt8]) -> [UInt8]? {
        guard self != .asn1 else { return ciphertext }
        // A ciphertext without the prefix may begin with 04 by chance; the point then does not lie on the curve.
        for skipped in ciphertext.first == 0x04 ? [1, 0] : [0] {
            let body = ciphertext.dropFirst(skipped)
            guard body.count > 64 + SM3.byteCount else { continue }
            let point = Array(body.prefix(64))
            guard SM2Curve.contains(point) else { continue }
            let rest = body.dropFirst(64)
            let digest = self == .c1c3c2 ? rest.prefix(SM3.byteCount) : rest.suffix(SM3.byteCount)
            let text = self == .c1c3c2 ? rest.dropFirst(SM3.byteCount) : rest.dropLast(SM3.byteCount)
            return DER.element(
                DER.sequence,
                DER.integer(point[..<32]) + DER.integer(point[32...]) + DER.element(DER.octets, Array(digest))
                    + DER.element(DER.octets, Array(text)))
        }
        return nil
    }
}
