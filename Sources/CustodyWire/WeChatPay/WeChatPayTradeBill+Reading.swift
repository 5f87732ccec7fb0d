import CustodyDomain

extension WeChatPayTradeBill {
    /// Reads a bill whole, plain or gzipped, or refuses it whole.
    ///
    /// Columns are found by their titles. Count and sums are verified against the summary before anything is returned.
    /// The amount of a payment is 订单金额 (coupons included), of a refund 申请退款金额; fees are rounded per row.
    public static func read(_ file: [UInt8]) throws(StatementDefect) -> StatementContent {
        let table = try Table(file)
        let form = try form(of: table)
        var lines: [StatementLine] = []
        lines.reserveCapacity(table.rows.count)
        var sums: [Total: Int64] = [:]
        var mchids: Set<Substring> = []
        var dates: Set<BusinessDate> = []
        for row in table.rows {
            let fields = Fields(row, table)
            for total in Total.allCases {
                guard let column = total.column, table.columns[column.rawValue] != nil else { continue }
                sums[total, default: 0] += try fields.amount(column).thousandthsOfFen
            }
            let line = try line(fields)
            mchids.insert(try fields.text(.mchid))
            dates.insert(BusinessDate(of: line.occurredAt))
            lines.append(line)
        }
        try verify(table, sums)
        return StatementContent(
            source: .weChatPay, form: form.rawValue, account: mchids.count == 1 ? mchids.first.map(String.init) : nil,
            date: dates.count == 1 ? dates.first : nil, lines: lines
        )
    }

    private static func form(of table: Table) throws(StatementDefect) -> Form {
        let required: [Column] = [
            .time, .mchid, .transactionID, .outTradeNo, .tradeState, .currency, .fee, .total,
        ]
        for column in required where table.columns[column.rawValue] == nil {
            throw StatementDefect("a column is missing", line: table.headerLine, column: column.rawValue)
        }
        if table.columns[Column.refundAppliedAt.rawValue] != nil { return .refund }
        return table.columns[Column.outRefundNo.rawValue] == nil ? .success : .all
    }

    /// The summary first says how many rows there are, then what they add up to.
    private static func verify(_ table: Table, _ sums: [Total: Int64]) throws(StatementDefect) {
        for total in Total.allCases {
            guard let text = table.summary[total.rawValue] else {
                if total == .count || total == .fee {
                    throw StatementDefect("the summary lacks a total", line: table.summaryLine, column: total.rawValue)
                }
                continue
            }
            if total == .count {
                guard Int(text) == table.rows.count else {
                    throw StatementDefect(
                        "the summary counts other rows than there are", line: table.summaryLine, column: total.rawValue)
                }
                continue
            }
            guard let stated = FineYuan(yuan: text) else {
                throw StatementDefect("not an amount", line: table.summaryLine, column: total.rawValue)
            }
            // A total written in whole fen of fees written in five decimals was rounded, at most once per row.
            let decimals = text.utf8.lastIndex(of: UInt8(ascii: ".")).map {
                text.utf8.distance(from: $0, to: text.endIndex) - 1
            }
            let isRounded = total == .fee && (decimals ?? 0) < 5
            let tolerance = isRounded ? 1000 * Int64(max(table.rows.count, 1)) : 0
            guard abs(stated.thousandthsOfFen - sums[total, default: 0]) <= tolerance else {
                throw StatementDefect(
                    "the rows do not add up to the summary", line: table.summaryLine, column: total.rawValue)
            }
        }
    }

    private static func line(_ fields: Fields) throws(StatementDefect) -> StatementLine {
        guard try fields.text(.currency) == "CNY" else { throw fields.defect("a currency other than CNY", .currency) }
        let state = try fields.text(.tradeState)
        switch state {
        case "SUCCESS":
            return StatementLine(
                lineNumber: fields.row.line, kind: .payment, reference: String(try fields.nonEmpty(.outTradeNo)),
                counterpartNumber: String(try fields.nonEmpty(.transactionID)), amount: try fields.fen(.total),
                fee: try fields.amount(.fee).rounded, status: String(state), occurredAt: try fields.time(.time),
                details: fields.details()
            )
        case "REFUND", "REVOKED":
            let reference = try fields.nonEmpty(.outRefundNo)
            guard reference != "0" else { throw fields.defect("a refund without a number", .outRefundNo) }
            let requested = fields.has(.refundApplied) ? try fields.fen(.refundApplied) : try fields.fen(.refund)
            let occurredAt =
                fields.has(.refundAppliedAt) ? try fields.time(.refundAppliedAt) : try fields.time(.time)
            return StatementLine(
                lineNumber: fields.row.line, kind: .refund, reference: String(reference),
                parentReference: String(try fields.nonEmpty(.outTradeNo)),
                counterpartNumber: String(try fields.nonEmpty(.refundID)), amount: requested,
                fee: try fields.amount(.fee).rounded, status: String(try fields.nonEmpty(.refundState)),
                occurredAt: occurredAt, details: fields.details()
            )
        default: throw fields.defect("an unknown state", .tradeState)
        }
    }
}

/// A row seen by columns.
private struct Fields {
    typealias Column = WeChatPayTradeBill.Column

    let row: Table.Row
    let table: Table

    init(_ row: Table.Row, _ table: Table) {
        self.row = row
        self.table = table
    }

    func defect(_ reason: String, _ column: Column) -> StatementDefect {
        StatementDefect(reason, line: row.line, column: column.rawValue)
    }

    func has(_ column: Column) -> Bool { table.columns[column.rawValue] != nil }

    func text(_ column: Column) throws(StatementDefect) -> Substring {
        guard let index = table.columns[column.rawValue] else { throw defect("a column is missing", column) }
        return row.values[index]
    }

    func nonEmpty(_ column: Column) throws(StatementDefect) -> Substring {
        let text = try text(column)
        guard !text.isEmpty else { throw defect("an empty value", column) }
        return text
    }

    func amount(_ column: Column) throws(StatementDefect) -> FineYuan {
        guard let amount = FineYuan(yuan: try text(column)) else { throw defect("not an amount", column) }
        return amount
    }

    func fen(_ column: Column) throws(StatementDefect) -> Fen {
        guard let amount = Fen(yuan: try text(column)), amount >= .zero else {
            throw defect("not an amount in whole fen", column)
        }
        return amount
    }

    func time(_ column: Column) throws(StatementDefect) -> Instant {
        let text = try text(column)
        guard text.utf8.count == 19, let time = Instant(text: text) else { throw defect("not a time", column) }
        return time
    }

    /// What else a reader may want; the buyer's id is left out, and so are empty and zero values.
    func details() -> [String: String] {
        let wanted: [Column] = [
            .subMchid, .tradeType, .bank, .settlementTotal, .coupon, .couponRefund, .refundSucceededAt, .refundType,
            .product, .attach, .fee, .rate,
        ]
        var details: [String: String] = [:]
        for column in wanted {
            guard let index = table.columns[column.rawValue] else { continue }
            let value = row.values[index]
            guard !value.isEmpty, value != "0", value != "0.00" else { continue }
            details[column.rawValue] = BackTickCSV.unescaped(value)
        }
        return details
    }
}

private typealias Table = BackTickCSV
