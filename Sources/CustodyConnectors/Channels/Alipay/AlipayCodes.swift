/// What the gateway's codes mean for the request they answer.
///
/// Source: the gateway's public codes (`code`) and the interfaces' own (`sub_code`); what no list has is a final refusal.
enum AlipayCodes {
    /// Alipay has no such order.
    static let tradeNotExist = "ACQ.TRADE_NOT_EXIST"
    /// The order's state does not allow the operation.
    static let stateForbids: Set<String> = [
        "ACQ.TRADE_STATUS_ERROR", "ACQ.REASON_TRADE_STATUS_INVALID", "ACQ.REASON_ILLEGAL_STATUS",
        "ACQ.TRADE_HAS_SUCCESS", "ACQ.TRADE_HAS_FINISHED", "ACQ.TRADE_HAS_CLOSE",
    ]

    /// Alipay does not know the outcome itself.
    private static let unsure: Set<String> = [
        "SYSTEM_ERROR", "UNKNOW_ERROR", "UNKNOWN_ERROR", "AOP_UNKNOW_ERROR", "REQUEST_PROCESSING", "ORDER_PROCESSING",
    ]
    /// Too many requests: they were not looked at.
    private static let tooMany: Set<String> = [
        "SYSTEM_RATE_LIMIT", "USER_RATE_LIMIT", "CALL_LIMITED", "APP_CALL_LIMITED", "METHOD_CALL_LIMITED",
    ]
    /// Nothing is wrong with the request; what it needs is not there yet: money, another day, an earlier step.
    private static let tooEarly: Set<String> = [
        "SELLER_BALANCE_NOT_ENOUGH", "TXN_RESULT_ACCOUNT_BALANCE_NOT_ENOUGH", "PAYER_BALANCE_NOT_ENOUGH",
        "EXCEED_LIMIT_DM_AMOUNT", "INST_PAY_UNABLE", "ILLEGAL_SETTLE_STATE", "ORDER_IN_PROCESS",
        "MERCHANT_HAS_UNSETTLED_FUND",
    ]
    /// What an order that is placed may find under its number.
    private static let placed: Set<String> = [
        "TRADE_HAS_SUCCESS", "TRADE_HAS_FINISHED", "TRADE_HAS_CLOSE", "CONTEXT_INCONSISTENT",
    ]
    /// By method: something stands already under this number, ended, or with other content.
    private static let numberTaken: [String: Set<String>] = [
        "alipay.trade.precreate": placed, "alipay.trade.create": placed, "alipay.trade.pay": placed,
        "alipay.trade.refund": ["DISCORDANT_REPEAT_REQUEST"],
        "alipay.trade.order.settle": ["DISCORDANT_REPEAT_REQUEST"],
        "alipay.trade.settle.confirm": ["DISCORDANT_REPEAT_REQUEST"],
        "alipay.fund.trans.uni.transfer": ["PAYMENT_INFO_INCONSISTENCY"],
        "ant.merchant.expand.indirect.zft.create": ["EXTERNAL_ID_EXIST"],
        "ant.merchant.expand.indirect.zft.simplecreate": ["EXTERNAL_ID_EXIST"],
        "ant.merchant.expand.indirect.zft.quickcreate": ["EXTERNAL_ID_EXIST"],
    ]

    /// The meaning of a code that is not `10000`.
    ///
    /// - Parameters:
    ///   - subCode: The interface's own code, such as `ACQ.SYSTEM_ERROR` or `isp.unknow-error`.
    ///   - method: What was asked for: the same code means different things to different methods.
    static func meaning(_ code: String, subCode: String?, of method: String) -> CodeMeaning {
        switch code {
        case "10003", "20000": return .unknown(.systemError)
        case "40005": return .refused(.forNow(retryAfter: .seconds(60)))
        default: break
        }
        let name = (subCode ?? code).split(separator: ".").last.map { $0.uppercased().replacing("-", with: "_") } ?? ""
        if unsure.contains(name) { return .unknown(.systemError) }
        if tooMany.contains(name) { return .refused(.forNow(retryAfter: .seconds(60))) }
        if numberTaken[method]?.contains(name) == true { return .refused(.numberTaken) }
        return .refused(tooEarly.contains(name) ? .forNow(retryAfter: .seconds(600)) : .final)
    }
}
