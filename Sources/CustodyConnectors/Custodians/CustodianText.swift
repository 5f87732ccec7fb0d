import CustodyDomain
import CustodyWire

/// Text of a custodian's that may be shown to people.
enum CustodianText {
    /// Runs of seven digits and more become asterisks but for the last four: they may be account, ID or phone numbers.
    static func masked(_ text: String) -> String {
        var result = ""
        var run = ""
        for character in text + "\u{0}" {
            if character.isASCII, character.isNumber {
                run.append(character)
                continue
            }
            result += run.count >= 7 ? String(repeating: "*", count: run.count - 4) + run.suffix(4) : run
            run = ""
            result.append(character)
        }
        return String(result.dropLast())
    }
}

/// Fields of a custodian's answer.
extension JSON {
    /// A string, or the answer makes no sense.
    func text(_ name: String) throws(Doubt) -> String {
        guard let text = self[name]?.string, !text.isEmpty else { throw Doubt(.malformedAnswer, "no \(name)") }
        return text
    }

    /// An instant, if it is there and reads as one.
    func instant(_ name: String) -> Instant? { self[name]?.string.flatMap { Instant(text: $0) } }

    /// A date, if it is there and reads as one.
    func date(_ name: String) -> BusinessDate? { self[name]?.string.flatMap { BusinessDate($0) } }

    /// An amount in yuan, or the answer makes no sense.
    func amount(_ name: String) throws(Doubt) -> Fen {
        guard let amount = yuan(name) else { throw Doubt(.malformedAnswer, "no \(name)") }
        return amount
    }

    /// An amount in yuan, if it is there and reads as one.
    func yuan(_ name: String) -> Fen? { self[name]?.string.flatMap { Fen(yuan: $0) } }
}
