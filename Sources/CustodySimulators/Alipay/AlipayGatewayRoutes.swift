import CustodyDomain
import CustodyWire

/// The gateway: verifies our signature, executes, and answers signed; faults between the steps.
struct AlipayGatewayRoutes: Sendable {
    let world: AlipayWorld
    let faults: FaultRules
    let notifier: AlipayNotifier
    let signer: RSASigner

    /// A verified call.
    private struct Call {
        let appID: String
        let method: String
        let content: JSON
        let notifyURL: String?
        let base: String
    }

    /// Names a method in `/control/faults`.
    private static let operations = [
        "alipay.trade.precreate": "precreate", "alipay.trade.query": "query", "alipay.trade.close": "close",
        "alipay.trade.refund": "refund", "alipay.trade.fastpay.refund.query": "refund_query",
        "alipay.data.dataservice.bill.downloadurl.query": "bill",
    ]

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
        guard value("sign_type") == "RSA2", AlipayRequest.isSigned(fields, by: merchant.verifier) else {
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
        let call: Call
        do {
            let fields = try URLForm.decode(request.query.utf8) + URLForm.decode(request.body)
            let (appID, method, content, notifyURL) = try verified(fields)
            call = Call(
                appID: appID, method: method, content: content, notifyURL: notifyURL,
                base: "http://\(request.header("host") ?? "127.0.0.1")")
        } catch let failure as AlipayWorld.Failure {
            return signed(AlipayGatewayRoutes.error("40002", "Invalid Arguments", failure), name: "error_response")
        } catch {
            let failure = AlipayWorld.Failure("isv.invalid-encoding", "编码错误")
            return signed(AlipayGatewayRoutes.error("40002", "Invalid Arguments", failure), name: "error_response")
        }
        if call.method == "alipay.trade.page.pay" || call.method == "alipay.trade.wap.pay" { return cashier(call) }
        guard let operation = AlipayGatewayRoutes.operations[call.method] else {
            let failure = AlipayWorld.Failure("isv.invalid-method", "不存在的方法名")
            return signed(AlipayGatewayRoutes.error("40002", "Invalid Arguments", failure), name: "error_response")
        }
        let rule = faults.take(
            operation, merchant: call.appID,
            serial: call.content["out_request_no"]?.string ?? call.content["out_trade_no"]?.string,
            amount: (call.content["refund_amount"] ?? call.content["total_amount"])?.string.flatMap { Fen(yuan: $0) })
        return respond(to: call, rule)
    }

    /// Executes unless the fault says `"executed":false` or is one that comes before, then answers as the fault says.
    private func respond(to call: Call, _ rule: FaultRule?) -> SimulatorResponse {
        let name = call.method.replacing(".", with: "_") + "_response"
        switch rule?.fault {
        case "rate_limited":
            return signed(
                ["code": "40005", "msg": "Call Limited", "sub_code": "isv.app-call-limited", "sub_msg": "应用调用次数超限"],
                name: name)
        case "refuse":
            let failure = AlipayWorld.Failure(
                rule?.parameters["sub_code"]?.string ?? "ACQ.SELLER_BALANCE_NOT_ENOUGH", "业务失败")
            return signed(AlipayGatewayRoutes.error("40004", "Business Failed", failure), name: name)
        default: break
        }
        var node: JSON = ["code": "10000", "msg": "Success"]
        if rule?.parameters["executed"]?.bool ?? true {
            do {
                node = try execute(call, rule)
            } catch {
                node = AlipayGatewayRoutes.error("40004", "Business Failed", error)
            }
        }
        switch rule?.fault {
        case "no_answer": return .silence(.seconds(60))
        case "drop": return .drop
        case "system_error":
            return signed(
                AlipayGatewayRoutes.error("40004", "Business Failed", .init("ACQ.SYSTEM_ERROR", "系统错误")), name: name)
        case "service_unavailable":
            return signed(
                AlipayGatewayRoutes.error(
                    "20000", "Service Currently Unavailable", .init("isp.unknow-error", "系统繁忙")), name: name)
        case "bad_signature": return signed(node, name: name, isForged: true)
        case "unsigned": return .json(.object([.init(name, node)]))
        case "html":
            return .answer(
                status: 200, headers: [("content-type", "text/html")], body: Array("<html>系统维护</html>".utf8))
        case "http_502": return .answer(status: 502, headers: [], body: Array("Bad Gateway".utf8))
        case "empty": return .answer(status: 200, headers: [], body: [])
        default: return signed(node, name: name)
        }
    }

