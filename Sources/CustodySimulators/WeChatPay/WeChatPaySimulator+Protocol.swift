import CustodyDomain
import CustodyWire

/// Every call of the protocol: who asks, what for, what goes wrong, and the signed answer.
extension WeChatPaySimulator {
    nonisolated func answerProtocol(_ request: SimulatorRequest) async -> SimulatorResponse {
        let byPublicKey = request.header("Wechatpay-Serial") == identity.publicKeyID
        guard let (route, parameters) = WeChatPayRoute.find(request) else {
            return signed(404, WeChatPayFailure.absent("没有这个接口").body, byPublicKey)
        }
        let mchid: String
        do throws(WeChatPayFailure) {
            mchid = try await authenticate(request, route)
        } catch { return signed(error.status, error.body, byPublicKey) }
        let json = request.json
        let fault = await fault(
            route.name, mchid, serial: WeChatPayRoute.serial(parameters, json), amount: WeChatPayRoute.amount(json))
        if let fault, let early = earlyAnswer(fault, byPublicKey) { return early }
        var answer: WeChatPayAnswer
        do throws(WeChatPayFailure) {
            answer = try await execute(route, parameters, request, mchid)
        } catch { answer = WeChatPayAnswer(status: error.status, body: error.body) }
        if answer.isFile {
            switch fault?.fault {
            case "corrupt": answer.body = Array(answer.body.dropLast(9)) + [0, 0, 0, 0, 0, 0, 0, 0, 0]
            case "other_bill": answer.body = Gzip.compressed(Array("other".utf8))
            case nil: break
            default: return lateAnswer(fault, answer, byPublicKey)
            }
            return .answer(status: 200, headers: [("content-type", "application/octet-stream")], body: answer.body)
        }
        return lateAnswer(fault, answer, byPublicKey)
    }

    /// The planted fault, or the one that an amount asks for by itself.
    private func fault(_ operation: String, _ mchid: String, serial: String?, amount: Fen?) -> FaultRule? {
        if let rule = faults.take(operation, merchant: mchid, serial: serial, amount: amount) { return rule }
        guard merchants[mchid]?.registration.hasMagicAmounts == true else { return nil }
        return MagicAmounts.rule(operation, amount)
    }

    /// The planted or asked-for end of something that goes on by itself.
    func outcome(
        _ operation: String, _ merchant: WeChatPayMerchant, serial: String?, amount: Fen
    ) -> FaultRule? { fault(operation, merchant.mchid, serial: serial, amount: amount) }

    /// What goes wrong before anything happens.
    private nonisolated func earlyAnswer(_ fault: FaultRule, _ byPublicKey: Bool) -> SimulatorResponse? {
        let isExecuted = fault.parameters["executed"]?.bool == true
        switch fault.fault {
        case "system_error" where !isExecuted:
            return signed(500, WeChatPayFailure(500, "SYSTEM_ERROR", "系统异常，请稍后重试").body, byPublicKey)
        case "bad_gateway" where !isExecuted: return Self.badGateway
        case "rate_limited":
            return signed(429, WeChatPayFailure(429, "FREQUENCY_LIMITED", "频率超限").body, byPublicKey)
        case "refuse":
            let status = Int(fault.parameters["status"]?.integer ?? 403)
            let code = fault.parameters["code"]?.string ?? "NO_AUTH"
            return signed(status, WeChatPayFailure(status, code, "商户无权限").body, byPublicKey)
        case "html" where !isExecuted: return Self.html
        case "drop": return .drop
        default: return nil
        }
    }

    private static var html: SimulatorResponse {
        .answer(status: 200, headers: [("content-type", "text/html")], body: Array("<html>upgrade</html>".utf8))
    }

    private static var badGateway: SimulatorResponse {
        .answer(status: 502, headers: [("content-type", "text/html")], body: Array("<html>502</html>".utf8))
    }

