import CryptoExtras

/// A fresh RSA key of 2048 bits, for a counterparty that signs CWP/1 messages.
public struct CWP1KeyPair: Sendable {
    /// The private key in PEM. Secret.
    public let privatePEM: String
    /// The public key in PEM.
    public let publicPEM: String

    /// Generates a key; takes a tenth of a second or so.
    public init() throws {
        let key = try _RSA.Signing.PrivateKey(keySize: .bits2048)
        privatePEM = key.pemRepresentation
        publicPEM = key.publicKey.pemRepresentation
    }
}
