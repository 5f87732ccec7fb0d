import CustodyDomain
import CustodyWire

/// An error the way WeChat Pay writes it.
struct WeChatPayFailure: Error {
    let status: Int
    let code: String
    let message: String

    init(_ status: Int, _ code: String, _ message: String) {
        self.status = status
        self.code = code
        self.message = message
    }

    var body: [UInt8] {
        let json: JSON = ["code": .string(code), "message": .string(message)]
        return json.bytes
    }
}

/// Every call of the protocol: who asks, what for, what goes wrong, and the signed answer.
extension WeChatPaySimulator {
    /// What is asked.
    enum Operation {
        case pay(method: String)
        case query(outTradeNo: String)
        case queryByID(String)
        case close(outTradeNo: String)
        case refund
        case queryRefund(outRefundNo: String)
        case bill
        case download
        case certificates

        init?(_ request: SimulatorRequest) {
            let parts = request.pathParts
            switch (request.method, parts.count) {
            case ("POST", 4) where request.path.hasPrefix("/v3/pay/transactions/"):
                guard ["native", "jsapi", "h5", "app"].contains(parts[3]) else { return nil }
                self = .pay(method: parts[3])
            case ("GET", 5) where request.path.hasPrefix("/v3/pay/transactions/out-trade-no/"):
                self = .query(outTradeNo: parts[4])
            case ("GET", 5) where request.path.hasPrefix("/v3/pay/transactions/id/"): self = .queryByID(parts[4])
            case ("POST", 6)
            where request.path.hasPrefix("/v3/pay/transactions/out-trade-no/") && parts[5] == "close":
                self = .close(outTradeNo: parts[4])
            case ("POST", 4) where request.path == "/v3/refund/domestic/refunds": self = .refund
            case ("GET", 5) where request.path.hasPrefix("/v3/refund/domestic/refunds/"):
                self = .queryRefund(outRefundNo: parts[4])
            case ("GET", 3) where request.path == "/v3/bill/tradebill": self = .bill
            case ("GET", 3) where request.path == "/v3/billdownload/file": self = .download
            case ("GET", 2) where request.path == "/v3/certificates": self = .certificates
            default: return nil
            }
        }

        /// The name faults are planted under.
        var name: String {
            switch self {
            case .pay: "pay"
            case .query, .queryByID: "query"
            case .close: "close"
            case .refund: "refund"
            case .queryRefund: "query_refund"
            case .bill: "bill"
            case .download: "download"
            case .certificates: "certificates"
            }
        }

        func serial(_ json: JSON?) -> String? {
            switch self {
            case .pay: json?["out_trade_no"]?.string
            case .query(let number), .close(let number): number
            case .refund: json?["out_refund_no"]?.string
            case .queryRefund(let number): number
            case .queryByID, .bill, .download, .certificates: nil
            }
        }

        func amount(_ json: JSON?) -> Fen? {
            switch self {
            case .pay: json?["amount"]?["total"]?.integer.map(Fen.init)
            case .refund: json?["amount"]?["refund"]?.integer.map(Fen.init)
            default: nil
            }
        }
    }

    nonisolated func answerProtocol(_ request: SimulatorRequest) async -> SimulatorResponse {
        let byPublicKey = request.header("Wechatpay-Serial") == identity.publicKeyID
        guard let operation = Operation(request) else {
            return signed(404, WeChatPayFailure(404, "RESOURCE_NOT_EXISTS", "没有这个接口").body, byPublicKey)
        }
        let mchid: String
        do throws(WeChatPayFailure) {
            mchid = try await authenticate(request)
        } catch { return signed(error.status, error.body, byPublicKey) }
        let json = request.json
        let fault = faults.take(
            operation.name, merchant: mchid, serial: operation.serial(json), amount: operation.amount(json))
        if let fault, let early = earlyAnswer(fault, byPublicKey) { return early }
        var (status, body): (Int, [UInt8])
        do throws(WeChatPayFailure) {
            (status, body) = try await execute(operation, request, json, mchid)
        } catch { (status, body) = (error.status, error.body) }
        if case .download = operation, status == 200 {
            if fault?.fault == "corrupt" { body = Array(body.dropLast(9)) + [0, 0, 0, 0, 0, 0, 0, 0, 0] }
            if fault?.fault == "other_bill" { body = Gzip.compressed(Array("other".utf8)) }
            if fault == nil || ["corrupt", "other_bill"].contains(fault?.fault) {
                return .answer(status: 200, headers: [("content-type", "application/octet-stream")], body: body)
            }
        }
        return lateAnswer(fault, status, body, byPublicKey)
    }

