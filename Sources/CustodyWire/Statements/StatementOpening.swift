import CustodyDomain

/// Finds out what form a file has, by how it begins.
enum StatementOpening {
    typealias Opened = (format: any StatementFormat, lines: LineReader)

    static func open(
        _ file: StatementFile, from source: StatementSource, ok: [UInt8]?, limits: InflateLimits
    ) throws(StatementDefect) -> Opened {
        do throws(StatementDefect) {
            guard file.size > 0 else { throw StatementDefect("the file is empty") }
            switch source {
            case .weChatPay: return try weChatPay(file, limits)
            case .alipay: return try alipay(file, limits)
            case .bank: return try bank(file, ok, limits)
            }
        } catch {
            var error = error
            if error.file == nil { error.file = file.name }
            throw error
        }
    }

    private static func lines(_ file: StatementFile, _ limits: InflateLimits, _ encoding: TextEncoding) -> LineReader {
        let window = FileWindow(file)
        let stream: any ByteStream = file.isGzip ? Inflater(window, frame: .gzip, limits: limits) : window
        return LineReader(stream, name: file.name, encoding: encoding)
    }

    /// Trade bills, fund-flow bills and profit-sharing bills, plain or gzipped, with or without a byte-order mark.
    private static func weChatPay(_ file: StatementFile, _ limits: InflateLimits) throws(StatementDefect) -> Opened {
        let lines = lines(file, limits, .utf8)
        let header = try BackTickCSV.titles(try lines.next() ?? .empty, number: 1)
        if header.titles.contains(WeChatPayFundFlowBill.mark) {
            return (try WeChatPayFundFlowBill.Reading(header), lines)
        }
        if header.titles.contains(WeChatPayProfitSharingBill.mark) {
            return (try WeChatPayProfitSharingBill.Reading(header), lines)
        }
        return (try WeChatPayTradeBill.Reading(header), lines)
    }

    /// The archive as Alipay delivers it, or one of its files.
    private static func alipay(_ file: StatementFile, _ limits: InflateLimits) throws(StatementDefect) -> Opened {
        if ZipArchive.isZip(file) { return try AlipayBill.open(archive: file, limits: limits) }
        let title = try lines(file, limits, .gb18030).firstLine()
        return (AlipayBill.format(title: title), lines(file, limits, .gb18030))
    }

    /// CWP/1, CCB's files, and clearing files in MYbank's form.
    private static func bank(
        _ file: StatementFile, _ ok: [UInt8]?, _ limits: InflateLimits
    ) throws(StatementDefect) -> Opened {
        let said: CWP1FileOK? = if let ok { try CWP1FileOK(ok, of: file) } else { nil }
        let start = try file.bytes(at: 0, count: LineReader.longest).prefix { $0 != 0x0A }
        let first = String(decoding: start, as: UTF8.self).uppercased()
        let isMYbank = first.contains(MYbankClearingFile.mark)
        let kind = CCBFile.Kind.allCases.first { first.contains($0.mark) }
        guard isMYbank || kind != nil else {
            let lines = lines(file, limits, .utf8)
            let line = try lines.next() ?? .empty
            return (try CWP1File.Reading(line, of: lines, ok: said), lines)
        }
        let lines = lines(file, limits, try .detected(in: file))
        let table = try PipeTable(try lines.next() ?? .empty, of: lines)
        if let kind { return (try CCBFile.Reading(kind, table), lines) }
        return (try MYbankClearingFile.Reading(table), lines)
    }
}

/// The statement of a day on which nothing happened, and for which no file came.
final class EmptyDay: StatementFormat {
    let source: StatementSource
    let form: String
    let fields = StatementFields()
    let details = StatementDetails.none
    private let date: BusinessDate

    init(_ source: StatementSource, form: String, on date: BusinessDate) {
        self.source = source
        self.form = form
        self.date = date
    }

    func take(
        _ line: TextSlice, of reader: LineReader, into row: inout StatementRow
    ) throws(StatementDefect) -> Bool { false }

    func finish(_ reader: LineReader) throws(StatementDefect) -> (account: String?, date: BusinessDate?) {
        (nil, date)
    }
}
