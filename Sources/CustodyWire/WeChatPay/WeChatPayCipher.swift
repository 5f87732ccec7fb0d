import Crypto
import CryptoExtras
import Foundation

/// An encrypted part of a callback or answer (`AEAD_AES_256_GCM`).
public struct WeChatPayResource: Hashable, Sendable {
    /// The ciphertext and the 16-byte tag, in base64.
    public let ciphertext: String
    /// The nonce, used as its own bytes.
    public let nonce: String
    /// What else is authenticated; empty when absent.
    public let associatedData: String

    /// Reads `{"algorithm","ciphertext","nonce","associated_data"?}`; nil for another algorithm or a missing field.
    public init?(_ json: JSON) {
        guard json["algorithm"]?.string ?? "AEAD_AES_256_GCM" == "AEAD_AES_256_GCM",
            let ciphertext = json["ciphertext"]?.string, let nonce = json["nonce"]?.string
        else { return nil }
        self.ciphertext = ciphertext
        self.nonce = nonce
        associatedData = json["associated_data"]?.string ?? ""
    }

    /// Makes a resource of its parts.
    public init(ciphertext: String, nonce: String, associatedData: String) {
        self.ciphertext = ciphertext
        self.nonce = nonce
        self.associatedData = associatedData
    }
}

/// Why something encrypted could not be read; says nothing about its content.
public struct WeChatPayCipherError: Error, Hashable, Sendable {}

/// AES-256-GCM under the APIv3 key, for callback resources and platform certificates.
public struct WeChatPayCipher: Sendable {
    private let key: SymmetricKey

    /// Takes an APIv3 key: 32 bytes of ASCII.
    public init(apiV3Key: String) throws(WeChatPayKeyError) {
        guard apiV3Key.utf8.count == 32 else { throw .badAPIv3Key }
        key = SymmetricKey(data: Data(apiV3Key.utf8))
    }

    /// Takes a file key, as encrypted bills carry it.
    public init(fileKey: [UInt8]) throws(WeChatPayKeyError) {
        guard fileKey.count == 32 else { throw .badAPIv3Key }
        key = SymmetricKey(data: fileKey)
    }

    /// Decrypts and authenticates a resource.
    public func open(_ resource: WeChatPayResource) throws(WeChatPayCipherError) -> [UInt8] {
        guard let bytes = Data(base64Encoded: resource.ciphertext) else { throw WeChatPayCipherError() }
        return try open(Array(bytes), nonce: resource.nonce, associatedData: resource.associatedData)
    }

    /// Decrypts and authenticates bytes with the tag at their end.
    public func open(
        _ bytes: [UInt8], nonce: String, associatedData: String
    ) throws(WeChatPayCipherError) -> [UInt8] {
        guard bytes.count >= 16, let nonce = try? AES.GCM.Nonce(data: Data(nonce.utf8)),
            let box = try? AES.GCM.SealedBox(nonce: nonce, ciphertext: bytes.dropLast(16), tag: bytes.suffix(16)),
            let plain = try? AES.GCM.open(box, using: key, authenticating: Data(associatedData.utf8))
        else { throw WeChatPayCipherError() }
        return Array(plain)
    }

    /// Encrypts bytes the way WeChat Pay does.
    ///
    /// - Parameter nonce: 12 ASCII characters, never used before under this key.
    public func seal(
        _ bytes: [UInt8], nonce: String, associatedData: String
    ) throws(WeChatPayCipherError) -> WeChatPayResource {
        guard let gcmNonce = try? AES.GCM.Nonce(data: Data(nonce.utf8)),
            let box = try? AES.GCM.seal(bytes, using: key, nonce: gcmNonce, authenticating: Data(associatedData.utf8))
        else { throw WeChatPayCipherError() }
        return WeChatPayResource(
            ciphertext: (box.ciphertext + box.tag).base64EncodedString(), nonce: nonce, associatedData: associatedData)
    }

    /// Encrypts a file the way WeChat Pay does with bills: the tag at its end, nothing else authenticated.
    ///
    /// - Parameter nonce: ASCII characters, never used before under this key.
    public func sealFile(_ bytes: [UInt8], nonce: String) throws(WeChatPayCipherError) -> [UInt8] {
        let sealed = try seal(bytes, nonce: nonce, associatedData: "")
        guard let file = Data(base64Encoded: sealed.ciphertext) else { throw WeChatPayCipherError() }
        return Array(file)
    }
}

/// Sensitive fields (敏感信息): RSA-OAEP with SHA-1, in base64, both ways.
public enum WeChatPaySensitiveField {
    /// Encrypts a field for the owner of a public key.
    public static func encrypted(_ text: String, publicKeyPEM: String) throws(WeChatPayCipherError) -> String {
        guard let key = try? _RSA.Encryption.PublicKey(pemRepresentation: publicKeyPEM),
            let bytes = try? key.encrypt(Data(text.utf8), padding: .PKCS1_OAEP)
        else { throw WeChatPayCipherError() }
        return bytes.base64EncodedString()
    }

    /// Decrypts a field that was encrypted for us.
    public static func decrypted(_ text: String, privateKeyPEM: String) throws(WeChatPayCipherError) -> [UInt8] {
        guard let key = try? _RSA.Encryption.PrivateKey(pemRepresentation: privateKeyPEM),
            let bytes = Data(base64Encoded: text), let plain = try? key.decrypt(bytes, padding: .PKCS1_OAEP)
        else { throw WeChatPayCipherError() }
        return Array(plain)
    }
}
