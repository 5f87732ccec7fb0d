import CustodyDomain

/// What a detail file's rows add up to, in fen, refunds as the file's totals count them: negative.
struct AlipaySums: Equatable {
    var payments = 0
    var refunds = 0
    var amount: Int128 = 0
    var received: Int128 = 0
    var discount: Int128 = 0
    var fee: Int128 = 0
    var royalty: Int128 = 0
}

/// Alipay's detail file while it is read: rows, then totals that must hold, then what the summary beside it says.
final class AlipayBillDetail: StatementFormat {
    static let title = "支付宝业务明细查询"

    let source = StatementSource.alipay
    let form = "business_detail"
    var fields: StatementFields { table.fields }
    private(set) var details = StatementDetails.none

    private var table = AlipayTable(title: AlipayBillDetail.title)
    private var places: AlipayPlaces?
    private var clock = TextClock()
    private var sums = AlipaySums()
    private var payments = Side()
    private var refunds = Side()
    private let summary: (() -> LineReader)?

    private struct Side {
        var count = 0
        var received: Int128 = 0
        var discount: Int128 = 0
    }

    /// - Parameter summary: Opens the summary beside it, where there is one.
    init(summary: (() -> LineReader)? = nil) { self.summary = summary }

    func take(
        _ line: TextSlice, of reader: LineReader, into row: inout StatementRow
    ) throws(StatementDefect) -> Bool {
        let number = reader.number
        switch try table.take(line, number) {
        case .remark, .blank: return false
        case .header(let header):
            places = try AlipayPlaces(header)
            // What a line says in its own fields, and the buyer's account, which stays out of the books.
            let dropped: [AlipayBillColumn] = [
                .tradeNumber, .paymentSerial, .refundSerial, .kind, .buyer, .amount, .finishedAt, .fee,
            ]
            details = StatementDetails(
                header, dropping: Set(dropped.map(\.rawValue)), leavesOutZero: true, hasBackslashes: false)
            return false
        case .row:
            guard let places else { return false }
            try take(places, number, into: &row)
            return true
        }
    }

    private func take(
        _ places: AlipayPlaces, _ number: Int, into row: inout StatementRow
    ) throws(StatementDefect) {
        let fields = table.fields
        let kind = fields[places.kind]
        let isRefund = kind == "退款"
        guard isRefund || kind == "交易" else { throw places.defect("neither 交易 nor 退款", number, places.kind) }
        let fee = try fen(fields, places, places.fee, number)
        // A payment costs us and a refund gives back; feeds that write refunds positive write this one negative.
        guard isRefund || fee <= 0 else {
            throw places.defect("a payment's fee with the sign of a gain", number, places.fee)
        }
        let serial = try filled(fields, places, places.paymentSerial, number)
        row.kind = isRefund ? .refund : .payment
        row.reference = isRefund ? try filled(fields, places, places.refundSerial, number) : serial
        row.parent = isRefund ? serial : nil
        row.counterpart = try filled(fields, places, places.tradeNumber, number)
        row.amount = try magnitude(fields, places, places.amount, number, isRefund)
        row.fee = isRefund ? -abs(fee) : -fee
        row.status = kind
        guard clock.wallClock(fields[places.createdAt]) != nil else {
            throw places.defect("no time", number, places.createdAt)
        }
        guard let finishedAt = clock.wallClock(fields[places.finishedAt]) else {
            throw places.defect("no time", number, places.finishedAt)
        }
        row.occurredAt = finishedAt
        let received = try magnitude(fields, places, places.received, number, isRefund)
        let discount = try magnitude(fields, places, places.merchantDiscount, number, isRefund)
        let royalty = try fen(fields, places, places.royalty, number)
        for place in places.otherAmounts { _ = try fen(fields, places, place, number) }
        add(row, received: received, discount: discount, royalty: royalty, isRefund: isRefund)
    }

    @inline(__always)
    private func add(_ row: StatementRow, received: Int64, discount: Int64, royalty: Int64, isRefund: Bool) {
        let sign: Int128 = isRefund ? -1 : 1
        sums.amount += sign * Int128(row.amount)
        sums.received += sign * Int128(received)
        sums.discount += sign * Int128(discount)
        sums.fee -= Int128(row.fee)
        sums.royalty += Int128(royalty)
        if isRefund {
            refunds.count += 1
            refunds.received += Int128(received)
            refunds.discount += Int128(discount)
        } else {
            payments.count += 1
            payments.received += Int128(received)
            payments.discount += Int128(discount)
        }
    }

