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

    static func parameter(_ message: String) -> WeChatPayFailure { .init(400, "PARAM_ERROR", message) }
    static func invalid(_ message: String) -> WeChatPayFailure { .init(400, "INVALID_REQUEST", message) }
    static func absent(_ message: String) -> WeChatPayFailure { .init(404, "RESOURCE_NOT_EXISTS", message) }
    static let conflict = WeChatPayFailure(400, "INVALID_REQUEST", "请求重入时，参数与首次请求时不一致")
    static func ruleLimit(_ message: String) -> WeChatPayFailure { .init(403, "RULE_LIMIT", message) }
    /// Each kind of merchant has endpoints of its own.
    static func wrongKind(_ kind: WeChatPayMerchant.Kind) -> WeChatPayFailure {
        .init(403, "NO_AUTH", kind == .ecommerce ? "电商商户不允许调用非电商API" : "非电商商户暂不支持调用此API")
    }
    static func notEnough(_ message: String) -> WeChatPayFailure { .init(403, "NOT_ENOUGH", message) }
}

/// What is answered when nothing goes wrong.
struct WeChatPayAnswer {
    var status = 200
    var body: [UInt8] = []
    /// A file is not signed.
    var isFile = false

    static func json(_ json: JSON) -> WeChatPayAnswer { WeChatPayAnswer(body: json.omittingNulls.bytes) }
    static let noContent = WeChatPayAnswer(status: 204)
}

/// An authenticated call.
struct WeChatPayCall {
    let request: SimulatorRequest
    /// The path's parts that its template leaves open.
    let parameters: [String: String]
    let json: JSON?
    let merchant: WeChatPayMerchant
    /// The merchant's virtual time.
    let now: Instant
    /// What goes wrong with it, where the call itself must know.
    let fault: FaultRule?

    func body() throws(WeChatPayFailure) -> JSON {
        guard let json, json.members != nil else { throw .parameter("请求体不是JSON") }
        return json
    }

    func parameter(_ name: String) -> String { parameters[name] ?? "" }

    func query(_ name: String) throws(WeChatPayFailure) -> String {
        guard let value = request.queryField(name), !value.isEmpty else { throw .parameter("缺少\(name)") }
        return value
    }

    /// A business number: letters, digits and `_-|*@`, or letters and digits alone.
    func number(
        _ name: String, _ length: ClosedRange<Int>, isAlphanumeric: Bool = false
    ) throws(WeChatPayFailure) -> String {
        try WeChatPayCall.number(try body()[name], name, length, isAlphanumeric: isAlphanumeric)
    }

    static func number(
        _ value: JSON?, _ name: String, _ length: ClosedRange<Int>, isAlphanumeric: Bool = false
    ) throws(WeChatPayFailure) -> String {
        let others = isAlphanumeric ? [] : Set("_-|*@".utf8)
        guard let text = value?.string, length.contains(text.utf8.count),
            text.utf8.allSatisfy({ byte in
                (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                    || others.contains(byte)
            })
        else { throw .parameter("\(name)无效") }
        return text
    }

    /// Text of a length in bytes.
    func text(_ name: String, _ length: ClosedRange<Int>) throws(WeChatPayFailure) -> String {
        guard let text = try body()[name]?.string, length.contains(text.utf8.count) else {
            throw .parameter("\(name)无效")
        }
        return text
    }

    /// An amount in fen, above zero.
    func amount(_ value: JSON?, _ name: String) throws(WeChatPayFailure) -> Fen {
        guard let fen = value?.integer, fen >= 1, fen <= 100_000_000_000 else { throw .parameter("\(name)无效") }
        return Fen(fen)
    }

    /// Where to call back: no query, http or https.
    func notifyURL() throws(WeChatPayFailure) -> String? {
        guard let url = try body()["notify_url"] else { return nil }
        guard let text = url.string, text.hasPrefix("https://") || text.hasPrefix("http://"), !text.contains("?"),
            text.utf8.count <= 256
        else { throw .parameter("notify_url无效") }
        return text
    }

    /// A sub-merchant of the caller's, by its number.
    func subMerchant(_ number: String?) throws(WeChatPayFailure) -> WeChatPaySubMerchant {
        guard let number, let sub = merchant.subMerchants[number] else {
            throw WeChatPayFailure(403, "NO_AUTH", "sub_mchid与电商平台没有受理关系")
        }
        return sub
    }
}

/// A call of the protocol: method and path, the name that faults are planted under, and who may make it how often.
struct WeChatPayRoute: Sendable {
    typealias Handler =
        @Sendable (isolated WeChatPaySimulator, WeChatPayCall) throws(WeChatPayFailure) -> WeChatPayAnswer

