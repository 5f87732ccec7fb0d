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
    /// - Parameter fields: Of the query and the form together, or of an order string.
    func verified(
        _ fields: [URLForm.Field]
    ) throws(AlipayWorld.Failure) -> (appID: String, method: String, content: JSON, notifyURL: String?) {
        let value = { (name: String) in fields.first { $0.name == name }?.value }
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
        guard value("sign_type") == "RSA2" else { throw .init("isv.invalid-signature-type", "无效签名类型") }
        guard AlipayRequest.isSigned(fields, by: merchant.verifier) else {
            throw .init("isv.invalid-signature", "验签出错")
        }
        guard let method = value("method") else { throw .init("isv.invalid-method", "不存在的方法名") }
        guard let stamp = value("timestamp"), Instant(text: stamp) != nil else {
            throw .init("isv.invalid-timestamp", "非法的时间戳参数")
        }
        guard let content = try? JSON(parsing: value("biz_content") ?? ""), content.members != nil else {
            throw .init("isv.invalid-parameter", "参数无效")
        }
        return (appID, method, content, value("notify_url"))
    }

    private func gateway(_ request: SimulatorRequest) async -> SimulatorResponse {
        let call: AlipayCall
        var appID = ""
        do {
            let fields = try URLForm.decode(request.query.utf8) + URLForm.decode(request.body)
            appID = fields.first { $0.name == "app_id" }?.value ?? ""
            guard Set(fields.map(\.name)).count == fields.count else {
                throw AlipayWorld.Failure("isv.invalid-encoding", "编码错误")
            }
            let (appID, method, content, notifyURL) = try verified(fields)
            call = AlipayCall(
                appID: appID, method: method, content: content, notifyURL: notifyURL,
                base: "http://\(request.header("host") ?? "127.0.0.1")")
        } catch let failure as AlipayWorld.Failure {
            return refusal(failure, to: appID)
        } catch {
            return refusal(.init("isv.invalid-encoding", "编码错误"), to: appID)
        }
        guard world.admits(appID) else { return limited(call) }
        if call.method == "alipay.trade.page.pay" || call.method == "alipay.trade.wap.pay" { return cashier(call) }
        guard let method = AlipayMethod(method: call.method) else {
            return refusal(.init("isv.invalid-method", "不存在的方法名"), to: appID)
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

    private func limited(_ call: AlipayCall) -> SimulatorResponse {
        signed(
            AlipayGatewayRoutes.error("40005", "Call Limited", .init("isv.app-call-limited", "应用调用次数超限")),
            name: call.node, to: call.appID)
    }

    /// Executes unless the fault says `"executed":false` or is one that comes before, then answers as the fault says.
    private func respond(to call: AlipayCall, _ method: AlipayMethod, _ rule: FaultRule?) async -> SimulatorResponse {
        switch rule?.fault {
        case "rate_limited": return limited(call)
        case "refuse":
            let failure = AlipayWorld.Failure(
                rule?.parameters["sub_code"]?.string ?? "ACQ.SELLER_BALANCE_NOT_ENOUGH", "业务失败")
            return signed(AlipayGatewayRoutes.failed(failure), name: call.node, to: call.appID)
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
            return signed(
                AlipayGatewayRoutes.failed(.init("ACQ.SYSTEM_ERROR", "系统错误")), name: call.node, to: call.appID)
        case "service_unavailable":
            return signed(
                AlipayGatewayRoutes.error(
                    "20000", "Service Currently Unavailable", .init("isp.unknow-error", "系统繁忙")), name: call.node,
                to: call.appID)
        case "bad_signature": return signed(node, name: call.node, to: call.appID, isForged: true)
        case "unknown_certificate":
            return signed(node, name: call.node, to: call.appID, certificate: "00000000000000000000000000000000")
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
            return signed(.object(members), name: call.node, to: call.appID)
        default: return signed(node, name: call.node, to: call.appID)
        }
    }

    func billAddress(_ call: AlipayCall, _ rule: FaultRule?) throws(AlipayWorld.Failure) -> JSON {
        let scope: AlipayWorld.BillScope
        switch call.content["bill_type"]?.string {
        case "trade": scope = .platform
        case "trade_zft_merchant": scope = .subMerchants(smid: call.content.alipayText("smid"))
        default: throw .init("isp.type_not_supported", "账单类型不支持")
        }
        guard let date = call.content["bill_date"]?.string.flatMap({ BusinessDate($0) }) else {
            throw .init("isp.invalid_arguments", "参数有误")
        }
        if rule?.fault == "not_ready" { throw .init("isp.bill_not_exist", "账单不存在") }
        if rule?.fault == "empty_code" {
            return ["code": "10000", "msg": "Success", "bill_file_code": "EMPTY_DATA_WITH_BILL_FILE"]
        }
        let bill = try world.bill(call.appID, of: date, scope: scope)
        var bytes = (try? bill.archive()) ?? []
        switch rule?.fault {
        case "truncated": bytes.removeLast(bytes.count / 2)
        case "wrong_total":
            // The totals stay, a row goes.
            let lines = bill.detail.split(separator: "\r\n", omittingEmptySubsequences: false)
            let detail = (lines.prefix(5) + lines.dropFirst(6)).joined(separator: "\r\n")
            if let content = try? GB18030.encode(detail) {
                bytes =
                    (try? ZipArchive.bytes(
                        of: [(name: "\(bill.account)_\(date.compact)_业务明细.csv", content: content)],
                        modifiedAt: bill.exportedAt)) ?? []
            }
        default: break
        }
        let lifetime = Duration.seconds(rule?.fault == "expired" ? 0 : 30)
        let token = world.offer(bytes, for: lifetime)
        return [
            "code": "10000", "msg": "Success",
            "bill_download_url": .string("\(call.base)/bill/\(token)?downloadFileName=\(bill.archiveName)"),
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
        _ node: JSON, name: String, to appID: String, certificate: String? = nil, isForged: Bool = false
    ) -> SimulatorResponse {
        var certificate = certificate
        if certificate == nil, case .certificate? = world.merchant(appID)?.mode {
            certificate = try? authority.authority().alipaySerial
        }
        let body = try? AlipayResponse.body(node: node, name: name, signer: signer, certificate: certificate)
        guard var body else { return .answer(status: 500, headers: [], body: []) }
        if isForged {
            // Other content than was signed, still well-formed.
            let text = String(decoding: body, as: UTF8.self).replacing("\"msg\":", with: "\"msg\" :")
            body = Array(text.utf8)
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
