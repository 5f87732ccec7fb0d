import Crypto
import CryptoExtras
import CustodyDomain
import CustodyWire
import Foundation
import SwiftASN1
import Synchronization
import X509

/// The keys a simulated WeChat Pay signs with: its platform certificates', several of which may count at once, and the
/// one behind a `PUB_KEY_ID_…`.
public final class WeChatPayIdentity: Sendable {
    /// A platform certificate with its key.
    struct PlatformCertificate: Sendable {
        let serial: String
        let pem: String
        let keyPEM: String
        let signer: RSASigner
        let validity: Range<Instant>
    }

    /// The id of the public key.
    public let publicKeyID: String
    /// The public key in PEM.
    public let publicKeyPEM: String

    private let publicKeyModeKeyPEM: String
    private let publicKeySigner: RSASigner

    private struct State {
        var certificates: [PlatformCertificate]
        var signing: String
    }

    private let state: Mutex<State>

    /// Makes an identity of two given RSA private keys in PEM, or of fresh ones.
    public init(certificateKeyPEM: String? = nil, publicKeyModeKeyPEM: String? = nil) throws {
        let first = try WeChatPayIdentity.certificate(try WeChatPayIdentity.key(certificateKeyPEM))
        let otherKey = try WeChatPayIdentity.key(publicKeyModeKeyPEM)
        publicKeyID = "PUB_KEY_ID_" + String((0..<28).map { _ in Character(String(Int.random(in: 0...9))) })
        publicKeyPEM = otherKey.publicKey.pemRepresentation
        self.publicKeyModeKeyPEM = otherKey.pemRepresentation
        publicKeySigner = try RSASigner(pem: otherKey.pemRepresentation)
        state = Mutex(State(certificates: [first], signing: first.serial))
    }

    /// The serial number of the certificate it signs with now, hex in upper case.
    public var certificateSerial: String { state.withLock { $0.signing } }

    /// The self-signed platform certificate it signs with now, in PEM.
    public var certificatePEM: String {
        state.withLock { state in state.certificates.first { $0.serial == state.signing }?.pem ?? "" }
    }

    /// What a merchant configures as WeChat's keys: all of them.
    public var platformKeys: [WeChatPayLink.PlatformKey] {
        certificates.map { .init(serial: $0.serial, pem: $0.pem) } + [.init(serial: publicKeyID, pem: publicKeyPEM)]
    }

    /// The certificates that count now, oldest first.
    var certificates: [PlatformCertificate] { state.withLock { $0.certificates } }

    /// Adds a certificate; those there are go on counting, and signing.
    ///
    /// - Returns: Its serial number.
    public func addCertificate() throws -> String {
        let fresh = try WeChatPayIdentity.certificate(try WeChatPayIdentity.key(nil))
        state.withLock { $0.certificates.append(fresh) }
        return fresh.serial
    }

    /// Signs with another certificate from now on; false when there is none of this serial number.
    public func sign(with serial: String) -> Bool {
        state.withLock { state in
            guard state.certificates.contains(where: { $0.serial == serial }) else { return false }
            state.signing = serial
            return true
        }
    }

    /// Withdraws a certificate; false for the one it signs with, and for one that there is not.
    public func retireCertificate(_ serial: String) -> Bool {
        state.withLock { state in
            guard serial != state.signing, let index = state.certificates.firstIndex(where: { $0.serial == serial })
            else { return false }
            state.certificates.remove(at: index)
            return true
        }
    }

    /// Reads a sensitive field that was sealed for the key of a serial number; nil when it was not.
    func opened(_ text: String, sealedFor serial: String) -> String? {
        let key =
            serial == publicKeyID ? publicKeyModeKeyPEM : certificates.first { $0.serial == serial }?.keyPEM
        guard let key, let plain = try? WeChatPaySensitiveField.decrypted(text, privateKeyPEM: key) else { return nil }
        return String(validating: plain, as: UTF8.self)
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
        let certificate = state.withLock { state in state.certificates.first { $0.serial == state.signing } }
        let signer = byPublicKey ? publicKeySigner : certificate?.signer
        let message = WeChatPayVerifier.message(timestamp: timestamp, nonce: nonce, body: signed)
        let signature = (try? signer?.base64Signature(of: message)) ?? ""
        let serial = byPublicKey ? publicKeyID : certificate?.serial ?? ""
        return [
            ("Wechatpay-Timestamp", timestamp), ("Wechatpay-Nonce", nonce),
            ("Wechatpay-Signature", (flaw == .probe ? "WECHATPAY/SIGNTEST/" : "") + signature),
            ("Wechatpay-Serial", flaw == .unknownSerial ? "PUB_KEY_ID_9999999999999999999999999999" : serial),
            ("Wechatpay-Signature-Type", WeChatPayRequestSigner.scheme),
            ("Request-ID", "\(WeChatPayRequestSigner.freshNonce())-0"),
        ]
    }

    private static func certificate(_ key: _RSA.Signing.PrivateKey) throws -> PlatformCertificate {
        let name = try DistinguishedName { CommonName("WeChat Pay simulator") }
        let issuer = Certificate.PrivateKey(key)
        let validity = Instant(seconds: 1_767_225_600)..<Instant(seconds: 2_082_758_400)
        let certificate = try Certificate(
            version: .v3, serialNumber: .init(), publicKey: issuer.publicKey,
            notValidBefore: Date(timeIntervalSince1970: Double(validity.lowerBound.seconds)),
            notValidAfter: Date(timeIntervalSince1970: Double(validity.upperBound.seconds)), issuer: name,
            subject: name, signatureAlgorithm: .sha256WithRSAEncryption, extensions: Certificate.Extensions(),
            issuerPrivateKey: issuer)
        return PlatformCertificate(
            serial: certificate.hexSerial, pem: try certificate.serializeAsPEM().pemString,
            keyPEM: key.pemRepresentation, signer: try RSASigner(pem: key.pemRepresentation), validity: validity)
    }

    private static func key(_ pem: String?) throws -> _RSA.Signing.PrivateKey {
        if let pem { return try _RSA.Signing.PrivateKey(pemRepresentation: pem) }
        return try _RSA.Signing.PrivateKey(keySize: .bits2048)
    }
}
