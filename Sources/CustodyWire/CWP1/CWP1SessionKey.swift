import Crypto
import CryptoExtras
import Foundation

/// The AES-256 key under which a message's personal fields travel (`{A256}…`), itself wrapped by RSA-OAEP-SHA256.
public struct CWP1SessionKey: Sendable {
    /// What marks an encrypted field.
    public static let prefix = "{A256}"

    private let key: SymmetricKey

    /// Makes a fresh key, for one message.
    public init() { key = SymmetricKey(size: .bits256) }

    /// Makes the key of 32 given bytes; nil for any other count.
    public init?(bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        key = SymmetricKey(data: bytes)
    }

    /// Unwraps `X-Cust-Enc-Key` with the receiver's private key.
    public init(wrapped: String, privateKeyPEM: String) throws {
        guard let bytes = Data(base64Encoded: wrapped) else { throw CWP1Rejection.malformedBody }
        let opened = try _RSA.Encryption.PrivateKey(pemRepresentation: privateKeyPEM)
            .decrypt(bytes, padding: .PKCS1_OAEP_SHA256)
        guard opened.count == 32 else { throw CWP1Rejection.malformedBody }
        key = SymmetricKey(data: opened)
    }

    /// Wraps the key for a receiver.
    public func wrapped(forPublicKeyPEM pem: String) throws -> String {
        let bytes = key.withUnsafeBytes { Data($0) }
        return try _RSA.Encryption.PublicKey(pemRepresentation: pem)
            .encrypt(bytes, padding: .PKCS1_OAEP_SHA256).base64EncodedString()
    }

    /// Encrypts a field under a fresh nonce.
    public func seal(_ text: String) throws -> String { try seal(text, nonce: AES.GCM.Nonce()) }

    func seal(_ text: String, nonce: AES.GCM.Nonce) throws -> String {
        let box = try AES.GCM.seal(Array(text.utf8), using: key, nonce: nonce)
        // A sealed box holds nonce ‖ ciphertext ‖ tag, which is the field's layout.
        return CWP1SessionKey.prefix + Data(box.nonce + box.ciphertext + box.tag).base64EncodedString()
    }

    /// Decrypts a field; one that was tampered with, or has no prefix, is refused.
    public func open(_ field: String) throws -> String {
        guard field.hasPrefix(CWP1SessionKey.prefix),
            let bytes = Data(base64Encoded: String(field.dropFirst(CWP1SessionKey.prefix.count)))
        else { throw CWP1Rejection.malformedBody }
        let opened = try AES.GCM.open(AES.GCM.SealedBox(combined: bytes), using: key)
        guard let text = String(validating: opened, as: UTF8.self) else { throw CWP1Rejection.malformedBody }
        return text
    }
}
