import CustodyDomain
import CustodyWire

/// Amounts that make something go wrong without a planted fault, for those who reach only the platform's API.
///
/// They are 90,000.01 to 90,000.12 yuan, of whatever operation; a planted fault comes first.
enum BankMagic {
    /// Faults by amount in fen, as a rule would name them.
    static let faults: [Int64: String] = [
        9_000_001: "failed", 9_000_002: "returned", 9_000_003: "processing", 9_000_004: "balance_short",
        9_000_005: "execute_no_answer", 9_000_006: "business_failed", 9_000_007: "delayed", 9_000_008: "uncertain",
        9_000_009: "rate_limited", 9_000_010: "execute_http_500", 9_000_011: "execute_late", 9_000_012: "cut_off",
    ]

    /// The rule an amount stands for; nil for all others.
    static func rule(_ txnCode: String, amount: Fen?) -> FaultRule? {
        guard let amount, let fault = faults[amount.value] else { return nil }
        let members: [JSON.Member] =
            switch fault {
            case "balance_short": [.init("fault", "reject"), .init("ret_code", "100201")]
            case "cut_off": [.init("fault", "reject"), .init("ret_code", "100301")]
            default: [.init("fault", .string(fault))]
            }
        return FaultRule(.object([.init("operation", .string(txnCode))] + members))
    }
}
