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
        let request = gateway.request(product.method, product.content(order), notifyURL: order.callbackURL)
        return await gateway.prompt(product, order, request)
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
}