    /// What goes wrong with the answer of something that did happen.
    private nonisolated func lateAnswer(
        _ fault: FaultRule?, _ answer: WeChatPayAnswer, _ byPublicKey: Bool
    ) -> SimulatorResponse {
        let (status, body) = (answer.status, answer.body)
        switch fault?.fault {
        case "no_answer": return .silence(.seconds(fault?.parameters["seconds"]?.integer ?? 60))
        case "drop_answer": return .drop
        case "system_error":
            return signed(500, WeChatPayFailure(500, "SYSTEM_ERROR", "系统异常，请稍后重试").body, byPublicKey)
        case "bad_gateway": return Self.badGateway
        case "html": return Self.html
        case "empty_answer": return signed(200, [], byPublicKey)
        case "empty_unsigned": return .answer(status: 200, headers: [], body: [])
        case "unknown_state": return signed(status, Self.unknownState(body), byPublicKey)
        case "other_merchant": return signed(status, Self.replacing(merchants: body), byPublicKey)
        case "unsigned":
            return .answer(status: status, headers: [("content-type", "application/json")], body: body)
        case "bad_signature": return signed(status, body, byPublicKey, .badSignature)
        case "stale_timestamp": return signed(status, body, byPublicKey, .stale)
        case "unknown_serial": return signed(status, body, byPublicKey, .unknownSerial)
        case "probe": return signed(status, body, byPublicKey, .probe)
        default: return signed(status, body, byPublicKey)
        }
    }

    /// The same answer with states that nobody has heard of.
    private static func unknownState(_ body: [UInt8]) -> [UInt8] {
        let names: Set<String> = ["trade_state", "status", "result", "applyment_state", "state", "verify_result"]
        return rewritten(body) { names.contains($0) ? .string("MAYBE_LATER") : nil }
    }

    /// The same answer about somebody else.
    private static func replacing(merchants body: [UInt8]) -> [UInt8] {
        let names: Set<String> = ["mchid", "sp_mchid", "sub_mchid", "combine_mchid", "out_refund_no"]
        return rewritten(body) { names.contains($0) ? .string("1999999999") : nil }
    }

    private static func rewritten(_ body: [UInt8], _ value: (String) -> JSON?) -> [UInt8] {
        guard let members = (try? JSON(parsing: body))?.members else { return body }
        return JSON.object(members.map { JSON.Member($0.name, value($0.name) ?? $0.value) }).bytes
    }

    nonisolated func signed(
        _ status: Int, _ body: [UInt8], _ byPublicKey: Bool, _ flaw: WeChatPayIdentity.Flaw = .none
    ) -> SimulatorResponse {
        var headers = identity.headers(signing: body, byPublicKey: byPublicKey, flaw: flaw)
        if !body.isEmpty { headers.append(("content-type", "application/json; charset=utf-8")) }
        return .answer(status: status, headers: headers, body: body)
    }

    /// Who signed the request.
    private func authenticate(
        _ request: SimulatorRequest, _ route: WeChatPayRoute
    ) throws(WeChatPayFailure) -> String {
        guard let value = request.header("Authorization"), let authorization = WeChatPayAuthorization(value) else {
            throw WeChatPayFailure(401, "SIGN_ERROR", "Http头Authorization认证类型不正确或缺失")
        }
        guard request.header("User-Agent") != nil, request.header("Accept") != nil else {
            throw .parameter("缺少User-Agent或Accept")
        }
        guard let merchant = merchants[authorization.mchid] else {
            throw WeChatPayFailure(401, "SIGN_ERROR", "商户号不存在")
        }
        guard let seconds = Int64(authorization.timestamp),
            abs(SimulatorClock.realNow().seconds - seconds) < 300
        else { throw WeChatPayFailure(401, "SIGN_ERROR", "Http头Authorization中的timestamp与发起请求的时间不得超过5分钟") }
        guard let key = merchant.registration.keys[authorization.serial] else {
            throw WeChatPayFailure(401, "SIGN_ERROR", "商户证书序列号有误")
        }
        let target = request.query.isEmpty ? request.path : "\(request.path)?\(request.query)"
        var signed = request.body
        if route.name == "media" {
            guard let meta = MultipartForm.parts(of: request.body)?.first(where: { $0.name == "meta" }) else {
                throw .parameter("缺少meta")
            }
            signed = meta.content
        }
        guard authorization.isValid(method: request.method, target: target, body: signed, key: key) else {
            throw WeChatPayFailure(401, "SIGN_ERROR", "签名错误")
        }
        return authorization.mchid
    }

