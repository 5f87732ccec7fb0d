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
        let batchNumber: String
        /// What makes it up, order by order.
        let items: [Item]
        var isReturned = false
    }

    /// What an order adds to the next payout, or takes from it.
    struct Item: Sendable {
        let tradeNo: String
        let outNo: String
        /// `结算`, `退款`, `退票`.
        let kind: String
        let at: Instant
        let amount: Fen
    }

    let externalID: String
    /// All that was asked for about it, oldest first.
    var applications: [AlipayApplication]
    var name: String
    var content: JSON
    var smid: String?
    var cardAlias: String?
    var isFrozen = false
    var isDeleted = false
    /// What waits for the next payout.
    var waiting: [Item] = []
    var payouts: [Payout] = []

    /// How much waits for the next payout.
    var pending: Fen { waiting.map(\.amount).sum() }

    /// The application to open it that counts: the last.
    var opening: AlipayApplication? { applications.last { $0.kind.opens } }

    /// Where that is.
    var status: Status { opening?.status ?? .failed }

    /// One element of `orders` in the answer to `zftorder.query`.
    func json(of application: AlipayApplication) -> JSON {
        let isDone = application.status == .done
        let page = "https://u.alipay.cn/_\(application.orderID.suffix(8))"
        let isToSign = application.status == .reviewing && application.kind.opens
        return JSON.object([
            .init("order_id", .string(application.orderID)), .init("external_id", .string(externalID)),
            .init("merchant_name", .string(application.name)), .init("status", .string(application.status.rawValue)),
            .init("apply_time", .string(application.appliedAt.shanghaiWallClock)),
            .init("apply_type", .string(application.kind.rawValue)), .init("fk_audit", .string(application.audit)),
            .init("kz_audit", .string(application.status == .failed ? "SKIP" : application.audit)),
            .init("sub_confirm", .string(application.confirmation)), .init("reason", JSON(application.reason)),
            .init("fk_audit_memo", JSON(application.reason)), .init("smid", JSON(isDone ? smid : nil)),
            .init("card_alias_no", JSON(isDone ? cardAlias : nil)),
            .init("sub_sign_short_chain_url", JSON(isToSign ? page : nil)),
            .init("sub_sign_qr_code_url", JSON(isToSign ? page + "?qr=1" : nil)),
        ]).omittingNulls
    }
}

/// One application about a sub-merchant (进件申请单).
struct AlipayApplication: Sendable {
    /// `apply_type`.
    enum Kind: String, Sendable {
        case consult = "ZHIFUTONG_CONSULT"
        case create = "ZHIFUTONG_CREATE"
        case simpleCreate = "ZHIFUTONG_SIMPLE_CREATE"
        case quickCreate = "ZHIFUTONG_QUICK_CREATE"
        case modify = "ZHIFUTONG_MODIFY"
        case upgrade = "ZHIFUTONG_UPGRADE"
        case settlement = "ZHIFUTONG_SETTLEMENT_MODIFY"

        /// Whether it is about a sub-merchant that is not open yet.
        var opens: Bool { self == .create || self == .simpleCreate || self == .quickCreate }
    }

    let orderID: String
    let kind: Kind
    let name: String
    let content: JSON
    let appliedAt: Instant
    var status = AlipaySubMerchant.Status.reviewing
    var reason: String?
    /// Whether the review is over, and well.
    var isPassed = false
    /// Whether the merchant must sign.
    let needsSignature: Bool
    var isSigned = false

    /// `fk_audit`.
    var audit: String {
        switch status {
        case .reviewing: isPassed ? "PASS" : "CREATE"
        case .failed: "REJECT"
        case .done: "PASS"
        }
    }

    /// `sub_confirm`.
    var confirmation: String {
        switch status {
        case .done: "FINISH"
        case .failed: "SKIP"
        case .reviewing: isSigned ? "FINISH" : isPassed ? "NOT_CONFIRM" : "CREATE"
        }
    }
}
