import Crypto
import CustodyDomain
import Foundation
import ShangMi

/// How CWP/1 messages are signed (`X-Cust-Alg`), which also says how their personal fields are encrypted.
public enum CWP1Algorithm: String, CaseIterable, Hashable, Sendable {
    /// RSASSA-PKCS1-v1_5 with SHA-256; fields under AES-256-GCM.
    case rsaSHA256 = "RSA-SHA256"
    /// SM2 with SM3 under the default user id, in DER; fields under SM4-CBC.
    case sm2SM3 = "SM2-SM3"

    /// The algorithm of a key's owner: the kind of the key says so.
    public init(ofPublicKeyPEM pem: String) throws { self = try CWP1PublicKey(pem: pem).algorithm }

    /// The digest of a body in lower-case hexadecimal.
    func digest(of body: [UInt8]) throws(CWP1Rejection) -> String {
        switch self {
        case .rsaSHA256: return hexadecimal(SHA256.hash(data: body))
        case .sm2SM3:
            do { return hexadecimal(try SM3.digest(of: body)) } catch { throw .unsupportedAlgorithm }
        }
    }
}

/// A private key of either kind.
enum CWP1PrivateKey: Sendable {
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

    var algorithm: CWP1Algorithm {
        switch self {
        case .rsa: .rsaSHA256
        case .sm2: .sm2SM3
        }
    }

    func base64Signature(of message: [UInt8]) throws -> String {
        switch self {
        case .rsa(let key): try key.base64Signature(of: message)
        case .sm2(let key): Data(try key.signature(for: message).der).base64EncodedString()
        }
    }
}

/// A public key of either kind.
enum CWP1PublicKey: Sendable {
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

    var algorithm: CWP1Algorithm {
        switch self {
        case .rsa: .rsaSHA256
        case .sm2: .sm2SM3
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
