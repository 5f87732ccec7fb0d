import CustodyDomain
import CustodyWire

/// Reading `biz_content` as Alipay does.
extension JSON {
    /// An amount in yuan, written as a string or as a number.
    func alipayAmount(_ name: String) -> Fen? {
        switch self[name] {
        case .string(let text)?, .number(let text)?: Fen(yuan: text)
        default: nil
        }
    }

    /// A text that is there and not empty.
    func alipayText(_ name: String, upTo limit: Int = .max) -> String? {
        guard let text = self[name]?.string, !text.isEmpty, text.utf8.count <= limit else { return nil }
        return text
    }

    /// `true`, or the text that says so.
    func flag(_ name: String) -> Bool { self[name]?.bool ?? (self[name]?.string == "true") }

    /// A successful node with these members.
    static func success(_ members: JSON.Member...) -> JSON {
        JSON.object([.init("code", "10000"), .init("msg", "Success")] + members).omittingNulls
    }
}

/// Amounts that provoke an outcome, at merchants registered with `magic_amounts`: faults that need no rule.
enum AlipayMagic {
    /// By operation and amount in fen: the fault and the code that comes with it.
    private static let table: [String: [Int64: (fault: String, subCode: String?)]] = [
        "pay": [
            4401: ("refuse", "ACQ.BUYER_BALANCE_NOT_ENOUGH"), 4402: ("waiting", nil),
            4403: ("service_unavailable", nil),
        ],
        "buy": [4401: ("refuse", "ACQ.BUYER_BALANCE_NOT_ENOUGH")],
        "refund": [
            4411: ("refuse", "ACQ.SELLER_BALANCE_NOT_ENOUGH"), 4412: ("service_unavailable", nil),
            4413: ("unchanged", nil),
        ],
        "settle_detail": [
            4421: ("fail", "ACQ.TXN_RESULT_ACCOUNT_BALANCE_NOT_ENOUGH"), 4422: ("processing", nil),
        ],
        "transfer": [
            4431: ("refuse", "PAYEE_NOT_EXIST"), 4432: ("fails_later", nil), 4433: ("returns_later", nil),
            4434: ("refuse", "PAYER_BALANCE_NOT_ENOUGH"),
        ],
    ]

    /// What an amount provokes.
    static func rule(_ operation: String, _ amount: Fen?) -> FaultRule? {
        guard let amount, let (fault, subCode) = table[operation]?[amount.value] else { return nil }
        return FaultRule(["operation": .string(operation), "fault": .string(fault), "sub_code": JSON(subCode)])
    }
}
