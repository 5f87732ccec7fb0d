import CustodyDomain

/// The summary file beside the detail: its last row must be what the detail adds up to.
struct AlipayBillSummary {
    private let account: String
    private let date: BusinessDate
    private let line: Int
    private let numbers: [AlipaySummaryColumn: String]

    init(reading bytes: [UInt8]) throws(StatementDefect) {
        let table = try AlipayBillTable(reading: bytes)
        guard table.remark("支付宝业务汇总查询") != nil else { throw StatementDefect("summary: not one of Alipay's") }
        (account, date) = try AlipayBillDetail.heading(of: table)
        let positions = try table.positions(AlipaySummaryColumn.self)
        guard let total = table.rows.last, let store = positions[.store], total.values[store] == "合计" else {
            throw StatementDefect("summary: no row 合计")
        }
        line = total.line
        numbers = positions.mapValues { total.values[$0] }
    }

    /// Compares with the detail, whose refunds count as negative.
    func check(against detail: AlipayBillDetail) throws(StatementDefect) {
        guard account == detail.account, date == detail.date else {
            throw StatementDefect("summary and detail are about different accounts or days")
        }
        let entries = detail.entries.map(\.entry)
        let payments = entries.count { $0.kind == .payment }
        try equal(.payments, numbers[.payments].flatMap { Int64($0) }, Int64(payments))
        try equal(.refunds, numbers[.refunds].flatMap { Int64($0) }, Int64(entries.count - payments))
        let received = entries.map { $0.signed($0.received) }.sum()
        let fee = -entries.map(\.fee).sum()
        let royalty = entries.map(\.royalty).sum()
        try equal(.amount, entries.map { $0.signed($0.amount) }.sum())
        try equal(.received, received)
        try equal(.merchantDiscount, entries.map { $0.signed($0.merchantDiscount) }.sum())
        try equal(.fee, fee)
        try equal(.royalty, royalty)
        try equal(.net, received + fee + royalty)
    }

    private func equal(_ column: AlipaySummaryColumn, _ sum: Fen) throws(StatementDefect) {
        try equal(column, numbers[column].flatMap { Fen(yuan: $0)?.value }, sum.value)
    }

    private func equal(_ column: AlipaySummaryColumn, _ stated: Int64?, _ own: Int64) throws(StatementDefect) {
        guard stated == own else {
            throw StatementDefect("summary: the total differs from the detail", line: line, column: column.rawValue)
        }
    }
}
