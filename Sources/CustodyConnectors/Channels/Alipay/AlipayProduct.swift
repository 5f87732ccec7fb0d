import CustodyDomain
import CustodyWire

/// How each way to pay is called at Alipay.
enum AlipayProduct {
    case precreate, create, page, wap, app

    init?(_ method: PaymentMethod) {
        switch method {
        case .precreate: self = .precreate
        case .jsapi: self = .create
        case .page: self = .page
        case .wap: self = .wap
        case .app: self = .app
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

    /// What Alipay is told of an order.
    func content(_ order: ChannelOrder) -> JSON {
        var members: [JSON.Member] = [
            .init("out_trade_no", .string(order.serial)), .init("total_amount", .string(order.amount.yuan)),
            .init("subject", .string(order.description)), .init("product_code", .string(code)),
            .init("time_expire", .string(order.expiresAt.shanghaiWallClock)),
        ]
        // A user id is 16 digits from 2088 on; everything else is an open id.
        if self == .create, let payer = order.payerID {
            let isUserID = payer.utf8.count == 16 && payer.hasPrefix("2088")
            members.append(.init(isUserID ? "buyer_id" : "buyer_open_id", .string(payer)))
        }
        return .object(members)
    }
}

extension AlipayGateway {
    /// Places an order, or signs what places it, and returns what the front end needs.
    func prompt(
        _ product: AlipayProduct, _ order: ChannelOrder, _ request: AlipayRequest
    ) async -> Reply<PaymentPrompt> {
        do {
            switch product {
            case .precreate, .create: return await place(product, order, request)
            case .page, .wap:
                return .answered(.form(try request.form(gatewayURL: link.gatewayURL, signer: keys.signer)))
            case .app:
                return .answered(.parameters(["order_string": try request.orderString(signer: keys.signer)]))
            }
        } catch {
            return .refused(Refusal(code: "NOT_SIGNED", message: "the private key does not sign"))
        }
    }

    private func place(
        _ product: AlipayProduct, _ order: ChannelOrder, _ request: AlipayRequest
    ) async -> Reply<PaymentPrompt> {
        switch await send(request, method: product.method) {
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
