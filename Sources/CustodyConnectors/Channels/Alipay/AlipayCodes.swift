/// What the gateway's codes mean for the request they answer.
///
/// Source: the gateway's public codes (`code`) and the interfaces' own (`sub_code`); what no list has is a final refusal.
enum AlipayCodes {
    /// Alipay does not know the outcome itself.
    private static let unsure: Set<String> = ["SYSTEM_ERROR", "UNKNOW_ERROR", "UNKNOWN_ERROR", "AOP_UNKNOW_ERROR"]
    /// Too many requests: they were not looked at.
    private static let tooMany: Set<String> = [
        "SYSTEM_RATE_LIMIT", "USER_RATE_LIMIT", "CALL_LIMITED", "APP_CALL_LIMITED",
    ]
    /// By method: something stands already under this number, ended, or with other content.
    private static let numberTaken: [String: Set<String>] = [
        "alipay.trade.precreate": [
            "TRADE_HAS_SUCCESS", "TRADE_HAS_FINISHED", "TRADE_HAS_CLOSE", "CONTEXT_INCONSISTENT",
        ],
        "alipay.trade.refund": ["DISCORDANT_REPEAT_REQUEST"],
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
        return .refused(numberTaken[method]?.contains(name) == true ? .numberTaken : .final)
    }
}
