import CustodyDomain

/// Which message is signed: what the signature binds besides the bytes of the body.
public enum CWP1Subject: Hashable, Sendable {
    /// A request, or a notification, whose number is its `notifyId`.
    case request(path: String, partnerID: String, txnCode: String, number: String)
    /// An answer; its number is the request's, which binds the answer to the question.
    case response(status: Int, partnerID: String, txnCode: String, number: String)

    /// The bytes under the signature.
    ///
    /// - Throws: ``CWP1Rejection/unsupportedAlgorithm`` when the system's OpenSSL lacks the digest.
    public func stringToSign(
        algorithm: CWP1Algorithm, time: String, nonce: String, body: [UInt8]
    ) throws(CWP1Rejection) -> String {
        let lines: [String]
        switch self {
        case .request(let path, let partnerID, let txnCode, let number):
            lines = ["CWP1-REQ", algorithm.rawValue, "POST", path, partnerID, txnCode, number]
        case .response(let status, let partnerID, let txnCode, let number):
            lines = ["CWP1-RSP", algorithm.rawValue, String(status), partnerID, txnCode, number]
        }
        return (lines + [time, nonce, try algorithm.digest(of: body)]).map { $0 + "\n" }.joined()
    }
}

/// The `X-Cust-*` header fields of a message.
public struct CWP1Headers: Hashable, Sendable {
    /// How it is signed.
    public var algorithm: CWP1Algorithm
    /// The serial number of the signer's key.
    public var serial: String
    /// When it was signed: `yyyyMMddHHmmssSSS` at UTC+8.
    public var time: String
    /// 32 hexadecimal digits, never used twice.
    public var nonce: String
    /// The signature in base64.
    public var signature: String
    /// The session key of encrypted fields, wrapped to the receiver, where there are any.
    public var encryptionKey: String?

    /// Makes header fields.
    public init(
        algorithm: CWP1Algorithm, serial: String, time: String, nonce: String, signature: String,
        encryptionKey: String? = nil
    ) {
        self.algorithm = algorithm
        self.serial = serial
        self.time = time
        self.nonce = nonce
        self.signature = signature
        self.encryptionKey = encryptionKey
    }

    /// Reads header fields through a look-up that ignores case.
    public init(reading field: (String) -> String?) throws(CWP1Rejection) {
        guard let name = field("X-Cust-Alg"), let serial = field("X-Cust-Serial"), let time = field("X-Cust-Time"),
            let nonce = field("X-Cust-Nonce"), let signature = field("X-Cust-Sign")
        else { throw .missingHeader }
        guard let algorithm = CWP1Algorithm(rawValue: name) else { throw .unsupportedAlgorithm }
        self.init(
            algorithm: algorithm, serial: serial, time: time, nonce: nonce, signature: signature,
            encryptionKey: field("X-Cust-Enc-Key")
        )
    }

    /// The fields by name, ready to be sent.
    public var fields: [(String, String)] {
        var fields = [
            ("X-Cust-Alg", algorithm.rawValue), ("X-Cust-Serial", serial), ("X-Cust-Time", time),
            ("X-Cust-Nonce", nonce), ("X-Cust-Sign", signature),
        ]
        if let encryptionKey { fields.append(("X-Cust-Enc-Key", encryptionKey)) }
        return fields
    }
}

/// Why a message that came in proves nothing. The raw value is a stable code.
public enum CWP1Rejection: String, Error, CaseIterable, Hashable, Sendable {
    /// A required `X-Cust-*` field is absent.
    case missingHeader = "missing_header"
    /// An algorithm this link does not speak.
    case unsupportedAlgorithm = "unsupported_algorithm"
    /// No key of that serial number.
    case unknownSerial = "unknown_serial"
    /// Signed more than five minutes ago, or ahead.
    case staleTime = "stale_time"
    /// A nonce of another form, or one seen before.
    case badNonce = "bad_nonce"
    /// The signature does not verify.
    case badSignature = "bad_signature"
    /// The body is not the envelope it should be.
    case malformedBody = "malformed_body"
    /// Meant for another partner.
    case wrongPartner = "wrong_partner"
    /// Meant for another market.
    case wrongMarket = "wrong_market"
    /// Not a POST.
    case wrongMethod = "wrong_method"
}

