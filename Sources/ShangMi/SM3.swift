import COpenSSL

/// The SM3 digest (GB/T 32905): 32 bytes.
public enum SM3 {
    /// How many bytes a digest has.
    public static let byteCount = 32

    /// The digest of bytes.
    public static func digest(of message: [UInt8]) throws(ShangMiError) -> [UInt8] {
        var result: Int32 = 0
        let digest = [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, initialized in
            result = EVP_Digest(message, message.count, buffer.baseAddress, nil, EVP_sm3(), nil)
            initialized = result == 1 ? byteCount : 0
        }
        try succeed(result)
        return digest
    }

    /// The keyed digest (HMAC, RFC 2104) of bytes.
    public static func authenticationCode(of message: [UInt8], key: [UInt8]) throws(ShangMiError) -> [UInt8] {
        var isDone = false
        let code = [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, initialized in
            var count = 0
            isDone =
                EVP_Q_mac(
                    nil, "HMAC", nil, "SM3", nil, key, key.count, message, message.count, buffer.baseAddress,
                    buffer.count, &count) != nil && count == byteCount
            initialized = isDone ? byteCount : 0
        }
        try succeed(isDone ? 1 : 0)
        return code
    }
}
