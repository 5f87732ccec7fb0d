import CustodyWire
import Foundation
import NIOSSL

/// How a simulator speaks TLS: its certificate, whom it asks for one, and which versions it takes.
public struct SimulatorTLS: Hashable, Sendable {
    /// The versions a simulator may be told to speak: 1.1 is there to be refused.
    public enum Version: String, Hashable, Sendable, CaseIterable {
        /// TLS 1.1, which nobody should speak any more.
        case v11 = "1.1"
        /// TLS 1.2
        case v12 = "1.2"
        /// TLS 1.3
        case v13 = "1.3"

        var version: TLSVersion {
            switch self {
            case .v11: .tlsv11
            case .v12: .tlsv12
            case .v13: .tlsv13
            }
        }
    }

    /// The certificate with its chain, PEM, its own first.
    public var certificatePEM: String
    /// Its private key, PEM.
    public var privateKeyPEM: String
    /// Who must have signed the certificate that callers show, PEM; nil asks for none.
    public var clientAuthoritiesPEM: String?
    /// The lowest version it takes.
    public var floor = Version.v12
    /// The highest version it takes.
    public var ceiling = Version.v13

    /// Speaks TLS 1.2 and 1.3 with a certificate.
    public init(certificatePEM: String, privateKeyPEM: String, clientAuthoritiesPEM: String? = nil) {
        self.certificatePEM = certificatePEM
        self.privateKeyPEM = privateKeyPEM
        self.clientAuthoritiesPEM = clientAuthoritiesPEM
    }

    /// What a connection's handshake is made with.
    ///
    /// - Throws: `NIOSSLError` when a certificate or key cannot be read.
    func context() throws -> NIOSSLContext {
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMBytes(Array(certificatePEM.utf8)).map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(bytes: Array(privateKeyPEM.utf8), format: .pem)))
        configuration.minimumTLSVersion = floor.version
        configuration.maximumTLSVersion = ceiling.version
        if let clientAuthoritiesPEM {
            configuration.certificateVerification = .noHostnameVerification
            configuration.trustRoots = .certificates(
                try NIOSSLCertificate.fromPEMBytes(Array(clientAuthoritiesPEM.utf8)))
        }
        return try NIOSSLContext(configuration: configuration)
    }

    /// Reads what `PUT /control/line` says of TLS on top of what there is; nil when something is not what it should be.
    init?(_ json: JSON, over before: SimulatorTLS?) {
        guard let certificate = json["certificate_pem"]?.string ?? before?.certificatePEM,
            let key = json["private_key_pem"]?.string ?? before?.privateKeyPEM
        else { return nil }
        self.init(
            certificatePEM: certificate, privateKeyPEM: key,
            clientAuthoritiesPEM: json["client_ca_pem"].map { $0.string } ?? before?.clientAuthoritiesPEM)
        guard let floor = SimulatorTLS.version(json["floor"], before?.floor ?? floor),
            let ceiling = SimulatorTLS.version(json["ceiling"], before?.ceiling ?? ceiling)
        else { return nil }
        (self.floor, self.ceiling) = (floor, ceiling)
    }

    private static func version(_ json: JSON?, _ before: Version) -> Version? {
        guard let json else { return before }
        return json.string.flatMap { Version(rawValue: $0) }
    }
}
