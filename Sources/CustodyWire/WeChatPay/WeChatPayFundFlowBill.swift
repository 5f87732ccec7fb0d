import CustodyDomain

/// WeChat Pay's fund-flow bill (资金账单) of a day: every movement of the merchant's account, with its balance.
public enum WeChatPayFundFlowBill {
    /// A movement.
    public struct Row: Hashable, Sendable {
        /// Its line in the file, from 1.
        public let lineNumber: Int
        /// When it was booked.
        public let bookedAt: Instant
        /// WeChat's number of the business it comes from, such as the payment's.
        public let businessNumber: String
        /// WeChat's number of the movement itself.
        public let flowNumber: String
        /// `交易`, `退款`, `扣除交易手续费`, `提现`, `提现退票`, `分账`, …
        public let kind: String
        /// What it changed: negative for 支出.
        public let change: Fen
        /// The balance after it.
        public let balance: Fen
        /// The merchant's number (业务凭证号).
        public let voucher: String
        /// The remark.
        public let remark: String
    }

    /// Reads a bill whole, plain or gzipped, or refuses it whole.
    ///
    /// Counts and sums are verified against the summary, and every balance against the one before it.
    public static func read(_ file: [UInt8]) throws(StatementDefect) -> [Row] {
        let table = try BackTickCSV(file)
        var rows: [Row] = []
        var totals: [String: Int64] = ["资金流水总笔数": 0, "收入笔数": 0, "收入金额": 0, "支出笔数": 0, "支出金额": 0]
        for values in table.rows {
            let row = try row(values, table)
            if let before = rows.last, before.balance + row.change != row.balance {
                throw StatementDefect(
                    "the balance does not follow from the one before", line: row.lineNumber, column: balanceTitle)
            }
            let side = row.change < .zero ? "支出" : "收入"
            totals["资金流水总笔数", default: 0] += 1
            totals[side + "笔数", default: 0] += 1
            totals[side + "金额", default: 0] += abs(row.change.value)
            rows.append(row)
        }
        for (title, found) in totals.sorted(by: { $0.key < $1.key }) {
            guard let text = table.summary[title] else {
                throw StatementDefect("the summary lacks a total", line: table.summaryLine, column: title)
            }
            let stated = title.hasSuffix("金额") ? Fen(yuan: text)?.value : Int64(text)
            guard stated == found else {
                throw StatementDefect("the rows do not add up to the summary", line: table.summaryLine, column: title)
            }
        }
        return rows
    }

    private static let balanceTitle = "账户结余(元)"

    private static func row(
        _ row: BackTickCSV.Row, _ table: BackTickCSV
    ) throws(StatementDefect) -> Row {
        func text(_ title: String) throws(StatementDefect) -> Substring {
            // Old files write the parentheses full-width.
            let wide = title.replacing("(", with: "（").replacing(")", with: "）")
            guard let index = table.columns[title] ?? table.columns[wide] else {
                throw StatementDefect("a column is missing", line: table.headerLine, column: title)
            }
            return row.values[index]
        }
        func fen(_ title: String) throws(StatementDefect) -> Fen {
            guard let amount = Fen(yuan: try text(title)) else {
                throw StatementDefect("not an amount in whole fen", line: row.line, column: title)
            }
            return amount
        }
        guard let bookedAt = Instant(text: try text("记账时间")) else {
            throw StatementDefect("not a time", line: row.line, column: "记账时间")
        }
        let amount = try fen("收支金额(元)")
        let direction = try text("收支类型")
        guard direction == "收入" || direction == "支出", amount >= .zero else {
            throw StatementDefect("neither 收入 nor 支出 of an amount", line: row.line, column: "收支类型")
        }
        return Row(
            lineNumber: row.line, bookedAt: bookedAt, businessNumber: String(try text("微信支付业务单号")),
            flowNumber: String(try text("资金流水单号")), kind: String(try text("业务类型")),
            change: direction == "支出" ? -amount : amount, balance: try fen(balanceTitle),
            voucher: String(try text("业务凭证号")), remark: BackTickCSV.unescaped(try text("备注")))
    }
}
