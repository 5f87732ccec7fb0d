import CustodyDomain

/// Writes a bill as Alipay does, for the simulator.
public struct AlipayBillWriter: Sendable {
    /// The account it is about.
    public let account: String
    /// The day it is about.
    public let date: BusinessDate
    /// When it is said to be made.
    public let exportedAt: Instant
    /// Its rows, in their order.
    public let entries: [AlipayBillEntry]

    /// Makes a bill of rows.
    public init(account: String, date: BusinessDate, exportedAt: Instant, entries: [AlipayBillEntry]) {
        self.account = account
        self.date = date
        self.exportedAt = exportedAt
        self.entries = entries
    }

    /// The archive's name, such as `2088…_20261005.csv.zip`.
    public var archiveName: String { "\(account)_\(date.compact).csv.zip" }

    /// The zip file with detail and summary.
    public func archive() throws(GB18030.Defect) -> [UInt8] {
        let stem = "\(account)_\(date.compact)_业务明细"
        return try ZipArchive.bytes(
            of: [
                (name: "\(stem).csv", content: GB18030.encode(detail)),
                (name: "\(stem)(汇总).csv", content: GB18030.encode(summary)),
            ],
            modifiedAt: exportedAt
        )
    }

    /// The detail file (业务明细).
    public var detail: String {
        var lines = heading("支付宝业务明细查询", "-业务明细列表-")
        lines.append(AlipayBillColumn.allCases.map(\.rawValue).joined(separator: ","))
        lines += entries.map(row)
        let payments = entries.filter { $0.kind == .payment }
        let refunds = entries.filter { $0.kind == .refund }
        lines += [
            "#-----------------------------------------业务明细列表结束------------------------------------",
            "#交易合计：\(payments.count)笔，商家实收共\(payments.map(\.received).sum().yuan)元，"
                + "商家优惠共\(payments.map(\.merchantDiscount).sum().yuan)元",
            "#退款合计：\(refunds.count)笔，商家实收退款共\((-refunds.map(\.received).sum()).yuan)元，"
                + "商家优惠退款共\((-refunds.map(\.merchantDiscount).sum()).yuan)元",
        ]
        return text(lines)
    }

    /// The summary file (业务汇总).
    public var summary: String {
        var lines = heading("支付宝业务汇总查询", "-业务汇总列表-")
        lines.append(AlipaySummaryColumn.allCases.map(\.rawValue).joined(separator: ","))
        let payments = entries.count { $0.kind == .payment }
        let received = entries.map { $0.signed($0.received) }.sum()
        let fee = -entries.map(\.fee).sum()
        let royalty = entries.map(\.royalty).sum()
        let numbers = [
            String(payments), String(entries.count - payments),
            entries.map { $0.signed($0.amount) }.sum().yuan, received.yuan, "0.00",
            entries.map { $0.signed($0.merchantDiscount) }.sum().yuan, "0.00", fee.yuan, royalty.yuan,
            (received + fee + royalty).yuan,
        ].joined(separator: ",")
        lines += [
            "\t,其他\t,\(numbers)", "合计\t,\t,\(numbers)",
            "#-----------------------------------------业务汇总列表结束------------------------------------",
        ]
        return text(lines)
    }

    private func heading(_ title: String, _ list: String) -> [String] {
        [
            "#\(title)", "#账号：[\(account)]",
            "#起始日期：[\(chinese(date)) 00:00:00]   终止日期：[\(chinese(date.advanced(by: 1))) 00:00:00]",
            "#----------------------------------------\(list)---------------------------------------",
        ]
    }

    private func row(_ entry: AlipayBillEntry) -> String {
        [
            "\(entry.tradeNumber)\t", "\(entry.paymentSerial)\t", "\(entry.kind.rawValue)\t", plain(entry.subject),
            entry.createdAt.shanghaiWallClock, entry.finishedAt.shanghaiWallClock, "\t", "\t", "\t", "\t",
            plain(entry.buyer), entry.signed(entry.amount).yuan, entry.signed(entry.received).yuan, "0.00", "0.00",
            "0.00", entry.signed(entry.merchantDiscount).yuan, "0.00", "", "0.00\t", "0.00",
            "\(entry.refundSerial)\t", (-entry.fee).yuan, entry.royalty.yuan,
            plain(entry.memo),
        ].joined(separator: ",")
    }

    private func text(_ lines: [String]) -> String {
        let now = exportedAt.shanghaiWallClock.split(separator: " ")
        return (lines + ["#导出时间：[\(chinese(BusinessDate(of: exportedAt))) \(now[1])]", ""]).joined(separator: "\r\n")
    }

    private func chinese(_ date: BusinessDate) -> String {
        let parts = date.iso.split(separator: "-")
        return "\(parts[0])年\(parts[1])月\(parts[2])日"
    }

    /// A value that cannot break the table: commas become full-width, white space a space.
    private func plain(_ text: String) -> String {
        String(text.map { $0 == "," ? "，" : ($0.isNewline || $0 == "\t" ? " " : $0) })
    }
}
