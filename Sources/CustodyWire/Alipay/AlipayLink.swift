/// What one platform needs to talk to Alipay; its JSON names are snake_case.
///
/// Holds a private key: keep it encrypted at rest, and out of logs.
public struct AlipayLink: Codable, Hashable, Sendable {
    /// Why a link cannot be used.
    public enum Defect: Error, Hashable, Sendable {
        /// Our application's private key does not read.
        case privateKey
        /// The key for contents is no AES key in base64.
        case encryptKey
        /// Alipay's public key does not read.
        case publicKey
        /// Our application's certificate does not read.
        case appCertificate
        /// Our application's certificate is of another key than our private one.
        case appCertificateOfOtherKey
        /// No RSA root certificate can be read.
        case rootCertificate
        /// No certificate of Alipay's can be read.
        case alipayCertificate
        /// A certificate of Alipay's does not descend from the root.
        case untrustedCertificate
        /// A certificate of Alipay's is expired, or not yet valid.
        case expiredCertificate
    }

    /// The gateway's address, such as `https://openapi.alipay.com/gateway.do`.
    public var gatewayURL: String
    /// Our application's id.
    public var appID: String
    /// The account (PID, `2088…`) that collects.
    public var sellerID: String
    /// Our application's private key, PEM.
    public var appPrivateKeyPEM: String
    /// What Alipay's signatures are judged by.
    public var trust: AlipayTrust
    /// The AES key for contents (接口内容加密密钥), base64; nil where the application has none.
    public var encryptKey: String?

    private enum CodingKeys: String, CodingKey {
        case gatewayURL = "gateway_url"
        case appID = "app_id"
        case sellerID = "seller_id"
        case appPrivateKeyPEM = "app_private_key_pem"
        case alipayPublicKeyPEM = "alipay_public_key_pem"
        case appCertificatePEM = "app_certificate_pem"
        case alipayCertificatePEM = "alipay_certificate_pem"
        case alipayRootCertificatePEM = "alipay_root_certificate_pem"
        case encryptKey = "encrypt_key"
    }

    /// Makes a link.
    public init(gatewayURL: String, appID: String, sellerID: String, appPrivateKeyPEM: String, trust: AlipayTrust) {
        self.gatewayURL = gatewayURL
        self.appID = appID
        self.sellerID = sellerID
        self.appPrivateKeyPEM = appPrivateKeyPEM
        self.trust = trust
    }

    /// Makes a link in key mode (公钥模式).
    public init(
        gatewayURL: String, appID: String, sellerID: String, appPrivateKeyPEM: String, alipayPublicKeyPEM: String
    ) {
        self.init(
            gatewayURL: gatewayURL, appID: appID, sellerID: sellerID, appPrivateKeyPEM: appPrivateKeyPEM,
            trust: .publicKey(alipayPublicKeyPEM))
    }

    /// Reads a link: one with any certificate needs all three, and has no public key.
    public init(from decoder: any Decoder) throws {
        let fields = try decoder.container(keyedBy: CodingKeys.self)
        gatewayURL = try fields.decode(String.self, forKey: .gatewayURL)
        appID = try fields.decode(String.self, forKey: .appID)
        sellerID = try fields.decode(String.self, forKey: .sellerID)
        appPrivateKeyPEM = try fields.decode(String.self, forKey: .appPrivateKeyPEM)
        encryptKey = try fields.decodeIfPresent(String.self, forKey: .encryptKey)
        guard
            fields.contains(.appCertificatePEM) || fields.contains(.alipayCertificatePEM)
                || fields.contains(.alipayRootCertificatePEM)
        else {
            trust = .publicKey(try fields.decode(String.self, forKey: .alipayPublicKeyPEM))
            return
        }
        guard !fields.contains(.alipayPublicKeyPEM) else {
            throw DecodingError.dataCorruptedError(
                forKey: .alipayPublicKeyPEM, in: fields, debugDescription: "a public key beside certificates")
        }
        trust = .certificates(
            AlipayCertificates(
                appCertificatePEM: try fields.decode(String.self, forKey: .appCertificatePEM),
                alipayCertificatePEM: try fields.decode(String.self, forKey: .alipayCertificatePEM),
                alipayRootCertificatePEM: try fields.decode(String.self, forKey: .alipayRootCertificatePEM)))
    }

    /// Writes a link, with the names of its mode alone.
    public func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: CodingKeys.self)
        try fields.encode(gatewayURL, forKey: .gatewayURL)
        try fields.encode(appID, forKey: .appID)
        try fields.encode(sellerID, forKey: .sellerID)
        try fields.encode(appPrivateKeyPEM, forKey: .appPrivateKeyPEM)
        try fields.encodeIfPresent(encryptKey, forKey: .encryptKey)
        switch trust {
        case .publicKey(let pem): try fields.encode(pem, forKey: .alipayPublicKeyPEM)
        case .certificates(let certificates):
            try fields.encode(certificates.appCertificatePEM, forKey: .appCertificatePEM)
            try fields.encode(certificates.alipayCertificatePEM, forKey: .alipayCertificatePEM)
            try fields.encode(certificates.alipayRootCertificatePEM, forKey: .alipayRootCertificatePEM)
        }
    }
}

extension AlipayLink: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The application's id; never a key.
    public var description: String { "AlipayLink(app_id: \(appID))" }
    /// The same as ``description``.
    public var debugDescription: String { description }
    /// Nothing but the application's id, so that dumps hold no secrets.
    public var customMirror: Mirror { Mirror(self, children: ["app_id": appID]) }
}

/// What Alipay's signatures are judged by: one of the two modes an application is set up in.
public enum AlipayTrust: Hashable, Sendable {
    /// Key mode (公钥模式): Alipay's public key, PEM.
    case publicKey(String)
    /// Certificate mode (公钥证书模式).
    case certificates(AlipayCertificates)
}

/// The three files that certificate mode needs.
public struct AlipayCertificates: Hashable, Sendable {
    /// Our application's certificate (`appCertPublicKey_….crt`), PEM.
    public var appCertificatePEM: String
    /// Alipay's certificate (`alipayCertPublicKey_RSA2.crt`), PEM, with what lies between it and the root behind it.
    ///
    /// Two of them may stand here while Alipay changes its certificate.
    public var alipayCertificatePEM: String
    /// Alipay's root certificates (`alipayRootCert.crt`), PEM.
    public var alipayRootCertificatePEM: String

    /// Makes a set.
    public init(appCertificatePEM: String, alipayCertificatePEM: String, alipayRootCertificatePEM: String) {
        self.appCertificatePEM = appCertificatePEM
        self.alipayCertificatePEM = alipayCertificatePEM
        self.alipayRootCertificatePEM = alipayRootCertificatePEM
    }
}
