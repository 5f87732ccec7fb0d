import CustodyDomain

/// What all bills of Alipay's have around their rows, for those who write them.
public struct AlipayBillFrame: Sendable {
    /// The account it is about.
    public let account: String
    /// Its first day.
    public let first: BusinessDate
    /// The day after its last.
    public let end: BusinessDate
    /// When it is said to be made.
    public let exportedAt: Instant
    /// `20261005` of a day, `202610` of a month.
    public let stamp: String

    /// The frame of a day's bill.
    public init(account: String, date: BusinessDate, exportedAt: Instant) {
        self.init(
            account: account, first: date, end: date.advanced(by: 1), exportedAt: exportedAt, stamp: date.compact)
    }

    /// The frame of a bill of several days.
    public init(account: String, first: BusinessDate, end: BusinessDate, exportedAt: Instant, stamp: String) {
        self.account = account
        self.first = first
        self.end = end
        self.exportedAt = exportedAt
        self.stamp = stamp
    }

    /// The archive's name, such as `2088…_20261005.csv.zip`.
    public var archiveName: String { "\(account)_\(stamp).csv.zip" }

    /// The zip file with detail and summary.
    ///
    /// - Parameter name: What the bill is called in the files' names, such as `业务明细`.
    func archive(_ name: String, detail: String, summary: String) throws(GB18030.Defect) -> [UInt8] {
        try ZipArchive.bytes(
            of: [
                (name: "\(account)_\(stamp)_\(name).csv", content: GB18030.encode(detail)),
                (name: "\(account)_\(stamp)_\(name)(汇总).csv", content: GB18030.encode(summary)),
            ],
            modifiedAt: exportedAt
        )
    }

    /// The lines of a file, from its title to the time of its export.
    ///
    /// - Parameter totals: The remarks behind the end of the list.
    func text(
        title: String, list: String, columns: [String], rows: [String], totals: [String] = []
    ) -> String {
        let now = exportedAt.shanghaiWallClock.split(separator: " ")
        let lines =
            [
                "#\(title)", "#账号：[\(account)]",
                "#起始日期：[\(chinese(first)) 00:00:00]   终止日期：[\(chinese(end)) 00:00:00]",
                "#-----------------------------------------\(list)----------------------------------------",
                columns.joined(separator: ","),
            ] + rows
            + ["#-----------------------------------------\(list)结束------------------------------------"]
            + totals + ["#导出时间：[\(chinese(BusinessDate(of: exportedAt))) \(now[1])]", ""]
        return lines.joined(separator: "\r\n")
    }

    private func chinese(_ date: BusinessDate) -> String {
        let parts = date.iso.split(separator: "-")
        return "\(parts[0])年\(parts[1])月\(parts[2])日"
    }

    /// A value that cannot break the table: commas become full-width, white space a space.
    static func plain(_ text: String) -> String {
        String(text.map { $0 == "," ? "，" : ($0.isNewline || $0 == "\t" ? " " : $0) })
    }
}

/// Writes an account bill (账务明细) as Alipay does, newest rows first, for the simulator.
public struct AlipayAccountBillWriter: Sendable {
    /// What stands around the rows.
    public let frame: AlipayBillFrame
    /// Its rows, oldest first.
    public let entries: [AlipayAccountEntry]

    /// Makes a bill of rows.
    public init(frame: AlipayBillFrame, entries: [AlipayAccountEntry]) {
        self.frame = frame
        self.entries = entries
    }

    /// The zip file with detail and summary.
    public func archive() throws(GB18030.Defect) -> [UInt8] {
        try frame.archive("账务明细", detail: detail, summary: summary)
    }

    /// The detail file.
    public var detail: String {
        let isOfAll = entries.contains { $0.smid != nil }
        let expenses = entries.filter { $0.amount < .zero }
        let incomes = entries.filter { $0.amount >= .zero }
        return frame.text(
            title: AlipayAccountDetail.title, list: "账务明细列表",
            columns: AlipayAccountColumn.allCases.map(\.rawValue) + (isOfAll ? [AlipayAccountColumn.smid] : []),
            rows: entries.reversed().map { row($0, isOfAll: isOfAll) },
            totals: [
                "#支出合计：\(expenses.count)笔，共\(expenses.map(\.amount).sum().yuan)元",
                "#收入合计：\(incomes.count)笔，共\(incomes.map(\.amount).sum().yuan)元",
            ])
    }

