import Crypto
import CryptoExtras
import CustodyDomain
import CustodyWire
import Foundation
import SwiftASN1
import X509

/// The keys a simulated WeChat Pay signs with: a platform certificate's, and the one behind a `PUB_KEY_ID_…`.
public struct WeChatPayIdentity: Sendable {
    /// The certificate's serial number, hex in upper case.
    public let certificateSerial: String
    /// The self-signed platform certificate in PEM.
    public let certificatePEM: String
    /// The id of the public key.
    public let publicKeyID: String
    /// The public key in PEM.
    public let publicKeyPEM: String

    private let certificateSigner: RSASigner
    private let publicKeySigner: RSASigner

    /// Makes an identity of two given RSA private keys in PEM, or of fresh ones.
    public init(certificateKeyPEM: String? = nil, publicKeyModeKeyPEM: String? = nil) throws {
        let certificateKey = try WeChatPayIdentity.key(certificateKeyPEM)
        let otherKey = try WeChatPayIdentity.key(publicKeyModeKeyPEM)
        let name = try DistinguishedName { CommonName("WeChat Pay simulator") }
        let issuer = Certificate.PrivateKey(certificateKey)
        let certificate = try Certificate(
            version: .v3, serialNumber: .init(), publicKey: issuer.publicKey,
            notValidBefore: Date(timeIntervalSince1970: 1_767_225_600),
            notValidAfter: Date(timeIntervalSince1970: 2_082_758_400), issuer: name, subject: name,
            signatureAlgorithm: .sha256WithRSAEncryption, extensions: Certificate.Extensions(),
            issuerPrivateKey: issuer)
        certificateSerial = certificate.hexSerial
        certificatePEM = try certificate.serializeAsPEM().pemString
        publicKeyID = "PUB_KEY_ID_" + String((0..<24).map { _ in Character(String(Int.random(in: 0...9))) })
        publicKeyPEM = otherKey.publicKey.pemRepresentation
        certificateSigner = try RSASigner(pem: certificateKey.pemRepresentation)
        publicKeySigner = try RSASigner(pem: otherKey.pemRepresentation)
    }

    /// What a merchant configures as WeChat's keys: both.
    public var platformKeys: [WeChatPayLink.PlatformKey] {
        [
            .init(serial: certificateSerial, pem: certificatePEM), .init(serial: publicKeyID, pem: publicKeyPEM),
        ]
    }

    /// What can be wrong with a signature on purpose.
    enum Flaw {
        case none, badSignature, stale, unknownSerial, probe
    }

    /// The header fields that sign a body.
    func headers(
        signing body: [UInt8], byPublicKey: Bool, flaw: Flaw = .none
    ) -> [(name: String, value: String)] {
        let now = SimulatorClock.realNow() - (flaw == .stale ? .seconds(600) : .zero)
        let timestamp = String(now.seconds)
        let nonce = WeChatPayRequestSigner.freshNonce()
        let signed = flaw == .badSignature ? body + [0x20] : body
        let signer = byPublicKey ? publicKeySigner : certificateSigner
        let message = WeChatPayVerifier.message(timestamp: timestamp, nonce: nonce, body: signed)
        let signature = (try? signer.base64Signature(of: message)) ?? ""
        let serial = byPublicKey ? publicKeyID : certificateSerial
        return [
            ("Wechatpay-Timestamp", timestamp), ("Wechatpay-Nonce", nonce),
            ("Wechatpay-Signature", (flaw == .probe ? "WECHATPAY/SIGNTEST/" : "") + signature),
            ("Wechatpay-Serial", flaw == .unknownSerial ? "PUB_KEY_ID_9999999999999999999999999999" : serial),
            ("Wechatpay-Signature-Type", WeChatPayRequestSigner.scheme),
            ("Request-ID", "\(WeChatPayRequestSigner.freshNonce())-0"),
        ]
    }

    private static func key(_ pem: String?) throws -> _RSA.Signing.PrivateKey {
        if let pem { return try _RSA.Signing.PrivateKey(pemRepresentation: pem) }
        return try _RSA.Signing.PrivateKey(keySize: .bits2048)
    }
}
