import CustodyDomain
import CustodyWire

/// What came of a call to a channel or custodian. No answer is *unknown*, never *failed*.
public enum Reply<Value: Sendable>: Sendable {
    /// They understood and answered.
    case answered(Value)
    /// They refused: ``Refusal/standing-swift.property`` says whether finally, or only for now.
    case refused(Refusal)
    /// Nobody can tell whether it happened: ask by the same serial number, never send under a new one.
    case unknown(Doubt)
}

/// A refusal in the counterparty's own words, and what it means for the number it was sent under.
///
/// The connector knows its counterparty's codes and says what they mean; nobody else compares codes.
public struct Refusal: Error, Hashable, Sendable {
    /// What a refusal says about the instruction.
    public enum Standing: Hashable, Sendable {
        /// Nothing happened, and nothing will; the same number may be used again after a correction.
        case final
        /// Nothing happened, and the same number may be sent again after this time.
        case forNow(retryAfter: Duration)
        /// Something stands under this number already: what became of it is asked, never taken for a failure.
        case numberTaken
    }

    /// Their code, such as `PARAM_ERROR` or `100301`.
    public let code: String
    /// Their sentence. May be shown to the platform; connectors strip personal data from it.
    public let message: String
    /// What it says about the instruction.
    public let standing: Standing

    /// How long to wait before the same number is sent again; nil when that would not help.
    public var retryAfter: Duration? {
        if case .forNow(let duration) = standing { duration } else { nil }
    }

    /// Makes a refusal; without more being known it is final.
    public init(code: String, message: String, standing: Standing = .final) {
        self.code = code
        self.message = message
        self.standing = standing
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
        /// Our rate is limited, by an answer that is not signed (HTTP 429) or by ourselves: surely not done.
        case rateLimited = "rate_limited"
        /// A file whose hash is not the one that its announcement, which is signed, says.
        case badHash = "bad_hash"
        /// A file longer than we take; it will not become shorter.
        case tooLarge = "too_large"
        /// A file that we could not put down: our disk is full, or our directory cannot be written to.
        case notSpooled = "not_spooled"

        /// Whether it is sure that nothing was done, so that the same number may be sent again.
        public var isSurelyNotDone: Bool { self == .unreachable || self == .rateLimited }
    }

    /// What went wrong.
    public let reason: Reason
    /// For the log: status code, their error code. No personal data, no bodies.
    public let detail: String
    /// When they want to be asked again, if they say so.
    public let retryAfter: Duration?

    /// Makes a doubt.
    public init(_ reason: Reason, _ detail: String = "", retryAfter: Duration? = nil) {
        self.reason = reason
        self.detail = detail
        self.retryAfter = retryAfter
    }
}

extension Doubt {
    /// A message whose signature is good, about another merchant than ours.
    public static let anotherMerchant = Doubt(.malformedAnswer, "about another merchant")

    /// A file that we could not take.
    init(_ failure: SpoolFailure) {
        if case .tooLarge = failure {
            self.init(.tooLarge, failure.sentence)
        } else {
            self.init(.notSpooled, failure.sentence)
        }
    }
}

/// What a counterparty's code means, in the words that callers act on; each connector has one table from codes to these.
enum CodeMeaning: Hashable {
    /// They refused.
    case refused(Refusal.Standing)
    /// They do not know themselves.
    case unknown(Doubt.Reason)
}

extension Reply {
    /// A reply by what its code means.
    static func meaning(_ meaning: CodeMeaning, code: String, message: String, detail: String? = nil) -> Reply {
        switch meaning {
        case .refused(let standing): .refused(Refusal(code: code, message: message, standing: standing))
        case .unknown(let reason): .unknown(Doubt(reason, detail ?? code))
        }
    }
}

extension Outbound.Answer {
    /// How long they want us to wait (`Retry-After` in seconds); nil when they don't say, or name a date.
    var retryAfter: Duration? {
        guard let seconds = header("Retry-After").flatMap({ Int($0) }), (0...86_400).contains(seconds) else {
            return nil
        }
        return .seconds(seconds)
    }
}
