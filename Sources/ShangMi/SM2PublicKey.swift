import COpenSSL

/// An SM2 public key: verifies and encrypts.
public struct SM2PublicKey: Hashable, Sendable {
    /// The user id that most protocols sign under.
    public static let defaultUserID = "1234567812345678"

    /// 04 ‖ x ‖ y.
    public let uncompressed: [UInt8]

    /// Takes 04 ‖ x ‖ y, or x ‖ y.
    ///
    /// - Throws: ``ShangMiError/invalidKey`` when that is no point of the curve.
    public init(bytes: [UInt8]) throws(ShangMiError) {
        let coordinates = bytes.count == 65 && bytes.first == 0x04 ? Array(bytes.dropFirst()) : bytes
        guard SM2Curve.contains(coordinates) else { throw .invalidKey }
        uncompressed = [0x04] + coordinates
    }

    /// Reads 130 or 128 hexadecimal digits, see ``init(bytes:)``.
    public init(hexadecimal: String) throws(ShangMiError) {
        guard let bytes = SM2Key.bytes(hexadecimal: hexadecimal) else { throw .invalidKey }
        try self.init(bytes: bytes)
    }

    /// Reads PEM: a public key (SubjectPublicKeyInfo), or the one in a certificate, whose chain and dates are not looked at.
    ///
    /// - Throws: ``ShangMiError/invalidKey`` for anything else, and for keys on other curves.
    public init(pem: String) throws(ShangMiError) {
        let key: Owned
        if pem.contains("-----BEGIN CERTIFICATE-----") {
            key = try SM2Key.object(pem: pem) { memory, refuse in
                guard let certificate = PEM_read_bio_X509(memory, nil, refuse, nil) else { return nil }
                defer { X509_free(certificate) }
                return X509_get_pubkey(certificate)
            }
        } else {
            key = try SM2Key.object(pem: pem) { PEM_read_bio_PUBKEY($0, nil, $1, nil) }
        }
        try self.init(bytes: try SM2Key.point(of: key.pointer))
    }

    /// SubjectPublicKeyInfo in PEM.
    public var pem: String {
        get throws(ShangMiError) {
            let key = try SM2Key.object(point: uncompressed, scalar: nil)
            return try SM2Key.pem { PEM_write_bio_PUBKEY($0, key.pointer) }
        }
    }

    /// Whether this is the signature over the message, by this key and under this user id.
    public func isValid(
        _ signature: SM2Signature, for message: [UInt8], userID: String = SM2PublicKey.defaultUserID
    ) -> Bool {
        do throws(ShangMiError) {
            let key = try SM2Key.object(point: uncompressed, scalar: nil)
            return try SM2Signing.verify(signature.der, message, key: key.pointer, userID: userID)
        } catch {
            return false
        }
    }

    /// Encrypts to the owner of this key.
    ///
    /// - Throws: ``ShangMiError/invalidCiphertext`` for an empty message, which SM2 cannot encrypt.
    public func encrypt(_ plaintext: [UInt8], layout: SM2Layout) throws(ShangMiError) -> [UInt8] {
        guard !plaintext.isEmpty else { throw .invalidCiphertext }
        let key = try SM2Key.object(point: uncompressed, scalar: nil)
        let context = try Owned(EVP_PKEY_CTX_new(key.pointer, nil), EVP_PKEY_CTX_free)
        try succeed(EVP_PKEY_encrypt_init(context.pointer))
        let der = try filled { EVP_PKEY_encrypt(context.pointer, $0, &$1, plaintext, plaintext.count) }
        guard let ciphertext = layout.writing(der) else { throw .library }
        return ciphertext
    }
}

/// A signing or verifying operation: SM3 over the user's digest Z and the message, under one key and user id.
enum SM2Signing {
    static func verify(
        _ der: [UInt8], _ message: [UInt8], key: OpaquePointer, userID: String
    ) throws(ShangMiError) -> Bool {
        let keyContext = try context(of: key, userID)
        let context = try Owned(EVP_MD_CTX_new(), EVP_MD_CTX_free)
        EVP_MD_CTX_set_pkey_ctx(context.pointer, keyContext.pointer)
        try succeed(EVP_DigestVerifyInit(context.pointer, nil, EVP_sm3(), nil, key))
        defer { ERR_clear_error() }
        return EVP_DigestVerify(context.pointer, der, der.count, message, message.count) == 1
    }

    static func sign(_ message: [UInt8], key: OpaquePointer, userID: String) throws(ShangMiError) -> [UInt8] {
        let keyContext = try context(of: key, userID)
        let context = try Owned(EVP_MD_CTX_new(), EVP_MD_CTX_free)
        EVP_MD_CTX_set_pkey_ctx(context.pointer, keyContext.pointer)
        try succeed(EVP_DigestSignInit(context.pointer, nil, EVP_sm3(), nil, key))
        return try filled { EVP_DigestSign(context.pointer, $0, &$1, message, message.count) }
    }

    /// A context that knows the user id. The digest's context uses it and does not own it.
    private static func context(of key: OpaquePointer, _ userID: String) throws(ShangMiError) -> Owned {
        let context = try Owned(EVP_PKEY_CTX_new(key, nil), EVP_PKEY_CTX_free)
        let id = Array(userID.utf8)
        try succeed(EVP_PKEY_CTX_set1_id(context.pointer, id, Int32(clamping: id.count)))
        return context
    }
}
