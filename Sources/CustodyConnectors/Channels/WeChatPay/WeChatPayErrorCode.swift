import CustodyWire

/// What WeChat Pay's error codes mean for the number that was sent.
enum WeChatPayErrorCode {
    /// Whether the number may be sent again, and when.
    enum Meaning: Hashable {
        /// Surely not done, and the same content will be refused again.
        case refused
        /// Surely not done, but the same number may succeed later: money or permission is missing, or it is too early.
        case refusedForNow
        /// They have no such thing.
        case absent
        /// Surely not done: too many calls.
        case rateLimited
        /// Nobody can tell: ask, then send the same number again.
        case unknown
    }

    /// The meaning of a code, signed for and with a 4xx status.
    static func meaning(of code: String) -> Meaning { table[code] ?? .refused }

    private static let table: [String: Meaning] = [
        "SYSTEM_ERROR": .unknown, "SYSTEMERROR": .unknown, "BANKERROR": .unknown, "BANK_ERROR": .unknown,
        "USERPAYING": .unknown, "BIZ_ERR_NEED_RETRY": .unknown,

        "FREQUENCY_LIMITED": .rateLimited, "FREQUENCY_LIMIT_EXCEED": .rateLimited, "FREQUENCY_LIMIT": .rateLimited,
        "RATELIMIT_EXCEED": .rateLimited, "RATELIMIT_EXCEEDED": .rateLimited, "RATE_LIMITED": .rateLimited,
        "RATE_LIMIT_EXCEEDED": .rateLimited,

        "ORDER_NOT_EXIST": .absent, "ORDERNOTEXIST": .absent, "RESOURCE_NOT_EXISTS": .absent,
        "REFUND_NOT_EXISTS": .absent, "REFUNDNOTEXIST": .absent,

        // Balance, limits per day, and permissions can change; so can what is still being worked on.
        "NOT_ENOUGH": .refusedForNow, "NOTENOUGH": .refusedForNow, "NO_AUTH": .refusedForNow,
        "RULE_LIMIT": .refusedForNow, "RULELIMIT": .refusedForNow, "ACCOUNT_ERROR": .refusedForNow,
        "ACCOUNTERROR": .refusedForNow, "USER_ACCOUNT_ABNORMAL": .refusedForNow,
        "STATEMENT_CREATING": .refusedForNow, "APPLYMENT_NOT_FINISH": .refusedForNow,
        "PROCESSING": .refusedForNow, "SIGN_ERROR": .refusedForNow, "MCH_NOT_EXISTS": .refusedForNow,
        "CONTRACT_NOT_EXIST": .refusedForNow,
    ]
}
