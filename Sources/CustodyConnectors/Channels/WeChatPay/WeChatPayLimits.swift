import CustodyWire

extension WeChatPay {
    /// How often WeChat Pay lets some of its interfaces be called, as its documentation says.
    public static let documentedLimits: [Transport.RateRule] = [
        .init(operation: "/v3/applyment4sub", calls: 15, per: .seconds(1)),
        .init(operation: "/v3/apply4sub/sub_merchants", calls: 20, per: .seconds(60)),
        .init(operation: "/v3/bill/fundflowbill", calls: 3, per: .seconds(1)),
        .init(operation: "/v3/ecommerce/applyments", calls: 15, per: .seconds(1)),
        .init(operation: "/v3/ecommerce/refunds/apply", calls: 150, per: .seconds(1)),
        .init(operation: "/v3/ecommerce/profitsharing/orders", calls: 300, per: .seconds(1)),
        .init(operation: "/v3/ecommerce/profitsharing/returnorders", calls: 100, per: .seconds(1)),
        .init(operation: "/v3/ecommerce/subsidies/create", calls: 80, per: .seconds(1)),
        .init(operation: "/v3/ecommerce/fund/withdraw", calls: 40, per: .seconds(1)),
        .init(operation: "/v3/merchant/fund/withdraw", calls: 40, per: .seconds(1)),
        .init(operation: "/v3/platsolution/ecommerce/withdraw", calls: 40, per: .seconds(1)),
    ]
}
