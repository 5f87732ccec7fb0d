import Crypto
import CustodyDomain
import ShangMi

/// How CWP/1 messages are signed (`X-Cust-Alg`), which also says how their personal fields are encrypted.
public enum CWP1Algorithm: String, CaseIterable, Hashable, Sendable {
    /// RSASSA-PKCS1-v1_5 with SHA-256; fields under AES-256-GCM.
    case rsaSHA256 = "RSA-SHA256"
    /// SM2 with SM3 under the default user id, in DER; fields under SM4-CBC.
    case sm2SM3 = "SM2-SM3"

    /// The algorithm of a key's owner: the kind of the key says so.
    public init(ofPublicKeyPEM pem: String) throws { self = try VerifyingKey(pem: pem).algorithm }

    /// The digest of a body in lower-case hexadecimal.
    func digest(of body: [UInt8]) throws(CWP1Rejection) -> String {
        switch self {
        case .rsaSHA256: return hexadecimal(SHA256.hash(data: body))
        case .sm2SM3:
            do { return hexadecimal(try SM3.digest(of: body)) } catch { throw .unsupportedAlgorithm }
        }
    }
}

extension SigningKey {
    var algorithm: CWP1Algorithm {
        switch self {
        case .rsa: .rsaSHA256
        case .sm2: .sm2SM3
        }
    }
}

extension VerifyingKey {
    var algorithm: CWP1Algorithm {
        switch self {
        case .rsa: .rsaSHA256
        case .sm2: .sm2SM3
        }
    }
}
