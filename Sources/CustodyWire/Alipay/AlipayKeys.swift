import CryptoExtras
import CustodyDomain
import Foundation
import SwiftASN1
import X509

/// What we sign with towards Alipay, and what we judge its signatures by, read from a link and found sound.
public struct AlipayKeys: Sendable {
    /// Signs our requests.
    public let signer: RSASigner
    /// `app_cert_sn` and `alipay_root_cert_sn` in certificate mode, none in key mode.
    public let requestFields: [URLForm.Field]

    /// Encrypts contents, where the link has a key for that.
    public let cipher: AlipayCipher?

    private let verifiers: Verifiers

    private enum Verifiers {
        case publicKey(RSAVerifier)
        case certificates([(serial: String, verifier: RSAVerifier)])
    }

    /// Reads a link's keys; in certificate mode, checks Alipay's certificates up to the root.
    ///
    /// - Parameter now: The real time, for the certificates' validity.
    public init(link: AlipayLink, now: Instant) throws(AlipayLink.Defect) {
        guard let signer = try? RSASigner(pem: link.appPrivateKeyPEM) else { throw .privateKey }
        self.signer = signer
        cipher = link.encryptKey.flatMap { AlipayCipher(base64: $0) }
        guard link.encryptKey == nil || cipher != nil else { throw .encryptKey }
        switch link.trust {
        case .publicKey(let pem):
            guard let verifier = try? RSAVerifier(pem: pem) else { throw .publicKey }
            verifiers = .publicKey(verifier)
            requestFields = []
        case .certificates(let certificates):
            let serial = try AlipayKeys.appSerial(certificates, privateKeyPEM: link.appPrivateKeyPEM)
            let roots = AlipayCertificateFile(pem: certificates.alipayRootCertificatePEM).certificates
            guard let rootSerial = AlipayCertificateFile.rootSerial(roots) else { throw .rootCertificate }
            requestFields = [.init("app_cert_sn", serial), .init("alipay_root_cert_sn", rootSerial)]
            verifiers = .certificates(
                try AlipayKeys.verifiers(certificates.alipayCertificatePEM, roots: roots, now: now))
        }
    }

    /// Whether an answer or notification is signed by Alipay.
    ///
    /// - Parameter certificate: The `alipay_cert_sn` it names; in key mode it says nothing.
    /// - Returns: nil when it names a certificate that is none of the link's.
    public func isValid(
        base64 signature: String, for message: some DataProtocol, certificate: String?
    ) -> Bool? {
        switch verifiers {
        case .publicKey(let verifier): return verifier.isValid(base64: signature, for: message)
        case .certificates(let known):
            // What names no certificate may be of any that we hold: all of them are Alipay's.
            let asked = certificate.map { name in known.filter { $0.serial == name } } ?? known
            guard !asked.isEmpty else { return nil }
            return asked.contains { $0.verifier.isValid(base64: signature, for: message) }
        }
    }

    private static func appSerial(
        _ certificates: AlipayCertificates, privateKeyPEM: String
    ) throws(AlipayLink.Defect) -> String {
        guard let own = AlipayCertificateFile(pem: certificates.appCertificatePEM).certificates.first,
            let publicKey = try? own.publicKey.serializeAsPEM().pemString
        else { throw .appCertificate }
        let expected = try? _RSA.Signing.PrivateKey(pemRepresentation: privateKeyPEM).publicKey.derRepresentation
        let actual = try? _RSA.Signing.PublicKey(pemRepresentation: publicKey).derRepresentation
        guard let expected, expected == actual else { throw .appCertificateOfOtherKey }
        return own.alipaySerial
    }

    private static func verifiers(
        _ pem: String, roots: [Certificate], now: Instant
    ) throws(AlipayLink.Defect) -> [(serial: String, verifier: RSAVerifier)] {
        let file = AlipayCertificateFile(pem: pem)
        let date = Date(timeIntervalSince1970: TimeInterval(now.seconds))
        var found: [(serial: String, verifier: RSAVerifier)] = []
        for leaf in file.certificates where !leaf.isAuthority {
            guard (leaf.notValidBefore...leaf.notValidAfter).contains(date) else { continue }
            guard file.descends(leaf, from: roots, at: date) else { throw .untrustedCertificate }
            guard let key = try? leaf.publicKey.serializeAsPEM().pemString, let verifier = try? RSAVerifier(pem: key)
            else { throw .alipayCertificate }
            found.append((leaf.alipaySerial, verifier))
        }
        guard found.isEmpty else { return found }
        throw file.certificates.contains { !$0.isAuthority } ? .expiredCertificate : .alipayCertificate
    }
}
