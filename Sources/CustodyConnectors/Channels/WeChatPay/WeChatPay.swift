import CustodyDomain
import CustodyWire

/// WeChat Pay (微信支付 APIv3) for a direct merchant.
///
/// Answers count only when their signature verifies; bill downloads, which WeChat does not sign, by their hash.
/// Nothing is ever sent twice.
public struct WeChatPay: Channel {
    let link: WeChatPayLink
    let exchange: WeChatPayExchange
    private let signer: WeChatPayRequestSigner
    private let clock: @Sendable () -> Instant

    /// Makes a connector of a platform's link.
    ///
    /// Reads all keys of the link once; make one connector per link and keep it.
    ///
    /// - Parameters:
    ///   - clock: Real time, for the timestamps of signatures.
    /// - Throws: When a key of the link cannot be used.
    public init(
        link: WeChatPayLink, outbound: Outbound, clock: @escaping @Sendable () -> Instant
    ) throws(WeChatPayKeyError) {
        self.link = link
        self.clock = clock
        signer = try WeChatPayRequestSigner(link)
        exchange = WeChatPayExchange(
            baseURL: link.baseURL, signer: signer, verifier: try WeChatPayVerifier(link),
            verifyingSerial: link.platformKeys.first { $0.serial.hasPrefix("PUB_KEY_ID_") }?.serial,
            outbound: outbound, clock: clock)
        // A key that cannot decrypt would be noticed at the first callback only.
        _ = try WeChatPayCipher(apiV3Key: link.apiV3Key)
    }

    /// WeChat Pay.
    public var kind: ChannelKind { .weChatPay }

    /// Places an order (下单) by `/v3/pay/transactions/{native|jsapi|h5|app}`.
    ///
    /// The same serial with the same content may be sent again and gives a usable prompt again.
    public func pay(_ order: ChannelOrder) async -> Reply<PaymentPrompt> {
        guard order.method.channels.contains(.weChatPay) else {
            return .refused(Refusal(code: "METHOD_NOT_SUPPORTED", message: "WeChat Pay has no such payment method"))
        }
        var body: [JSON.Member] = [
            .init("appid", .string(link.appid)), .init("mchid", .string(link.mchid)),
            .init("description", .string(order.description)), .init("out_trade_no", .string(order.serial)),
            .init("time_expire", .string(order.expiresAt.rfc3339Shanghai)),
            .init("notify_url", .string(order.callbackURL)),
            .init("amount", ["total": JSON(order.amount.value), "currency": "CNY"]),
        ]
        if order.method == .jsapi {
            guard let payer = order.payerID else {
                return .refused(Refusal(code: "PARAM_ERROR", message: "jsapi needs the buyer's openid"))
            }
            body.append(.init("payer", ["openid": .string(payer)]))
        }
        if order.method == .h5 {
            // Required there; the buyer's own address does not reach us, since the platform's server asks.
            body.append(.init("scene_info", ["payer_client_ip": "127.0.0.1", "h5_info": ["type": "Wap"]]))
        }
        let path = "/v3/pay/transactions/\(order.method.rawValue)"
        switch await exchange.call("POST", path, body: JSON.object(body).bytes) {
        case .failed(let doubt): return .unknown(doubt)
        case .error(let refusal): return .refused(refusal)
        case .success(let answer): return prompt(of: answer, order.method)
        }
    }

    /// Asks what became of a payment, by our number; an order WeChat does not have is `absent`.
    public func queryPayment(serial: String) async -> Reply<ChannelPayment> {
        let path = "/v3/pay/transactions/out-trade-no/\(PercentEncoding.encoded(serial))"
        switch await exchange.call("GET", path + "?mchid=\(PercentEncoding.encoded(link.mchid))") {
        case .failed(let doubt): return .unknown(doubt)
        case .error(let refusal) where refusal.isAny("ORDER_NOT_EXIST", "ORDERNOTEXIST", "RESOURCE_NOT_EXISTS"):
            return .answered(.absent)
        case .error(let refusal): return .refused(refusal)
        case .success(let answer):
            guard answer["out_trade_no"]?.string == serial, answer["mchid"]?.string == link.mchid else {
                return .unknown(Doubt(.malformedAnswer, "the answer is about another order"))
            }
            guard let payment = ChannelPayment(weChatPay: answer) else {
                return .unknown(Doubt(.malformedAnswer, "a payment that cannot be read"))
            }
            return .answered(payment)
        }
    }

