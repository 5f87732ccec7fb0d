import CustodyDomain
import CustodyWire

/// One exchange with the gateway, and what its answer means.
struct AlipayGateway: Sendable {
    let link: AlipayLink
    let keys: AlipayKeys
    let outbound: Outbound
    let clock: @Sendable () -> Instant

    /// Makes a gateway of a link whose keys are sound.
    ///
    /// - Parameter clock: The real time, for the requests' timestamps and the certificates' validity.
    init(link: AlipayLink, outbound: Outbound, clock: @escaping @Sendable () -> Instant) throws(AlipayLink.Defect) {
        keys = try AlipayKeys(link: link, now: clock())
        self.link = link
        self.outbound = outbound
        self.clock = clock
    }

    func request(_ method: String, _ content: JSON, notifyURL: String? = nil) -> AlipayRequest {
        AlipayRequest(
            method: method, content: content, appID: link.appID, now: clock(), notifyURL: notifyURL,
            certificateFields: keys.requestFields, cipher: keys.cipher)
    }

    /// Calls a method and returns the node of a successful answer.
    func call(_ method: String, _ content: JSON, notifyURL: String? = nil) async -> Reply<JSON> {
        await send(request(method, content, notifyURL: notifyURL), method: method)
    }

    /// Signs and sends a request once.
    func send(_ request: AlipayRequest, method: String) async -> Reply<JSON> {
        guard let signed = try? request.signed(by: keys.signer) else {
            return .refused(Refusal(code: "NOT_SIGNED", message: "the private key does not sign"))
        }
        return await post(
            signed.query, "application/x-www-form-urlencoded;charset=utf-8", Array(signed.body.utf8), method: method)
    }

    /// Hands in a picture for an application; the answer's `image_id` names it from then on.
    func upload(_ image: AlipayImageUpload) async -> Reply<JSON> {
        let request = AlipayRequest(
            uploading: image, appID: link.appID, now: clock(), certificateFields: keys.requestFields)
        guard let signed = try? request.signed(by: keys.signer) else {
            return .refused(Refusal(code: "NOT_SIGNED", message: "the private key does not sign"))
        }
        let boundary = "custody\(String(UInt64.random(in: .min ... .max), radix: 36))"
        return await post(
            signed.query, "multipart/form-data; boundary=\(boundary)", image.body(boundary: boundary),
            method: AlipayImageUpload.method)
    }

    private func post(
        _ query: String, _ contentType: String, _ body: [UInt8], method: String
    ) async -> Reply<JSON> {
        let answer: Outbound.Answer
        do {
            answer = try await outbound.call(
                "POST", "\(link.gatewayURL)?\(query)",
                headers: [
                    ("Content-Type", contentType), ("Accept", "application/json"), ("User-Agent", "custody"),
                ],
                body: body
            )
        } catch {
            return .unknown(error)
        }
        guard answer.status == 200 else {
            return .unknown(
                Doubt(
                    answer.status == 429 ? .rateLimited : .systemError, "HTTP \(answer.status)",
                    retryAfter: answer.retryAfter))
        }
        do {
            return Self.meaning(
                of: try AlipayResponse(verifying: answer.body, method: method, keys: keys), to: method)
        } catch {
            switch error {
            case .empty: return .unknown(Doubt(.malformedAnswer, "empty"))
            case .malformed: return .unknown(Doubt(.malformedAnswer, "not the gateway's JSON"))
            case .noNode: return .unknown(Doubt(.malformedAnswer, "no node"))
            case .unsigned: return .unknown(Doubt(.badSignature, "unsigned"))
            case .badSignature: return .unknown(Doubt(.badSignature))
            case .unknownCertificate: return .unknown(Doubt(.badSignature, "unknown certificate"))
            }
        }
    }

    /// 10000 is an answer; for the rest ``AlipayCodes`` says what it means.
    static func meaning(of response: AlipayResponse, to method: String) -> Reply<JSON> {
        guard response.code != "10000" else { return .answered(response.node) }
        return .meaning(
            AlipayCodes.meaning(response.code, subCode: response.subCode, of: method),
            code: response.subCode ?? response.code, message: response.message)
    }
}
