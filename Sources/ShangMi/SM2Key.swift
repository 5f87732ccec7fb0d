import COpenSSL

/// OpenSSL's objects for SM2 keys. A key of ours is bytes; the object lives as long as one operation, so that nothing is
/// shared between threads.
enum SM2Key {
    /// Makes an object of a point (04 ‖ x ‖ y) and, for a private key, its number.
    static func object(point: [UInt8], scalar: [UInt8]?) throws(ShangMiError) -> Owned {
        guard point.count == 65, scalar.map({ $0.count == 32 }) ?? true else { throw .invalidKey }
        return try Owned(COpenSSL_sm2_key(point, scalar), EVP_PKEY_free, or: .invalidKey)
    }

    /// Reads PEM through OpenSSL; a key under a passphrase is refused, not asked for.
    static func object(
        pem: String, _ read: (OpaquePointer, @escaping PassphraseCallback) -> OpaquePointer?
    ) throws(ShangMiError) -> Owned {
        let bytes = Array(pem.utf8)
        let memory = try Owned(BIO_new_mem_buf(bytes, Int32(clamping: bytes.count))) { _ = BIO_free($0) }
        let key = try Owned(read(memory.pointer) { _, _, _, _ in 0 }, EVP_PKEY_free, or: .invalidKey)
        ERR_clear_error()
        guard try groupName(of: key.pointer) == "SM2" else { throw .invalidKey }
        return key
    }

    typealias PassphraseCallback =
        @convention(c) (UnsafeMutablePointer<CChar>?, Int32, Int32, UnsafeMutableRawPointer?) -> Int32

    private static func groupName(of key: OpaquePointer) throws(ShangMiError) -> String {
        var name = [CChar](repeating: 0, count: 64)
        var count = 0
        try succeed(EVP_PKEY_get_group_name(key, &name, name.count, &count), or: .invalidKey)
        return String(decoding: name.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// A number of a key, in 32 bytes.
    static func number(_ name: String, of key: OpaquePointer) throws(ShangMiError) -> [UInt8] {
        var found: OpaquePointer?
        try succeed(EVP_PKEY_get_bn_param(key, name, &found), or: .invalidKey)
        let number = try Owned(found, BN_clear_free)
        var count: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: 32) { buffer, initialized in
            count = BN_bn2binpad(number.pointer, buffer.baseAddress, 32)
            initialized = max(0, Int(count))
        }
        guard bytes.count == 32 else { throw .invalidKey }
        return bytes
    }

    /// The point of a key, as 04 ‖ x ‖ y.
    static func point(of key: OpaquePointer) throws(ShangMiError) -> [UInt8] {
        try [0x04] + number(OSSL_PKEY_PARAM_EC_PUB_X, of: key) + number(OSSL_PKEY_PARAM_EC_PUB_Y, of: key)
    }

    /// Writes PEM through OpenSSL.
    static func pem(_ write: (OpaquePointer) -> Int32) throws(ShangMiError) -> String {
        let memory = try Owned(BIO_new(BIO_s_mem())) { _ = BIO_free($0) }
        try succeed(write(memory.pointer))
        var text: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 512)
        while true {
            let count = BIO_read(memory.pointer, &chunk, Int32(chunk.count))
            guard count > 0 else { break }
            text += chunk.prefix(Int(count))
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// 2n hexadecimal digits as n bytes.
    static func bytes(hexadecimal text: String) -> [UInt8]? {
        let digits = Array(text.utf8)
        guard digits.count % 2 == 0 else { return nil }
        var bytes: [UInt8] = []
        for start in stride(from: 0, to: digits.count, by: 2) {
            guard digits[start..<start + 2].allSatisfy(isHexadecimal),
                let byte = UInt8(String(decoding: digits[start..<start + 2], as: UTF8.self), radix: 16)
            else { return nil }
            bytes.append(byte)
        }
        return bytes
    }

    private static func isHexadecimal(_ digit: UInt8) -> Bool {
        (48...57).contains(digit) || (97...102).contains(digit) || (65...70).contains(digit)
    }
}
