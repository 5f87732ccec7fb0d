import CustodyDomain
import CustodyWire

/// Paying out of the platform's own account.
extension AlipayDirect {
    /// `alipay.fund.trans.uni.transfer`: from the platform's account to an Alipay user. Needs certificate mode.
    public func transfer(_ transfer: TransferInstruction, serial: String) async -> Reply<CustodianResult> {
        await call(
            .transfer, "alipay.fund.trans.uni.transfer",
            [
                "out_biz_no": .string(transfer.number), "trans_amount": .string(transfer.amount.yuan),
                "product_code": "TRANS_ACCOUNT_NO_PWD", "biz_scene": "DIRECT_TRANSFER",
                "order_title": .string(transfer.memo),
                "payee_info": [
                    "identity": .string(transfer.to),
                    "identity_type": .string(AlipayAccountKind(transfer.to).identityType),
                ],
            ]
        ).reading { node throws(Doubt) in try AlipayDirect.transferred(node) }
    }

    /// `alipay.fund.account.query`: the platform's own account.
    public func queryBalance(of account: String, serial: String) async -> Reply<CustodianBalance> {
        await call(
            .queryBalance, "alipay.fund.account.query",
            ["alipay_user_id": .string(account), "account_type": "ACCTRANS_ACCOUNT"]
        ).reading { node throws(Doubt) in
            let available = try node.amount("available_amount")
            let frozen = node.yuan("freeze_amount") ?? .zero
            return CustodianBalance(
                account: account, total: available + frozen, available: available, withdrawable: available,
                pending: .zero, frozen: frozen, inTransit: .zero)
        }
    }

    /// Reads what became of a transfer; one that a bank sent back failed after all.
    static func transferred(_ node: JSON) throws(Doubt) -> CustodianResult {
        let state: CustodianResult.State
        let number = node["order_id"]?.string
        let reason = CustodianText.masked(node["fail_reason"]?.string ?? "")
        switch try node.text("status") {
        case "SUCCESS": state = .succeeded
        case "DEALING", "WAIT_PAY": state = .processing(finishBy: node.instant("arrival_time_end"))
        case "FAIL", "CLOSED":
            state = .failed(Refusal(code: node["error_code"]?.string ?? "FAIL", message: reason))
        case "REFUND": state = .returned(number: number ?? "", on: nil, reason: reason)
        case let other: throw Doubt(.malformedAnswer, "status \(other)")
        }
        return CustodianResult(
            state: state, bankNumber: number, bankDate: node.instant("pay_date").map { BusinessDate(of: $0) })
    }
}

/// What kind of account a text names, by its look.
enum AlipayAccountKind {
    case userID, loginName, openID

    /// A user id is 16 digits from 2088 on, a login name an e-mail address or a mobile number; all else is an open id.
    init(_ account: String) {
        let isNumber = account.utf8.allSatisfy { (0x30...0x39).contains($0) }
        if isNumber, account.utf8.count == 16, account.hasPrefix("2088") {
            self = .userID
        } else if account.contains("@") || (isNumber && account.utf8.count == 11) {
            self = .loginName
        } else {
            self = .openID
        }
    }

    /// As splits name it.
    var name: String {
        switch self {
        case .userID: "userId"
        case .loginName: "loginName"
        case .openID: "openId"
        }
    }

    /// As transfers name it.
    var identityType: String {
        switch self {
        case .userID: "ALIPAY_USER_ID"
        case .loginName: "ALIPAY_LOGON_ID"
        case .openID: "ALIPAY_OPEN_ID"
        }
    }
}
