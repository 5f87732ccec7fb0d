import CustodyDomain
import CustodyWire

/// The gateway: verifies our signature, executes, and answers signed; faults between the steps.
struct AlipayGatewayRoutes: Sendable {
    let world: AlipayWorld
    let faults: FaultRules
    let notifier: AlipayNotifier
    let signer: RSASigner
    let authority: AlipayFoundedAuthority

    /// Answers `POST /gateway.do`, `GET /bill/{token}`; nil for everything else.
    func answer(_ request: SimulatorRequest) async -> SimulatorResponse? {
        switch (request.method, request.path) {
        case ("POST", "/gateway.do"), ("GET", "/gateway.do"): return await gateway(request)
        case ("GET", let path) where path.hasPrefix("/bill/"): return file(String(path.dropFirst(6)))
        default: return nil
        }
    }

    /// Verifies a request's signature, and takes it apart.
    ///
    /// - Parameters:
    ///   - fields: Of the query and the form together, or of an order string.
    ///   - base: Our own address.
    ///   - image: A picture that came along.
    func verified(
        _ fields: [URLForm.Field], base: String = "", image: AlipayImageUpload? = nil
    ) throws(AlipayWorld.Failure) -> AlipayCall {
        let value = { (name: String) in fields.first { $0.name == name }?.value }
        try AlipayGatewayRoutes.checkCommon(value)
        guard let appID = value("app_id"), let merchant = world.merchant(appID) else {
            throw .init("isv.invalid-app-id", "无效的AppID参数")
        }
        if case .certificate(let appSerial, let rootSerial) = merchant.mode {
            guard let named = value("app_cert_sn"), !named.isEmpty else {
                throw .init("isv.missing-app-cert-sn", "缺少应用公钥证书序列号参数")
            }
            guard named == appSerial else { throw .init("isv.app-cert-not-exist", "应用公钥证书不存在") }
            guard value("alipay_root_cert_sn") == rootSerial else {
                throw .init("isv.invalid-alipay-root-cert-sn", "无效的支付宝根证书序列号")
            }
        }
        guard AlipayRequest.isSigned(fields, by: merchant.verifier) else {
            throw .init("isv.invalid-signature", "验签出错")
        }
        let method = value("method") ?? ""
        var text = value("biz_content") ?? (method == AlipayImageUpload.method ? "{}" : "")
        let isEncrypted = value("encrypt_type") != nil
        if isEncrypted {
            guard value("encrypt_type") == "AES" else { throw .init("isv.invalid-encrypt-type", "无效的加密算法") }
            guard let cipher = merchant.cipher else { throw .init("isv.missing-encrypt-key", "加密配置错误") }
            // A picture comes without contents: only the answer is encrypted then.
            if value("biz_content") != nil || method != AlipayImageUpload.method {
                guard let opened = try? cipher.open(text) else {
                    throw .init("isv.decryption-error-unknown", "解密出错")
                }
                text = String(decoding: opened, as: UTF8.self)
            }
        }
        guard let content = try? JSON(parsing: text), content.members != nil else {
            throw .init("isv.invalid-parameter", "参数无效")
        }
        return AlipayCall(
            appID: appID, method: method, content: content, notifyURL: value("notify_url"), base: base,
            cipher: isEncrypted ? merchant.cipher : nil, image: image)
    }

    /// Checks the parameters that all methods share, in the gateway's order.
    private static func checkCommon(_ value: (String) -> String?) throws(AlipayWorld.Failure) {
        for (name, code, message) in [
            ("app_id", "isv.missing-app-id", "缺少appId参数"), ("method", "isv.missing-method", "缺少方法名参数"),
            ("charset", "isv.missing-charset", "缺少字符集参数"),
            ("sign_type", "isv.missing-signature-type", "缺少签名类型参数"),
            ("sign", "isv.missing-signature", "缺少签名参数"), ("timestamp", "isv.missing-timestamp", "缺少时间戳参数"),
            ("version", "isv.missing-version", "缺少版本参数"),
        ] {
            guard let found = value(name), !found.isEmpty else { throw .init(code, message) }
        }
        guard value("sign_type") == "RSA2" else { throw .init("isv.invalid-signature-type", "无效签名类型") }
        guard value("charset")?.lowercased() == "utf-8" else { throw .init("isv.invalid-charset", "字符集错误") }
        guard value("format")?.lowercased() ?? "json" == "json" else {
            throw .init("isv.invalid-format", "无效数据格式")
        }
        guard value("version") == "1.0" else { throw .init("isv.invalid-version", "无效的版本参数") }
        guard let stamp = value("timestamp"), Instant(text: stamp) != nil else {
            throw .init("isv.invalid-timestamp", "非法的时间戳参数")
        }
    }

