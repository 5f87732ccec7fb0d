import CustodyDomain

/// Alipay's account bill (账务明细) while it is read: an account's movements, newest or oldest first.
///
/// Every balance must follow from the one beside it, and totals and summary must hold. The bill of all sub-merchants has
/// one account after another, told apart by their column; its balances are only read.
final class AlipayAccountDetail: StatementFormat {
    static let title = "支付宝账务明细查询"

    let source = StatementSource.alipay
    private(set) var form = "account"
    var fields: StatementFields { table.fields }
    private(set) var details = StatementDetails.none

    private var table = AlipayTable(title: AlipayAccountDetail.title)
    private var places: Places?
    private var clock = TextClock()
    private var income = AlipayAccountSide()
    private var expense = AlipayAccountSide()
    private var last: (change: Int64, balance: Int64)?
    private var mayAscend = true
    private var mayDescend = true
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
            places = try Places(header)
            if header.titles.contains(AlipayAccountColumn.smid) { form = "sub_accounts" }
            let dropped: [AlipayAccountColumn] = [
                .number, .businessNumber, .outNumber, .at, .counterpart, .income, .expense, .kind,
            ]
            details = StatementDetails(
                header, dropping: Set(dropped.map(\.rawValue)), leavesOutZero: false, hasBackslashes: false)
            return false
        case .row:
            guard let places else { return false }
            try take(places, number, into: &row)
            return true
        }
    }

    private func take(_ places: Places, _ number: Int, into row: inout StatementRow) throws(StatementDefect) {
        let fields = table.fields
        let gained = try amount(fields, places, places.income, number)
        let spent = try amount(fields, places, places.expense, number)
        guard gained >= 0 else { throw places.header.defect("an income below zero", number, places.income) }
        guard gained == 0 || spent == 0 else {
            throw places.header.defect("both an income and an expense", number, places.expense)
        }
        guard let balance = fields[places.balance].yuan else {
            throw places.header.defect("no amount", number, places.balance)
        }
        guard let at = clock.wallClock(fields[places.at]) else {
            throw places.header.defect("no time", number, places.at)
        }
        guard !fields[places.number].isEmpty else { throw places.header.defect("empty", number, places.number) }
        // Expenses are written with a minus, and without one in some feeds.
        let change = spent == 0 ? gained : -abs(spent)
        if change < 0 { expense.add(change) } else { income.add(change) }
        if form == "account" { try follow(change, balance, number, places) }
        let own = fields[places.outNumber]
        row.kind = .movement
        row.reference = own.isEmpty ? fields[places.businessNumber] : own
        row.parent = fields[places.businessNumber]
        row.counterpart = fields[places.number]
        row.amount = change
        row.fee = 0
        row.status = fields[places.kind]
        row.occurredAt = at
    }

    /// Every balance must follow from the one before it in time, whichever way the file runs.
    private func follow(
        _ change: Int64, _ balance: Int64, _ number: Int, _ places: Places
    ) throws(StatementDefect) {
        defer { last = (change, balance) }
        guard let last else { return }
        mayAscend = mayAscend && Int128(last.balance) + Int128(change) == Int128(balance)
        mayDescend = mayDescend && Int128(balance) + Int128(last.change) == Int128(last.balance)
        guard mayAscend || mayDescend else {
            throw places.header.defect("the balance does not follow from the one beside it", number, places.balance)
        }
    }

    func finish(_ reader: LineReader) throws(StatementDefect) -> (account: String?, date: BusinessDate?) {
        guard places != nil else { throw StatementDefect("no header line") }
        guard table.hasEnd else { throw StatementDefect("cut short: no end of the list") }
        for (title, side) in [("支出", expense), ("收入", income)] {
            guard let (line, text) = table.totals[title] else { throw StatementDefect("no total of \(title)") }
            let parts = text.split(separator: "，")
            guard parts.count == 2, parts[0].hasSuffix("笔"), let count = Int(parts[0].dropLast()),
                let sum = AlipayTable.sum(parts[1])
            else { throw StatementDefect("unreadable total of \(title)", line: line) }
            guard count == side.count, sum.magnitude == side.sum.magnitude else {
                throw StatementDefect("the rows of \(title) do not add up to the total", line: line)
            }
        }
        if let summary {
            try AlipayAccountSummaryCheck(
                account: table.account, date: table.date, income: income, expense: expense
            ).run(on: summary())
        }
        return (table.account, table.date)
    }

    private func amount(
        _ fields: StatementFields, _ places: Places, _ place: Int, _ number: Int
    ) throws(StatementDefect) -> Int64 {
        if fields[place].isEmpty { return 0 }
        guard let amount = fields[place].yuan else { throw places.header.defect("no amount", number, place) }
        return amount
    }

    private struct Places {
        let number, businessNumber, outNumber, at, income, expense, balance, kind: Int
        let header: StatementHeader

        init(_ header: StatementHeader) throws(StatementDefect) {
            func place(_ column: AlipayAccountColumn) throws(StatementDefect) -> Int {
                try header.required(column.rawValue)
            }
            number = try place(.number)
            businessNumber = try place(.businessNumber)
            outNumber = try place(.outNumber)
            at = try place(.at)
            income = try place(.income)
            expense = try place(.expense)
            balance = try place(.balance)
            kind = try place(.kind)
            self.header = header
        }
    }
}

