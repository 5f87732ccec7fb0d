import Crypto
import CryptoExtras
import Foundation

/// RSASSA-PKCS1-v1_5 with SHA-256: the signature of WeChat Pay, Alipay (RSA2) and CWP/1 (RSA-SHA256).
public struct RSASigner: Sendable {
    private let key: _RSA.Signing.PrivateKey

    /// Reads a private key in PEM, PKCS#1 or PKCS#8.
    public init(pem: String) throws { key = try _RSA.Signing.PrivateKey(pemRepresentation: pem) }

    /// Signs bytes.
    public func signature(of message: some DataProtocol) throws -> [UInt8] {
        Array(try key.signature(for: SHA256.hash(data: message), padding: .insecurePKCS1v1_5).rawRepresentation)
    }

    /// Signs bytes, in base64.
    public func base64Signature(of message: some DataProtocol) throws -> String {
        Data(try signature(of: message)).base64EncodedString()
    }
}

/// The other side of ``RSASigner``.
public struct RSAVerifier: Sendable {
    private let key: _RSA.Signing.PublicKey

    /// Reads a public key in PEM.
    public init(pem: String) throws { key = try _RSA.Signing.PublicKey(pemRepresentation: pem) }

    /// Whether these are the signature's bytes over the message.
    public func isValid(_ signature: some DataProtocol, for message: some DataProtocol) -> Bool {
        key.isValidSignature(
            _RSA.Signing.RSASignature(rawRepresentation: signature),
            for: SHA256.hash(data: message),
            padding: .insecurePKCS1v1_5
        )
    }

    /// Whether this is the signature in base64; text that is not base64 is no signature.
    public func isValid(base64 signature: String, for message: some DataProtocol) -> Bool {
        guard let bytes = Data(base64Encoded: signature) else { return false }
        return isValid(bytes, for: message)
    }
}
