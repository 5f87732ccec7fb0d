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
        let fault = await fault(
            route.name, mchid, serial: WeChatPayRoute.serial(parameters, request),
            amount: WeChatPayRoute.amount(request.json))
        if let fault, let early = earlyAnswer(fault, route, byPublicKey) { return early }
        if fault?.fault == "execute_late" {
            await executeLate(route, parameters, request, mchid, after: fault?.seconds ?? 600)
            return .drop
        }
        var answer: WeChatPayAnswer
        do throws(WeChatPayFailure) {
            answer = try await execute(route, parameters, request, mchid, fault)
            if fault?.fault == "notify_first" { await endNow(route.name, mchid, request.json) }
        } catch { answer = WeChatPayAnswer(status: error.status, body: error.body) }
        guard answer.isFile else { return lateAnswer(fault, answer, byPublicKey) }
        switch fault?.fault {
        case "corrupt": answer.body = Array(answer.body.dropLast(9)) + [0, 0, 0, 0, 0, 0, 0, 0, 0]
        case "truncated": answer.body = Array(answer.body.prefix(answer.body.count / 2))
        case "other_bill": answer.body = Gzip.compressed(Array("other".utf8))
        case nil: break
        default: return lateAnswer(fault, answer, byPublicKey)
        }
        return .answer(status: 200, headers: [("content-type", "application/octet-stream")], body: answer.body)
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

    func execute(
        _ route: WeChatPayRoute, _ parameters: [String: String], _ request: SimulatorRequest, _ mchid: String,
        _ fault: FaultRule?
    ) throws(WeChatPayFailure) -> WeChatPayAnswer {
        guard let merchant = merchants[mchid] else { throw WeChatPayFailure(401, "SIGN_ERROR", "商户号不存在") }
        guard route.kinds.contains(merchant.kind) else { throw .wrongKind(merchant.kind) }
        let call = WeChatPayCall(
            request: request, parameters: parameters, json: request.json, merchant: merchant,
            now: clock.now(of: mchid), fault: fault)
        try limit(route, call)
        return try route.handler(self, call)
    }

    /// Counts a call, by the limits that are documented, or by the one the merchant was registered with.
    private func limit(_ route: WeChatPayRoute, _ call: WeChatPayCall) throws(WeChatPayFailure) {
        let mchid = call.merchant.mchid
        if let calls = call.merchant.registration.rateLimits[route.name] {
            let code = route.limits.first?.code ?? "RATELIMIT_EXCEEDED"
            guard limiter.takes("\(mchid) \(route.name)", calls: calls, per: 1) else {
                throw WeChatPayFailure(429, code, "频率超限")
            }
            return
        }
        for limit in route.limits {
            var key = "\(mchid) \(route.name)"
            if limit.scope == .subMerchant {
                guard let sub = call.json?["sub_mchid"]?.string else { continue }
                key += " \(sub)"
            }
            guard limiter.takes(key, calls: limit.calls, per: limit.seconds) else {
                throw WeChatPayFailure(429, limit.code, "频率超限")
            }
        }
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
