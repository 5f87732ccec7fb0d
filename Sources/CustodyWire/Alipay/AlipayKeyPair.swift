import CryptoExtras

/// An RSA key pair for RSA2: 2,048 bits, as Alipay's key tool makes them.
public struct AlipayKeyPair: Sendable {
    /// The private key, PEM.
    public let privateKeyPEM: String
    /// The public key (SubjectPublicKeyInfo), PEM.
    public let publicKeyPEM: String

    /// Makes a pair of keys that exist.
    public init(privateKeyPEM: String, publicKeyPEM: String) {
        self.privateKeyPEM = privateKeyPEM
        self.publicKeyPEM = publicKeyPEM
    }

    /// Generates a fresh pair; takes a few tenths of a second.
    public init() throws {
        let key = try _RSA.Signing.PrivateKey(keySize: .bits2048)
        privateKeyPEM = key.pemRepresentation
        publicKeyPEM = key.publicKey.pemRepresentation
    }
}
