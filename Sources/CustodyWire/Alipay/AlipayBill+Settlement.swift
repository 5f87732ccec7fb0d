import CustodyDomain

/// Alipay's bill of settlements to cards (批次结算到卡明细) while it is read; the summary beside it has a row per payout.
///
/// No public source shows this bill's columns: these are our assumption, read by their titles, and refused when missing.
final class AlipaySettlementDetail: StatementFormat {
    static let title = "支付宝批次结算到卡明细查询"

    let source = StatementSource.alipay
    let form = "settlement_to_card"
    var fields: StatementFields { table.fields }
    private(set) var details = StatementDetails.none

    private var table = AlipayTable(title: AlipaySettlementDetail.title)
    private var header = StatementHeader()
    private var places: [AlipaySettlementColumn: Int] = [:]
    private var clock = TextClock()
    private var all = AlipayAccountSide()
    /// What the rows of each payout add up to; a day has few payouts, and every payout many rows.
    private var batches: [String: AlipayAccountSide] = [:]
    private let summary: (() -> LineReader)?

    /// - Parameter summary: Opens the summary beside it, where there is one.
    init(summary: (() -> LineReader)? = nil) { self.summary = summary }

    func take(
        _ line: TextSlice, of reader: LineReader, into row: inout StatementRow
    ) throws(StatementDefect) -> Bool {
        let number = reader.number
        switch try table.take(line, number) {
        case .remark, .blank: return false
        case .header(let header):
            for column in AlipaySettlementColumn.allCases { places[column] = try header.required(column.rawValue) }
            self.header = header
            let dropped: [AlipaySettlementColumn] = [.tradeNumber, .outNumber, .kind, .at, .amount]
            details = StatementDetails(
                header, dropping: Set(dropped.map(\.rawValue)), leavesOutZero: false, hasBackslashes: false)
            return false
        case .row:
            try take(number, into: &row)
            return true
        }
    }

    private func take(_ number: Int, into row: inout StatementRow) throws(StatementDefect) {
        guard let amount = field(.amount).yuan else { throw defect("no amount", number, .amount) }
        guard let at = clock.wallClock(field(.at)) else { throw defect("no time", number, .at) }
        for column: AlipaySettlementColumn in [.batch, .smid, .outNumber] where field(column).isEmpty {
            throw defect("empty", number, column)
        }
        all.add(amount)
        batches[field(.batch).text, default: AlipayAccountSide()].add(amount)
        row.kind = .settlement
        row.reference = field(.outNumber)
        row.parent = nil
        row.counterpart = field(.tradeNumber)
        row.amount = amount
        row.fee = 0
        row.status = field(.kind)
        row.occurredAt = at
    }

    func finish(_ reader: LineReader) throws(StatementDefect) -> (account: String?, date: BusinessDate?) {
        guard !places.isEmpty else { throw StatementDefect("no header line") }
        guard table.hasEnd else { throw StatementDefect("cut short: no end of the list") }
        guard let (line, text) = table.totals["结算"] else { throw StatementDefect("no total of 结算") }
        let parts = text.split(separator: "，")
        guard parts.count == 2, parts[0].hasSuffix("笔"), let count = Int(parts[0].dropLast()),
            let sum = AlipayTable.sum(parts[1])
        else { throw StatementDefect("unreadable total of 结算", line: line) }
        guard count == all.count, sum == all.sum else {
            throw StatementDefect("the rows do not add up to the total", line: line)
        }
        if let summary { try check(summary()) }
        return (table.account, table.date)
    }

    private func check(_ lines: LineReader) throws(StatementDefect) {
        do throws(StatementDefect) {
            var table = AlipayTable(title: "支付宝批次结算到卡汇总查询")
            var places: [AlipaySettlementSummaryColumn: Int] = [:]
            var left = batches
            while let line = try lines.next() {
                switch try table.take(line, lines.number) {
                case .header(let header):
                    for column in AlipaySettlementSummaryColumn.allCases {
                        places[column] = try header.required(column.rawValue)
                    }
                case .row:
                    let field = { column in places[column].map { table.fields[$0] } ?? TextSlice.empty }
                    guard let batch = left.removeValue(forKey: field(.batch).text),
                        field(.count).number == Int64(batch.count),
                        field(.amount).yuan.map({ Int128($0) }) == batch.sum
                    else { throw StatementDefect("the summary differs from the detail", line: lines.number) }
                case .remark, .blank: break
                }
            }
            guard left.isEmpty else { throw StatementDefect("the summary leaves out a payout") }
            guard self.table.account == table.account, self.table.date == table.date else {
                throw StatementDefect("summary and detail are about different accounts or days")
            }
        } catch {
            var error = error
            error.file = lines.name
            throw error
        }
    }

    private func field(_ column: AlipaySettlementColumn) -> TextSlice { places[column].map { fields[$0] } ?? .empty }

    private func defect(_ reason: String, _ number: Int, _ column: AlipaySettlementColumn) -> StatementDefect {
        StatementDefect(reason, line: number, column: column.rawValue)
    }
}
