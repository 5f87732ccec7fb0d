import CustodyDomain
import CustodyWire

/// One signed request to WeChat Pay and its verified answer.
struct WeChatPayExchange: Sendable {
    /// What came of it.
    enum Outcome {
        /// 2xx, verified; an empty body is an empty object.
        case success(JSON)
        /// 4xx with a code, verified: what it says of the number is in the refusal.
        case error(Refusal)
        /// Nobody can tell.
        case failed(Doubt)
    }

    let baseURL: String
    let signer: WeChatPayRequestSigner
    let verifier: WeChatPayVerifier
    /// Tells WeChat that we verify with its public key rather than a certificate.
    let verifyingSerial: String?
    let outbound: Outbound
    let clock: @Sendable () -> Instant

    /// Sends one request to the API.
    func call(_ method: String, _ path: String, body: [UInt8] = []) async -> Outcome {
        let answer: Outbound.Answer
        do throws(Doubt) {
            answer = try await send(method, baseURL + path, body: body)
        } catch { return .failed(error) }
        let id = answer.header("Request-ID").map { " request \($0)" } ?? ""
        // 429 and 5xx may come from something in front of WeChat that cannot sign; they promise nothing anyway.
        guard answer.status != 429 else {
            return .failed(Doubt(.rateLimited, "HTTP 429\(id)", retryAfter: answer.retryAfter))
        }
        guard answer.status < 500 else {
            return .failed(Doubt(.systemError, "HTTP \(answer.status)\(id)", retryAfter: answer.retryAfter))
        }
        do throws(WeChatPayVerifier.Rejection) {
            try verifier.verify(headers: answer.headers, body: answer.body, now: clock())
        } catch { return .failed(Doubt(.badSignature, "HTTP \(answer.status) \(error)\(id)")) }
        if answer.status == 204 || (answer.status == 200 && answer.body.isEmpty && path.hasSuffix("/close")) {
            return .success([:])
        }
        guard let json = try? JSON(parsing: answer.body), json.members != nil else {
            return .failed(Doubt(.malformedAnswer, "HTTP \(answer.status), no JSON object\(id)"))
        }
        if answer.status == 200 { return .success(json) }
        guard let code = json["code"]?.string else {
            return .failed(Doubt(.malformedAnswer, "HTTP \(answer.status) without a code\(id)"))
        }
        return outcome(code: code, message: json["message"]?.string ?? "", status: answer.status, id: id)
    }

    /// Downloads a bill by the address as given; signed by us, not by them.
    func download(_ url: String) async throws(Doubt) -> Outbound.Answer { try await send("GET", url, body: []) }

    private func outcome(code: String, message: String, status: Int, id: String) -> Outcome {
        switch WeChatPayCodes.meaning(code, status: status) {
        case .refused(let standing): .error(Refusal(code: code, message: message, standing: standing))
        case .unknown(let reason): .failed(Doubt(reason, "HTTP \(status) \(code)\(id)"))
        }
    }

    private func send(_ method: String, _ url: String, body: [UInt8]) async throws(Doubt) -> Outbound.Answer {
        guard let target = WeChatPayExchange.target(of: url),
            let authorization = try? signer.authorization(
                method: method, target: target, body: body, now: clock(), nonce: WeChatPayRequestSigner.freshNonce())
        else { throw Doubt(.unreachable, "the request cannot be signed") }
        var headers = [
            ("Authorization", authorization), ("Accept", "application/json"), ("User-Agent", "custody/1"),
        ]
        if !body.isEmpty { headers.append(("Content-Type", "application/json")) }
        if let verifyingSerial { headers.append(("Wechatpay-Serial", verifyingSerial)) }
        return try await outbound.call(method, url, headers: headers, body: body)
    }

    /// Path and query of an absolute URL, as written.
    static func target(of url: String) -> String? {
        guard let scheme = url.firstRange(of: "://") else { return nil }
        let rest = url[scheme.upperBound...]
        guard let slash = rest.firstIndex(of: "/") else { return nil }
        return String(rest[slash...])
    }
}

extension Refusal {
    func isAny(_ codes: String...) -> Bool { codes.contains(code) }
}
