/// What WeChat Pay's error codes mean for the request they answer.
///
/// Source: the code lists of APIv3's interfaces; codes that no list has are final refusals when they come with a 4xx.
enum WeChatPayCodes {
    /// The order or refund stands already under this number, paid, closed, or with other content.
    private static let numberTaken: Set<String> = [
        "ORDERPAID", "ORDER_PAID", "ORDERCLOSED", "ORDER_CLOSED", "OUT_TRADE_NO_USED",
    ]
    /// Too many requests: they were not looked at.
    private static let tooMany: Set<String> = [
        "FREQUENCY_LIMITED", "FREQUENCY_LIMIT_EXCEED", "RATELIMIT_EXCEED", "RATELIMIT_EXCEEDED", "RATE_LIMITED",
    ]
    /// WeChat does not know the outcome itself.
    private static let unsure: Set<String> = [
        "SYSTEM_ERROR", "SYSTEMERROR", "BANKERROR", "BANK_ERROR", "USERPAYING",
    ]

    /// The meaning of a code in an answer whose signature verified.
    static func meaning(_ code: String, status: Int) -> CodeMeaning {
        if unsure.contains(code) { return .unknown(.systemError) }
        if tooMany.contains(code) { return .refused(.forNow(retryAfter: .seconds(60))) }
        guard (400..<500).contains(status) else { return .unknown(.malformedAnswer) }
        return .refused(numberTaken.contains(code) ? .numberTaken : .final)
    }
}