    func finish(_ reader: LineReader) throws(StatementDefect) -> (account: String?, date: BusinessDate?) {
        guard places != nil else { throw StatementDefect("no header line") }
        guard table.hasEnd else { throw StatementDefect("cut short: no end of the list") }
        try check(.payment, payments)
        try check(.refund, refunds)
        sums.payments = payments.count
        sums.refunds = refunds.count
        if let summary {
            try AlipaySummaryCheck(account: table.account, date: table.date, sums: sums).run(on: summary())
        }
        return (table.account, table.date)
    }

    /// Compares the rows of a kind with `N笔，商家实收共X元，商家优惠共Y元`.
    private func check(_ kind: AlipayBillEntry.Kind, _ side: Side) throws(StatementDefect) {
        guard let (line, text) = table.totals[kind.rawValue] else {
            throw StatementDefect("no total of \(kind.rawValue)")
        }
        let parts = text.split(separator: "，")
        guard parts.count == 3, parts[0].hasSuffix("笔"), let count = Int(parts[0].dropLast()),
            let received = AlipayTable.sum(parts[1]), let discount = AlipayTable.sum(parts[2])
        else { throw StatementDefect("unreadable total of \(kind.rawValue)", line: line) }
        guard count == side.count else {
            throw StatementDefect("\(side.count) rows of \(kind.rawValue), but the total says \(count)", line: line)
        }
        // Totals of refunds are written with a minus, and without one in some feeds.
        guard received.magnitude == side.received.magnitude, discount.magnitude == side.discount.magnitude else {
            throw StatementDefect("the rows of \(kind.rawValue) do not add up to the total", line: line)
        }
    }

    @inline(__always)
    private func filled(
        _ fields: StatementFields, _ places: AlipayPlaces, _ place: Int, _ number: Int
    ) throws(StatementDefect) -> TextSlice {
        guard !fields[place].isEmpty else { throw places.defect("empty", number, place) }
        return fields[place]
    }

    @inline(__always)
    private func fen(
        _ fields: StatementFields, _ places: AlipayPlaces, _ place: Int, _ number: Int
    ) throws(StatementDefect) -> Int64 {
        let value = fields[place]
        if value.isEmpty { return 0 }
        guard let amount = value.yuan else { throw places.defect("no amount", number, place) }
        return amount
    }

    @inline(__always)
    private func magnitude(
        _ fields: StatementFields, _ places: AlipayPlaces, _ place: Int, _ number: Int, _ isRefund: Bool
    ) throws(StatementDefect) -> Int64 {
        let amount = try fen(fields, places, place, number)
        guard isRefund || amount >= 0 else { throw places.defect("a payment's amount is negative", number, place) }
        return abs(amount)
    }
}

/// Where the columns of a detail file stand.
struct AlipayPlaces {
    let tradeNumber, paymentSerial, kind, createdAt, finishedAt, amount, received, merchantDiscount: Int
    let refundSerial, fee, royalty: Int
    /// Amounts that are only checked to be some.
    let otherAmounts: [Int]
    private let header: StatementHeader

    init(_ header: StatementHeader) throws(StatementDefect) {
        func place(_ column: AlipayBillColumn) throws(StatementDefect) -> Int { try header.required(column.rawValue) }
        // Every column of Alipay's is there, whatever it is needed for: a file that lacks one was made by somebody else.
        for column in AlipayBillColumn.allCases { _ = try place(column) }
        tradeNumber = try place(.tradeNumber)
        paymentSerial = try place(.paymentSerial)
        kind = try place(.kind)
        createdAt = try place(.createdAt)
        finishedAt = try place(.finishedAt)
        amount = try place(.amount)
        received = try place(.received)
        merchantDiscount = try place(.merchantDiscount)
        refundSerial = try place(.refundSerial)
        fee = try place(.fee)
        royalty = try place(.royalty)
        var others: [Int] = []
        for column: AlipayBillColumn in [
            .redPacket, .points, .alipayDiscount, .voucherAmount, .merchantRedPacket, .cardAmount,
        ] { others.append(try place(column)) }
        otherAmounts = others
        self.header = header
    }

    func defect(_ reason: String, _ number: Int, _ place: Int) -> StatementDefect {
        header.defect(reason, number, place)
    }
}
