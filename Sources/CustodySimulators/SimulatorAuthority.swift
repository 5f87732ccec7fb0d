import Crypto
import CustodyDomain
import CustodyWire
import Foundation
import SwiftASN1
import X509

/// Who signs the TLS certificates of the sandbox: of simulators, and of those who call them.
public struct SimulatorAuthority: Sendable {
    /// Its own certificate, PEM: what callers believe.
    public let certificatePEM: String
    private let key: P256.Signing.PrivateKey
    private let name: DistinguishedName

    /// A certificate and its key.
    public struct Issued: Sendable {
        /// The certificate, PEM.
        public let certificatePEM: String
        /// Its private key, PEM.
        public let privateKeyPEM: String
    }

    /// Founds an authority.
    public init(_ commonName: String = "custody sandbox") throws {
        key = P256.Signing.PrivateKey()
        name = try DistinguishedName { CommonName(commonName) }
        let now = SimulatorAuthority.now
        let own = try Certificate(
            version: .v3, serialNumber: .init(), publicKey: .init(key.publicKey),
            notValidBefore: now.addingTimeInterval(-400 * 86_400), notValidAfter: now.addingTimeInterval(3650 * 86_400),
            issuer: name, subject: name, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.isCertificateAuthority(maxPathLength: nil))
                Critical(KeyUsage(keyCertSign: true))
            }, issuerPrivateKey: .init(key))
        certificatePEM = try own.serializeAsPEM().pemString + "\n"
    }

    /// Signs a certificate of a name, good for so many days from now on: ended already when there are less than none.
    ///
    /// - Parameter names: The host names and addresses of a server; none for a caller.
    public func issue(_ commonName: String, names: [String] = [], days: Int) throws -> Issued {
        let own = P256.Signing.PrivateKey()
        let now = SimulatorAuthority.now
        let alternatives = names.map { name in
            SimulatorAuthority.bytes(of: name).map { GeneralName.ipAddress(ASN1OctetString(contentBytes: $0[...])) }
                ?? .dnsName(name)
        }
        let certificate = try Certificate(
            version: .v3, serialNumber: .init(), publicKey: .init(own.publicKey),
            notValidBefore: now.addingTimeInterval(-300 * 86_400),
            notValidAfter: now.addingTimeInterval(Double(days) * 86_400), issuer: name,
            subject: try DistinguishedName { CommonName(commonName) }, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: try Certificate.Extensions {
                Critical(BasicConstraints.notCertificateAuthority)
                if !alternatives.isEmpty { SubjectAlternativeNames(alternatives) }
            }, issuerPrivateKey: .init(key))
        return Issued(
            certificatePEM: try certificate.serializeAsPEM().pemString + "\n",
            privateKeyPEM: own.pemRepresentation + "\n")
    }

    /// Real time in whole seconds, which is all that certificates know.
    private static var now: Date { Date(timeIntervalSince1970: Double(SimulatorClock.realNow().seconds)) }

    /// The bytes of an IPv4 address; nil for a name.
    private static func bytes(of name: String) -> [UInt8]? {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
        return parts.count == 4 && !parts.contains(nil) ? parts.compactMap(\.self) : nil
    }
}
