import CryptoExtras
import ShangMi

/// A fresh key for a counterparty that signs CWP/1 messages.
public struct CWP1KeyPair: Sendable {
    /// The private key in PEM. Secret.
    public let privatePEM: String
    /// The public key in PEM.
    public let publicPEM: String

    /// Generates a key: of 2048 bits for RSA, which takes a tenth of a second or so.
    public init(_ algorithm: CWP1Algorithm = .rsaSHA256) throws {
        switch algorithm {
        case .rsaSHA256:
            let key = try _RSA.Signing.PrivateKey(keySize: .bits2048)
            privatePEM = key.pemRepresentation
            publicPEM = key.publicKey.pemRepresentation
        case .sm2SM3:
            let key = try SM2PrivateKey()
            privatePEM = try key.pem
            publicPEM = try key.publicKey.pem
        }
    }
}