    private func execute(_ call: Call, _ rule: FaultRule?) throws(AlipayWorld.Failure) -> JSON {
        switch call.method {
        case "alipay.trade.precreate":
            let trade = try world.place(call.appID, call.content, notifyURL: call.notifyURL, isOpened: false)
            return [
                "code": "10000", "msg": "Success", "out_trade_no": .string(trade.outTradeNo),
                "qr_code": .string(trade.code ?? ""),
            ]
        case "alipay.trade.query":
            let trade = try world.query(call.appID, call.content)
            return trade.queryNode(claiming: rule?.fault == "stale" ? .waiting : nil)
        case "alipay.trade.close":
            let trade = try world.close(call.appID, call.content)
            return [
                "code": "10000", "msg": "Success", "out_trade_no": .string(trade.outTradeNo),
                "trade_no": .string(trade.tradeNo),
            ]
        case "alipay.trade.refund":
            let (trade, refund, isNew) = try world.refund(call.appID, call.content)
            if isNew { announce(trade, refund, call.appID) }
            return trade.refundNode(refund, isNew: isNew)
        case "alipay.trade.fastpay.refund.query":
            let number = rule?.fault == "stale" ? "" : call.content["out_request_no"]?.string ?? ""
            return try world.query(call.appID, call.content).refundQueryNode(number)
        default: return try billAddress(call, rule)
        }
    }

    /// Notifies of a refund right after the answer, not before.
    private func announce(_ trade: AlipayTrade, _ refund: AlipayTrade.Refund, _ appID: String) {
        guard let merchant = world.merchant(appID) else { return }
        let notifyID = "\(BusinessDate(of: refund.at).compact)00222\(world.nextNumber())"
        guard let notification = trade.notification(of: merchant, notifyID: notifyID, refund: refund) else { return }
        world.clock.schedule(appID, at: refund.at) { [notifier] _ in await notifier.send(notification) }
    }

    private func billAddress(_ call: Call, _ rule: FaultRule?) throws(AlipayWorld.Failure) -> JSON {
        guard call.content["bill_type"]?.string == "trade",
            let date = call.content["bill_date"]?.string.flatMap({ BusinessDate($0) })
        else { throw .init("isp.type_not_supported", "账单类型不支持") }
        if rule?.fault == "not_ready" { throw .init("isp.bill_not_exist", "账单不存在") }
        if rule?.fault == "empty_code" {
            return ["code": "10000", "msg": "Success", "bill_file_code": "EMPTY_DATA_WITH_BILL_FILE"]
        }
        let bill = try world.bill(call.appID, of: date)
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
    private func cashier(_ call: Call) -> SimulatorResponse {
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

    private func signed(_ node: JSON, name: String, isForged: Bool = false) -> SimulatorResponse {
        guard var body = try? AlipayResponse.body(node: node, name: name, signer: signer) else {
            return .answer(status: 500, headers: [], body: [])
        }
        if isForged {
            // Other content than was signed, still well-formed.
            let text = String(decoding: body, as: UTF8.self).replacing("\"msg\":", with: "\"msg\" :")
            body = Array(text.utf8)
        }
        return .answer(
            status: 200, headers: [("content-type", "text/html;charset=utf-8")], body: body)
    }

    private static func error(_ code: String, _ message: String, _ failure: AlipayWorld.Failure) -> JSON {
        [
            "code": .string(code), "msg": .string(message), "sub_code": .string(failure.subCode),
            "sub_msg": .string(failure.message),
        ]
    }
}