    private func execute(
        _ route: WeChatPayRoute, _ parameters: [String: String], _ request: SimulatorRequest, _ mchid: String
    ) throws(WeChatPayFailure) -> WeChatPayAnswer {
        guard let merchant = merchants[mchid] else { throw WeChatPayFailure(401, "SIGN_ERROR", "商户号不存在") }
        guard route.kinds.contains(merchant.kind) else { throw WeChatPayFailure(403, "NO_AUTH", "商户无权限调用该接口") }
        if let limit = route.limit, !limiter.takes("\(mchid) \(route.name)", perSecond: limit) {
            throw WeChatPayFailure(429, "RATELIMIT_EXCEEDED", "频率超限")
        }
        return try route.handler(
            self,
            WeChatPayCall(
                request: request, parameters: parameters, json: request.json, merchant: merchant,
                now: clock.now(of: mchid)))
    }

    /// What does not belong to anything greater.
    static func certificates(
        _ simulator: isolated WeChatPaySimulator, _ call: WeChatPayCall
    ) throws(WeChatPayFailure) -> WeChatPayAnswer {
        guard let cipher = try? WeChatPayCipher(apiV3Key: call.merchant.apiV3Key) else {
            throw WeChatPayFailure(500, "SYSTEM_ERROR", "系统异常")
        }
        let entries = simulator.identity.certificates.compactMap { certificate -> JSON? in
            let sealed = try? cipher.seal(
                Array(certificate.pem.utf8), nonce: String(WeChatPayRequestSigner.freshNonce().prefix(12)),
                associatedData: "certificate")
            guard let sealed else { return nil }
            return [
                "serial_no": .string(certificate.serial),
                "effective_time": .string(certificate.validity.lowerBound.rfc3339Shanghai),
                "expire_time": .string(certificate.validity.upperBound.rfc3339Shanghai),
                "encrypt_certificate": sealed.json,
            ]
        }
        return .json(["data": .array(entries)])
    }

    /// Takes a picture or document.
    static func media(
        _ simulator: isolated WeChatPaySimulator, _ call: WeChatPayCall
    ) throws(WeChatPayFailure) -> WeChatPayAnswer {
        guard let parts = MultipartForm.parts(of: call.request.body),
            let meta = parts.first(where: { $0.name == "meta" }).flatMap({ try? JSON(parsing: $0.content) }),
            let file = parts.first(where: { $0.name == "file" })
        else { throw .parameter("缺少meta或file") }
        guard let name = meta["filename"]?.string, file.fileName == name,
            WeChatPayMediaUpload(fileName: name, content: file.content) != nil
        else { throw .parameter("文件名、类型或大小不符合要求") }
        let hash = WeChatPayMediaUpload.sha256(file.content)
        guard meta["sha256"]?.string?.lowercased() == hash else { throw .parameter("sha256与文件不一致") }
        let id = "V1_" + hash + WeChatPayRequestSigner.freshNonce()
        call.merchant.media[id] = hash
        return .json(["media_id": .string(id)])
    }
}

extension WeChatPayRoute {
    static let others: [WeChatPayRoute] = [
        WeChatPayRoute("GET", "/v3/certificates", "certificates") { simulator, call throws(WeChatPayFailure) in
            try WeChatPaySimulator.certificates(simulator, call)
        },
        WeChatPayRoute("POST", "/v3/merchant/media/upload", "media") { simulator, call throws(WeChatPayFailure) in
            try WeChatPaySimulator.media(simulator, call)
        },
    ]
}

extension WeChatPayResource {
    /// The resource as WeChat Pay writes it.
    var json: JSON {
        [
            "algorithm": "AEAD_AES_256_GCM", "nonce": .string(nonce), "associated_data": .string(associatedData),
            "ciphertext": .string(ciphertext),
        ]
    }
}
