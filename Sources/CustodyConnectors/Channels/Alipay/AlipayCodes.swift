import CustodyWire

/// What the gateway's codes mean for us. Source: the methods' error tables at opendocs.alipay.com.
///
/// What is not named here is a refusal: with 4xxxx the gateway says that it did nothing.
enum AlipayCodes {
    /// Alipay has no such order.
    static let tradeNotExist = "ACQ.TRADE_NOT_EXIST"
    /// The order's state does not allow the operation.
    static let stateForbids: Set<String> = [
        "ACQ.TRADE_STATUS_ERROR", "ACQ.REASON_TRADE_STATUS_INVALID", "ACQ.REASON_ILLEGAL_STATUS",
        "ACQ.TRADE_HAS_SUCCESS", "ACQ.TRADE_HAS_FINISHED", "ACQ.TRADE_HAS_CLOSE",
    ]
    /// An order under our number is there already: no refusal *before anything happened*, so it must be asked for.
    static let alreadyThere: Set<String> = [
        "ACQ.TRADE_HAS_SUCCESS", "ACQ.TRADE_HAS_FINISHED", "ACQ.TRADE_HAS_CLOSE", "ACQ.CONTEXT_INCONSISTENT",
    ]
    /// The number was used before, for other content: only a query tells what became of it.
    static let otherContent: Set<String> = ["ACQ.DISCORDANT_REPEAT_REQUEST", "PAYMENT_INFO_INCONSISTENCY"]

    /// They do not know themselves whether it was done: by the last part of the code.
    private static let uncertain: Set<String> = [
        "SYSTEM_ERROR", "UNKNOW_ERROR", "UNKNOWN_ERROR", "INNER_ERROR", "REQUEST_PROCESSING", "ORDER_PROCESSING",
        "TIMEOUT", "SERVICE_UNAVAILABLE",
    ]
    /// They limit our rate, and did nothing.
    private static let limiting: Set<String> = [
        "SYSTEM_RATE_LIMIT", "USER_RATE_LIMIT", "CALL_LIMITED", "APP_CALL_LIMITED", "METHOD_CALL_LIMITED",
        "TOO_MANY_REQUEST",
    ]
    /// Refused as things stand, with nothing wrong in the request: the same may succeed later.
    private static let temporary: Set<String> = [
        "SELLER_BALANCE_NOT_ENOUGH", "TXN_RESULT_ACCOUNT_BALANCE_NOT_ENOUGH", "PAYER_BALANCE_NOT_ENOUGH",
        "BUYER_BALANCE_NOT_ENOUGH", "BEYOND_PER_RECEIPT_DAY_RESTRICTION", "EXCEED_LIMIT_DM_AMOUNT",
        "EXCEED_LIMIT_MM_AMOUNT", "SELLER_BEEN_BLOCKED", "REASON_TRADE_BEEN_FREEZEN", "MERCHANT_STATUS_NOT_NORMAL",
        "SECONDARY_MERCHANT_STATUS_ERROR", "INST_PAY_UNABLE", "ILLEGAL_SETTLE_STATE", "ROYALTY_RECEIVER_INVALID",
        "ACCESS_FORBIDDEN", "INSUFFICIENT_ISV_PERMISSIONS", "INSUFFICIENT_USER_PERMISSIONS", "BILL_NOT_EXIST",
    ]

    /// What an answer that was not 10000 means.
    enum Meaning: Hashable {
        /// Finally refused; nothing was done.
        case refused
        /// Refused for now; nothing was done.
        case refusedForNow
        /// Nobody can tell.
        case unknown(Doubt.Reason)
    }

    /// What a code and its business code mean.
    static func meaning(code: String, subCode: String?) -> Meaning {
        switch code {
        case "10003", "20000": return .unknown(.systemError)
        case "40005": return .unknown(.rateLimited)
        default: break
        }
        let name = name(subCode ?? code)
        if uncertain.contains(name) { return .unknown(.systemError) }
        if limiting.contains(name) { return .unknown(.rateLimited) }
        return temporary.contains(name) ? .refusedForNow : .refused
    }

    /// The last part of `aop.ACQ.SYSTEM_ERROR`, `isv.app-call-limited` and their like, in one spelling.
    static func name(_ code: String) -> String {
        code.split(separator: ".").last.map { $0.uppercased().replacing("-", with: "_") } ?? ""
    }
}
