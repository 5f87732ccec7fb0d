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
        /// Our own link holds no usable public key.
        case unusableKey
    }

    /// The only answer that stops the resending.
    public static let acknowledgement = "success"

    /// Verifies the signature over the received fields, and that app and seller are ours.
    ///
    /// - Returns: `notify_id`, stable across resends, and all fields decoded, without `sign` and `sign_type`.
    public static func verify(
        body: [UInt8], link: AlipayLink
    ) throws(Rejection) -> (notifyID: String, fields: [String: String]) {
        guard let key = try? RSAVerifier(pem: link.alipayPublicKeyPEM) else { throw .unusableKey }
        guard let form = try? URLForm.decode(body) else { throw .malformed }
        guard let sign = form.first(where: { $0.name == "sign" })?.value else { throw .missing("sign") }
        let signed = form.filter { $0.name != "sign" && $0.name != "sign_type" }
        guard key.isValid(base64: sign, for: Array(AlipayRequest.join(signed).utf8)) else { throw .badSignature }
        var fields: [String: String] = [:]
        for field in signed { fields[field.name] = field.value }
        guard let notifyID = fields["notify_id"], !notifyID.isEmpty else { throw .missing("notify_id") }
        guard fields["app_id"] == link.appID else { throw .foreignApp }
        guard fields["seller_id"] == link.sellerID else { throw .foreignSeller }
        return (notifyID, fields)
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
