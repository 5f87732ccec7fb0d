import CustodyDomain

/// What came of a call to a channel or custodian. No answer is *unknown*, never *failed*.
public enum Reply<Value: Sendable>: Sendable {
    /// They understood and answered.
    case answered(Value)
    /// They refused, finally, before anything happened; the same number may be used again after a correction.
    case refused(Refusal)
    /// Nobody can tell whether it happened: ask by the same serial number, never send under a new one.
    case unknown(Doubt)
}

/// A refusal in the counterparty's own words.
public struct Refusal: Error, Hashable, Sendable {
    /// Their code, such as `PARAM_ERROR` or `100301`.
    public let code: String
    /// Their sentence. May be shown to the platform; connectors strip personal data from it.
    public let message: String

    /// Makes a refusal.
    public init(code: String, message: String) {
        self.code = code
        self.message = message
    }
}

/// Why the outcome of a call is not known.
public struct Doubt: Error, Hashable, Sendable {
    /// What went wrong.
    public enum Reason: String, Sendable {
        /// No connection could be made: surely not sent.
        case unreachable
        /// Sent, but no answer came in time, or the connection broke.
        case noAnswer = "no_answer"
        /// An answer whose signature does not verify, which says nothing.
        case badSignature = "bad_signature"
        /// An answer that makes no sense: not JSON, empty, fields missing.
        case malformedAnswer = "malformed_answer"
        /// They say themselves that they don't know yet: system error, busy, 5xx.
        case systemError = "system_error"
        /// They limit our rate: surely not done.
        case rateLimited = "rate_limited"
    }

    /// What went wrong.
    public let reason: Reason
    /// For the log: status code, their error code. No personal data, no bodies.
    public let detail: String

    /// Makes a doubt.
    public init(_ reason: Reason, _ detail: String = "") {
        self.reason = reason
        self.detail = detail
    }
}
