/// A CWP/1 return code (`retCode`), and what it means for the caller.
public struct CWP1ReturnCode: Hashable, Sendable {
    /// The classes of return codes; a caller acts on these, never on the code.
    public enum Class: Hashable, Sendable {
        /// Understood: the body's status says where it is.
        case accepted
        /// Refused before being recorded; the same number may be used again after a correction.
        case rejected
        /// The same number came before with other content: final, never to be retried.
        case duplicateDifferent
        /// Recorded, and failed finally; a new intent needs a new number.
        case businessFailed
        /// The bank does not know itself: ask by the same number.
        case unknown
    }

    /// `000000`.
    public static let accepted = CWP1ReturnCode("000000")
    /// `200002`.
    public static let duplicateDifferent = CWP1ReturnCode("200002")

    /// The six digits as received.
    public let text: String

    /// Makes a return code of any text.
    public init(_ text: String) { self.text = text }

    /// What it means. Whatever the table does not know is unknown, so that nothing is taken as failed by mistake.
    public var meaning: Class {
        guard text.utf8.count == 6, text.utf8.allSatisfy({ (48...57).contains($0) }) else { return .unknown }
        if self == .accepted || text == "200001" { return .accepted }
        if self == .duplicateDifferent { return .duplicateDifferent }
        switch text.utf8.first {
        case UInt8(ascii: "1"): return .rejected
        case UInt8(ascii: "3"): return .businessFailed
        default: return .unknown
        }
    }
}
