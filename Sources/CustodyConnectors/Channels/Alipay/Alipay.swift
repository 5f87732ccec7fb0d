import CustodyDomain
import CustodyWire

/// Alipay's OpenAPI gateway: RSA2-signed forms out, RSA2-signed JSON back.
///
/// `serial` is `out_trade_no` of a payment and `out_request_no` of a refund, both idempotency keys of Alipay's.
public struct Alipay: Channel {
    /// Why a link cannot be used.
    public enum LinkDefect: Error, Hashable, Sendable {
        /// Our application's private key does not read.
        case privateKey
        /// Alipay's public key does not read.
        case publicKey
    }

    /// Alipay.
    public var kind: ChannelKind { .alipay }

    let link: AlipayLink
    let signer: RSASigner
    let gateway: AlipayGateway

    /// Makes a connector for one platform.
    ///
    /// - Parameter clock: The real time, for the requests' timestamps.
    public init(
        link: AlipayLink, outbound: Outbound, clock: @escaping @Sendable () -> Instant
    ) throws(LinkDefect) {
        guard let signer = try? RSASigner(pem: link.appPrivateKeyPEM) else { throw .privateKey }
        guard let verifier = try? RSAVerifier(pem: link.alipayPublicKeyPEM) else { throw .publicKey }
        self.link = link
        self.signer = signer
        gateway = AlipayGateway(
            url: link.gatewayURL, appID: link.appID, signer: signer, verifier: verifier, outbound: outbound,
            clock: clock)
    }

    /// Places an order.
    ///
    /// `precreate` asks the gateway for a code. `page`, `wap` and `app` are signed here and sent by the buyer's browser
    /// or app, so nothing can be unknown, and Alipay has no such order until the buyer opens it.
    public func pay(_ order: ChannelOrder) async -> Reply<PaymentPrompt> {
        guard let product = AlipayProduct(order.method) else {
            return .refused(Refusal(code: "METHOD_NOT_SUPPORTED", message: "Alipay has no \(order.method.rawValue)"))
        }
        let content: JSON = [
            "out_trade_no": .string(order.serial),
            "total_amount": .string(order.amount.yuan),
            "subject": .string(order.description),
            "product_code": .string(product.code),
            "time_expire": .string(order.expiresAt.shanghaiWallClock),
        ]
        let request = gateway.request(product.method, content, notifyURL: order.callbackURL)
        do {
            switch product {
            case .precreate:
                return await precreate(order, request)
            case .page, .wap:
                return .answered(.form(try request.form(gatewayURL: link.gatewayURL, signer: signer)))
            case .app:
                return .answered(.parameters(["order_string": try request.orderString(signer: signer)]))
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
        case .refused(let refusal) where refusal.code == AlipayGateway.tradeNotExist:
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
        case .refused(let refusal) where refusal.code == AlipayGateway.tradeNotExist:
            return .answered(.without(.closed))
        case .refused(let refusal) where AlipayGateway.stateForbids.contains(refusal.code):
            let state = await queryPayment(serial: serial)
            if case .answered(let payment) = state, payment.state == .waiting { return .refused(refusal) }
            return state
        case .refused(let refusal): return .refused(refusal)
        case .unknown(let doubt): return .unknown(doubt)
        }
    }

    private func precreate(_ order: ChannelOrder, _ request: AlipayRequest) async -> Reply<PaymentPrompt> {
        switch await gateway.send(request, method: AlipayProduct.precreate.method) {
        case .answered(let node):
            guard let code = node["qr_code"]?.string, node["out_trade_no"]?.string == order.serial else {
                return .unknown(Doubt(.malformedAnswer, "trade.precreate"))
            }
            return .answered(.code(code))
        case .refused(let refusal): return .refused(refusal)
        case .unknown(let doubt): return .unknown(doubt)
        }
    }
}

/// How each way to pay is called at Alipay.
private enum AlipayProduct {
    case precreate, page, wap, app

    init?(_ method: PaymentMethod) {
        switch method {
        case .precreate: self = .precreate
        case .page: self = .page
        case .wap: self = .wap
        case .app: self = .app
        case .native, .jsapi, .h5: return nil
        }
    }

    var method: String {
        switch self {
        case .precreate: "alipay.trade.precreate"
        case .page: "alipay.trade.page.pay"
        case .wap: "alipay.trade.wap.pay"
        case .app: "alipay.trade.app.pay"
        }
    }

    /// The `product_code` that belongs to the method.
    var code: String {
        switch self {
        case .precreate: "FACE_TO_FACE_PAYMENT"
        case .page: "FAST_INSTANT_TRADE_PAY"
        case .wap: "QUICK_WAP_WAY"
        case .app: "QUICK_MSECURITY_PAY"
        }
    }
}
