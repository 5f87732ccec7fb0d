import COpenSSL

/// An SM2 private key: signs and decrypts. Secret.
public struct SM2PrivateKey: Sendable {
    /// The key that belongs to it.
    public let publicKey: SM2PublicKey

    private let scalar: [UInt8]

    /// Makes a fresh key.
    public init() throws(ShangMiError) {
        let context = try Owned(EVP_PKEY_CTX_new_from_name(nil, "SM2", nil), EVP_PKEY_CTX_free)
        try succeed(EVP_PKEY_keygen_init(context.pointer))
        var made: OpaquePointer?
        try succeed(EVP_PKEY_generate(context.pointer, &made))
        try self.init(reading: try Owned(made, EVP_PKEY_free))
    }

    /// Takes a number of 32 bytes.
    ///
    /// - Throws: ``ShangMiError/invalidKey`` unless it is from 1 to n − 2.
    public init(bytes: [UInt8]) throws(ShangMiError) {
        guard bytes.count == 32 else { throw .invalidKey }
        publicKey = try SM2PublicKey(bytes: try SM2Curve.point(of: bytes))
        scalar = bytes
    }

    /// Reads 64 hexadecimal digits, see ``init(bytes:)``.
    public init(hexadecimal: String) throws(ShangMiError) {
        guard let bytes = SM2Key.bytes(hexadecimal: hexadecimal) else { throw .invalidKey }
        try self.init(bytes: bytes)
    }

    /// Reads PEM without a passphrase: PKCS#8 (`PRIVATE KEY`) or SEC1 (`EC PRIVATE KEY`).
    ///
    /// - Throws: ``ShangMiError/invalidKey`` for anything else, and for keys on other curves.
    public init(pem: String) throws(ShangMiError) {
        try self.init(reading: try SM2Key.object(pem: pem) { PEM_read_bio_PrivateKey($0, nil, $1, nil) })
    }

    private init(reading key: consuming Owned) throws(ShangMiError) {
        try self.init(bytes: try SM2Key.number(OSSL_PKEY_PARAM_PRIV_KEY, of: key.pointer))
    }

    /// PKCS#8 in PEM. Secret.
    public var pem: String {
        get throws(ShangMiError) {
            let key = try SM2Key.object(point: publicKey.uncompressed, scalar: scalar)
            return try SM2Key.pem { PEM_write_bio_PrivateKey($0, key.pointer, nil, nil, 0, nil, nil) }
        }
    }

    /// Signs a message under a user id; every signature is another.
    public func signature(
        for message: [UInt8], userID: String = SM2PublicKey.defaultUserID
    ) throws(ShangMiError) -> SM2Signature {
        let key = try SM2Key.object(point: publicKey.uncompressed, scalar: scalar)
        let der = try SM2Signing.sign(message, key: key.pointer, userID: userID)
        guard let signature = SM2Signature(der: der) else { throw .library }
        return signature
    }

    /// Decrypts what was encrypted to this key.
    ///
    /// - Throws: ``ShangMiError/invalidCiphertext`` when it was tampered with, or encrypted to another key.
    public func decrypt(_ ciphertext: [UInt8], layout: SM2Layout) throws(ShangMiError) -> [UInt8] {
        guard let der = layout.reading(ciphertext) else { throw .invalidCiphertext }
        let key = try SM2Key.object(point: publicKey.uncompressed, scalar: scalar)
        let context = try Owned(EVP_PKEY_CTX_new(key.pointer, nil), EVP_PKEY_CTX_free)
        try succeed(EVP_PKEY_decrypt_init(context.pointer))
        return try filled(or: .invalidCiphertext) { EVP_PKEY_decrypt(context.pointer, $0, &$1, der, der.count) }
    }
}