    /// Closes an unpaid payment. A paid one is refused (`ORDERPAID`): ask what became of it.
    public func closePayment(serial: String) async -> Reply<ChannelPayment> {
        let path = "/v3/pay/transactions/out-trade-no/\(PercentEncoding.encoded(serial))/close"
        let body: JSON = ["mchid": .string(link.mchid)]
        switch await exchange.call("POST", path, body: body.bytes) {
        case .failed(let doubt): return .unknown(doubt)
        case .error(let refusal) where refusal.isAny("ORDER_NOT_EXIST", "ORDERNOTEXIST", "RESOURCE_NOT_EXISTS"):
            return .answered(.absent)
        case .error(let refusal) where refusal.isAny("ORDERCLOSED", "ORDER_CLOSED"): return .answered(.closed)
        case .error(let refusal): return .refused(refusal)
        case .success: return .answered(.closed)
        }
    }

    /// Sends money back (退款) by `/v3/refund/domestic/refunds`; the same serial may be sent again.
    public func refund(_ refund: ChannelRefundRequest) async -> Reply<ChannelRefund> {
        let body: JSON = [
            "out_trade_no": .string(refund.paymentSerial), "out_refund_no": .string(refund.serial),
            "reason": JSON(refund.reason), "notify_url": .string(refund.callbackURL),
            "amount": [
                "refund": JSON(refund.amount.value), "total": JSON(refund.paymentAmount.value), "currency": "CNY",
            ],
        ]
        switch await exchange.call("POST", "/v3/refund/domestic/refunds", body: body.omittingNulls.bytes) {
        case .failed(let doubt): return .unknown(doubt)
        case .error(let refusal): return .refused(refusal)
        case .success(let answer): return readRefund(answer, serial: refund.serial, paymentSerial: refund.paymentSerial)
        }
    }

    /// Asks what became of a refund, by our number; a refund WeChat does not have is `absent`.
    public func queryRefund(serial: String, paymentSerial: String) async -> Reply<ChannelRefund> {
        let path = "/v3/refund/domestic/refunds/\(PercentEncoding.encoded(serial))"
        switch await exchange.call("GET", path) {
        case .failed(let doubt): return .unknown(doubt)
        case .error(let refusal) where refusal.isAny("RESOURCE_NOT_EXISTS", "REFUND_NOT_EXISTS", "REFUNDNOTEXIST"):
            return .answered(ChannelRefund(state: .absent, refundNumber: nil, amount: nil, succeededAt: nil))
        case .error(let refusal): return .refused(refusal)
        case .success(let answer): return readRefund(answer, serial: serial, paymentSerial: paymentSerial)
        }
    }

    private func readRefund(_ answer: JSON, serial: String, paymentSerial: String) -> Reply<ChannelRefund> {
        guard answer["out_refund_no"]?.string == serial, answer["out_trade_no"]?.string == paymentSerial else {
            return .unknown(Doubt(.malformedAnswer, "the answer is about another refund"))
        }
        guard let refund = ChannelRefund(weChatPay: answer, status: answer["status"]?.string) else {
            return .unknown(Doubt(.malformedAnswer, "a refund that cannot be read"))
        }
        return .answered(refund)
    }

    private func prompt(of answer: JSON, _ method: PaymentMethod) -> Reply<PaymentPrompt> {
        let malformed = Reply<PaymentPrompt>.unknown(Doubt(.malformedAnswer, "no \(method.rawValue) prompt"))
        switch method {
        case .native: return answer["code_url"]?.string.map { .answered(.code($0)) } ?? malformed
        case .h5: return answer["h5_url"]?.string.map { .answered(.url($0)) } ?? malformed
        case .jsapi, .app:
            guard let prepayID = answer["prepay_id"]?.string else { return malformed }
            let (now, nonce) = (clock(), WeChatPayRequestSigner.freshNonce())
            let parameters =
                method == .app
                ? try? signer.appParameters(prepayID: prepayID, now: now, nonce: nonce)
                : try? signer.jsapiParameters(prepayID: prepayID, now: now, nonce: nonce)
            return parameters.map { .answered(.parameters($0)) } ?? malformed
        case .precreate, .page, .wap: return malformed
        }
    }
}
