/// The text that CCB 惠市宝 signs: a message's fields, spliced.
///
/// Keys are sorted at each level; objects and arrays are expanded where they stand; empty values and arrays of plain values
/// are left out; `k=v` is joined by `&`. Requests and answers leave the signature and the result's fields out,
/// notifications the signature alone.
public enum CCBSplice {
    /// What a message is, which decides what is left out.
    public enum Kind: Hashable, Sendable {
        /// A request or an answer.
        case exchange
        /// A notification.
        case notification

        fileprivate var omitted: Set<String> {
            switch self {
            case .exchange: ["Sign_Inf", "Svc_Rsp_St", "Svc_Rsp_Cd", "Rsp_Inf"]
            case .notification: ["Sign_Inf"]
            }
        }
    }

    /// The text of a message.
    public static func text(of message: JSON, _ kind: Kind) -> String {
        var pairs: [String] = []
        splice(message, kind.omitted, into: &pairs)
        return pairs.joined(separator: "&")
    }

    /// Whether a value reads like further fields (`x&Mkt_Id=1`): the text does not tell such a message from one that has them.
    public static func isAmbiguous(_ value: JSON) -> Bool {
        switch value {
        case .object(let members): members.contains { isAmbiguous(.string($0.name)) || isAmbiguous($0.value) }
        case .array(let elements): elements.contains(where: isAmbiguous)
        case .string(let text):
            text.split(separator: "&", omittingEmptySubsequences: false).dropFirst().contains { $0.contains("=") }
        case .number, .bool, .null: false
        }
    }

    private static func splice(_ value: JSON, _ omitted: Set<String>, into pairs: inout [String]) {
        for member in (value.members ?? []).sorted(by: { $0.name < $1.name }) where !omitted.contains(member.name) {
            switch member.value {
            case .object: splice(member.value, omitted, into: &pairs)
            case .array(let elements): for element in elements { splice(element, omitted, into: &pairs) }
            case .string(let text): if !text.isEmpty { pairs.append("\(member.name)=\(text)") }
            case .number(let text): pairs.append("\(member.name)=\(text)")
            case .bool(let value): pairs.append("\(member.name)=\(value)")
            case .null: break
            }
        }
    }
}
