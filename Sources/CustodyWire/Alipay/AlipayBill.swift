import CustodyDomain

/// Alipay's trade bill (业务明细), as `alipay.data.dataservice.bill.downloadurl.query` delivers it.
///
/// A zip with a detail and a summary file, both GBK; or the detail file alone, as a person may upload it.
public enum AlipayBill {
    /// Reads a bill all-or-nothing, and checks it against its own totals and the summary.
    public static func read(
        _ bytes: [UInt8], limits: InflateLimits = .statement
    ) throws(StatementDefect) -> StatementContent {
        guard ZipArchive.isZip(bytes) else {
            return try AlipayBillDetail(reading: bytes).content
        }
        let archive = try unpack(bytes, limits)
        var detail: AlipayBillDetail?
        var summary: AlipayBillSummary?
        for entry in archive.entries {
            if entry.name.hasSuffix("(汇总).csv") || entry.name.hasSuffix("（汇总）.csv") {
                guard summary == nil else { throw StatementDefect("two summary files") }
                summary = try AlipayBillSummary(reading: entry.content)
            } else if entry.name.hasSuffix("业务明细.csv") {
                guard detail == nil else { throw StatementDefect("two detail files") }
                detail = try AlipayBillDetail(reading: entry.content)
            } else {
                throw StatementDefect("the archive holds a file that is neither detail nor summary")
            }
        }
        guard let detail else { throw StatementDefect("the archive holds no detail file") }
        if let summary { try summary.check(against: detail) }
        return detail.content
    }

    private static func unpack(_ bytes: [UInt8], _ limits: InflateLimits) throws(StatementDefect) -> ZipArchive {
        do {
            return try ZipArchive(reading: bytes, limits: limits)
        } catch {
            switch error {
            case .malformed(let what): throw StatementDefect("broken zip file: \(what)")
            case .unsupported(let what): throw StatementDefect("zip file with \(what)")
            case .tooLarge: throw StatementDefect("larger than allowed when unpacked")
            case .badChecksum: throw StatementDefect("broken zip file: a checksum does not hold")
            }
        }
    }
}

/// The detail file, read and found consistent with its totals.
struct AlipayBillDetail {
    /// The account it is about.
    let account: String
    /// The day it is about.
    let date: BusinessDate
    /// Its rows.
    let entries: [(line: Int, entry: AlipayBillEntry)]

    private let details: [[String: String]]

    init(reading bytes: [UInt8]) throws(StatementDefect) {
        let table = try AlipayBillTable(reading: bytes)
        guard table.remark("支付宝业务明细查询") != nil else { throw StatementDefect("no detail file of Alipay's", line: 1) }
        (account, date) = try AlipayBillDetail.heading(of: table)
        let positions = try table.positions(AlipayBillColumn.self)
        let others = table.columns.enumerated().filter { !AlipayRowReader.ownColumns.contains($0.element) }
            .map { (index: $0.offset, name: $0.element) }
        var entries: [(line: Int, entry: AlipayBillEntry)] = []
        var details: [[String: String]] = []
        for row in table.rows {
            let reader = AlipayRowReader(row: row, positions: positions)
            entries.append((row.line, try reader.entry()))
            details.append(reader.details(others))
        }
        guard table.remarks.contains(where: { $0.text.contains("业务明细列表结束") }) else {
            throw StatementDefect("cut short: no end of the list")
        }
        self.entries = entries
        self.details = details
        try check(.payment, table.remark("交易合计："))
        try check(.refund, table.remark("退款合计："))
    }

    /// The rows in the form that reconciliation knows.
    var content: StatementContent {
        let lines = zip(entries, details).map { numbered, details in
            let entry = numbered.entry
            return StatementLine(
                lineNumber: numbered.line,
                kind: entry.kind == .payment ? .payment : .refund,
                reference: entry.kind == .payment ? entry.paymentSerial : entry.refundSerial,
                parentReference: entry.kind == .payment ? nil : entry.paymentSerial,
                counterpartNumber: entry.tradeNumber,
                amount: entry.amount,
                fee: entry.fee,
                status: entry.kind.rawValue,
                occurredAt: entry.finishedAt,
                details: details
            )
        }
        return StatementContent(
            source: .alipay, form: "business_detail", account: account, date: date, lines: lines)
    }

    /// Account and day, which detail and summary state alike.
    static func heading(of table: AlipayBillTable) throws(StatementDefect) -> (account: String, date: BusinessDate) {
        guard let account = table.remark("账号：[")?.text.split(separator: "]").first else {
            throw StatementDefect("no account")
        }
        guard let period = table.remark("起始日期：["), let date = day(period.text.prefix(11)) else {
            throw StatementDefect("no first day", line: table.remark("起始日期")?.line)
        }
        guard let end = period.text.split(separator: "[").last, day(end.prefix(11)) == date.advanced(by: 1) else {
            throw StatementDefect("not about exactly one day", line: period.line)
        }
        return (String(account), date)
    }

    /// Reads `2026年10月05日`.
    private static func day(_ text: Substring) -> BusinessDate? {
        BusinessDate(text.replacing("年", with: "-").replacing("月", with: "-").replacing("日", with: ""))
    }

    /// Compares the rows of a kind with `N笔，商家实收共X元，商家优惠共Y元`.
    private func check(
        _ kind: AlipayBillEntry.Kind, _ remark: (line: Int, text: String)?
    ) throws(StatementDefect) {
        guard let remark else { throw StatementDefect("no total of \(kind.rawValue)") }
        let parts = remark.text.split(separator: "，")
        guard parts.count == 3, parts[0].hasSuffix("笔"), let count = Int(parts[0].dropLast()),
            let received = AlipayBillDetail.sum(parts[1]), let discount = AlipayBillDetail.sum(parts[2])
        else { throw StatementDefect("unreadable total of \(kind.rawValue)", line: remark.line) }
        let own = entries.map(\.entry).filter { $0.kind == kind }
        guard count == own.count else {
            throw StatementDefect(
                "\(own.count) rows of \(kind.rawValue), but the total says \(count)", line: remark.line)
        }
        guard AlipayBillDetail.isSame(own.map(\.received).sum(), received),
            AlipayBillDetail.isSame(own.map(\.merchantDiscount).sum(), discount)
        else { throw StatementDefect("the rows of \(kind.rawValue) do not add up to the total", line: remark.line) }
    }

    /// Reads the amount of `商家实收共8708.62元`.
    private static func sum(_ text: Substring) -> Fen? {
        guard text.hasSuffix("元"), let start = text.lastIndex(of: "共") else { return nil }
        return Fen(yuan: text[text.index(after: start)...].dropLast())
    }

    /// Totals of refunds are written with a minus, and without one in some feeds.
    private static func isSame(_ sum: Fen, _ stated: Fen) -> Bool { stated == sum || stated == -sum }
}
