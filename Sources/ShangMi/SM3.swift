import COpenSSL

/// The hash SM3 (GB/T 32905-2016), by the system's OpenSSL.
public enum SM3 {
    /// How many bytes a digest has.
    public static let digestLength = 32

    /// The digest of a message.
    ///
    /// - Throws: ``ShangMiError/unavailable`` when the system's OpenSSL was built without SM3.
    public static func digest(_ message: [UInt8]) throws(ShangMiError) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: digestLength)
        var length: UInt32 = 0
        guard EVP_Digest(message, message.count, &digest, &length, EVP_sm3(), nil) == 1, length == UInt32(digestLength)
        else { throw .unavailable }
        return digest
    }
}
