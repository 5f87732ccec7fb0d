import CustodyDomain
import CustodyWire
import CustodyWorkers
import Foundation
import Testing

/// A channel's bill among the fixtures, read through the code path of `custody statement import`.
struct Bill: Sendable {
    /// The folder of real files.
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Fixtures/samples")

    /// The names of all files of the folder.
    static let files: [String] = ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []).sorted()

    /// The names of all channel bills, by the names that channels give them.
    static let names = files.filter {
        $0.hasPrefix("wechat_tradebill_") || ($0.hasPrefix("alipay_") && !$0.contains("_summary_"))
    }

    /// The names of the bank's files in its neutral form.
    static let bankNames = files.filter { $0.hasPrefix("custody_") && $0.hasSuffix(".txt") }

    let channel: ChannelKind
    let name: String
    let bytes: [UInt8]
    let content: StatementContent
    let date: BusinessDate

    /// Reads a fixture.
    init(named name: String) throws {
        self.name = name
        channel = name.hasPrefix("wechat") ? .weChatPay : .alipay
        bytes = try Bill.bytes(of: name)
        let reader = StatementSubject(
            source: Bill.source(of: channel), form: "trade", date: BusinessDate(daysSinceEpoch: 0))
        content = try reader.read(bytes)
        date = try #require(content.summary.date)
    }

    static func bytes(of name: String) throws -> [UInt8] { Array(try Data(contentsOf: folder.appending(path: name))) }

    static func source(of channel: ChannelKind) -> StatementSource { channel == .weChatPay ? .weChatPay : .alipay }

    var source: StatementSource { Bill.source(of: channel) }

    var subject: StatementSubject { StatementSubject(source: source, form: "trade", date: date) }

    /// A bill of the same form about other lines, with totals of its own: as the channel would have written it.
    func rewritten(_ lines: [StatementLine], on date: BusinessDate? = nil) throws -> [UInt8] {
        switch channel {
        case .weChatPay:
            let form = try #require(WeChatPayTradeBill.Form(rawValue: content.summary.form))
            return Gzip.compressed(WeChatPayTradeBill.write(try lines.map(weChatRow), form: form))
        case .alipay:
            let date = date ?? self.date
            return try AlipayBillWriter(
                account: content.summary.account ?? "", date: date,
                exportedAt: date.advanced(by: 1).start + .seconds(36_000),
                entries: lines.map(alipayEntry)
            ).archive()
        }
    }

    private func weChatRow(_ line: StatementLine) throws -> WeChatPayTradeBill.Row {
        var refund: WeChatPayTradeBill.RefundPart?
        if line.kind == .refund {
            refund = WeChatPayTradeBill.RefundPart(
                refundID: line.counterpartNumber, outRefundNo: line.reference, amount: line.amount,
                state: line.status, appliedAt: line.occurredAt, succeededAt: nil)
        }
        var row = WeChatPayTradeBill.Row(
            time: line.occurredAt, appid: "wx8888888888888888", mchid: content.summary.account ?? "",
            transactionID: line.counterpartNumber, outTradeNo: line.parentReference ?? line.reference, payer: "",
            tradeType: "NATIVE", total: line.amount, product: "测试商品",
            fee: FineYuan(line.fee), refund: refund)
        if let coupon = line.details["代金券金额"] { row.coupon = try #require(Fen(yuan: coupon)) }
        return row
    }

    private func alipayEntry(_ line: StatementLine) -> AlipayBillEntry {
        AlipayBillEntry(
            kind: line.kind == .payment ? .payment : .refund, tradeNumber: line.counterpartNumber,
            paymentSerial: line.parentReference ?? line.reference,
            refundSerial: line.kind == .refund ? line.reference : "", subject: "测试商品", createdAt: line.occurredAt,
            finishedAt: line.occurredAt, buyer: "*测", amount: line.amount, fee: line.fee)
    }

    /// The bank's word for the same receipts: its own file of that day where the folder has one that covers them.
    func bankFile(_ lines: [StatementLine]? = nil, on date: BusinessDate? = nil) throws -> [UInt8] {
        let payments = (lines ?? content.lines).filter { $0.kind == .payment }
        for name in Bill.bankNames where lines == nil {
            let file = try StatementContent(reading: StatementFile(Bill.bytes(of: name)), from: .bank)
            let numbers = Set(file.lines.compactMap { $0.details["channelOrderNo"] })
            if file.summary.form == "PAY", file.summary.date == self.date,
                numbers == Set(payments.map(\.counterpartNumber))
            {
                return try Bill.bytes(of: name)
            }
        }
        let day = date ?? self.date
        let rows = payments.enumerated().map { index, line in
            [
                "B\(day.compact)\(index)", "P\(day.compact)\(index)", line.reference, "\(line.reference)-01",
                channel == .weChatPay ? "WXPAY" : "ALIPAY", line.counterpartNumber, "M00000000001000010",
                String(line.amount.value), String(line.fee.value), "SUCCESS", day.compact, "\(day.compact)120000",
            ]
        }
        return try CWP1File(
            kind: .receipts, partnerID: "P0000001", marketID: "M00000000001", date: day, sequence: 1, rows: rows
        ).bytes()
    }
}

