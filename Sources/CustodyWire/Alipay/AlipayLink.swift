/// What one platform needs to talk to Alipay; its JSON names are snake_case.
///
/// Holds a private key: keep it encrypted at rest, and out of logs.
public struct AlipayLink: Codable, Sendable {
    /// The gateway's address, such as `https://openapi.alipay.com/gateway.do`.
    public var gatewayURL: String
    /// Our application's id.
    public var appID: String
    /// The account (PID, `2088…`) that collects.
    public var sellerID: String
    /// Our application's private key, PEM.
    public var appPrivateKeyPEM: String
    /// The public key that Alipay signs its answers and notifications with, PEM.
    public var alipayPublicKeyPEM: String

    private enum CodingKeys: String, CodingKey {
        case gatewayURL = "gateway_url"
        case appID = "app_id"
        case sellerID = "seller_id"
        case appPrivateKeyPEM = "app_private_key_pem"
        case alipayPublicKeyPEM = "alipay_public_key_pem"
    }

    /// Makes a link.
    public init(
        gatewayURL: String, appID: String, sellerID: String, appPrivateKeyPEM: String, alipayPublicKeyPEM: String
    ) {
        self.gatewayURL = gatewayURL
        self.appID = appID
        self.sellerID = sellerID
        self.appPrivateKeyPEM = appPrivateKeyPEM
        self.alipayPublicKeyPEM = alipayPublicKeyPEM
    }
}
