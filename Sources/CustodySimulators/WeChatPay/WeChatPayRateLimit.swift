import CustodyDomain

/// How often a call may be made (接口限频), and how what is too much is answered.
struct WeChatPayRateLimit: Sendable {
    /// Whose calls count together.
    enum Scope: Sendable {
        /// Those of the merchant that signs.
        case merchant
        /// Those of the merchant that signs, for one sub-merchant.
        case subMerchant
    }

    let calls: Int
    let seconds: Int64
    let scope: Scope
    let code: String

    /// So many calls a second of the merchant that signs.
    static func perSecond(
        _ calls: Int, of scope: Scope = .merchant, code: String = "RATELIMIT_EXCEEDED"
    ) -> WeChatPayRateLimit { WeChatPayRateLimit(calls: calls, seconds: 1, scope: scope, code: code) }

    /// So many calls a minute of the merchant that signs.
    static func perMinute(_ calls: Int) -> WeChatPayRateLimit {
        WeChatPayRateLimit(calls: calls, seconds: 60, scope: .merchant, code: "RATELIMIT_EXCEEDED")
    }
}

/// Counts the calls of the interval that runs; real time, as limits are.
struct WeChatPayRateLimiter {
    private struct Count {
        var interval: Int64
        var calls: Int
    }

    private var counts: [String: Count] = [:]

    /// Whether one more call fits.
    mutating func takes(_ key: String, calls limit: Int, per seconds: Int64) -> Bool {
        let interval = SimulatorClock.realNow().seconds / seconds
        var count = counts[key] ?? Count(interval: interval, calls: 0)
        if count.interval != interval { count = Count(interval: interval, calls: 0) }
        count.calls += 1
        counts[key] = count
        return count.calls <= limit
    }
}