    /// The summary file: a row for every kind, then their sum.
    public var summary: String {
        let kinds = Dictionary(grouping: entries, by: \.kind).sorted { $0.key < $1.key }
        return frame.text(
            title: "支付宝账务汇总查询", list: "账务汇总列表",
            columns: AlipayAccountSummaryColumn.allCases.map(\.rawValue),
            rows: (kinds.map { ($0.key, $0.value) } + [("合计", entries)]).map { kind, entries in
                let incomes = entries.filter { $0.amount >= .zero }
                let expenses = entries.filter { $0.amount < .zero }
                return [
                    kind, String(incomes.count), incomes.map(\.amount).sum().yuan, String(expenses.count),
                    expenses.map(\.amount).sum().yuan, entries.map(\.amount).sum().yuan,
                ].joined(separator: ",")
            })
    }

    private func row(_ entry: AlipayAccountEntry, isOfAll: Bool) -> String {
        let columns =
            [
                "\(entry.number)\t", "\(entry.businessNumber)\t", "\(entry.outNumber)\t",
                "\(AlipayBillFrame.plain(entry.subject))\t", entry.at.shanghaiWallClock,
                "\(AlipayBillFrame.plain(entry.counterpart))\t", (entry.amount < .zero ? .zero : entry.amount).yuan,
                (entry.amount < .zero ? entry.amount : .zero).yuan, entry.balance.yuan, "支付宝", entry.kind,
                AlipayBillFrame.plain(entry.memo),
            ] + (isOfAll ? ["\(entry.smid ?? "")\t"] : [])
        return columns.joined(separator: ",")
    }
}

/// Writes a bill of settlements to cards (批次结算到卡明细), for the simulator.
public struct AlipaySettlementBillWriter: Sendable {
    /// What stands around the rows.
    public let frame: AlipayBillFrame
    /// Its rows, payout by payout.
    public let entries: [AlipaySettlementEntry]

    /// Makes a bill of rows.
    public init(frame: AlipayBillFrame, entries: [AlipaySettlementEntry]) {
        self.frame = frame
        self.entries = entries
    }

    /// The zip file with detail and summary.
    public func archive() throws(GB18030.Defect) -> [UInt8] {
        try frame.archive("批次结算到卡明细", detail: detail, summary: summary)
    }

    /// The detail file.
    public var detail: String {
        frame.text(
            title: AlipaySettlementDetail.title, list: "批次结算到卡明细列表",
            columns: AlipaySettlementColumn.allCases.map(\.rawValue),
            rows: entries.map {
                [
                    "\($0.batchNumber)\t", "\($0.smid)\t", "\($0.target)\t", "\($0.tradeNumber)\t",
                    "\($0.outNumber)\t", $0.kind, $0.at.shanghaiWallClock, $0.amount.yuan,
                ].joined(separator: ",")
            }, totals: ["#结算合计：\(entries.count)笔，共\(entries.map(\.amount).sum().yuan)元"])
    }

    /// The summary file: a row for every payout.
    public var summary: String {
        let batches = Dictionary(grouping: entries, by: \.batchNumber).values.sorted {
            ($0.first?.batchNumber ?? "") < ($1.first?.batchNumber ?? "")
        }
        return frame.text(
            title: "支付宝批次结算到卡汇总查询", list: "批次结算到卡汇总列表",
            columns: AlipaySettlementSummaryColumn.allCases.map(\.rawValue),
            rows: batches.map { rows in
                [
                    "\(rows[0].batchNumber)\t", "\(rows[0].smid)\t", "\(rows[0].target)\t", String(rows.count),
                    rows.map(\.amount).sum().yuan,
                ].joined(separator: ",")
            })
    }
}
