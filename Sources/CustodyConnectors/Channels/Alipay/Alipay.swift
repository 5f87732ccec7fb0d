import CustodyDomain
import CustodyWire

/// Alipay's OpenAPI gateway: RSA2-signed forms out, RSA2-signed JSON back.
///
/// `serial` is `out_trade_no` of a payment and `out_request_no` of a refund, both idempotency keys of Alipay's.
public struct Alipay: Channel {
    /// Alipay.
    public var kind: ChannelKind { .alipay }

    let gateway: AlipayGateway

    /// Makes a connector for one platform, in the mode of its link.
    ///
    /// - Parameter clock: The real time, for the requests' timestamps and the certificates' validity.
    public init(
        link: AlipayLink, outbound: Outbound, clock: @escaping @Sendable () -> Instant
    ) throws(AlipayLink.Defect) {
        gateway = try AlipayGateway(link: link, outbound: outbound, clock: clock)
    }

    /// Places an order.
    ///
    /// `precreate` asks the gateway for a code, `jsapi` (小程序) for a trade number that the cashier in the app is called
    /// with. `page`, `wap` and `app` are signed here and sent by the buyer's browser or app, so nothing can be unknown,
    /// and Alipay has no such order until the buyer opens it.
    public func pay(_ order: ChannelOrder) async -> Reply<PaymentPrompt> {
        guard let product = AlipayProduct(order.method) else {
            return .refused(Refusal(code: "METHOD_NOT_SUPPORTED", message: "Alipay has no \(order.method.rawValue)"))
        }
        let request = gateway.request(product.method, content(order, product), notifyURL: order.callbackURL)
        do {
            switch product {
            case .precreate, .create:
                return await place(order, product, request)
            case .page, .wap:
                return .answered(
                    .form(try request.form(gatewayURL: gateway.link.gatewayURL, signer: gateway.keys.signer)))
            case .app:
                return .answered(
                    .parameters(["order_string": try request.orderString(signer: gateway.keys.signer)]))
            }
        } catch {
            return .refused(Refusal(code: "NOT_SIGNED", message: "the private key does not sign"))
        }
    }

    /// Asks what became of a payment; a code never scanned, or a form never opened, is absent.
    public func queryPayment(serial: String) async -> Reply<ChannelPayment> {
        switch await gateway.call("alipay.trade.query", ["out_trade_no": .string(serial)]) {
        case .answered(let node):
            guard node["out_trade_no"]?.string == serial, let payment = ChannelPayment(alipayTrade: node) else {
                return .unknown(Doubt(.malformedAnswer, "trade.query"))
            }
            return .answered(payment)
        case .refused(let refusal) where refusal.code == AlipayCodes.tradeNotExist:
            return .answered(.without(.absent))
        case .refused(let refusal): return .refused(refusal)
        case .unknown(let doubt): return .unknown(doubt)
        }
    }

    /// Closes an unpaid payment.
    ///
    /// One that Alipay does not have (never scanned, never opened) counts as closed. When its state forbids closing, a
    /// query tells which it is: closed before, or paid.
    public func closePayment(serial: String) async -> Reply<ChannelPayment> {
        switch await gateway.call("alipay.trade.close", ["out_trade_no": .string(serial)]) {
        case .answered(let node):
            guard node["out_trade_no"]?.string ?? serial == serial else {
                return .unknown(Doubt(.malformedAnswer, "trade.close"))
            }
            return .answered(.without(.closed, transactionNumber: node["trade_no"]?.string))
        case .refused(let refusal) where refusal.code == AlipayCodes.tradeNotExist:
            return .answered(.without(.closed))
        case .refused(let refusal) where AlipayCodes.stateForbids.contains(refusal.code):
            let state = await queryPayment(serial: serial)
            if case .answered(let payment) = state, payment.state == .waiting { return .refused(refusal) }
            return state
        case .refused(let refusal): return .refused(refusal)
        case .unknown(let doubt): return .unknown(doubt)
        }
    }

    private func content(_ order: ChannelOrder, _ product: AlipayProduct) -> JSON {
        var members: [JSON.Member] = [
            .init("out_trade_no", .string(order.serial)), .init("total_amount", .string(order.amount.yuan)),
            .init("subject", .string(order.description)), .init("product_code", .string(product.code)),
            .init("time_expire", .string(order.expiresAt.shanghaiWallClock)),
        ]
        // A user id is 16 digits from 2088 on; everything else is an open id.
        if product == .create, let payer = order.payerID {
            let isUserID = payer.utf8.count == 16 && payer.hasPrefix("2088")
            members.append(.init(isUserID ? "buyer_id" : "buyer_open_id", .string(payer)))
        }
        return .object(members)
    }

    private func place(
        _ order: ChannelOrder, _ product: AlipayProduct, _ request: AlipayRequest
    ) async -> Reply<PaymentPrompt> {
        let answer = await gateway.send(request, method: product.method)
        switch answer {
        case .answered(let node):
            let field = product == .create ? "trade_no" : "qr_code"
            guard let value = node[field]?.string, !value.isEmpty, node["out_trade_no"]?.string == order.serial else {
                return .unknown(Doubt(.malformedAnswer, product.method))
            }
            return .answered(product == .create ? .parameters(["trade_no": value]) : .code(value))
        case .refused(let refusal): return .refused(refusal)
        case .unknown(let doubt): return .unknown(doubt)
        }
    }
}

/// How each way to pay is called at Alipay.
private enum AlipayProduct {
    case precreate, create, page, wap, app

    init?(_ method: PaymentMethod) {
        switch method {
        case .precreate: self = .precreate
        case .page: self = .page
        case .wap: self = .wap
        case .app: self = .app
        case .jsapi: self = .create
        case .native, .h5: return nil
        }
    }

    var method: String {
        switch self {
        case .precreate: "alipay.trade.precreate"
        case .create: "alipay.trade.create"
        case .page: "alipay.trade.page.pay"
        case .wap: "alipay.trade.wap.pay"
        case .app: "alipay.trade.app.pay"
        }
    }

    /// The `product_code` that belongs to the method.
    var code: String {
        switch self {
        case .precreate: "FACE_TO_FACE_PAYMENT"
        case .create: "JSAPI_PAY"
        case .page: "FAST_INSTANT_TRADE_PAY"
        case .wap: "QUICK_WAP_WAY"
        case .app: "QUICK_MSECURITY_PAY"
        }
    }
}
