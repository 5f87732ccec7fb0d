import CustodyDomain

/// Reads one row of the detail file.
struct AlipayRowReader {
    let row: AlipayBillTable.Row
    let positions: [AlipayBillColumn: Int]

    func entry() throws(StatementDefect) -> AlipayBillEntry {
        guard let kind = AlipayBillEntry.Kind(rawValue: text(.kind)) else {
            throw defect("neither 交易 nor 退款", .kind)
        }
        let fee = try fen(.fee)
        // A payment costs us and a refund gives back; feeds that write refunds positive write this one negative.
        guard kind == .refund || fee <= .zero else { throw defect("a payment's fee with the sign of a gain", .fee) }
        let entry = AlipayBillEntry(
            kind: kind,
            tradeNumber: try filled(.tradeNumber),
            paymentSerial: try filled(.paymentSerial),
            refundSerial: kind == .refund ? try filled(.refundSerial) : text(.refundSerial),
            subject: text(.subject),
            createdAt: try instant(.createdAt),
            finishedAt: try instant(.finishedAt),
            buyer: text(.buyer),
            amount: try magnitude(.amount, kind),
            received: try magnitude(.received, kind),
            merchantDiscount: try magnitude(.merchantDiscount, kind),
            fee: kind == .refund ? Fen(-abs(fee.value)) : -fee,
            royalty: try fen(.royalty),
            memo: text(.memo)
        )
        for column in [
            AlipayBillColumn.redPacket, .points, .alipayDiscount, .voucherAmount, .merchantRedPacket, .cardAmount,
        ] {
            _ = try fen(column)
        }
        return entry
    }

    /// Columns that a line says in its own fields, and the buyer's account, which stays out of the books.
    static let ownColumns: Set<String> = Set(
        [.tradeNumber, .paymentSerial, .refundSerial, .kind, .buyer, .amount, .finishedAt, .fee].map(
            \AlipayBillColumn.rawValue))

    /// What else is filled in and not nought, by the file's own names.
    func details(_ columns: [(index: Int, name: String)]) -> [String: String] {
        var details: [String: String] = [:]
        for (index, name) in columns {
            let value = row.values[index]
            if !value.isEmpty, value != "0.00" { details[name] = value }
        }
        return details
    }

    private func text(_ column: AlipayBillColumn) -> String { positions[column].map { row.values[$0] } ?? "" }

    private func filled(_ column: AlipayBillColumn) throws(StatementDefect) -> String {
        let value = text(column)
        guard !value.isEmpty else { throw defect("empty", column) }
        return value
    }

    private func instant(_ column: AlipayBillColumn) throws(StatementDefect) -> Instant {
        guard let instant = Instant(text: text(column)) else { throw defect("no time", column) }
        return instant
    }

    private func fen(_ column: AlipayBillColumn) throws(StatementDefect) -> Fen {
        let value = text(column)
        guard let amount = value.isEmpty ? .zero : Fen(yuan: value) else { throw defect("no amount", column) }
        return amount
    }

    private func magnitude(
        _ column: AlipayBillColumn, _ kind: AlipayBillEntry.Kind
    ) throws(StatementDefect) -> Fen {
        let amount = try fen(column)
        guard kind == .refund || amount >= .zero else { throw defect("a payment's amount is negative", column) }
        return Fen(abs(amount.value))
    }

    private func defect(_ reason: String, _ column: AlipayBillColumn) -> StatementDefect {
        StatementDefect(reason, line: row.line, column: column.rawValue)
    }
}