/// Signs CWP/1 messages with one key.
public struct CWP1Signer: Sendable {
    /// The key's number, as the other side knows it.
    public let serial: String
    /// How it signs: the kind of its key says so.
    public var algorithm: CWP1Algorithm { key.algorithm }

    private let key: SigningKey

    /// Reads the private key once: of RSA's or SM2's, in PEM.
    public init(serial: String, privateKeyPEM: String) throws {
        self.serial = serial
        key = try SigningKey(pem: privateKeyPEM)
    }

    /// The header fields that sign a message.
    public func headers(
        for subject: CWP1Subject, body: [UInt8], at now: Instant, nonce: String = CWP1Signer.nonce(),
        encryptionKey: String? = nil
    ) throws -> CWP1Headers {
        let time = now.shanghaiCompactMilliseconds
        let text = try subject.stringToSign(algorithm: algorithm, time: time, nonce: nonce, body: body)
        return CWP1Headers(
            algorithm: algorithm, serial: serial, time: time, nonce: nonce,
            signature: try key.base64Signature(of: Array(text.utf8)), encryptionKey: encryptionKey
        )
    }

    /// 32 random hexadecimal digits.
    public static func nonce() -> String {
        var generator = SystemRandomNumberGenerator()
        return hexadecimal((0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) })
    }
}

/// Verifies CWP/1 messages by the keys of the other side.
public struct CWP1Verifier: Sendable {
    /// How far the two clocks may differ.
    public static let window: Duration = .seconds(300)

    private let keys: [String: VerifyingKey]

    /// Reads the keys once, of RSA's or SM2's; a serial number named twice is refused.
    public init(keys: [CWP1Link.BankKey]) throws {
        self.keys = try Dictionary(keys.map { ($0.serial, try VerifyingKey(pem: $0.pem)) }) { _, _ in
            throw CWP1Rejection.unknownSerial
        }
    }

    /// Returns if the signature over the raw bytes is right and fresh.
    ///
    /// The key says how it must be signed: a header that names another algorithm is refused.
    public func verify(
        _ headers: CWP1Headers, of subject: CWP1Subject, body: [UInt8], at now: Instant
    ) throws(CWP1Rejection) {
        guard let key = keys[headers.serial] else { throw .unknownSerial }
        guard key.algorithm == headers.algorithm else { throw .unsupportedAlgorithm }
        guard headers.time.utf8.count == 17, let time = Instant(text: headers.time) else { throw .staleTime }
        guard now - time <= CWP1Verifier.window, time - now <= CWP1Verifier.window else { throw .staleTime }
        guard headers.nonce.utf8.count == 32, headers.nonce.utf8.allSatisfy(isHexadecimal) else { throw .badNonce }
        let text = try subject.stringToSign(
            algorithm: headers.algorithm, time: headers.time, nonce: headers.nonce, body: body
        )
        guard key.isValid(base64: headers.signature, for: Array(text.utf8)) else { throw .badSignature }
    }
}

/// The nonces of the last ten minutes.
public struct CWP1NonceMemory: Sendable {
    private var current: Set<String> = []
    private var previous: Set<String> = []
    private var turnedAt: Instant?

    /// Starts empty.
    public init() {}

    /// Whether the nonce is new; remembers it for ten minutes at least.
    public mutating func admit(_ nonce: String, at now: Instant) -> Bool {
        if let turned = turnedAt, now - turned < .seconds(600) {
        } else {
            previous = turnedAt.map { now - $0 < .seconds(1200) } == true ? current : []
            current = []
            turnedAt = now
        }
        return !previous.contains(nonce) && current.insert(nonce).inserted
    }
}

/// Bytes in lower-case hexadecimal.
func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for byte in bytes {
        text.append(digits[Int(byte >> 4)])
        text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
}

private func isHexadecimal(_ byte: UInt8) -> Bool {
    (48...57).contains(byte) || (97...102).contains(byte) || (65...70).contains(byte)
}
