import Crypto
import CryptoExtras
import Foundation
import ShangMi

/// The key under which a message's personal fields travel, itself encrypted to the receiver.
///
/// Beside RSA: AES-256-GCM (`{A256}` and base64 of nonce ‖ ciphertext ‖ tag), wrapped by RSA-OAEP-SHA256. Beside SM2:
/// SM4-CBC (`{SM4}` and base64 of iv ‖ ciphertext), wrapped by SM2 (04 ‖ C1 ‖ C3 ‖ C2). The message's signature covers
/// the fields either way.
public struct CWP1SessionKey: Sendable {
    private enum Cipher: Sendable {
        case aes(SymmetricKey)
        case sm4(SM4, key: [UInt8])
    }

    private let cipher: Cipher

    /// Makes a fresh key, for one message to a receiver whose keys are of that kind.
    public init(_ algorithm: CWP1Algorithm = .rsaSHA256) throws {
        switch algorithm {
        case .rsaSHA256: cipher = .aes(SymmetricKey(size: .bits256))
        case .sm2SM3: self = try CWP1SessionKey(bytes: SM4.randomKey())
        }
    }

    /// Makes the key of given bytes: 32 for AES-256, 16 for SM4.
    ///
    /// - Throws: For any other count.
    public init(bytes: [UInt8]) throws {
        switch bytes.count {
        case 32: cipher = .aes(SymmetricKey(data: bytes))
        case SM4.byteCount: cipher = .sm4(try SM4(key: bytes), key: bytes)
        default: throw CWP1Rejection.malformedBody
        }
    }

    /// Unwraps `X-Cust-Enc-Key` with the receiver's private key.
    public init(wrapped: String, privateKeyPEM: String) throws {
        guard let bytes = Data(base64Encoded: wrapped) else { throw CWP1Rejection.malformedBody }
        let isSM2: Bool
        let opened: [UInt8]
        if let key = try? SM2PrivateKey(pem: privateKeyPEM) {
            isSM2 = true
            opened = try key.decrypt(Array(bytes), layout: .c1c3c2)
        } else {
            isSM2 = false
            opened = Array(
                try _RSA.Encryption.PrivateKey(pemRepresentation: privateKeyPEM)
                    .decrypt(bytes, padding: .PKCS1_OAEP_SHA256))
        }
        guard opened.count == (isSM2 ? SM4.byteCount : 32) else { throw CWP1Rejection.malformedBody }
        try self.init(bytes: opened)
    }

    /// Wraps the key for a receiver.
    ///
    /// - Throws: When the receiver's key is of the other kind.
    public func wrapped(forPublicKeyPEM pem: String) throws -> String {
        switch cipher {
        case .aes(let key):
            return try _RSA.Encryption.PublicKey(pemRepresentation: pem)
                .encrypt(key.withUnsafeBytes { Data($0) }, padding: .PKCS1_OAEP_SHA256).base64EncodedString()
        case .sm4(_, let key):
            return Data(try SM2PublicKey(pem: pem).encrypt(key, layout: .c1c3c2)).base64EncodedString()
        }
    }

    /// Whether a field's text is encrypted.
    public static func isSealed(_ text: String) -> Bool { text.hasPrefix(aesPrefix) || text.hasPrefix(sm4Prefix) }

    private static let aesPrefix = "{A256}"
    private static let sm4Prefix = "{SM4}"

    /// Encrypts a field under a fresh nonce.
    public func seal(_ text: String) throws -> String {
        switch cipher {
        case .aes: try seal(text, nonce: Array(AES.GCM.Nonce()))
        case .sm4: try seal(text, nonce: SM4.randomKey())
        }
    }

    /// Encrypts a field under a nonce of 12 bytes, or an initialization vector of 16.
    func seal(_ text: String, nonce: [UInt8]) throws -> String {
        switch cipher {
        case .aes(let key):
            let box = try AES.GCM.seal(Array(text.utf8), using: key, nonce: AES.GCM.Nonce(data: nonce))
            return CWP1SessionKey.aesPrefix + Data(box.nonce + box.ciphertext + box.tag).base64EncodedString()
        case .sm4(let cipher, _):
            let ciphertext = try cipher.encryptCBC(Array(text.utf8), iv: nonce)
            return CWP1SessionKey.sm4Prefix + Data(nonce + ciphertext).base64EncodedString()
        }
    }

    /// Decrypts a field; one that was tampered with, or is under another cipher, is refused.
    public func open(_ field: String) throws -> String {
        let prefix: String
        switch cipher {
        case .aes: prefix = CWP1SessionKey.aesPrefix
        case .sm4: prefix = CWP1SessionKey.sm4Prefix
        }
        guard field.hasPrefix(prefix), let bytes = Data(base64Encoded: String(field.dropFirst(prefix.count))) else {
            throw CWP1Rejection.malformedBody
        }
        let opened: [UInt8]
        switch cipher {
        case .aes(let key): opened = Array(try AES.GCM.open(AES.GCM.SealedBox(combined: bytes), using: key))
        case .sm4(let cipher, _):
            guard bytes.count > SM4.byteCount else { throw CWP1Rejection.malformedBody }
            opened = try cipher.decryptCBC(
                Array(bytes.dropFirst(SM4.byteCount)), iv: Array(bytes.prefix(SM4.byteCount)))
        }
        guard let text = String(validating: opened, as: UTF8.self) else { throw CWP1Rejection.malformedBody }
        return text
    }
}