    /// What goes wrong before anything happens.
    private nonisolated func earlyAnswer(_ fault: FaultRule, _ byPublicKey: Bool) -> SimulatorResponse? {
        let isExecuted = fault.parameters["executed"]?.bool == true
        switch fault.fault {
        case "system_error" where !isExecuted:
            return signed(500, WeChatPayFailure(500, "SYSTEM_ERROR", "系统异常，请稍后重试").body, byPublicKey)
        case "rate_limited":
            return signed(429, WeChatPayFailure(429, "FREQUENCY_LIMITED", "频率超限").body, byPublicKey)
        case "html" where !isExecuted:
            return .answer(
                status: 200, headers: [("content-type", "text/html")], body: Array("<html>upgrade</html>".utf8))
        case "drop": return .drop
        default: return nil
        }
    }

    /// What goes wrong with the answer of something that did happen.
    private nonisolated func lateAnswer(
        _ fault: FaultRule?, _ status: Int, _ body: [UInt8], _ byPublicKey: Bool
    ) -> SimulatorResponse {
        switch fault?.fault {
        case "no_answer": return .silence(.seconds(fault?.parameters["seconds"]?.integer ?? 60))
        case "drop_answer": return .drop
        case "system_error":
            return signed(500, WeChatPayFailure(500, "SYSTEM_ERROR", "系统异常，请稍后重试").body, byPublicKey)
        case "html":
            return .answer(
                status: 200, headers: [("content-type", "text/html")], body: Array("<html>upgrade</html>".utf8))
        case "empty_answer": return .answer(status: 200, headers: [], body: [])
        case "unsigned":
            return .answer(status: status, headers: [("content-type", "application/json")], body: body)
        case "bad_signature": return signed(status, body, byPublicKey, .badSignature)
        case "stale_timestamp": return signed(status, body, byPublicKey, .stale)
        case "unknown_serial": return signed(status, body, byPublicKey, .unknownSerial)
        default: return signed(status, body, byPublicKey)
        }
    }

    nonisolated func signed(
        _ status: Int, _ body: [UInt8], _ byPublicKey: Bool, _ flaw: WeChatPayIdentity.Flaw = .none
    ) -> SimulatorResponse {
        var headers = identity.headers(signing: body, byPublicKey: byPublicKey, flaw: flaw)
        if !body.isEmpty { headers.append(("content-type", "application/json; charset=utf-8")) }
        return .answer(status: status, headers: headers, body: body)
    }

    /// Who signed the request.
    private func authenticate(_ request: SimulatorRequest) throws(WeChatPayFailure) -> String {
        guard let value = request.header("Authorization"), let authorization = WeChatPayAuthorization(value) else {
            throw WeChatPayFailure(401, "SIGN_ERROR", "Http头Authorization认证类型不正确或缺失")
        }
        guard request.header("User-Agent") != nil, request.header("Accept") != nil else {
            throw WeChatPayFailure(400, "PARAM_ERROR", "缺少User-Agent或Accept")
        }
        guard let merchant = merchants[authorization.mchid] else {
            throw WeChatPayFailure(401, "SIGN_ERROR", "商户号不存在")
        }
        guard let seconds = Int64(authorization.timestamp),
            abs(SimulatorClock.realNow().seconds - seconds) < 300
        else { throw WeChatPayFailure(401, "SIGN_ERROR", "Http头Authorization中的timestamp与发起请求的时间不得超过5分钟") }
        guard let key = merchant.keys[authorization.serial] else {
            throw WeChatPayFailure(401, "SIGN_ERROR", "商户证书序列号有误")
        }
        let target = request.query.isEmpty ? request.path : "\(request.path)?\(request.query)"
        guard authorization.isValid(method: request.method, target: target, body: request.body, key: key) else {
            throw WeChatPayFailure(401, "SIGN_ERROR", "签名错误")
        }
        return authorization.mchid
    }

