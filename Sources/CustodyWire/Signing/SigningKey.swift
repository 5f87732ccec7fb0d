import Foundation
import ShangMi

/// A private key as banks have them: RSA with SHA-256, or SM2 with SM3 under the default user id, in DER.
enum SigningKey: Sendable {
    case rsa(RSASigner)
    case sm2(SM2PrivateKey)

    /// Reads PEM; the kind of key is the one that is found in it.
    init(pem: String) throws {
        if let key = try? SM2PrivateKey(pem: pem) {
            self = .sm2(key)
        } else {
            self = .rsa(try RSASigner(pem: pem))
        }
    }

    func base64Signature(of message: [UInt8]) throws -> String {
        switch self {
        case .rsa(let key): try key.base64Signature(of: message)
        case .sm2(let key): Data(try key.signature(for: message).der).base64EncodedString()
        }
    }
}

/// The other side of ``SigningKey``.
enum VerifyingKey: Sendable {
    case rsa(RSAVerifier)
    case sm2(SM2PublicKey)

    /// Reads PEM; the kind of key is the one that is found in it.
    init(pem: String) throws {
        if let key = try? SM2PublicKey(pem: pem) {
            self = .sm2(key)
        } else {
            self = .rsa(try RSAVerifier(pem: pem))
        }
    }

    func isValid(base64 signature: String, for message: [UInt8]) -> Bool {
        switch self {
        case .rsa(let key): return key.isValid(base64: signature, for: message)
        case .sm2(let key):
            guard let bytes = Data(base64Encoded: signature), let signature = SM2Signature(der: Array(bytes)) else {
                return false
            }
            return key.isValid(signature, for: message)
        }
    }
}
