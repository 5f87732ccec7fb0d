/// What WeChat Pay's error codes mean for the request they answer.
///
/// Source: the code lists of APIv3's interfaces; codes that no list has are final refusals when they come with a 4xx.
enum WeChatPayCodes {
    /// The order or refund stands already under this number, paid, closed, or with other content.
    private static let numberTaken: Set<String> = [
        "ORDERPAID", "ORDER_PAID", "ORDERCLOSED", "ORDER_CLOSED", "OUT_TRADE_NO_USED", "RESOURCE_ALREADY_EXISTS",
    ]
    /// Too many requests: they were not looked at.
    private static let tooMany: Set<String> = [
        "FREQUENCY_LIMITED", "FREQUENCY_LIMIT", "FREQUENCY_LIMIT_EXCEED", "RATELIMIT_EXCEED", "RATELIMIT_EXCEEDED",
        "RATE_LIMITED", "RATE_LIMIT_EXCEEDED",
    ]
    /// WeChat does not know the outcome itself.
    private static let unsure: Set<String> = [
        "SYSTEM_ERROR", "SYSTEMERROR", "BANKERROR", "BANK_ERROR", "USERPAYING", "BIZ_ERR_NEED_RETRY",
    ]
    /// Money, a key or a day's allowance is missing: the same number may succeed once it is there.
    private static let missing: Set<String> = [
        "NOT_ENOUGH", "NOTENOUGH", "RULE_LIMIT", "RULELIMIT", "SIGN_ERROR", "ACCOUNT_ERROR",
        "ACCOUNTERROR", "ACCOUNT_NOT_VERIFIED", "USER_ACCOUNT_ABNORMAL", "STATEMENT_CREATING",
    ]
    /// They have no such thing.
    private static let absent: Set<String> = [
        "ORDER_NOT_EXIST", "ORDERNOTEXIST", "RESOURCE_NOT_EXISTS", "REFUND_NOT_EXISTS", "REFUNDNOTEXIST",
    ]
    /// How a number that came with other content before is refused, where the code is one of the general ones.
    private static let otherContent = ["参数与首次请求时不一致", "与原请求不一致"]
    /// What is not possible yet, where the code is the general `INVALID_REQUEST`: an order within its first minute
    /// (订单处理中，请稍后重试), a day's end that is not made up.
    private static let notYet: [(text: String, retryAfter: Duration)] = [
        ("稍后", .seconds(60)), ("尚未生成", .seconds(1800)),
    ]

    /// The meaning of a code in an answer whose signature verified.
    static func meaning(_ code: String, status: Int, message: String = "") -> CodeMeaning {
        if unsure.contains(code) { return .unknown(.systemError) }
        if tooMany.contains(code) { return .refused(.forNow(retryAfter: .seconds(60))) }
        guard (400..<500).contains(status) else { return .unknown(.malformedAnswer) }
        if missing.contains(code) { return .refused(.forNow(retryAfter: .seconds(1800))) }
        if numberTaken.contains(code) || otherContent.contains(where: { message.contains($0) }) {
            return .refused(.numberTaken)
        }
        if code == "INVALID_REQUEST", let wait = notYet.first(where: { message.contains($0.text) }) {
            return .refused(.forNow(retryAfter: wait.retryAfter))
        }
        return .refused(.final)
    }

    /// Whether a question was answered by there being no such thing.
    static func isAbsent(_ code: String) -> Bool { absent.contains(code) }
}
