import CryptoExtras

/// A fresh RSA key pair of 2,048 bits, as Alipay's key tool makes them for RSA2.
public struct AlipayKeyPair: Sendable {
    /// The private key, PEM.
    public let privateKeyPEM: String
    /// The public key (SubjectPublicKeyInfo), PEM.
    public let publicKeyPEM: String

    /// Generates a pair; takes a few tenths of a second.
    public init() throws {
        let key = try _RSA.Signing.PrivateKey(keySize: .bits2048)
        privateKeyPEM = key.pemRepresentation
        publicKeyPEM = key.publicKey.pemRepresentation
    }
}
