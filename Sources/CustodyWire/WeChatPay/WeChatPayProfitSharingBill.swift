import CustodyDomain

/// WeChat Pay's profit-sharing bill (分账账单) of a day: parts of payments that receivers got or gave back.
///
/// The summary must count the rows; of sums it may state those of all rows, of splits and of returns (回退), and each that
/// it states is verified.
enum WeChatPayProfitSharingBill {
    /// A title that no other bill has.
    static let mark = "分账明细单号"

    final class Reading: StatementFormat {
        let source = StatementSource.weChatPay
        let form = "profit_sharing"
        let details: StatementDetails

        private let places: Places
        private var rows: WeChatPayBillRows
        private var payer = CommonText()

        var fields: StatementFields { rows.table.fields }

        init(_ header: StatementHeader) throws(StatementDefect) {
            places = try Places(header)
            rows = WeChatPayBillRows(header)
            details = StatementDetails(
                header, dropping: ["分账时间", "微信订单号", "分账明细单号", "商户分账/回退单号", "分账金额", "处理状态"],
                leavesOutZero: true, hasBackslashes: true)
        }

        func take(
            _ line: TextSlice, of reader: LineReader, into row: inout StatementRow
        ) throws(StatementDefect) -> Bool {
            let number = reader.number
            guard try rows.table.takesRow(line, number) else { return false }
            let (places, fields) = (places, rows.table.fields)
            try rows.demand(places.demanded, number)
            let time = try rows.time(places.time, number)
            let amount = try rows.fen(places.amount, number)
            guard amount >= 0 else { throw rows.table.header.defect("negative amount", number, places.amount) }
            row.kind = .split
            row.reference = fields[places.reference]
            row.parent = fields[places.payment]
            row.counterpart = fields[places.detail]
            row.amount = amount
            row.fee = 0
            row.status = fields[places.state]
            row.occurredAt = time
            if fields[places.kind].text.contains("回退") {
                rows.expense.add(amount)
            } else {
                rows.income.add(amount)
            }
            payer.note(fields[places.payer])
            return true
        }

        func finish(_ reader: LineReader) throws(StatementDefect) -> (account: String?, date: BusinessDate?) {
            let (table, split, returned) = (rows.table, rows.income, rows.expense)
            try table.finish(reader.number)
            var isCounted = false
            for title in table.summary.keys.sorted() {
                switch title {
                case "总笔数", "分账总笔数", "总单数":
                    try table.verify(title, count: table.rowCount)
                    isCounted = true
                case "分账笔数": try table.verify(title, count: split.count)
                case "回退笔数", "分账回退笔数": try table.verify(title, count: returned.count)
                case "总金额": try table.verify(title, sum: split.sum + returned.sum)
                case "分账总金额", "分账金额": try table.verify(title, sum: split.sum)
                case "回退总金额", "回退金额", "分账回退金额": try table.verify(title, sum: returned.sum)
                default: break
                }
            }
            guard isCounted else { throw table.defect("the summary lacks a total", "总笔数") }
            return (payer.value, rows.day.value)
        }
    }

    private struct Places {
        let time, payer, payment, detail, reference, receiver, amount, kind, state: Int

        /// What every row must say.
        var demanded: [Int] { [payment, detail, reference, receiver, state] }

        init(_ header: StatementHeader) throws(StatementDefect) {
            time = try header.required("分账时间")
            payer = try header.required("分账方")
            payment = try header.required("微信订单号")
            detail = try header.required(mark)
            reference = try header.required("商户分账/回退单号")
            receiver = try header.required("分账接收方")
            amount = try header.required("分账金额")
            kind = try header.required("业务类型")
            state = try header.required("处理状态")
        }
    }
}
