import CustodyDomain

/// Writes a trade bill (业务明细) as Alipay does, for the simulator.
public struct AlipayBillWriter: Sendable {
    /// What stands around the rows.
    public let frame: AlipayBillFrame
    /// Its rows, in their order.
    public let entries: [AlipayBillEntry]

    /// Makes a bill of rows.
    public init(frame: AlipayBillFrame, entries: [AlipayBillEntry]) {
        self.frame = frame
        self.entries = entries
    }

    /// Makes a day's bill of rows.
    public init(account: String, date: BusinessDate, exportedAt: Instant, entries: [AlipayBillEntry]) {
        self.init(frame: AlipayBillFrame(account: account, date: date, exportedAt: exportedAt), entries: entries)
    }

    /// The zip file with detail and summary.
    public func archive() throws(GB18030.Defect) -> [UInt8] {
        try frame.archive("业务明细", detail: detail, summary: summary)
    }

    /// The detail file (业务明细).
    public var detail: String {
        let payments = entries.filter { $0.kind == .payment }
        let refunds = entries.filter { $0.kind == .refund }
        return frame.text(
            title: "支付宝业务明细查询", list: "业务明细列表", columns: AlipayBillColumn.allCases.map(\.rawValue),
            rows: entries.map(row),
            totals: [
                "#交易合计：\(payments.count)笔，商家实收共\(payments.map(\.received).sum().yuan)元，"
                    + "商家优惠共\(payments.map(\.merchantDiscount).sum().yuan)元",
                "#退款合计：\(refunds.count)笔，商家实收退款共\((-refunds.map(\.received).sum()).yuan)元，"
                    + "商家优惠退款共\((-refunds.map(\.merchantDiscount).sum()).yuan)元",
            ])
    }

    /// The summary file (业务汇总).
    public var summary: String {
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
        return frame.text(
            title: "支付宝业务汇总查询", list: "业务汇总列表", columns: AlipaySummaryColumn.allCases.map(\.rawValue),
            rows: ["\t,其他\t,\(numbers)", "合计\t,\t,\(numbers)"])
    }

    private func row(_ entry: AlipayBillEntry) -> String {
        [
            "\(entry.tradeNumber)\t", "\(entry.paymentSerial)\t", "\(entry.kind.rawValue)\t",
            AlipayBillFrame.plain(entry.subject),
            entry.createdAt.shanghaiWallClock, entry.finishedAt.shanghaiWallClock, "\t", "\t", "\t", "\t",
            AlipayBillFrame.plain(entry.buyer), entry.signed(entry.amount).yuan, entry.signed(entry.received).yuan,
            "0.00", "0.00",
            "0.00", entry.signed(entry.merchantDiscount).yuan, "0.00", "", "0.00\t", "0.00",
            "\(entry.refundSerial)\t", (-entry.fee).yuan, entry.royalty.yuan,
            AlipayBillFrame.plain(entry.memo),
        ].joined(separator: ",")
    }
}
