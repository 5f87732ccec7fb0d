import CustodyDomain

/// Alipay's summary file (业务汇总) while it is read: a row for every store, then one that must be their sum.
final class AlipayBillSummary: StatementFormat {
    static let title = "支付宝业务汇总查询"

    let source = StatementSource.alipay
    let form = "business_summary"
    var fields: StatementFields { table.fields }
    private(set) var details = StatementDetails.none
    /// What the last row says, by columns; counts as they are, amounts in fen.
    private(set) var totals: [AlipaySummaryColumn: Int64] = [:]
    /// Where the last row stands.
    private(set) var totalLine: Int?

    private var table = AlipayTable(title: AlipayBillSummary.title)
    private var places: [AlipaySummaryColumn: Int] = [:]
    private var sums: [AlipaySummaryColumn: Int128] = [:]

    private static let counts: [AlipaySummaryColumn] = [.payments, .refunds]
    private static let amounts: [AlipaySummaryColumn] = [
        .amount, .received, .alipayDiscount, .merchantDiscount, .cardAmount, .fee, .royalty, .net,
    ]

    func take(
        _ line: TextSlice, of reader: LineReader, into row: inout StatementRow
    ) throws(StatementDefect) -> Bool {
        let number = reader.number
        switch try table.take(line, number) {
        case .remark, .blank: return false
        case .header(let header):
            for column in AlipaySummaryColumn.allCases { places[column] = try header.required(column.rawValue) }
            details = StatementDetails(
                header, dropping: [AlipaySummaryColumn.store.rawValue], leavesOutZero: true, hasBackslashes: false)
            return false
        case .row:
            guard totalLine == nil else { throw StatementDefect("a row behind the row 合计", line: number) }
            let values = try values(number)
            if field(.store) == "合计" {
                totals = values
                totalLine = number
                return false
            }
            for (column, value) in values { sums[column, default: 0] += Int128(value) }
            row.kind = .settlement
            row.reference = field(.store).isEmpty ? field(.storeName) : field(.store)
            row.parent = nil
            row.counterpart = row.reference
            row.amount = values[.net] ?? 0
            row.fee = -(values[.fee] ?? 0)
            row.status = .empty
            row.occurredAt = (table.date?.advanced(by: 1).start ?? Instant(microseconds: 0)).microseconds
            return true
        }
    }

    func finish(_ reader: LineReader) throws(StatementDefect) -> (account: String?, date: BusinessDate?) {
        guard !places.isEmpty else { throw StatementDefect("no header line") }
        guard let totalLine else { throw StatementDefect("no row 合计") }
        guard table.hasEnd else { throw StatementDefect("cut short: no end of the list") }
        for (column, sum) in sums.sorted(by: { $0.key.rawValue < $1.key.rawValue })
        where Int128(totals[column] ?? 0) != sum {
            throw StatementDefect("the row 合计 is not the sum of the others", line: totalLine, column: column.rawValue)
        }
        return (table.account, table.date)
    }

    private func field(_ column: AlipaySummaryColumn) -> TextSlice { places[column].map { fields[$0] } ?? .empty }

    private func values(_ number: Int) throws(StatementDefect) -> [AlipaySummaryColumn: Int64] {
        var values: [AlipaySummaryColumn: Int64] = [:]
        for column in AlipayBillSummary.counts {
            guard let count = field(column).number else {
                throw StatementDefect("no count", line: number, column: column.rawValue)
            }
            values[column] = count
        }
        for column in AlipayBillSummary.amounts {
            guard let amount = field(column).yuan else {
                throw StatementDefect("no amount", line: number, column: column.rawValue)
            }
            values[column] = amount
        }
        return values
    }
}

/// Compares the summary in an archive with the detail beside it.
struct AlipaySummaryCheck {
    let account: String?
    let date: BusinessDate?
    let sums: AlipaySums

    func run(on lines: LineReader) throws(StatementDefect) {
        do throws(StatementDefect) {
            let summary = AlipayBillSummary()
            var row = StatementRow()
            while let line = try lines.next() { _ = try summary.take(line, of: lines, into: &row) }
            let (account, date) = try summary.finish(lines)
            guard account == self.account, date == self.date else {
                throw StatementDefect("summary and detail are about different accounts or days")
            }
            try check(summary)
        } catch {
            var error = error
            error.file = lines.name
            throw error
        }
    }

    private func check(_ summary: AlipayBillSummary) throws(StatementDefect) {
        let expected: [(AlipaySummaryColumn, Int128)] = [
            (.payments, Int128(sums.payments)), (.refunds, Int128(sums.refunds)), (.amount, sums.amount),
            (.received, sums.received), (.merchantDiscount, sums.discount), (.fee, sums.fee),
            (.royalty, sums.royalty), (.net, sums.received + sums.fee + sums.royalty),
        ]
        for (column, sum) in expected where summary.totals[column].map({ Int128($0) }) != sum {
            throw StatementDefect(
                "the summary differs from the detail", line: summary.totalLine, column: column.rawValue)
        }
    }
}
