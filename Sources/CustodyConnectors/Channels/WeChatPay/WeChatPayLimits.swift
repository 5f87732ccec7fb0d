import CustodyWire

extension WeChatPay {
    /// How often WeChat Pay lets some of its interfaces be called, as its documentation says.
    public static let documentedLimits: [Transport.RateRule] = [
        .init(operation: "/v3/applyment4sub", calls: 15, per: .seconds(1)),
        .init(operation: "/v3/apply4sub/sub_merchants", calls: 20, per: .seconds(60)),
        .init(operation: "/v3/bill/fundflowbill", calls: 3, per: .seconds(1)),
    ]
}
