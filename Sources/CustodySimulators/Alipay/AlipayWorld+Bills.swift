import CustodyDomain
import CustodyWire

/// A bill that was asked for, made.
enum AlipayBillFile: Sendable {
    case trades(AlipayBillWriter)
    case account(AlipayAccountBillWriter)
    case settlements(AlipaySettlementBillWriter)

    var frame: AlipayBillFrame {
        switch self {
        case .trades(let bill): bill.frame
        case .account(let bill): bill.frame
        case .settlements(let bill): bill.frame
        }
    }

    func archive() throws -> [UInt8] {
        switch self {
        case .trades(let bill): try bill.archive()
        case .account(let bill): try bill.archive()
        case .settlements(let bill): try bill.archive()
        }
    }

    /// The detail file alone, without its first row: the totals stay.
    func archiveWithoutARow() throws -> [UInt8] {
        let (name, detail) =
            switch self {
            case .trades(let bill): ("业务明细", bill.detail)
            case .account(let bill): ("账务明细", bill.detail)
            case .settlements(let bill): ("批次结算到卡明细", bill.detail)
            }
        let lines = detail.split(separator: "\r\n", omittingEmptySubsequences: false)
        return try ZipArchive.bytes(
            of: [
                (
                    name: "\(frame.account)_\(frame.stamp)_\(name).csv",
                    content: GB18030.encode((lines.prefix(5) + lines.dropFirst(6)).joined(separator: "\r\n"))
                )
            ],
            modifiedAt: frame.exportedAt)
    }
}

/// Bills as `alipay.data.dataservice.bill.downloadurl.query` gives them: by day, or by month.
extension AlipayWorld {
    /// `bill_type`.
    enum BillKind: String, Sendable {
        case trade
        case subMerchantTrade = "trade_zft_merchant"
        case account = "signcustomer"
        case subMerchantAccounts = "zft_acc"
        case settlements = "settlementMerge"
        case marketing = "merchant_act"

        var isOfSubMerchants: Bool { self == .subMerchantTrade || self == .subMerchantAccounts }
    }

    /// The first day of which settlements to cards can be had.
    private static let firstSettlements = BusinessDate("2023-04-17")

    /// The bill that a request asks for.
    func bill(_ appID: String, _ content: JSON) throws(Failure) -> AlipayBillFile {
        let wrong = Failure("INVAILID_ARGUMENTS", "入参不合法")
        guard let kind = content["bill_type"]?.string.flatMap({ BillKind(rawValue: $0) }) else {
            throw Failure("TYPE_NOT_SUPPORTED", "此账单类型不支持下载")
        }
        let smid = content.alipayText("smid")
        guard let span = AlipayBillSpan(content["bill_date"]?.string ?? ""), smid == nil || kind == .subMerchantTrade
        else { throw wrong }
        return try change(appID) { merchant, now throws(Failure) in
            let today = BusinessDate(of: now)
            guard span.first <= today, span.first >= today.advanced(by: -6 * 366) else { throw wrong }
            if kind == .settlements {
                guard !span.isMonth, let first = AlipayWorld.firstSettlements, span.first >= first else { throw wrong }
            }
            if let registered = merchant.registeredOn, span.end <= registered {
                throw Failure("BILL_DATE_BEFORE_REGISTRATION", "请求的账单时间早于商户注册时间")
            }
            guard kind != .marketing, !kind.isOfSubMerchants || !merchant.subMerchants.isEmpty else {
                throw Failure("TYPE_NOT_SUPPORTED", "此账单类型不支持下载")
            }
            guard now >= span.readyAt else { throw Failure("BILL_NOT_EXIST", "账单不存在") }
            let frame = AlipayBillFrame(
                account: merchant.sellerID, first: span.first, end: span.end, exportedAt: span.readyAt,
                stamp: span.stamp)
            let file = AlipayWorld.file(kind, of: merchant, frame, smid: smid)
            guard let file else { throw Failure("NO_BILL_DATA", "当前无账单数据") }
            return file
        }
    }