    let method: String
    let template: [String]
    let name: String
    let kinds: Set<WeChatPayMerchant.Kind>
    /// How often it may be made.
    let limits: [WeChatPayRateLimit]
    let handler: Handler

    init(
        _ method: String, _ template: String, _ name: String, for kinds: Set<WeChatPayMerchant.Kind> = anyone,
        limits: [WeChatPayRateLimit] = [], _ handler: @escaping Handler
    ) {
        self.method = method
        self.template = template.split(separator: "/").map(String.init)
        self.name = name
        self.kinds = kinds
        self.limits = limits
        self.handler = handler
    }

    static let anyone: Set<WeChatPayMerchant.Kind> = [.direct, .serviceProvider, .ecommerce]
    static let partners: Set<WeChatPayMerchant.Kind> = [.serviceProvider, .ecommerce]
    static let ecommerce: Set<WeChatPayMerchant.Kind> = [.ecommerce]
    static let ordinary: Set<WeChatPayMerchant.Kind> = [.direct, .serviceProvider]

    /// The open parts, when a request is meant for this route.
    func match(_ request: SimulatorRequest, _ parts: [String]) -> [String: String]? {
        guard request.method == method, parts.count == template.count else { return nil }
        var parameters: [String: String] = [:]
        for (part, wanted) in zip(parts, template) {
            if wanted.hasPrefix("{") {
                parameters[String(wanted.dropFirst().dropLast())] = part
            } else if part != wanted {
                return nil
            }
        }
        return parameters
    }

    /// The route of a request and what its path says.
    static func find(_ request: SimulatorRequest) -> (WeChatPayRoute, [String: String])? {
        let parts = request.pathParts
        for route in all {
            if let parameters = route.match(request, parts) { return (route, parameters) }
        }
        return nil
    }

    static let all: [WeChatPayRoute] =
        orders + combined + refunds + profitSharing + subsidies + funds + dayEndWithdrawals + applyments + settlements
        + cancellations + closings + ordinaryApplyments + violations + bills + others

    /// The number that a request is about, for faults.
    static func serial(_ parameters: [String: String], _ request: SimulatorRequest) -> String? {
        let json = request.json
        let names = [
            "out_refund_no", "out_return_no", "out_order_no", "out_subsidy_no", "out_request_no", "out_apply_no",
            "combine_out_trade_no", "out_trade_no", "business_code", "transaction_id",
        ]
        for name in names {
            if let number = parameters[name] ?? json?[name]?.string ?? request.queryField(name) { return number }
        }
        return nil
    }

    /// The amount that a request is about, for faults.
    static func amount(_ json: JSON?) -> Fen? {
        let amount = json?["amount"]
        if let fen = amount?.integer ?? amount?["refund"]?.integer ?? amount?["total"]?.integer { return Fen(fen) }
        if let parts = json?["sub_orders"]?.array {
            return parts.compactMap { $0["amount"]?["total_amount"]?.integer }.map(Fen.init).sum()
        }
        guard let receivers = json?["receivers"]?.array else { return nil }
        return receivers.compactMap { $0["amount"]?.integer }.map(Fen.init).sum()
    }
}
