import CustodyDomain
import CustodyWire

/// A sub-merchant (二级商户) of a service provider or e-commerce platform.
struct WeChatPaySubMerchant {
    /// The account its money is withdrawn to (结算账户).
    struct Settlement {
        var accountType: String
        var bank: String
        var accountNumber: String
        /// `VERIFY_SUCCESS`, `VERIFYING`, `VERIFY_FAIL`.
        var verifyResult = "VERIFY_SUCCESS"
        var failReason: String?
    }

    let subMchid: String
    var name: String
    /// What may be split off an order at most, in 1/100 %.
    var maxRatio: Int64 = 3000
    var settlement: Settlement?
    var isClosed = false
    var isFrozen = false
    /// Complaints of buyers that nobody has answered; it cannot be closed with them.
    var complaintCount: Int64 = 0
}

/// An application to open a sub-merchant (进件单).
struct WeChatPayApplyment {
    /// Its states and what may follow each.
    static let transitions: [String: Set<String>] = [
        "CHECKING": ["ACCOUNT_NEED_VERIFY", "AUDITING", "REJECTED", "FROZEN", "CANCELED"],
        "ACCOUNT_NEED_VERIFY": ["AUDITING", "REJECTED", "FROZEN", "CANCELED"],
        "AUDITING": ["REJECTED", "NEED_SIGN", "FROZEN", "CANCELED"],
        "REJECTED": ["CHECKING", "FROZEN", "CANCELED"],
        "NEED_SIGN": ["FINISH", "REJECTED", "FROZEN", "CANCELED"],
        "FINISH": ["FROZEN"],
        "FROZEN": ["FINISH", "CANCELED"],
        "CANCELED": [],
    ]

    static let descriptions = [
        "CHECKING": "资料校验中", "ACCOUNT_NEED_VERIFY": "待账户验证", "AUDITING": "审核中", "REJECTED": "已驳回",
        "NEED_SIGN": "待签约", "FINISH": "完成", "FROZEN": "已冻结", "CANCELED": "已作废",
    ]

    let outRequestNo: String
    let applymentID: Int64
    var request: JSON
    /// The account of the form, opened.
    var settlement: WeChatPaySubMerchant.Settlement?
    var accountName = ""
    var name: String
    var state = "CHECKING"
    var createdAt: Instant
    var subMchid: String?
    /// Why fields were refused: `[{"param_name","reject_reason"}]`.
    var auditDetail: [JSON] = []
    var isSigned = false
    /// When it came to its state.
    var since: Instant
    /// Counts submissions, so that what was planned for an earlier one does not happen.
    var round = 0
}

/// An application to change the settlement account.
struct WeChatPaySettlementChange {
    let applicationNo: String
    let subMchid: String
    let settlement: WeChatPaySubMerchant.Settlement
    let accountName: String
    let createdAt: Instant
    /// `AUDITING`, `AUDIT_SUCCESS`, `AUDIT_FAIL`.
    var result = "AUDITING"
    var failReason: String?
    var finishedAt: Instant?
}

/// An application to close a sub-merchant (注销).
struct WeChatPayCancellation {
    let outApplyNo: String
    let subMchid: String
    let request: JSON
    /// `REVIEWING`, `REJECTED`, `CANCEL_SUCCESS`.
    var state = "REVIEWING"
    var rejectReason: String?
    var updatedAt: Instant
}

/// A withdrawal (提现).
struct WeChatPayWithdrawal {
    let outRequestNo: String
    let withdrawID: String
    /// Whose money: the sub-merchant's, or the platform's own.
    let mchid: String
    let request: JSON
    let amount: Fen
    let createdAt: Instant
    /// `INIT`, `CREATE_SUCCESS`, `SUCCESS`, `FAIL`, `REFUND`, `CLOSE`.
    var status = "INIT"
    var reason: String?
    var updatedAt: Instant
}

/// A split (分账单), or the end of splitting.
struct WeChatPaySplit {
    /// One receiver's part.
    struct Receiver {
        let type: String
        let account: String
        let amount: Fen
        let description: String
        let detailID: String
        /// `PENDING`, `SUCCESS`, `CLOSED`.
        var result = "PENDING"
        var failReason: String?
        var finishedAt: Instant?
        var returned = Fen.zero
    }

    let outOrderNo: String
    let orderID: String
    let orderKey: String
    let request: JSON
    let createdAt: Instant
    let isLast: Bool
    var receivers: [Receiver]
    /// What went to the sub-merchant at the end.
    var finishAmount: Fen?
    var finishDescription: String?
    var status = "PROCESSING"
}

/// A split part that goes back (分账回退).
struct WeChatPaySplitReturn {
    let outReturnNo: String
    let returnNo: String
    let splitKey: String
    let returnMchid: String
    let amount: Fen
    let request: JSON
    let createdAt: Instant
    /// `PROCESSING`, `SUCCESS`, `FAILED`.
    var result = "PROCESSING"
    var failReason: String?
    var finishedAt: Instant?
}
