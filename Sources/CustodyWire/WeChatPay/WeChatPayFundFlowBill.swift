import CustodyDomain

/// WeChat Pay's fund-flow bill (资金账单) of a day: every movement of a merchant's account, with its balance.
///
/// A sub-merchant's is the same once it is decrypted; that of all sub-merchants says in columns more whose each movement
/// is; several may be joined, each with titles and a summary of its own. Counts and sums are verified against the summary,
/// and every balance against the one before it of the same account.
enum WeChatPayFundFlowBill {
    /// A title that no other bill has.
    static let mark = "资金流水单号"

    final class Reading: StatementFormat {
        let source = StatementSource.weChatPay
        let form = "fund_flow"
        let details: StatementDetails

        private let places: Places
        private var rows: WeChatPayBillRows
        private var balance: Int64?
        /// The balances of those accounts that are not the last one read.
        private var otherBalances: [String: Int64] = [:]
        private var owner = ""

        var fields: StatementFields { rows.table.fields }

        init(_ header: StatementHeader) throws(StatementDefect) {
            places = try Places(header)
            // That of all sub-merchants comes in several files, joined by whoever decrypts them.
            rows = WeChatPayBillRows(header, mayBeJoined: true)
            details = StatementDetails(
                header, dropping: ["记账时间", "资金流水单号", "微信支付业务单号", "业务类型", "收支类型", "收支金额(元)", "业务凭证号"],
                leavesOutZero: false, hasBackslashes: true)
        }

        func take(
            _ line: TextSlice, of reader: LineReader, into row: inout StatementRow
        ) throws(StatementDefect) -> Bool {
            let number = reader.number
            guard try rows.table.takesRow(line, number) else {
                if rows.table.isAtAnother {
                    try verifyTotals()
                    rows.beginAnew()
                    (balance, owner) = (nil, "")
                    otherBalances = [:]
                }
                return false
            }
            let (places, fields, header) = (places, rows.table.fields, rows.table.header)
            let bookedAt = try rows.time(places.time, number)
            let amount = try rows.fen(places.amount, number)
            let after = try rows.fen(places.balance, number)
            let direction = fields[places.direction]
            let isExpense = direction == "支出"
            guard isExpense || direction == "收入", amount >= 0 else {
                throw header.defect("neither 收入 nor 支出 of an amount", number, places.direction)
            }
            let change = isExpense ? -amount : amount
            if !places.owner.isEmpty { turn(to: places.owner.map { fields[$0].text }.joined(separator: " ")) }
            if let balance, balance + change != after {
                throw header.defect("the balance does not follow from the one before", number, places.balance)
            }
            balance = after
            if isExpense { rows.expense.add(amount) } else { rows.income.add(amount) }
            row.kind = .movement
            // The merchant's number, where there is one.
            let voucher = fields[places.voucher]
            row.reference = voucher.isEmpty ? fields[places.business] : voucher
            row.parent = fields[places.business]
            row.counterpart = fields[places.flow]
            try rows.demand([places.flow], number)
            row.amount = change
            row.fee = 0
            row.status = fields[places.kind]
            row.occurredAt = bookedAt
            return true
        }

        /// Goes on with another account's balance.
        private func turn(to other: String) {
            guard other != owner else { return }
            otherBalances[owner] = balance
            owner = other
            balance = otherBalances[other]
        }

        func finish(_ reader: LineReader) throws(StatementDefect) -> (account: String?, date: BusinessDate?) {
            try rows.table.finish(reader.number)
            try verifyTotals()
            return (nil, rows.day.value)
        }

        private func verifyTotals() throws(StatementDefect) {
            try rows.table.verify("资金流水总笔数", count: rows.table.rowCount)
            try rows.table.verify("收入笔数", count: rows.income.count)
            try rows.table.verify("收入金额", sum: rows.income.sum)
            try rows.table.verify("支出笔数", count: rows.expense.count)
            try rows.table.verify("支出金额", sum: rows.expense.sum)
        }
    }

    private struct Places {
        let time, business, flow, kind, direction, amount, balance, voucher: Int
        /// Whose movement it is, where the bill is of several.
        let owner: [Int]

        init(_ header: StatementHeader) throws(StatementDefect) {
            time = try header.required("记账时间")
            business = try header.required("微信支付业务单号")
            flow = try header.required("资金流水单号")
            kind = try header.required("业务类型")
            direction = try header.required("收支类型")
            amount = try header.required("收支金额(元)")
            balance = try header.required("账户结余(元)")
            voucher = try header.required("业务凭证号")
            owner = ["二级商户号", "账户类型"].map { header.optional($0) }.filter { $0 >= 0 }
        }
    }
}