    /// nil when nothing happened.
    private static func file(
        _ kind: BillKind, of merchant: AlipayMerchant, _ frame: AlipayBillFrame, smid: String?
    ) -> AlipayBillFile? {
        switch kind {
        case .trade, .subMerchantTrade:
            let entries = merchant.book.filter { entry in
                guard frame.first <= entry.date, entry.date < frame.end else { return false }
                return kind == .trade ? entry.smid == nil : entry.smid != nil && entry.smid == smid ?? entry.smid
            }
            let rows = entries.filter { $0.kind == .payment } + entries.filter { $0.kind == .refund }
            return rows.isEmpty ? nil : .trades(AlipayBillWriter(frame: frame, entries: rows.map(\.billEntry)))
        case .account, .subMerchantAccounts:
            let accounts = kind == .account ? [merchant.sellerID] : merchant.subMerchants.compactMap(\.smid)
            let log = Dictionary(grouping: merchant.log(), by: \.account)
            let entries = accounts.flatMap { account in
                rows(log[account] ?? [], frame, smid: kind == .account ? nil : account)
            }
            return entries.isEmpty ? nil : .account(AlipayAccountBillWriter(frame: frame, entries: entries))
        case .settlements:
            let entries = merchant.subMerchants.flatMap { subMerchant in
                subMerchant.payouts.filter { $0.isToCard && frame.first <= $0.date && $0.date < frame.end }
                    .flatMap { payout in payout.items.map { payout.entry($0, of: subMerchant.smid ?? "") } }
            }
            return entries.isEmpty ? nil : .settlements(AlipaySettlementBillWriter(frame: frame, entries: entries))
        case .marketing: return nil
        }
    }

    /// An account's entries with what it held after each; those before the bill only count.
    private static func rows(
        _ movements: [AlipayMovement], _ frame: AlipayBillFrame, smid: String?
    ) -> [AlipayAccountEntry] {
        var balance = Fen.zero
        var rows: [AlipayAccountEntry] = []
        for movement in movements {
            balance += movement.amount
            guard frame.first <= movement.date, movement.date < frame.end else { continue }
            rows.append(
                AlipayAccountEntry(
                    number: "\(movement.date.compact)\(movement.account.suffix(4))\(movement.sequence)",
                    businessNumber: movement.businessNumber, outNumber: movement.outNumber, subject: movement.subject,
                    at: movement.at, counterpart: movement.counterpart, amount: movement.amount, balance: balance,
                    kind: movement.kind.rawValue, smid: smid))
        }
        return rows
    }
}

extension AlipaySubMerchant.Payout {
    /// Cards go by their aliases.
    var isToCard: Bool { target.hasPrefix("ALIAS") }

    /// One order's part of it, as its bill shows it.
    func entry(_ item: AlipaySubMerchant.Item, of smid: String) -> AlipaySettlementEntry {
        AlipaySettlementEntry(
            batchNumber: batchNumber, smid: smid, target: target, tradeNumber: item.tradeNo, outNumber: item.outNo,
            kind: item.kind, at: item.at, amount: item.amount)
    }
}

/// The days of a bill: one (`yyyy-MM-dd`), or a month (`yyyy-MM`).
struct AlipayBillSpan: Sendable {
    let first: BusinessDate
    /// The day after the last.
    let end: BusinessDate
    let isMonth: Bool

    init?(_ text: String) {
        if let date = BusinessDate(text), text.utf8.count == 10 {
            (first, end, isMonth) = (date, date.advanced(by: 1), false)
            return
        }
        guard text.utf8.count == 7, let first = BusinessDate(text + "-01"),
            // The 1st, and 31 days more: in the next month, whatever month it is.
            let end = BusinessDate(first.advanced(by: 31).iso.prefix(7) + "-01")
        else { return nil }
        (self.first, self.end, isMonth) = (first, end, true)
    }

    /// `20261005`, or `202610`.
    var stamp: String { isMonth ? String(first.compact.prefix(6)) : first.compact }

    /// When it can be had: 09:00 on the next day, or on the 3rd of the next month.
    var readyAt: Instant { end.advanced(by: isMonth ? 2 : 0).start + .seconds(9 * 3600) }
}
