import CustodyDomain

/// The daily files of a CWP/1 bank, by their types.
public enum CWP1FileKind: String, CaseIterable, Hashable, Sendable {
    /// Registered receipts whose money arrived.
    case receipts = "PAY"
    /// Refunds taken back by the channels.
    case refunds = "REF"
    /// Withdrawals finished that day, well or badly.
    case withdrawals = "WDR"
    /// Withdrawals that came back (退票).
    case returns = "WRT"
    /// Balances of all sub-accounts at the day's end.
    case balances = "BAL"
    /// Parts of orders that receivers got, or gave back.
    case splits = "SPL"
    /// What every receiver got that day, in one sum.
    case splitSums = "SPS"
    /// What the bank charged.
    case charges = "CHG"
    /// The master account's movements, each with the balance after it.
    case masterMovements = "MST"
    /// Cards bound, changed and released.
    case cards = "CRD"
    /// What came of every merchant of a stock import.
    case stock = "STK"

    /// The columns, in their order.
    public var columns: [String] {
        switch self {
        case .receipts:
            [
                "bankSeqNo", "reqSeqNo", "mainOrderNo", "subOrderNo", "channel", "channelOrderNo", "payeeSubAcct",
                "amtFen", "feeFen", "status", "bankDate", "finishTime",
            ]
        case .refunds:
            [
                "bankSeqNo", "reqSeqNo", "refundNo", "mainOrderNo", "channel", "amtFen", "feeFen", "status",
                "bankDate", "finishTime",
            ]
        case .withdrawals:
            [
                "bankSeqNo", "reqSeqNo", "subAcct", "payeeAcctMask", "amtFen", "feeFen", "status", "failCode",
                "failMsg", "bankDate", "finishTime",
            ]
        case .returns:
            ["returnSeqNo", "origBankSeqNo", "origReqSeqNo", "subAcct", "amtFen", "reason", "returnDate"]
        case .balances:
            [
                "subAcct", "acctType", "totalFen", "pendingFen", "withdrawableFen", "frozenFen", "inTransitFen",
            ]
        case .splits:
            [
                "bankSeqNo", "reqSeqNo", "splitNo", "mainOrderNo", "subOrderNo", "toAcct", "direction", "amtFen",
                "status", "failCode", "failMsg", "bankDate", "finishTime",
            ]
        case .splitSums: ["subAcct", "acctType", "count", "amtFen", "bankDate"]
        case .charges:
            ["bankSeqNo", "reqSeqNo", "subAcct", "chargeType", "amtFen", "status", "bankDate", "finishTime"]
        case .masterMovements:
            [
                "bankSeqNo", "reqSeqNo", "txnType", "direction", "amtFen", "balanceFen", "memo", "bankDate",
                "finishTime",
            ]
        case .cards:
            [
                "bankSeqNo", "reqSeqNo", "subAcct", "bindNo", "acctMask", "action", "status", "failCode", "failMsg",
                "bankDate", "finishTime",
            ]
        case .stock: ["rowNo", "merchantNo", "subAcct", "status", "failCode", "failMsg"]
        }
    }

    /// The column that the trailer sums, all rows of it whatever their status; nil where there is no money, and the sum 0.
    public var amountColumn: String? {
        switch self {
        case .balances: "totalFen"
        case .cards, .stock: nil
        default: "amtFen"
        }
    }

    /// Columns that may be empty.
    var optionalColumns: Set<String> {
        switch self {
        // Money that arrives, and what the bank books by itself, has no request of ours.
        case .masterMovements, .charges: ["reqSeqNo", "memo", "subAcct"]
        // A merchant that was not taken over has no sub-account.
        case .stock: ["subAcct", "failCode", "failMsg"]
        default: ["failCode", "failMsg", "reason", "payeeAcctMask", "acctMask"]
        }
    }
}
