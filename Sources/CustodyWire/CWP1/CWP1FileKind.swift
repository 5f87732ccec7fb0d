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
        }
    }

    /// The column that the trailer sums, all rows of it whatever their status.
    public var amountColumn: String { self == .balances ? "totalFen" : "amtFen" }

    /// Columns that may be empty.
    var optionalColumns: Set<String> { ["failCode", "failMsg", "reason", "payeeAcctMask"] }
}

/// One row of a file, read by its column names.
struct CWP1FileRow {
    let kind: CWP1FileKind
    let line: Int
    let cells: [String: String]

    func text(_ column: String) throws(StatementDefect) -> String {
        guard let text = cells[column] else { throw defect("no such column", column) }
        guard !text.isEmpty || kind.optionalColumns.contains(column) else { throw defect("empty", column) }
        return text
    }

    func amount(_ column: String, signed: Bool = false) throws(StatementDefect) -> Fen {
        let text = try text(column)
        let digits = text.utf8.first == UInt8(ascii: "-") ? text.utf8.dropFirst() : text.utf8[...]
        guard (1...15).contains(digits.count), digits.allSatisfy({ (48...57).contains($0) }),
            let value = Int64(text)
        else { throw defect("not an amount in fen", column) }
        guard signed || value >= 0 else { throw defect("negative amount", column) }
        return Fen(value)
    }

    func date(_ column: String) throws(StatementDefect) -> BusinessDate {
        let text = try text(column)
        guard text.utf8.count == 8, let date = BusinessDate(text) else { throw defect("not a date", column) }
        return date
    }

    func time(_ column: String) throws(StatementDefect) -> Instant {
        let text = try text(column)
        guard text.utf8.count == 14, let time = Instant(text: text) else { throw defect("not a time", column) }
        return time
    }

    /// The row in the form that reconciliation knows.
    func statementLine(of day: BusinessDate) throws(StatementDefect) -> StatementLine {
        switch kind {
        case .receipts:
            return try movement(.bankReceipt, reference: "mainOrderNo", status: try text("status"))
        case .refunds:
            var line = try movement(.bankRefund, reference: "refundNo", status: try text("status"), signedFee: true)
            line.parentReference = try text("mainOrderNo")
            return line
        case .withdrawals:
            return try movement(.withdrawal, reference: "reqSeqNo", status: try text("status"))
        case .returns:
            return StatementLine(
                lineNumber: line, kind: .withdrawalReturn, reference: try text("origReqSeqNo"),
                counterpartNumber: try text("returnSeqNo"), amount: try amount("amtFen"), status: "RETURNED",
                occurredAt: try date("returnDate").start, details: cells
            )
        case .balances: return try balance(of: day)
        }
    }

    private func movement(
        _ kind: StatementLineKind, reference: String, status: String, signedFee: Bool = false
    ) throws(StatementDefect) -> StatementLine {
        _ = try date("bankDate")
        for column in self.kind.columns { _ = try text(column) }
        return StatementLine(
            lineNumber: line, kind: kind, reference: try text(reference), counterpartNumber: try text("bankSeqNo"),
            amount: try amount("amtFen"), fee: try amount("feeFen", signed: signedFee), status: status,
            occurredAt: try time("finishTime"), details: cells
        )
    }

    private func balance(of day: BusinessDate) throws(StatementDefect) -> StatementLine {
        let total = try amount("totalFen", signed: true)
        let parts = [
            try amount("pendingFen", signed: true), try amount("withdrawableFen", signed: true),
            try amount("frozenFen", signed: true),
        ].sum()
        _ = try amount("inTransitFen", signed: true)
        if try text("acctType") == "MERCHANT", parts != total {
            throw defect("pending, withdrawable and frozen do not sum to the total", "totalFen")
        }
        return StatementLine(
            lineNumber: line, kind: .balance, reference: try text("subAcct"), counterpartNumber: try text("subAcct"),
            amount: total, status: "", occurredAt: day.advanced(by: 1).start, details: cells
        )
    }

    private func defect(_ reason: String, _ column: String) -> StatementDefect {
        StatementDefect(reason, line: line, column: column)
    }
}