/// What an account gained, or spent.
struct AlipayAccountSide {
    private(set) var count = 0
    private(set) var sum: Int128 = 0

    mutating func add(_ amount: Int64) {
        count += 1
        sum += Int128(amount)
    }
}

/// Compares the summary of an account bill with the detail beside it.
struct AlipayAccountSummaryCheck {
    let account: String?
    let date: BusinessDate?
    let income: AlipayAccountSide
    let expense: AlipayAccountSide

    func run(on lines: LineReader) throws(StatementDefect) {
        do throws(StatementDefect) {
            var table = AlipayTable(title: "支付宝账务汇总查询")
            var places: [AlipayAccountSummaryColumn: Int] = [:]
            var isChecked = false
            while let line = try lines.next() {
                switch try table.take(line, lines.number) {
                case .header(let header):
                    for column in AlipayAccountSummaryColumn.allCases {
                        places[column] = try header.required(column.rawValue)
                    }
                case .row where places[.kind].map { table.fields[$0] == "合计" } ?? false:
                    try check(table.fields, places, lines.number)
                    isChecked = true
                case .remark, .blank, .row: break
                }
            }
            guard isChecked else { throw StatementDefect("no row 合计") }
            guard account == table.account, date == table.date else {
                throw StatementDefect("summary and detail are about different accounts or days")
            }
        } catch {
            var error = error
            error.file = lines.name
            throw error
        }
    }

    private func check(
        _ fields: StatementFields, _ places: [AlipayAccountSummaryColumn: Int], _ number: Int
    ) throws(StatementDefect) {
        let expected: [(AlipayAccountSummaryColumn, Int128, isCount: Bool)] = [
            (.incomes, Int128(income.count), true), (.income, income.sum, false),
            (.expenses, Int128(expense.count), true), (.expense, expense.sum, false),
            (.total, income.sum + expense.sum, false),
        ]
        for (column, sum, isCount) in expected {
            let field = places[column].map { fields[$0] } ?? .empty
            guard let value = isCount ? field.number : field.yuan else {
                throw StatementDefect("no number", line: number, column: column.rawValue)
            }
            // Expenses are written with a minus, and without one in some feeds.
            let isSame = column == .expense ? Int128(value).magnitude == sum.magnitude : Int128(value) == sum
            guard isSame else {
                throw StatementDefect("the summary differs from the detail", line: number, column: column.rawValue)
            }
        }
    }
}
