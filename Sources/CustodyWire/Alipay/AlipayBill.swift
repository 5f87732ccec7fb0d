import CustodyDomain

/// Alipay's bills, as `alipay.data.dataservice.bill.downloadurl.query` delivers them: trades (业务明细), an account's
/// movements (账务明细), or settlements to cards (批次结算到卡明细).
///
/// A zip with a detail and a summary file, both in GB18030; or one of them alone, as a person may bring it.
enum AlipayBill {
    /// Opens the detail file of an archive; the summary beside it is compared at the end.
    static func open(
        archive file: StatementFile, limits: InflateLimits
    ) throws(StatementDefect) -> (format: any StatementFormat, lines: LineReader) {
        let archive: ZipArchive
        do {
            archive = try ZipArchive(reading: file, limits: limits)
        } catch let defect as ZipArchive.Defect {
            throw StatementDefect(defect.reason)
        } catch {
            throw error as? StatementDefect ?? StatementDefect("the file cannot be read")
        }
        var detail: ZipArchive.Entry?
        var summary: ZipArchive.Entry?
        for entry in archive.entries {
            if entry.name.hasSuffix("(汇总).csv") || entry.name.hasSuffix("（汇总）.csv") {
                guard summary == nil else { throw StatementDefect("two summary files") }
                summary = entry
            } else if entry.name.hasSuffix("明细.csv") {
                guard detail == nil else { throw StatementDefect("two detail files") }
                detail = entry
            } else {
                throw StatementDefect("the archive holds a file that is neither detail nor summary")
            }
        }
        guard let detail else { throw StatementDefect("the archive holds no detail file") }
        let beside = summary.map { entry in { AlipayBill.lines(of: entry, in: archive) } }
        do throws(StatementDefect) {
            let title = try lines(of: detail, in: archive).firstLine()
            return (format(title: title, summary: beside), lines(of: detail, in: archive))
        } catch {
            var error = error
            error.file = detail.name
            throw error
        }
    }

    /// The format of a file by its first line; both files of a bill begin alike.
    static func format(title: String, summary: (() -> LineReader)? = nil) -> any StatementFormat {
        if title.hasPrefix("#" + AlipayBillSummary.title) { return AlipayBillSummary() }
        if title.hasPrefix("#" + AlipayAccountDetail.title) { return AlipayAccountDetail(summary: summary) }
        if title.hasPrefix("#" + AlipaySettlementDetail.title) { return AlipaySettlementDetail(summary: summary) }
        return AlipayBillDetail(summary: summary)
    }

    private static func lines(of entry: ZipArchive.Entry, in archive: ZipArchive) -> LineReader {
        LineReader(archive.stream(of: entry), name: entry.name, encoding: .gb18030)
    }
}

/// The form that detail and summary share: lines beginning with `#` around a table with a header.
struct AlipayTable {
    /// What a line is.
    enum Part {
        case remark
        case header(StatementHeader)
        case row
        case blank
    }

    /// The values of the row taken last, without the tabs that many end with.
    let fields = StatementFields()
    private var columnCount = 0
    /// The account, once it was said.
    private(set) var account: String?
    /// The day, once it was said.
    private(set) var date: BusinessDate?
    /// Whether the list was ended.
    private(set) var hasEnd = false
    /// The totals behind the list, by what they total (`交易`, `收入`): the line and the text.
    private(set) var totals: [String: (line: Int, text: String)] = [:]
    private let title: String

    /// - Parameter title: What the first line must say.
    init(title: String) { self.title = title }

    @inline(__always)
    mutating func take(_ line: TextSlice, _ number: Int) throws(StatementDefect) -> Part {
        if columnCount > 0, !line.isEmpty, line[0] != 0x23 {
            if line.trimmed.isEmpty { return .blank }
            fields.splitAtCommas(line, wanted: columnCount)
            guard fields.count == columnCount else {
                throw StatementDefect("\(fields.count) values under \(columnCount) columns", line: number)
            }
            return .row
        }
        return try takeOther(line, number)
    }

    private mutating func takeOther(_ line: TextSlice, _ number: Int) throws(StatementDefect) -> Part {
        let line = line.trimmed
        if number == 1 {
            guard line.text.hasPrefix("#" + title) else { throw StatementDefect("no file of Alipay's", line: 1) }
            return .remark
        }
        if line.isEmpty { return .blank }
        guard line[0] == 0x23 else {
            guard account != nil else { throw StatementDefect("no account") }
            guard date != nil else { throw StatementDefect("no first day") }
            fields.splitAtCommas(line, wanted: 0)
            guard fields.count <= StatementFields.limit else {
                throw StatementDefect("more than 256 columns", line: number)
            }
            let titles = (0..<fields.count).map {
                fields[$0].text.replacing("(", with: "（").replacing(")", with: "）")
            }
            let header = try StatementHeader(titles, line: number)
            columnCount = titles.count
            return .header(header)
        }
        try note(line.part(from: 1, to: line.count).trimmed.text, number)
        return .remark
    }

    private mutating func note(_ remark: String, _ number: Int) throws(StatementDefect) {
        if let rest = AlipayTable.rest(of: remark, behind: "账号：[") {
            account = rest.split(separator: "]").first.map(String.init)
        } else if let rest = AlipayTable.rest(of: remark, behind: "起始日期：[") {
            guard let first = AlipayTable.day(rest.prefix(11)) else {
                throw StatementDefect("no first day", line: number)
            }
            guard let last = rest.split(separator: "[").last, AlipayTable.day(last.prefix(11)) == first.advanced(by: 1)
            else { throw StatementDefect("not about exactly one day", line: number) }
            date = first
        } else if remark.contains("列表结束") {
            hasEnd = true
        } else if let mark = remark.firstRange(of: "合计：") {
            totals[String(remark[..<mark.lowerBound])] = (number, String(remark[mark.upperBound...]))
        }
    }

    /// Reads the amount of `商家实收共8708.62元`.
    static func sum(_ text: Substring) -> Int128? {
        guard text.hasSuffix("元"), let start = text.lastIndex(of: "共") else { return nil }
        return Fen(yuan: text[text.index(after: start)...].dropLast()).map { Int128($0.value) }
    }

    private static func rest(of text: String, behind prefix: String) -> Substring? {
        text.hasPrefix(prefix) ? text.dropFirst(prefix.count) : nil
    }

    /// Reads `2026年10月05日`.
    private static func day(_ text: Substring) -> BusinessDate? {
        BusinessDate(text.replacing("年", with: "-").replacing("月", with: "-").replacing("日", with: ""))
    }
}
