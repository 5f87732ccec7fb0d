import CustodyDomain

/// An asynchronous notification (异步通知): a form that Alipay posts to our `notify_url`.
///
/// Answer it with the seven characters ``acknowledgement`` and nothing else, or it comes again.
public enum AlipayNotify {
    /// Why a notification was refused; answer it with anything but ``acknowledgement``.
    public enum Rejection: Error, Hashable, Sendable {
        /// The body is no form in UTF-8.
        case malformed
        /// A field that every notification has is missing, by its name.
        case missing(String)
        /// The signature is not Alipay's.
        case badSignature
        /// Signed by Alipay, but for another application.
        case foreignApp
        /// Signed by Alipay, but for another collecting account.
        case foreignSeller
        /// Says that it is signed by another algorithm than RSA2.
        case unknownSignType
        /// Signed under an `alipay_cert_sn` that is none of the link's certificates.
        case unknownCertificate
        /// Our own link holds no usable key, or an expired certificate.
        case unusableKey
    }

    /// A notification that Alipay wrote, for our application.
    public struct Verified: Hashable, Sendable {
        /// `notify_id`, stable across resends.
        public let notifyID: String
        /// What it is about: `trade_status_sync`, or the name of a message such as `alipay.trade.order.settle.notify`.
        public let kind: String
        /// All fields decoded, without `sign` and `sign_type`.
        public let fields: [String: String]
    }

    /// The only answer that stops the resending.
    public static let acknowledgement = "success"

    /// Verifies the signature over the received fields, and that app and seller are ours.
    ///
    /// The gateway's messages (`msg_method`: settlements, onboarding) name no seller; what they say is in `biz_content`.
    ///
    /// - Parameter now: The real time, for the certificates' validity.
    public static func verify(body: [UInt8], link: AlipayLink, now: Instant) throws(Rejection) -> Verified {
        guard let keys = try? AlipayKeys(link: link, now: now) else { throw .unusableKey }
        return try verify(body: body, link: link, keys: keys)
    }

    /// Verifies with keys that were read from the link before.
    public static func verify(body: [UInt8], link: AlipayLink, keys: AlipayKeys) throws(Rejection) -> Verified {
        guard let form = try? URLForm.decode(body) else { throw .malformed }
        guard let sign = form.first(where: { $0.name == "sign" })?.value else { throw .missing("sign") }
        guard form.first(where: { $0.name == "sign_type" })?.value ?? "RSA2" == "RSA2" else { throw .unknownSignType }
        let signed = form.filter { $0.name != "sign" && $0.name != "sign_type" }
        let certificate = form.first { $0.name == "alipay_cert_sn" }?.value
        switch keys.isValid(base64: sign, for: Array(AlipayRequest.join(signed).utf8), certificate: certificate) {
        case true?: break
        case false?: throw .badSignature
        case nil: throw .unknownCertificate
        }
        var fields: [String: String] = [:]
        for field in signed { fields[field.name] = field.value }
        guard let notifyID = fields["notify_id"], !notifyID.isEmpty else { throw .missing("notify_id") }
        guard fields["app_id"] == link.appID else { throw .foreignApp }
        if let message = fields["msg_method"], !message.isEmpty {
            return Verified(notifyID: notifyID, kind: message, fields: fields)
        }
        guard fields["seller_id"] == link.sellerID else { throw .foreignSeller }
        return Verified(notifyID: notifyID, kind: fields["notify_type"] ?? "unknown", fields: fields)
    }

    /// What is verified: every field but `sign` and `sign_type`, sorted by name, decoded, empty ones kept.
    public static func stringToVerify(_ fields: [URLForm.Field]) -> String {
        AlipayRequest.join(fields.filter { $0.name != "sign" && $0.name != "sign_type" })
    }

    /// Writes a signed notification: what the simulator posts.
    public static func body(_ fields: [URLForm.Field], signer: RSASigner) throws -> [UInt8] {
        let sign = try signer.base64Signature(of: Array(stringToVerify(fields).utf8))
        return Array(URLForm.encode(fields + [.init("sign", sign), .init("sign_type", "RSA2")]).utf8)
    }
}
