import Crypto
import CryptoExtras
import CustodyDomain
import CustodyWire
import Foundation
import SwiftASN1
import Synchronization
import X509

/// The authority, founded when the first application asks for a certificate: its keys take a while to make.
final class AlipayFoundedAuthority: Sendable {
    private let founded = Mutex<AlipayAuthority?>(nil)
    private let alipayPublicKeyPEM: String

    /// - Parameter alipayPublicKeyPEM: The key that Alipay signs with.
    init(alipayPublicKeyPEM: String) { self.alipayPublicKeyPEM = alipayPublicKeyPEM }

    /// The one authority of this simulator.
    func authority() throws -> AlipayAuthority {
        try founded.withLock { founded in
            if let founded { return founded }
            let authority = try AlipayAuthority(alipayPublicKeyPEM: alipayPublicKeyPEM)
            founded = authority
            return authority
        }
    }
}

/// Who issues certificates at the simulated Alipay: a root, an authority under it, and Alipay's own certificate.
struct AlipayAuthority: Sendable {
    /// The roots, PEM: `alipayRootCert.crt`.
    let rootPEM: String
    /// Alipay's certificate and the authority's, PEM: `alipayCertPublicKey_RSA2.crt`.
    let alipayPEM: String
    /// Alipay's `alipay_cert_sn`.
    let alipaySerial: String
    /// What requests must name as `alipay_root_cert_sn`.
    let rootSerial: String

    private let key: Certificate.PrivateKey
    private let name: DistinguishedName

    /// An application's certificate.
    struct Issued: Sendable {
        /// PEM: `appCertPublicKey_….crt`.
        let pem: String
        /// Its `app_cert_sn`.
        let serial: String
    }

    /// Founds an authority, and certifies Alipay's own key.
    init(alipayPublicKeyPEM: String) throws {
        let rootKey = Certificate.PrivateKey(try _RSA.Signing.PrivateKey(keySize: .bits2048))
        let rootName = try AlipayAuthority.name("Ant Financial Certification Authority R1")
        let root = try AlipayAuthority.certificate(
            subject: rootName, key: rootKey.publicKey, issuer: rootName, by: rootKey, isAuthority: true)
        key = Certificate.PrivateKey(try _RSA.Signing.PrivateKey(keySize: .bits2048))
        name = try AlipayAuthority.name("Ant Financial Certification Authority Class 2 R1")
        let authority = try AlipayAuthority.certificate(
            subject: name, key: key.publicKey, issuer: rootName, by: rootKey, isAuthority: true)
        let alipay = try AlipayAuthority.certificate(
            subject: try AlipayAuthority.name("Alipay simulator"),
            key: try Certificate.PublicKey(pemEncoded: alipayPublicKeyPEM), issuer: name, by: key, isAuthority: false)
        rootPEM = try root.serializeAsPEM().pemString + "\n"
        alipayPEM = try alipay.serializeAsPEM().pemString + "\n\n" + authority.serializeAsPEM().pemString + "\n"
        alipaySerial = alipay.alipaySerial
        rootSerial = AlipayCertificateFile.rootSerial([root]) ?? ""
    }

    /// Certifies an application's key, as the open platform does for a signing request.
    func issue(appID: String, publicKeyPEM: String) throws -> Issued {
        let certificate = try AlipayAuthority.certificate(
            subject: try AlipayAuthority.name(appID), key: try Certificate.PublicKey(pemEncoded: publicKeyPEM),
            issuer: name, by: key, isAuthority: false)
        return Issued(pem: try certificate.serializeAsPEM().pemString + "\n", serial: certificate.alipaySerial)
    }

    /// The shape of the names of Alipay's own certificates; SDKs of others read exactly these four parts.
    private static func name(_ commonName: String) throws -> DistinguishedName {
        try DistinguishedName {
            CountryName("CN")
            OrganizationName("Ant Financial")
            OrganizationalUnitName("Certification Authority")
            CommonName(commonName)
        }
    }

    private static func certificate(
        subject: DistinguishedName, key: Certificate.PublicKey, issuer: DistinguishedName,
        by issuerKey: Certificate.PrivateKey, isAuthority: Bool
    ) throws -> Certificate {
        try Certificate(
            version: .v3, serialNumber: .init(), publicKey: key,
            notValidBefore: Date(timeIntervalSince1970: 1_767_225_600),
            notValidAfter: Date(timeIntervalSince1970: 2_082_758_400), issuer: issuer, subject: subject,
            signatureAlgorithm: .sha256WithRSAEncryption,
            extensions: try Certificate.Extensions {
                Critical(
                    isAuthority
                        ? BasicConstraints.isCertificateAuthority(maxPathLength: nil) : .notCertificateAuthority)
            },
            issuerPrivateKey: issuerKey)
    }
}
