import CustodyDomain
import CustodyWire

/// One `alipay.trade.order.settle` (分账) at the simulated Alipay.
struct AlipaySettlement: Sendable {
    /// One receiver's part.
    struct Detail: Sendable {
        /// `state`.
        enum State: String, Sendable {
            case processing = "PROCESSING"
            case succeeded = "SUCCESS"
            case failed = "FAIL"
        }

        let type: String
        let account: String
        let amount: Fen
        let detailID: String
        var state: State
        var errorCode: String?
        var errorText: String?
        var executedAt: Instant?

        var json: JSON {
            JSON.object([
                .init("operation_type", "transfer"), .init("trans_in_type", .string(type)),
                .init("trans_in", .string(account)), .init("amount", .string(amount.yuan)),
                .init("state", .string(state.rawValue)), .init("detail_id", .string(detailID)),
                .init("execute_dt", JSON(executedAt?.shanghaiWallClock)), .init("error_code", JSON(errorCode)),
                .init("error_desc", JSON(errorText)),
            ]).omittingNulls
        }
    }

    let settleNo: String
    let outRequestNo: String
    /// The request, for telling a repetition from another one.
    let content: JSON
    let at: Instant
    var details: [Detail]

    /// What `alipay.trade.order.settle.query` answers, and the message tells.
    var members: [JSON.Member] {
        [
            .init("out_request_no", .string(outRequestNo)), .init("settle_no", .string(settleNo)),
            .init("operation_dt", .string(at.shanghaiWallClock)),
            .init("royalty_detail_list", .array(details.map(\.json))),
        ]
    }
}

/// One `alipay.fund.trans.uni.transfer` (转账) at the simulated Alipay.
struct AlipayTransfer: Sendable {
    /// `status`.
    enum Status: String, Sendable {
        case succeeded = "SUCCESS"
        case dealing = "DEALING"
        case failed = "FAIL"
        case returned = "REFUND"
    }

    let outBizNo: String
    let orderID: String
    let amount: Fen
    let payee: String
    let content: JSON
    let at: Instant
    var status: Status
    var failReason: String?
    var errorCode: String?
}

/// A sub-merchant of the platform (二级商户), from its application on.
struct AlipaySubMerchant: Sendable {
    /// `status` of the application.
    enum Status: String, Sendable {
        case reviewing = "031"
        case failed = "-1"
        case done = "99"
    }

    /// Money that left for the settlement account.
    struct Payout: Sendable {
        let date: BusinessDate
        let amount: Fen
        /// The card's alias, or the Alipay account.
        let target: String
        var isReturned = false
    }

    let externalID: String
    let orderID: String
    var applyType: String
    var name: String
    var content: JSON
    let appliedAt: Instant
    var status = Status.reviewing
    var reason: String?
    /// Whether the merchant has signed; asked for once the review is over.
    var isConfirmed = false
    var smid: String?
    var cardAlias: String?
    var isFrozen = false
    var isDeleted = false
    /// What waits for the next payout.
    var pending = Fen.zero
    var payouts: [Payout] = []

    /// One element of `orders` in the answer to `zftorder.query`.
    var json: JSON {
        JSON.object([
            .init("order_id", .string(orderID)), .init("external_id", .string(externalID)),
            .init("merchant_name", .string(name)), .init("status", .string(status.rawValue)),
            .init("apply_time", .string(appliedAt.shanghaiWallClock)), .init("apply_type", .string(applyType)),
            .init("fk_audit", .string(audit)), .init("kz_audit", .string(status == .failed ? "SKIP" : audit)),
            .init(
                "sub_confirm",
                .string(status == .done ? "FINISH" : status == .failed ? "SKIP" : isConfirmed ? "FINISH" : "CREATE")),
            .init("reason", JSON(reason)), .init("fk_audit_memo", JSON(reason)),
            .init("smid", JSON(status == .done ? smid : nil)),
            .init("card_alias_no", JSON(status == .done ? cardAlias : nil)),
            .init(
                "sub_sign_short_chain_url",
                JSON(status == .reviewing ? "https://u.alipay.cn/_\(orderID.suffix(8))" : nil)),
        ]).omittingNulls
    }

    private var audit: String {
        switch status {
        case .reviewing: isConfirmed ? "PASS" : "CREATE"
        case .failed: "REJECT"
        case .done: "PASS"
        }
    }
}
