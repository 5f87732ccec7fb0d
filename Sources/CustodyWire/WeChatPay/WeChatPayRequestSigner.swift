import CustodyDomain
import Foundation

/// Signs a merchant's requests and cash-desk calls with the private key of its API certificate.
public struct WeChatPayRequestSigner: Sendable {
    /// The name of the scheme, as `Authorization` and `Wechatpay-Signature-Type` carry it.
    public static let scheme = "WECHATPAY2-SHA256-RSA2048"

    private let mchid: String
    private let appid: String
    private let serial: String
    private let signer: RSASigner

    /// Reads a link's private key.
    public init(_ link: WeChatPayLink) throws(WeChatPayKeyError) {
        guard let signer = try? RSASigner(pem: link.merchantPrivateKeyPEM) else { throw .unreadable }
        self.signer = signer
        mchid = link.mchid
        appid = link.partner?.subAppid ?? link.appid
        serial = link.merchantSerial
    }

    /// The bytes that are signed for a request.
    ///
    /// - Parameters:
    ///   - target: The path and query exactly as sent, percent-encoding kept.
    ///   - body: The bytes exactly as sent; for a media upload, the meta JSON alone.
    public static func message(
        method: String, target: String, timestamp: String, nonce: String, body: [UInt8]
    ) -> [UInt8] {
        Array("\(method)\n\(target)\n\(timestamp)\n\(nonce)\n".utf8) + body + [0x0A]
    }

    /// The value of `Authorization` for a request.
    public func authorization(
        method: String, target: String, body: [UInt8], now: Instant, nonce: String
    ) throws -> String {
        let timestamp = String(now.seconds)
        let signature = try signer.base64Signature(
            of: Self.message(method: method, target: target, timestamp: timestamp, nonce: nonce, body: body))
        return "\(Self.scheme) mchid=\"\(mchid)\",nonce_str=\"\(nonce)\",timestamp=\"\(timestamp)\","
            + "serial_no=\"\(serial)\",signature=\"\(signature)\""
    }

    /// The parameters of `wx.requestPayment` (JSAPI and mini programs) for a prepay id, signed.
    public func jsapiParameters(prepayID: String, now: Instant, nonce: String) throws -> [String: String] {
        let timestamp = String(now.seconds)
        let package = "prepay_id=\(prepayID)"
        return [
            "appId": appid, "timeStamp": timestamp, "nonceStr": nonce, "package": package, "signType": "RSA",
            "paySign": try signer.base64Signature(of: Array("\(appid)\n\(timestamp)\n\(nonce)\n\(package)\n".utf8)),
        ]
    }

    /// The parameters of the app SDK's call for a prepay id, signed.
    public func appParameters(prepayID: String, now: Instant, nonce: String) throws -> [String: String] {
        let timestamp = String(now.seconds)
        return [
            "appid": appid, "partnerid": mchid, "prepayid": prepayID, "package": "Sign=WXPay", "noncestr": nonce,
            "timestamp": timestamp,
            "sign": try signer.base64Signature(of: Array("\(appid)\n\(timestamp)\n\(nonce)\n\(prepayID)\n".utf8)),
        ]
    }

    /// A fresh nonce: 32 characters of hex in upper case.
    public static func freshNonce() -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        return String(decoding: (0..<32).map { _ in digits[Int.random(in: 0..<16)] }, as: UTF8.self)
    }
}

/// An `Authorization` header of the scheme, taken apart; the receiving side of ``WeChatPayRequestSigner``.
public struct WeChatPayAuthorization: Hashable, Sendable {
    /// The merchant number that claims to have signed.
    public let mchid: String
    /// The serial number of the certificate it claims to have signed with.
    public let serial: String
    /// When, in seconds since the epoch, as written.
    public let timestamp: String
    /// The nonce.
    public let nonce: String
    /// The signature in base64.
    public let signature: String

    /// Reads a header's value; nil for another scheme, a missing field or a field given twice.
    public init?(_ value: String) {
        let prefix = WeChatPayRequestSigner.scheme + " "
        guard value.hasPrefix(prefix) else { return nil }
        var fields: [String: String] = [:]
        for part in value.dropFirst(prefix.count).split(separator: ",") {
            let pair = part.split(separator: "=", maxSplits: 1)
            guard pair.count == 2, pair[1].count >= 2, pair[1].hasPrefix("\""), pair[1].hasSuffix("\"") else {
                return nil
            }
            let name = pair[0].trimmingCharacters(in: .whitespaces)
            guard fields.updateValue(String(pair[1].dropFirst().dropLast()), forKey: name) == nil else { return nil }
        }
        guard let mchid = fields["mchid"], let serial = fields["serial_no"], let timestamp = fields["timestamp"],
            let nonce = fields["nonce_str"], let signature = fields["signature"]
        else { return nil }
        self.mchid = mchid
        self.serial = serial
        self.timestamp = timestamp
        self.nonce = nonce
        self.signature = signature
    }

    /// Whether the signature holds for a request, by a merchant's public key.
    public func isValid(method: String, target: String, body: [UInt8], key: RSAVerifier) -> Bool {
        key.isValid(
            base64: signature,
            for: WeChatPayRequestSigner.message(
                method: method, target: target, timestamp: timestamp, nonce: nonce, body: body)
        )
    }
}
