import CustodyWire

/// What CWP/1's return codes mean for the instruction they answer.
///
/// Source: the protocol's table of codes. Its classes are ``CWP1ReturnCode/meaning``; here are the codes within a class that
/// mean something of their own.
enum CWP1Codes {
    /// The day is being cut off, or is over: nothing is taken until the next one opens.
    private static let closedForNow: Set<String> = ["100301"]

    /// The meaning of a code that accepts nothing and was not recorded as a failure either.
    static func meaning(_ code: CWP1ReturnCode) -> CodeMeaning {
        switch code.meaning {
        case .duplicateDifferent: .refused(.numberTaken)
        case .rejected where closedForNow.contains(code.text): .refused(.forNow(retryAfter: .seconds(600)))
        case .rejected: .refused(.final)
        case .accepted, .businessFailed, .unknown: .unknown(.systemError)
        }
    }
}