    /// The fields of a request, from its query and its form; a picture's parts are no fields but for their texts.
    private static func fields(
        of request: SimulatorRequest
    ) throws -> (fields: [URLForm.Field], image: AlipayImageUpload?) {
        let query = try URLForm.decode(request.query.utf8)
        guard request.header("content-type")?.lowercased().hasPrefix("multipart/") ?? false else {
            return (query + (try URLForm.decode(request.body)), nil)
        }
        guard let parts = MultipartForm.parts(of: request.body) else { throw URLForm.Defect.badText }
        let texts = parts.filter { $0.fileName == nil }.map {
            URLForm.Field($0.name, String(decoding: $0.content, as: UTF8.self))
        }
        let image = parts.first { $0.name == "image_content" }.flatMap { part in
            AlipayImageUpload(
                fileName: "image.\(texts.first { $0.name == "image_type" }?.value ?? "")", content: part.content)
        }
        return (query + texts, image)
    }

    private func gateway(_ request: SimulatorRequest) async -> SimulatorResponse {
        let call: AlipayCall
        var appID = ""
        do {
            let (fields, image) = try AlipayGatewayRoutes.fields(of: request)
            appID = fields.first { $0.name == "app_id" }?.value ?? ""
            guard Set(fields.map(\.name)).count == fields.count else {
                throw AlipayWorld.Failure("isv.invalid-encoding", "编码错误")
            }
            call = try verified(
                fields, base: "http://\(request.header("host") ?? "127.0.0.1")", image: image)
        } catch let failure as AlipayWorld.Failure {
            return refusal(failure, to: appID)
        } catch {
            return refusal(.init("isv.invalid-encoding", "编码错误"), to: appID)
        }
        guard world.admits(appID, "*") else { return limited(call, "isv.app-call-limited", "应用调用次数超限") }
        if call.method == "alipay.trade.page.pay" || call.method == "alipay.trade.wap.pay" { return cashier(call) }
        guard let method = AlipayMethod(method: call.method) else {
            return refusal(.init("isv.invalid-method", "不存在的方法名"), to: appID)
        }
        guard world.admits(appID, method.rawValue) else {
            return limited(call, "isv.method-call-limited", "方法调用次数超限")
        }
        var rule = faults.take(method.rawValue, merchant: call.appID, serial: call.serial, amount: call.amount)
        if rule == nil, world.merchant(appID)?.hasMagicAmounts ?? false {
            rule = AlipayMagic.rule(method.rawValue, call.amount)
        }
        return await respond(to: call, method, rule)
    }

    private func refusal(_ failure: AlipayWorld.Failure, to appID: String) -> SimulatorResponse {
        let code =
            failure.subCode.hasPrefix("isv.missing")
            ? ("40001", "Missing Required Arguments") : ("40002", "Invalid Arguments")
        return signed(AlipayGatewayRoutes.error(code.0, code.1, failure), name: "error_response", to: appID)
    }

    private func limited(
        _ call: AlipayCall, _ subCode: String = "isv.app-call-limited", _ message: String = "应用调用次数超限"
    ) -> SimulatorResponse {
        signed(AlipayGatewayRoutes.error("40005", "Call Limited", .init(subCode, message)), call)
    }

    /// The answer to a call, encrypted as the call was.
    private func signed(
        _ node: JSON, _ call: AlipayCall, certificate: String? = nil, isForged: Bool = false
    ) -> SimulatorResponse {
        signed(
            node, name: call.node, to: call.appID, certificate: certificate, isForged: isForged, cipher: call.cipher)
    }

