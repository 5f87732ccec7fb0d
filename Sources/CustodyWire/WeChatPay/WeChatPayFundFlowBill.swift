import CustodyDomain

/// WeChat Pay's fund-flow bill (资金账单) of a day: every movement of a merchant's account, with its balance.
///
/// A sub-merchant's is the same once it is decrypted; that of all sub-merchants says in columns more whose each movement
/// is. Counts and sums are verified against the summary, and every balance against the one before it of the same account.
enum WeChatPayFundFlowBill {
    /// A title that no other bill has.
    static let mark = "资金流水单号"

    final class Reading: StatementFormat {
        let source = StatementSource.weChatPay
        let form = "fund_flow"
        let details: StatementDetails

        private let places: Places
        private var table: BackTickCSV
        private var clock = TextClock()
        private var day = CommonDay()
        private var balance: Int64?
        /// The balances of those accounts that are not the last one read.
        private var otherBalances: [String: Int64] = [:]
        private var owner = ""
        private var income = Side()
        private var expense = Side()

        var fields: StatementFields { table.fields }

        init(_ header: StatementHeader) throws(StatementDefect) {
            places = try Places(header)
            table = BackTickCSV(header)
            details = StatementDetails(
                header, dropping: ["记账时间", "资金流水单号", "微信支付业务单号", "业务类型", "收支类型", "收支金额(元)", "业务凭证号"],
                leavesOutZero: false, hasBackslashes: true)
        }

        func take(
            _ line: TextSlice, of reader: LineReader, into row: inout StatementRow
        ) throws(StatementDefect) -> Bool {
            let number = reader.number
            guard try table.takesRow(line, number) else { return false }
            let (places, fields, header) = (places, table.fields, table.header)
            guard let bookedAt = clock.wallClock(fields[places.time]) else {
                throw header.defect("not a time", number, places.time)
            }
            guard let amount = fields[places.amount].yuan else {
                throw header.defect("not an amount in whole fen", number, places.amount)
            }
            guard let after = fields[places.balance].yuan else {
                throw header.defect("not an amount in whole fen", number, places.balance)
            }
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
            if isExpense { expense.add(amount) } else { income.add(amount) }
            row.kind = .movement
            // The merchant's number, where there is one.
            let voucher = fields[places.voucher]
            row.reference = voucher.isEmpty ? fields[places.business] : voucher
            row.parent = fields[places.business]
            row.counterpart = fields[places.flow]
            guard !row.counterpart.isEmpty else { throw header.defect("an empty value", number, places.flow) }
            row.amount = change
            row.fee = 0
            row.status = fields[places.kind]
            row.occurredAt = bookedAt
            day.note(bookedAt)
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
            try table.finish(reader.number)
            try table.verify("资金流水总笔数", count: table.rowCount)
            try table.verify("收入笔数", count: income.count)
            try table.verify("收入金额", sum: income.sum)
            try table.verify("支出笔数", count: expense.count)
            try table.verify("支出金额", sum: expense.sum)
            return (nil, day.value)
        }
    }

    private struct Side {
        private(set) var count = 0
        private(set) var sum: Int128 = 0

        mutating func add(_ amount: Int64) {
            count += 1
            sum += Int128(amount)
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