    private func execute(
        _ operation: Operation, _ request: SimulatorRequest, _ json: JSON?, _ mchid: String
    ) throws(WeChatPayFailure) -> (Int, [UInt8]) {
        guard let merchant = merchants[mchid] else { throw WeChatPayFailure(401, "SIGN_ERROR", "商户号不存在") }
        let now = clock.now(of: mchid)
        func body() throws(WeChatPayFailure) -> JSON {
            guard let json, json.members != nil else { throw WeChatPayFailure(400, "PARAM_ERROR", "请求体不是JSON") }
            return json
        }
        func ownMerchant(_ value: String?) throws(WeChatPayFailure) {
            guard value == mchid else { throw WeChatPayFailure(400, "PARAM_ERROR", "mchid与签名商户不一致") }
        }
        switch operation {
        case .pay(let method):
            let answer = try place(try body(), method, merchant, now)
            return (200, answer.bytes)
        case .query(let outTradeNo):
            try ownMerchant(request.queryField("mchid"))
            return (200, try order(outTradeNo, merchant, now).json(merchant).bytes)
        case .queryByID(let id):
            try ownMerchant(request.queryField("mchid"))
            guard let order = merchant.orders.values.first(where: { $0.transactionID == id }) else {
                throw WeChatPayFailure(404, "ORDER_NOT_EXIST", "订单不存在")
            }
            return (200, order.json(merchant).bytes)
        case .close(let outTradeNo):
            try ownMerchant(try body()["mchid"]?.string)
            let order = try order(outTradeNo, merchant, now)
            guard order.state == .unpaid || order.state == .closed else {
                throw WeChatPayFailure(400, "ORDERPAID", "该订单已支付")
            }
            merchant.orders[outTradeNo]?.state = .closed
            return (204, [])
        case .refund:
            let refund = try acceptRefund(try body(), merchant, now)
            return (200, refund.json(merchant).bytes)
        case .queryRefund(let outRefundNo):
            guard let refund = merchant.refunds[outRefundNo] else {
                throw WeChatPayFailure(404, "RESOURCE_NOT_EXISTS", "退款单不存在")
            }
            return (200, refund.json(merchant).bytes)
        case .bill: return (200, try makeBill(request, merchant, now).bytes)
        case .download:
            guard let token = request.queryField("token"), let download = downloads[token], download.mchid == mchid,
                SimulatorClock.realNow() < download.expiresAt
            else { throw WeChatPayFailure(404, "RESOURCE_NOT_EXISTS", "下载地址无效或已过期") }
            return (200, download.bytes)
        case .certificates: return (200, try certificates(merchant).bytes)
        }
    }

    private func certificates(_ merchant: WeChatPayMerchant) throws(WeChatPayFailure) -> JSON {
        guard let cipher = try? WeChatPayCipher(apiV3Key: merchant.apiV3Key),
            let sealed = try? cipher.seal(
                Array(identity.certificatePEM.utf8), nonce: String(WeChatPayRequestSigner.freshNonce().prefix(12)),
                associatedData: "certificate")
        else { throw WeChatPayFailure(500, "SYSTEM_ERROR", "系统异常") }
        return [
            "data": [
                [
                    "serial_no": .string(identity.certificateSerial), "effective_time": "2026-01-01T00:00:00+08:00",
                    "expire_time": "2036-01-01T00:00:00+08:00", "encrypt_certificate": sealed.json,
                ]
            ]
        ]
    }
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