    /// Executes unless the fault says `"executed":false` or is one that comes before, then answers as the fault says.
    private func respond(to call: AlipayCall, _ method: AlipayMethod, _ rule: FaultRule?) async -> SimulatorResponse {
        switch rule?.fault {
        case "rate_limited": return limited(call)
        case "refuse":
            let failure = AlipayWorld.Failure(
                rule?.parameters["sub_code"]?.string ?? "ACQ.SELLER_BALANCE_NOT_ENOUGH", "业务失败")
            return signed(AlipayGatewayRoutes.failed(failure), call)
        default: break
        }
        var node: JSON = ["code": "10000", "msg": "Success"]
        if rule?.parameters["executed"]?.bool ?? true {
            do {
                node = try await execute(call, method, rule)
            } catch {
                node = AlipayGatewayRoutes.failed(error)
            }
        }
        switch rule?.fault {
        case "no_answer": return .silence(.seconds(60))
        case "drop": return .drop
        case "system_error":
            return signed(AlipayGatewayRoutes.failed(.init("ACQ.SYSTEM_ERROR", "系统错误")), call)
        case "service_unavailable":
            return signed(
                AlipayGatewayRoutes.error(
                    "20000", "Service Currently Unavailable", .init("isp.unknow-error", "系统繁忙")), call)
        case "bad_signature": return signed(node, call, isForged: true)
        case "unknown_certificate":
            return signed(node, call, certificate: "00000000000000000000000000000000")
        case "unsigned": return .json(.object([.init(call.node, node)]))
        case "html":
            return .answer(
                status: 200, headers: [("content-type", "text/html")], body: Array("<html>系统维护</html>".utf8))
        case "http_502": return .answer(status: 502, headers: [], body: Array("Bad Gateway".utf8))
        case "empty": return .answer(status: 200, headers: [], body: [])
        case "unknown_status":
            let members = (node.members ?? []).map {
                ["trade_status", "refund_status", "status"].contains($0.name)
                    ? JSON.Member($0.name, "SOMETHING_NEW") : $0
            }
            return signed(.object(members), call)
        default: return signed(node, call)
        }
    }

    func billAddress(_ call: AlipayCall, _ rule: FaultRule?) throws(AlipayWorld.Failure) -> JSON {
        if rule?.fault == "not_ready" { throw .init("BILL_NOT_EXIST", "账单不存在") }
        if rule?.fault == "empty_code" {
            return ["code": "10000", "msg": "Success", "bill_file_code": "EMPTY_DATA_WITH_BILL_FILE"]
        }
        let bill = try world.bill(call.appID, call.content)
        var bytes = (try? rule?.fault == "wrong_total" ? bill.archiveWithoutARow() : bill.archive()) ?? []
        if rule?.fault == "truncated" { bytes.removeLast(bytes.count / 2) }
        let lifetime = Duration.seconds(rule?.fault == "expired" ? 0 : 30)
        let token = world.offer(bytes, for: lifetime)
        return [
            "code": "10000", "msg": "Success",
            "bill_download_url": .string(
                "\(call.base)/bill/\(token)?downloadFileName=\(bill.frame.archiveName)"),
        ]
    }

    private func file(_ token: String) -> SimulatorResponse {
        guard let bytes = world.download(token) else {
            return .answer(
                status: 200, headers: [("content-type", "text/html")], body: Array("<html>链接已失效</html>".utf8))
        }
        return .answer(status: 200, headers: [("content-type", "application/octet-stream")], body: bytes)
    }

    /// What a browser sees that was sent here by our form: the order exists from now on.
    private func cashier(_ call: AlipayCall) -> SimulatorResponse {
        let text: String
        do {
            let trade = try world.place(call.appID, call.content, notifyURL: call.notifyURL, isOpened: true)
            text = "收银台：\(trade.amount.yuan) 元（订单 \(trade.outTradeNo)），由 POST /control/pay 支付"
        } catch {
            text = "\(error.subCode) \(error.message)"
        }
        return .answer(
            status: 200, headers: [("content-type", "text/plain; charset=utf-8")], body: Array(text.utf8))
    }

    private func signed(
        _ node: JSON, name: String, to appID: String, certificate: String? = nil, isForged: Bool = false,
        cipher: AlipayCipher? = nil
    ) -> SimulatorResponse {
        var certificate = certificate
        if certificate == nil, case .certificate? = world.merchant(appID)?.mode {
            certificate = try? authority.authority().alipaySerial
        }
        let body = try? AlipayResponse.body(
            node: node, name: name, signer: signer, certificate: certificate, cipher: cipher)
        guard var body else { return .answer(status: 500, headers: [], body: []) }
        if isForged {
            // Other content than was signed, still well-formed; encrypted content begins otherwise.
            let text = String(decoding: body, as: UTF8.self)
            body = Array(
                (cipher == nil
                    ? text.replacing("\"msg\":", with: "\"msg\" :")
                    : text.replacing("\"\(name)\":\"", with: "\"\(name)\":\"A")).utf8)
        }
        return .answer(
            status: 200, headers: [("content-type", "text/html;charset=utf-8")], body: body)
    }

    /// What a business failure is answered with.
    private static func failed(_ failure: AlipayWorld.Failure) -> JSON {
        failure.subCode == "isv.insufficient-isv-permissions"
            ? error("40006", "Insufficient Permissions", failure) : error("40004", "Business Failed", failure)
    }

    private static func error(_ code: String, _ message: String, _ failure: AlipayWorld.Failure) -> JSON {
        [
            "code": .string(code), "msg": .string(message), "sub_code": .string(failure.subCode),
            "sub_msg": .string(failure.message),
        ]
    }
}
