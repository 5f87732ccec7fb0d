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

    /// What is sent: the same bytes to whichever host takes them.
    struct Request {
        var method: String
        var path: String
        var body: [UInt8] = []
        /// What is signed instead of the body.
        var signedBody: [UInt8]?
        var contentType = "application/json"
        /// The key that fields of the body are sealed for.
        var sealingSerial: String?
        /// An empty 200 is an answer.
        var mayBeEmpty = false
    }

    let link: WeChatPayLink
    let signer: WeChatPayRequestSigner
    /// The keys that were configured.
    private let configured: WeChatPayVerifier
    private let certificates: WeChatPayCertificates
    private let outbound: Outbound
    private let clock: @Sendable () -> Instant

    init(
        link: WeChatPayLink, certificates: WeChatPayCertificates, outbound: Outbound,
        clock: @escaping @Sendable () -> Instant
    ) throws(WeChatPayKeyError) {
        self.link = link
        self.certificates = certificates
        self.outbound = outbound
        self.clock = clock
        signer = try WeChatPayRequestSigner(link)
        configured = try WeChatPayVerifier(link)
    }

    /// Sends one request to the API.
    func call(_ method: String, _ path: String, body: [UInt8] = []) async -> Outcome {
        await call(Request(method: method, path: path, body: body, mayBeEmpty: path.hasSuffix("/close")))
    }

    /// Sends one request to the API; to its other host, under the same number, when the first is out of order.
    func call(_ request: Request) async -> Outcome {
        // Without a public key there may be no key at all yet, and the certificates change.
        if link.publicKey == nil { _ = await verifier(isUrgent: false) }
        let first = await attempt(link.baseURL, request)
        guard case .failed(let doubt) = first, let backup = link.backupBaseURL,
            doubt.reason == .unreachable || doubt.reason == .systemError
        else { return first }
        let second = await attempt(backup, request)
        // When neither was reached, nothing was sent; otherwise what the first did is in doubt.
        if case .failed(let other) = second, other.reason == .unreachable { return first }
        return second
    }

    /// Downloads a bill by the address as given; signed by us, not by them.
    func download(_ url: String, into spool: Spool, named name: String) async throws(Doubt) -> Outbound.Download {
        let headers = try headers(of: Request(method: "GET", path: ""), to: url)
        return try await outbound.download(url, headers: headers, into: spool, named: name)
    }

    /// The key that sensitive fields are sealed for: WeChat's public key, or the certificate that is valid longest.
    func sealingKey() async -> WeChatPayLink.PlatformKey? {
        if let key = link.publicKey { return key }
        _ = await verifier(isUrgent: false)
        let now = clock()
        let downloaded = await certificates.known(place).filter { $0.validity.contains(now) }
        return downloaded.max { $0.validity.upperBound < $1.validity.upperBound }?.key ?? link.platformKeys.first
    }

    private var place: WeChatPayCertificates.Place { .init(baseURL: link.baseURL, mchid: link.mchid) }

    private func attempt(_ host: String, _ request: Request) async -> Outcome {
        let answer: Outbound.Answer
        do throws(Doubt) { answer = try await send(host + request.path, request) } catch { return .failed(error) }
        let id = answer.header("Request-ID").map { " request \($0)" } ?? ""
        // 429 and 5xx may come from something in front of WeChat that cannot sign; they promise nothing anyway.
        guard answer.status != 429 else {
            return .failed(Doubt(.rateLimited, "HTTP 429\(id)", retryAfter: answer.retryAfter))
        }
        guard answer.status < 500 else {
            return .failed(Doubt(.systemError, "HTTP \(answer.status)\(id)", retryAfter: answer.retryAfter))
        }
        do throws(WeChatPayVerifier.Rejection) {
            try await verify(answer)
        } catch { return .failed(Doubt(.badSignature, "HTTP \(answer.status) \(error)\(id)")) }
        if answer.status == 204 || (answer.status == 200 && answer.body.isEmpty && request.mayBeEmpty) {
            return .success([:])
        }
        guard let json = try? JSON(parsing: answer.body), json.members != nil else {
            return .failed(Doubt(.malformedAnswer, "HTTP \(answer.status), no JSON object\(id)"))
        }
        if answer.status == 200 || answer.status == 202 { return .success(json) }
        guard let code = json["code"]?.string, (400..<500).contains(answer.status) else {
            return .failed(Doubt(.malformedAnswer, "HTTP \(answer.status) without a code\(id)"))
        }
        let message = json["message"]?.string ?? ""
        switch WeChatPayCodes.meaning(code, status: answer.status, message: message) {
        case .refused(let standing):
            return .error(Refusal(code: code, message: message, standing: standing))
        case .unknown(let reason): return .failed(Doubt(reason, "HTTP \(answer.status) \(code)\(id)"))
        }
    }

    private func verify(_ answer: Outbound.Answer) async throws(WeChatPayVerifier.Rejection) {
        let known = await verifier(isUrgent: nil)
        do throws(WeChatPayVerifier.Rejection) {
            try known.verify(headers: answer.headers, body: answer.body, now: clock())
        } catch {
            guard error == .unknownSerial || error == .expired,
                WeChatPayVerifier.serial(in: answer.headers)?.hasPrefix("PUB_KEY_ID_") == false
            else { throw error }
            let renewed = await verifier(isUrgent: true)
            try renewed.verify(headers: answer.headers, body: answer.body, now: clock())
        }
    }

    /// The certificates as WeChat listed them within the last minute; nil when it did not.
    func refreshedCertificates() async -> [WeChatPayCertificate]? {
        let now = clock()
        let list = await certificates.current(place, now: now, isUrgent: true) { await downloadCertificates() }
        guard let downloadedAt = await certificates.downloadedAt(place),
            now < downloadedAt + WeChatPayCertificates.patience
        else { return nil }
        return list
    }

    /// All keys there are.
    ///
    /// - Parameter isUrgent: Whether to download now; nil takes what there is.
    func verifier(isUrgent: Bool?) async -> WeChatPayVerifier {
        var verifier = configured
        let downloaded =
            if let isUrgent {
                await certificates.current(place, now: clock(), isUrgent: isUrgent) { await downloadCertificates() }
            } else { await certificates.known(place) }
        // What was downloaded was read then: it is readable.
        try? verifier.add(downloaded)
        return verifier
    }

    /// Asks for the platform certificates. The decryption shows that they are WeChat's; one of them signs the answer.
    private func downloadCertificates() async -> [WeChatPayCertificate]? {
        for host in [link.baseURL, link.backupBaseURL].compactMap(\.self) {
            let request = Request(method: "GET", path: "/v3/certificates")
            guard let answer = try? await send(host + request.path, request), answer.status == 200,
                let list = try? WeChatPayCertificate.list(in: answer.body, apiV3Key: link.apiV3Key), !list.isEmpty
            else { continue }
            var verifier = configured
            guard (try? verifier.add(list)) != nil,
                (try? verifier.verify(headers: answer.headers, body: answer.body, now: clock())) != nil
            else { continue }
            return list
        }
        return nil
    }

    private func send(_ url: String, _ request: Request) async throws(Doubt) -> Outbound.Answer {
        try await outbound.call(
            request.method, url, headers: headers(of: request, to: url), body: request.body)
    }

    private func headers(of request: Request, to url: String) throws(Doubt) -> [(String, String)] {
        guard let target = WeChatPayExchange.target(of: url),
            let authorization = try? signer.authorization(
                method: request.method, target: target, body: request.signedBody ?? request.body, now: clock(),
                nonce: WeChatPayRequestSigner.freshNonce())
        else { throw Doubt(.unreachable, "the request cannot be signed") }
        var headers = [
            ("Authorization", authorization), ("Accept", "application/json"), ("User-Agent", "custody/1"),
        ]
        if !request.body.isEmpty { headers.append(("Content-Type", request.contentType)) }
        // Tells WeChat which key we seal for and verify with.
        if let serial = request.sealingSerial ?? link.publicKey?.serial {
            headers.append(("Wechatpay-Serial", serial))
        }
        return headers
    }

    /// Path and query of an absolute URL, as written.
    static func target(of url: String) -> String? {
        guard let scheme = url.firstRange(of: "://") else { return nil }
        let rest = url[scheme.upperBound...]
        guard let slash = rest.firstIndex(of: "/") else { return nil }
        return String(rest[slash...])
    }
}

extension WeChatPayExchange.Outcome {
    /// Reads what was answered; an answer that makes no sense leaves the outcome unknown.
    func reading<Value>(_ read: (JSON) throws(Doubt) -> Value) -> Reply<Value> {
        switch self {
        case .success(let json):
            do throws(Doubt) { return .answered(try read(json)) } catch { return .unknown(error) }
        case .error(let refusal): return .refused(refusal)
        case .failed(let doubt): return .unknown(doubt)
        }
    }

    /// The same, where "they have no such thing" is an answer.
    func reading<Value>(orAbsent absent: Value, _ read: (JSON) throws(Doubt) -> Value) -> Reply<Value> {
        if case .error(let refusal) = self, WeChatPayCodes.isAbsent(refusal.code) {
            return .answered(absent)
        }
        return reading(read)
    }
}

extension Refusal {
    func isAny(_ codes: String...) -> Bool { codes.contains(code) }
}
