import Foundation
import SwiftASN1
import X509

/// Everything a platform configures to use WeChat Pay: its keys and WeChat's, and whether it is a direct merchant
/// (普通商户) or acts for sub-merchants.
///
/// Holds secrets: its description names the merchant number only.
public struct WeChatPayLink: Codable, Hashable, Sendable {
    /// A key WeChat Pay signs with.
    public struct PlatformKey: Codable, Hashable, Sendable {
        /// What `Wechatpay-Serial` names it: a certificate's serial number, or `PUB_KEY_ID_…`.
        public var serial: String
        /// The platform certificate, or 微信支付公钥, in PEM.
        public var pem: String

        /// Makes a key.
        public init(serial: String, pem: String) {
            self.serial = serial
            self.pem = pem
        }
    }

    /// For whom a service provider (服务商) or e-commerce platform (电商平台) collects.
    public struct Partner: Codable, Hashable, Sendable {
        /// Which of WeChat's two sets of endpoints the merchant number belongs to; each refuses the other's calls.
        public enum Kind: String, Codable, CaseIterable, Hashable, Sendable {
            /// An ordinary service provider (普通服务商): `/v3/profitsharing`, `/v3/refund/domestic`.
            case serviceProvider = "service_provider"
            /// An e-commerce platform (电商收付通): `/v3/ecommerce`.
            case ecommerce
        }

        /// Which it is.
        public var kind: Kind
        /// The sub-merchant (特约商户, 二级商户) whose payments these are; nil when only combined orders are placed.
        public var subMchid: String?
        /// The sub-merchant's own app, if buyers pay inside it.
        public var subAppid: String?
        /// Whether payments are held back until they are split (分账); without it they go to the sub-merchant at once.
        public var sharesProfit: Bool

        enum CodingKeys: String, CodingKey {
            case kind
            case subMchid = "sub_mchid"
            case subAppid = "sub_appid"
            case sharesProfit = "profit_sharing"
        }

        /// Makes a partner.
        public init(kind: Kind, subMchid: String?, subAppid: String? = nil, sharesProfit: Bool) {
            self.kind = kind
            self.subMchid = subMchid
            self.subAppid = subAppid
            self.sharesProfit = sharesProfit
        }
    }

    /// Where the API is, without a slash at the end: `https://api.mch.weixin.qq.com`.
    public var baseURL: String
    /// Another access point to the same API, used when the first cannot be reached or answers 5xx:
    /// `https://api2.mch.weixin.qq.com`.
    public var backupBaseURL: String?
    /// The merchant number (商户号); a partner's own (`sp_mchid`).
    public var mchid: String
    /// The app the merchant number is bound to.
    public var appid: String
    /// The serial number of our merchant API certificate, in upper-case hex.
    public var merchantSerial: String
    /// The private key of our merchant API certificate, in PEM.
    public var merchantPrivateKeyPEM: String
    /// The APIv3 key: 32 ASCII characters.
    public var apiV3Key: String
    /// WeChat's keys, certificates and public key side by side while it migrates; certificates are downloaded as well.
    public var platformKeys: [PlatformKey]
    /// Set when the merchant number acts for sub-merchants; nil for a direct merchant.
    public var partner: Partner?

    enum CodingKeys: String, CodingKey {
        case baseURL = "base_url"
        case backupBaseURL = "backup_base_url"
        case mchid
        case appid
        case merchantSerial = "merchant_serial"
        case merchantPrivateKeyPEM = "merchant_private_key_pem"
        case apiV3Key = "api_v3_key"
        case platformKeys = "platform_keys"
        case partner
    }

    /// Makes a link.
    public init(
        baseURL: String, mchid: String, appid: String, merchantSerial: String, merchantPrivateKeyPEM: String,
        apiV3Key: String, platformKeys: [PlatformKey], backupBaseURL: String? = nil, partner: Partner? = nil
    ) {
        self.baseURL = baseURL
        self.backupBaseURL = backupBaseURL
        self.partner = partner
        self.mchid = mchid
        self.appid = appid
        self.merchantSerial = merchantSerial
        self.merchantPrivateKeyPEM = merchantPrivateKeyPEM
        self.apiV3Key = apiV3Key
        self.platformKeys = platformKeys
    }
}

extension WeChatPayLink: CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The merchant number; never a key.
    public var description: String { "WeChatPayLink(mchid: \(mchid))" }
    /// The same as ``description``.
    public var debugDescription: String { description }
    /// Nothing but the merchant number, so that dumps hold no secrets.
    public var customMirror: Mirror { Mirror(self, children: ["mchid": mchid]) }
}

/// Why a key cannot be used.
public enum WeChatPayKeyError: Error, Hashable, Sendable {
    /// Not a PEM of a certificate or RSA key.
    case unreadable
    /// A certificate whose own serial number is not the one configured with it.
    case serialMismatch
    /// Not 32 bytes.
    case badAPIv3Key
}

extension WeChatPayLink {
    /// WeChat's public key (微信支付公钥), when one is configured; it is then what we tell WeChat to sign and seal with.
    public var publicKey: PlatformKey? { platformKeys.first { $0.isPublicKey } }

    /// Whether WeChat may sign with certificates (平台证书): not when nothing but its public key is configured.
    public var usesCertificates: Bool { platformKeys.isEmpty || platformKeys.contains { !$0.isPublicKey } }

    /// The same keys, for the payments of one sub-merchant.
    public func serving(_ subMchid: String, sharesProfit: Bool? = nil) -> WeChatPayLink {
        var link = self
        link.partner?.subMchid = subMchid
        if let sharesProfit { link.partner?.sharesProfit = sharesProfit }
        return link
    }
}

extension WeChatPayLink.PlatformKey {
    /// Whether this is WeChat's public key rather than a certificate's.
    public var isPublicKey: Bool { serial.hasPrefix("PUB_KEY_ID_") }

    /// The public key in PEM, whether configured as such or inside a certificate.
    public var publicKeyPEM: String {
        get throws(WeChatPayKeyError) {
            guard pem.contains("BEGIN CERTIFICATE") else { return pem }
            guard let certificate = try? Certificate(pemEncoded: pem),
                let key = try? certificate.publicKey.serializeAsPEM().pemString
            else { throw .unreadable }
            guard certificate.hexSerial == WeChatPayLink.PlatformKey.normalised(serial) else { throw .serialMismatch }
            return key
        }
    }

    /// Reads the key to check WeChat's signatures with.
    func verifier() throws(WeChatPayKeyError) -> RSAVerifier {
        guard let verifier = try? RSAVerifier(pem: try publicKeyPEM) else {
            // Say what is wrong with the certificate, where it is that.
            _ = try publicKeyPEM
            throw .unreadable
        }
        return verifier
    }

    private static func normalised(_ serial: String) -> String {
        let digits = serial.uppercased().drop { $0 == "0" }
        return String(digits)
    }
}

extension Certificate {
    /// The serial number as WeChat Pay writes it: hex in upper case, no leading zeros.
    public var hexSerial: String {
        let digits = Array("0123456789ABCDEF".utf8)
        let hex = serialNumber.bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        return String(decoding: hex.drop { $0 == 0x30 }, as: UTF8.self)
    }
}