extension StatementSubject {
    /// Reads a file whole, as far as it is about this.
    func read(_ bytes: [UInt8]) throws -> StatementContent {
        let file = StatementFile(bytes)
        #expect(try verified(file).summary.series == form)
        return try StatementContent(reading: file, from: source)
    }
}

extension [StatementLine] {
    /// What a channel that reports these lines sends as its lump.
    var net: Fen {
        filter { $0.status != "FAIL" }
            .map { ($0.kind == .payment ? $0.amount : -$0.amount) - $0.fee }.sum()
    }

    /// Lines with their places counted anew.
    var withoutPlaces: [String] {
        map { "\($0.kind) \($0.reference) \($0.parentReference ?? "-") \($0.counterpartNumber) \($0.amount) \($0.fee)" }
    }
}

/// What changing a bill must lead to: one discrepancy, and no other.
struct Planted: Hashable, Comparable, Sendable, CustomStringConvertible {
    let kind: String
    let reference: String
    let suspense: Fen

    var description: String { "\(kind) \(reference) \(suspense.value)" }

    static func < (lhs: Planted, rhs: Planted) -> Bool { lhs.description < rhs.description }

    /// The agreed fee of a payment.
    static func fee(of amount: Fen) -> Fen { Fen((amount.value * 60 + 5000) / 10_000) }

    /// Changes a copy of some lines in every way that a bill can be wrong, each on a line of its own.
    ///
    /// - Parameter step: By how many fen amounts and fees are changed.
    static func change(_ original: [StatementLine], by step: Fen) -> (lines: [StatementLine], planted: [Planted]) {
        var lines = original
        var planted: [Planted] = []
        var untouched = lines.filter { $0.kind == .payment }
        var refunds = lines.filter { $0.kind == .refund && ["SUCCESS", "退款"].contains($0.status) }
        func edit(_ line: StatementLine, _ change: (inout StatementLine) -> Void) {
            for index in lines.indices where lines[index].kind == line.kind && lines[index].reference == line.reference
            {
                change(&lines[index])
            }
        }
        for sign in [Int64(1), -1] {
            // A fen more or less must not move the fee over a half, which would be a second difference.
            let change = Fen(step.value * sign)
            if let index = untouched.firstIndex(where: { fee(of: $0.amount) == fee(of: $0.amount + change) }) {
                let line = untouched.remove(at: index)
                edit(line) { $0.amount += change }
                planted.append(Planted(kind: "amount", reference: line.reference, suspense: change))
            }
        }
        if let line = untouched.popLast() {
            edit(line) { $0.fee += step }
            planted.append(Planted(kind: "fee", reference: line.reference, suspense: -step))
        }
        if let line = untouched.popLast() {
            lines.append(line)
            planted.append(Planted(kind: "duplicate", reference: line.reference + "#2", suspense: line.amount))
        }
        if let line = untouched.popLast() {
            lines.removeAll { $0.kind == .payment && $0.reference == line.reference }
            planted.append(Planted(kind: "shortage", reference: line.reference, suspense: -line.amount))
        }
        if var line = lines.first(where: { $0.kind == .payment }) {
            (line.reference, line.counterpartNumber, line.amount, line.fee) = ("X1", "420000X1", Fen(777), Fen(5))
            lines.append(line)
            planted.append(Planted(kind: "surplus", reference: "X1", suspense: Fen(777)))
        }
        if let line = refunds.popLast() {
            lines.removeAll { $0.kind == .refund && $0.reference == line.reference }
            planted.append(Planted(kind: "refund_shortage", reference: line.reference, suspense: line.amount))
        }
        if let line = refunds.popLast() {
            edit(line) { $0.amount += step }
            planted.append(Planted(kind: "refund_amount", reference: line.reference, suspense: -step))
        }
        if var line = lines.first(where: { $0.kind == .refund }) {
            (line.reference, line.counterpartNumber, line.amount, line.fee) = ("XR1", "500000XR1", Fen(333), Fen(-2))
            lines.append(line)
            planted.append(Planted(kind: "refund_surplus", reference: "XR1", suspense: Fen(-333)))
        }
        let lump = original.net - lines.net
        if lump != .zero { planted.append(Planted(kind: "bank_amount", reference: "lump", suspense: lump)) }
        return (lines, planted.sorted())
    }
}
