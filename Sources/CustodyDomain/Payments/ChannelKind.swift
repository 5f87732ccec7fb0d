/// A payment channel (支付渠道): who collects from the buyer.
public enum ChannelKind: String, CaseIterable, Hashable, Sendable {
    /// WeChat Pay (微信支付).
    case weChatPay = "wechat_pay"
    /// Alipay (支付宝).
    case alipay
}

/// How the buyer is asked to pay; what the front end gets depends on it.
public enum PaymentMethod: String, CaseIterable, Hashable, Sendable {
    /// WeChat Pay: a code to scan (`code_url`).
    case native
    /// WeChat Pay: inside WeChat (`prepay` parameters). Alipay: inside Alipay, 小程序 (`trade_no`).
    case jsapi
    /// WeChat Pay: a browser on a phone (`h5_url`). Alipay: `wap`.
    case h5
    /// Both channels: inside the platform's own app.
    case app
    /// Alipay: a code to scan (`qr_code`).
    case precreate
    /// Alipay: a page in a browser (`form`).
    case page
    /// Alipay: a page on a phone (`form`).
    case wap

    /// The channel that knows this method.
    public var channels: Set<ChannelKind> {
        switch self {
        case .native, .h5: [.weChatPay]
        case .precreate, .page, .wap: [.alipay]
        case .jsapi, .app: [.weChatPay, .alipay]
        }
    }
}
