import CustodyDomain

/// Verifies what WeChat Pay signs: responses and callbacks, over the raw bytes, with the key its header names.
public struct WeChatPayVerifier: Sendable {
    /// Why something signed is not believed.
    public enum Rejection: Error, Hashable, Sendable {
        /// A header is missing, appears twice or is not what it should be.
        case badHeader(String)
        /// The timestamp is five minutes or more away from now.
        case stale
        /// A key we don't know; there is no falling back to another.
        case unknownSerial
        /// A platform certificate before or after its time.
        case expired
        /// A probe (`WECHATPAY/SIGNTEST/…`): WeChat wants to see it refused.
        case probe
        /// The signature does not hold.
        case badSignature
    }

    /// How far a timestamp may be from now, exclusively.
    public static let window = Duration.seconds(300)

    private struct Key {
        let verifier: RSAVerifier
        /// When it counts; nil for one that was configured.
        let validity: Range<Instant>?
    }

    private var keys: [String: Key] = [:]

    /// Reads a link's platform keys, all of them.
    public init(_ link: WeChatPayLink) throws(WeChatPayKeyError) {
        for key in link.platformKeys { keys[key.serial] = Key(verifier: try key.verifier(), validity: nil) }
    }

    /// Believes downloaded certificates too, each in its time; those that were configured stay as they are.
    public mutating func add(_ certificates: [WeChatPayCertificate]) throws(WeChatPayKeyError) {
        for certificate in certificates where keys[certificate.key.serial] == nil {
            keys[certificate.key.serial] = Key(
                verifier: try certificate.key.verifier(), validity: certificate.validity)
        }
    }

    /// Whether a key of this serial number is known.
    public func knows(_ serial: String) -> Bool { keys[serial] != nil }

    /// The serial number that a response or callback names; nil when it names none or several.
    public static func serial(in headers: [(name: String, value: String)]) -> String? {
        try? field("Wechatpay-Serial", in: headers)
    }

    /// The bytes that are signed for a response or callback.
    public static func message(timestamp: String, nonce: String, body: [UInt8]) -> [UInt8] {
        Array("\(timestamp)\n\(nonce)\n".utf8) + body + [0x0A]
    }

    /// Verifies a response or callback.
    ///
    /// - Parameters:
    ///   - headers: All header fields, names in any case.
    ///   - body: The body's raw bytes.
    ///   - now: Real time.
    public func verify(
        headers: [(name: String, value: String)], body: [UInt8], now: Instant
    ) throws(Rejection) {
        let serial = try Self.field("Wechatpay-Serial", in: headers)
        guard let key = keys[serial] else { throw .unknownSerial }
        if let validity = key.validity, !validity.contains(now) { throw .expired }
        try Self.verify(headers: headers, body: body, now: now, key: key.verifier)
    }

    /// Verifies against a link without keeping its keys: reads only the key that the header names.
    static func verify(
        headers: [(name: String, value: String)], body: [UInt8], link: WeChatPayLink, now: Instant
    ) throws(Rejection) {
        let serial = try field("Wechatpay-Serial", in: headers)
        guard let key = link.platformKeys.first(where: { $0.serial == serial }) else { throw .unknownSerial }
        guard let verifier = try? key.verifier() else { throw .unknownSerial }
        try verify(headers: headers, body: body, now: now, key: verifier)
    }

    private static func verify(
        headers: [(name: String, value: String)], body: [UInt8], now: Instant, key: RSAVerifier
    ) throws(Rejection) {
        let timestamp = try field("Wechatpay-Timestamp", in: headers)
        let nonce = try field("Wechatpay-Nonce", in: headers)
        let signature = try field("Wechatpay-Signature", in: headers)
        let type = headers.first { $0.name.lowercased() == "wechatpay-signature-type" }?.value
        guard type == nil || type == WeChatPayRequestSigner.scheme else {
            throw .badHeader("Wechatpay-Signature-Type")
        }
        guard timestamp.utf8.count <= 12, timestamp.utf8.allSatisfy({ (48...57).contains($0) }),
            let seconds = Int64(timestamp)
        else { throw .badHeader("Wechatpay-Timestamp") }
        guard !signature.hasPrefix("WECHATPAY/SIGNTEST/") else { throw .probe }
        let distance = now.microseconds - seconds * 1_000_000
        guard (-window.components.seconds * 1_000_000 + 1..<window.components.seconds * 1_000_000).contains(distance)
        else {
            throw .stale
        }
        guard key.isValid(base64: signature, for: message(timestamp: timestamp, nonce: nonce, body: body)) else {
            throw .badSignature
        }
    }

    private static func field(
        _ name: String, in headers: [(name: String, value: String)]
    ) throws(Rejection) -> String {
        let wanted = name.lowercased()
        let values = headers.filter { $0.name.lowercased() == wanted }
        guard values.count == 1, let value = values.first?.value, !value.isEmpty else { throw .badHeader(name) }
        return value
    }
}
