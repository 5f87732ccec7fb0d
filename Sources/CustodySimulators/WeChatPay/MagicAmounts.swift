import CustodyDomain
import CustodyWire

/// Amounts that make something go wrong by themselves, for merchants registered with `magic_amounts`.
enum MagicAmounts {
    private static let payments: [Int64: JSON] = [
        990_001: ["fault": "system_error", "executed": true], 990_002: ["fault": "rate_limited"],
        990_003: ["fault": "drop_answer"], 990_004: ["fault": "html"],
    ]

    private static let table: [String: [Int64: JSON]] = [
        "pay": payments, "pay_combined": payments,
        "refund": [
            990_014: ["fault": "refuse", "status": 403, "code": "NOT_ENOUGH"],
            990_015: ["fault": "system_error", "executed": true],
        ],
        "refund_result": [
            990_011: ["fault": "closed"], 990_012: ["fault": "abnormal"], 990_013: ["fault": "processing"],
        ],
        "withdraw": [990_024: ["fault": "system_error", "executed": true]],
        "withdraw_result": [
            990_021: ["fault": "failed"], 990_022: ["fault": "returned", "after_days": 1],
            990_023: ["fault": "processing"],
        ],
        "day_end_withdraw_result": [
            990_021: ["fault": "failed"], 990_022: ["fault": "returned", "after_days": 1],
            990_023: ["fault": "processing"],
        ],
        "subsidise": [990_041: ["fault": "refuse", "status": 403, "code": "NOT_ENOUGH"]],
        "split_result": [990_031: ["fault": "closed", "fail_reason": "ACCOUNT_ABNORMAL"]],
    ]

    /// The fault that an amount asks for; nil for all others.
    static func rule(_ operation: String, _ amount: Fen?) -> FaultRule? {
        guard let amount, let json = table[operation]?[amount.value], let members = json.members else { return nil }
        return FaultRule(.object(members + [.init("operation", .string(operation))]))
    }
}
