import Foundation
import SwiftASN1
import X509

/// Everything a platform configures to use WeChat Pay as a direct merchant (普通商户): its keys and WeChat's.
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

    /// Where the API is, without a slash at the end: `https://api.mch.weixin.qq.com`.
    public var baseURL: String
    /// The merchant number (商户号).
    public var mchid: String
    /// The app the merchant number is bound to.
    public var appid: String
    /// The serial number of our merchant API certificate, in upper-case hex.
    public var merchantSerial: String
    /// The private key of our merchant API certificate, in PEM.
    public var merchantPrivateKeyPEM: String
    /// The APIv3 key: 32 ASCII characters.
    public var apiV3Key: String
    /// WeChat's keys, certificates and public key side by side while it migrates.
    public var platformKeys: [PlatformKey]

    enum CodingKeys: String, CodingKey {
        case baseURL = "base_url"
        case mchid
        case appid
        case merchantSerial = "merchant_serial"
        case merchantPrivateKeyPEM = "merchant_private_key_pem"
        case apiV3Key = "api_v3_key"
        case platformKeys = "platform_keys"
    }

    /// Makes a link.
    public init(
        baseURL: String, mchid: String, appid: String, merchantSerial: String, merchantPrivateKeyPEM: String,
        apiV3Key: String, platformKeys: [PlatformKey]
    ) {
        self.baseURL = baseURL
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

extension WeChatPayLink.PlatformKey {
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
