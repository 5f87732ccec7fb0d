import COpenSSL

/// The SM4 block cipher (GB/T 32907) under one key of 16 bytes.
public struct SM4: Sendable {
    /// How many bytes a key, a block and an initialization vector have.
    public static let byteCount = 16

    private let key: [UInt8]

    /// Takes a key.
    ///
    /// - Throws: ``ShangMiError/invalidKey`` for any other count than 16.
    public init(key: [UInt8]) throws(ShangMiError) {
        guard key.count == SM4.byteCount else { throw .invalidKey }
        self.key = key
    }

    /// Makes a fresh random key.
    public static func randomKey() -> [UInt8] { randomBytes(byteCount) }

    /// ECB with PKCS#7 padding.
    public func encryptECB(_ plaintext: [UInt8]) throws(ShangMiError) -> [UInt8] {
        try run(EVP_sm4_ecb(), nil, plaintext, encrypts: true, pads: true)
    }

    /// The other side of ``encryptECB(_:)``.
    public func decryptECB(_ ciphertext: [UInt8]) throws(ShangMiError) -> [UInt8] {
        try run(EVP_sm4_ecb(), nil, ciphertext, encrypts: false, pads: true)
    }

    /// CBC with PKCS#7 padding.
    public func encryptCBC(_ plaintext: [UInt8], iv: [UInt8]) throws(ShangMiError) -> [UInt8] {
        try run(EVP_sm4_cbc(), iv, plaintext, encrypts: true, pads: true)
    }

    /// The other side of ``encryptCBC(_:iv:)``.
    public func decryptCBC(_ ciphertext: [UInt8], iv: [UInt8]) throws(ShangMiError) -> [UInt8] {
        try run(EVP_sm4_cbc(), iv, ciphertext, encrypts: false, pads: true)
    }

    /// Whole blocks one by one, without padding.
    public func encryptBlocks(_ blocks: [UInt8]) throws(ShangMiError) -> [UInt8] {
        try run(EVP_sm4_ecb(), nil, blocks, encrypts: true, pads: false)
    }

    private func run(
        _ cipher: OpaquePointer?, _ iv: [UInt8]?, _ input: [UInt8], encrypts: Bool, pads: Bool
    ) throws(ShangMiError) -> [UInt8] {
        guard iv.map({ $0.count == SM4.byteCount }) ?? true, input.count <= 1 << 30 else { throw .invalidCiphertext }
        let context = try Owned(EVP_CIPHER_CTX_new(), EVP_CIPHER_CTX_free)
        try succeed(EVP_CipherInit_ex(context.pointer, cipher, nil, key, iv, encrypts ? 1 : 0))
        try succeed(EVP_CIPHER_CTX_set_padding(context.pointer, pads ? 1 : 0))
        var result: Int32 = 0
        // An update writes no more than a block above what it reads.
        let output = [UInt8](unsafeUninitializedCapacity: input.count + 2 * SM4.byteCount) { buffer, initialized in
            var count: Int32 = 0
            var rest: Int32 = 0
            result = EVP_CipherUpdate(context.pointer, buffer.baseAddress, &count, input, Int32(input.count))
            guard result == 1 else { return }
            result = EVP_CipherFinal_ex(context.pointer, buffer.baseAddress?.advanced(by: Int(count)), &rest)
            if result == 1 { initialized = Int(count + rest) }
        }
        try succeed(result, or: .invalidCiphertext)
        return output
    }
}

/// Bytes from the system's generator.
func randomBytes(_ count: Int) -> [UInt8] {
    var generator = SystemRandomNumberGenerator()
    return (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
}
