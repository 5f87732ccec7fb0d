import CustodyDomain

/// A call to the gateway, signed with RSA2 (SHA256withRSA) exactly as Alipay's own SDKs sign it.
public struct AlipayRequest: Sendable {
    /// All parameters but `sign`, in the order in which they are sent.
    public let parameters: [URLForm.Field]

    /// Encrypts `biz_content` on its way out; nil where the application has no such key.
    private let cipher: AlipayCipher?

    /// Makes a request of parameters as they are.
    public init(parameters: [URLForm.Field]) {
        self.parameters = parameters
        cipher = nil
    }

    /// Makes a request for a method.
    ///
    /// - Parameters:
    ///   - method: Such as `alipay.trade.query`.
    ///   - content: The `biz_content`; its text is signed and sent byte for byte.
    ///   - appID: Our application.
    ///   - now: The real time; written on a Shanghai wall clock.
    ///   - notifyURL: Where Alipay sends notifications.
    ///   - certificateFields: ``AlipayKeys/requestFields``: what certificate mode adds.
    ///   - cipher: ``AlipayKeys/cipher``: encrypts the content where the application asks for it.
    public init(
        method: String, content: JSON, appID: String, now: Instant, notifyURL: String? = nil,
        certificateFields: [URLForm.Field] = [], cipher: AlipayCipher? = nil
    ) {
        var parameters = AlipayRequest.common(method, appID, now)
        if let notifyURL { parameters.append(.init("notify_url", notifyURL)) }
        if cipher != nil { parameters.append(.init("encrypt_type", "AES")) }
        parameters += certificateFields
        parameters.append(.init("biz_content", content.text))
        self.parameters = parameters
        self.cipher = cipher
    }

    /// Makes the request that goes along with a picture; it has no `biz_content`.
    public init(
        uploading image: AlipayImageUpload, appID: String, now: Instant, certificateFields: [URLForm.Field] = []
    ) {
        self.init(
            parameters: AlipayRequest.common(AlipayImageUpload.method, appID, now) + certificateFields
                + [.init("image_type", image.type)])
    }

    private static func common(_ method: String, _ appID: String, _ now: Instant) -> [URLForm.Field] {
        [
            .init("timestamp", now.shanghaiWallClock), .init("app_id", appID), .init("method", method),
            .init("charset", "utf-8"), .init("format", "json"), .init("version", "1.0"), .init("sign_type", "RSA2"),
        ]
    }

    /// What is signed: every parameter but `sign` that is not empty, sorted by name, not URL-encoded.
    public var stringToSign: String {
        AlipayRequest.join(parameters.filter { $0.name != "sign" && !$0.value.isEmpty })
    }

    /// The query string with the common parameters and `sign`, and the form body with `biz_content`.
    public func signed(by signer: RSASigner) throws -> (query: String, body: String) {
        let sealed = try sealed()
        return (
            URLForm.encode(sealed.parameters.filter { !AlipayRequest.bodyNames.contains($0.name) })
                + "&" + URLForm.encode([try sealed.signature(by: signer)]),
            URLForm.encode(sealed.parameters.filter { AlipayRequest.bodyNames.contains($0.name) })
        )
    }

    /// What travels in the body; an upload's own field stands in its parts.
    private static let bodyNames: Set<String> = ["biz_content", "image_type"]

    private func signature(by signer: RSASigner) throws -> URLForm.Field {
        URLForm.Field("sign", try signer.base64Signature(of: Array(stringToSign.utf8)))
    }

    /// The request with its content encrypted, which is how it is signed.
    private func sealed() throws -> AlipayRequest {
        guard let cipher else { return self }
        return AlipayRequest(
            parameters: try parameters.map {
                $0.name == "biz_content" ? URLForm.Field($0.name, try cipher.seal($0.value)) : $0
            })
    }

    /// A form (HTML) that sends the browser to the cashier, for `alipay.trade.page.pay` and `alipay.trade.wap.pay`.
    public func form(gatewayURL: String, signer: RSASigner) throws -> String {
        let sealed = try sealed()
        let query = try sealed.signed(by: signer).query
        let content = sealed.parameters.first { $0.name == "biz_content" }?.value ?? ""
        return """
            <form name="punchout_form" method="post" action="\(AlipayRequest.attribute("\(gatewayURL)?\(query)"))">
            <input type="hidden" name="biz_content" value="\(AlipayRequest.attribute(content))">
            <input type="submit" value="立即支付" style="display:none">
            </form>
            <script>document.forms['punchout_form'].submit();</script>
            """
    }

    /// The order string that the app's SDK takes, for `alipay.trade.app.pay`.
    public func orderString(signer: RSASigner) throws -> String {
        let sealed = try sealed()
        let sorted = sealed.parameters.sorted { AlipayRequest.precedes($0.name, $1.name) }
        return URLForm.encode(sorted + [try sealed.signature(by: signer)])
    }

    /// Whether a received request carries the application's signature over its other parameters.
    ///
    /// - Parameter fields: Of the query and the form together.
    public static func isSigned(_ fields: [URLForm.Field], by verifier: RSAVerifier) -> Bool {
        guard let sign = fields.first(where: { $0.name == "sign" })?.value else { return false }
        return verifier.isValid(base64: sign, for: Array(AlipayRequest(parameters: fields).stringToSign.utf8))
    }

    /// `k=v` joined by `&`, in the order of the names' bytes.
    static func join(_ fields: [URLForm.Field]) -> String {
        fields.sorted { precedes($0.name, $1.name) }.map { "\($0.name)=\($0.value)" }.joined(separator: "&")
    }

    private static func precedes(_ lhs: String, _ rhs: String) -> Bool {
        lhs.utf8.lexicographicallyPrecedes(rhs.utf8)
    }

    private static func attribute(_ text: String) -> String {
        var output = ""
        for character in text.unicodeScalars {
            switch character {
            case "&": output += "&amp;"
            case "\"": output += "&quot;"
            case "<": output += "&lt;"
            case ">": output += "&gt;"
            default: output.unicodeScalars.append(character)
            }
        }
        return output
    }
}
