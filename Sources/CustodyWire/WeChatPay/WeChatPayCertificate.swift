import CustodyDomain

/// A platform certificate (平台证书) as WeChat Pay hands it out; several are valid at once while it changes them.
public struct WeChatPayCertificate: Hashable, Sendable {
    /// Its serial number and PEM.
    public let key: WeChatPayLink.PlatformKey
    /// When it counts.
    public let validity: Range<Instant>

    /// Makes a certificate.
    public init(key: WeChatPayLink.PlatformKey, validity: Range<Instant>) {
        self.key = key
        self.validity = validity
    }

    /// Reads the answer of `GET /v3/certificates`, each entry decrypted with the APIv3 key.
    ///
    /// The decryption authenticates them; the response's own signature is to be verified with one of them as well.
    ///
    /// - Throws: When an entry lacks something, does not decrypt, or is another certificate than it says.
    public static func list(
        in body: [UInt8], apiV3Key: String
    ) throws(WeChatPayCipherError) -> [WeChatPayCertificate] {
        guard let cipher = try? WeChatPayCipher(apiV3Key: apiV3Key), let json = try? JSON(parsing: body),
            let entries = json["data"]?.array
        else { throw WeChatPayCipherError() }
        var certificates: [WeChatPayCertificate] = []
        for entry in entries {
            guard let serial = entry["serial_no"]?.string,
                let effectiveAt = entry["effective_time"]?.string.flatMap({ Instant(text: $0) }),
                let expiresAt = entry["expire_time"]?.string.flatMap({ Instant(text: $0) }), effectiveAt < expiresAt,
                let resource = entry["encrypt_certificate"].flatMap({ WeChatPayResource($0) })
            else { throw WeChatPayCipherError() }
            let pem = String(decoding: try cipher.open(resource), as: UTF8.self)
            let key = WeChatPayLink.PlatformKey(serial: serial, pem: pem)
            guard pem.contains("BEGIN CERTIFICATE"), (try? key.publicKeyPEM) != nil else {
                throw WeChatPayCipherError()
            }
            certificates.append(WeChatPayCertificate(key: key, validity: effectiveAt..<expiresAt))
        }
        return certificates
    }
}
