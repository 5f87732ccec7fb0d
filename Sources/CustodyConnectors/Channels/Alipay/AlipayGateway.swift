import CustodyDomain
import CustodyWire

/// One exchange with the gateway, and what its codes mean.
struct AlipayGateway: Sendable {
    /// Alipay has no such order.
    static let tradeNotExist = "ACQ.TRADE_NOT_EXIST"
    /// The order's state does not allow the operation.
    static let stateForbids: Set<String> = [
        "ACQ.TRADE_STATUS_ERROR", "ACQ.REASON_TRADE_STATUS_INVALID", "ACQ.REASON_ILLEGAL_STATUS",
        "ACQ.TRADE_HAS_SUCCESS", "ACQ.TRADE_HAS_FINISHED", "ACQ.TRADE_HAS_CLOSE",
    ]

    let url: String
    let appID: String
    let signer: RSASigner
    let verifier: RSAVerifier
    let outbound: Outbound
    let clock: @Sendable () -> Instant

    func request(_ method: String, _ content: JSON, notifyURL: String? = nil) -> AlipayRequest {
        AlipayRequest(method: method, content: content, appID: appID, now: clock(), notifyURL: notifyURL)
    }

    /// Calls a method and returns the node of a successful answer.
    func call(_ method: String, _ content: JSON, notifyURL: String? = nil) async -> Reply<JSON> {
        await send(request(method, content, notifyURL: notifyURL), method: method)
    }

    /// Signs and sends a request once.
    func send(_ request: AlipayRequest, method: String) async -> Reply<JSON> {
        guard let signed = try? request.signed(by: signer) else {
            return .refused(Refusal(code: "NOT_SIGNED", message: "the private key does not sign"))
        }
        let answer: Outbound.Answer
        do {
            answer = try await outbound.call(
                "POST", "\(url)?\(signed.query)",
                headers: [
                    ("Content-Type", "application/x-www-form-urlencoded;charset=utf-8"),
                    ("Accept", "application/json"), ("User-Agent", "custody"),
                ],
                body: Array(signed.body.utf8)
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
                of: try AlipayResponse(verifying: answer.body, method: method, key: verifier), to: method)
        } catch {
            switch error {
            case .empty: return .unknown(Doubt(.malformedAnswer, "empty"))
            case .malformed: return .unknown(Doubt(.malformedAnswer, "not the gateway's JSON"))
            case .noNode: return .unknown(Doubt(.malformedAnswer, "no node"))
            case .unsigned: return .unknown(Doubt(.badSignature, "unsigned"))
            case .badSignature: return .unknown(Doubt(.badSignature))
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
