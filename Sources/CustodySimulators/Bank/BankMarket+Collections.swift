import CustodyDomain
import CustodyWire

/// A receipt that the bank itself collects.
struct BankPayment {
    /// TO_PAY, PAID, EXPIRED or CLOSED.
    var state = "TO_PAY"
    let order: BankOrder
    let method: String
    let number: String
    let bankNumber: String
    let expiresAt: Instant
    var paidAt: Instant?
    var channelOrderNumber: String?
}

/// Receipts that the bank collects; their money arrives with the next day's lump.
extension BankMarket {
    mutating func createPayment(
        _ body: JSON, number: String, now: Instant
    ) throws(BankRefusal) -> BankInstruction.Subject {
        let orderNumber = try body.field("mainOrderNo")
        let order = try readOrder(body)
        guard orders[orderNumber]?.registration == nil, payments[orderNumber]?.state != "TO_PAY" else {
            throw BankRefusal("100208", "the order is paid, or waits to be")
        }
        guard let expiresAt = Instant(text: try body.field("expireAt")), expiresAt > now else {
            throw BankRefusal("100001", "expireAt is no time to come")
        }
        payments[orderNumber] = BankPayment(
            order: order, method: try body.field("payMethod"), number: number, bankNumber: nextNumber("P", now),
            expiresAt: expiresAt)
        effects.append(.schedule(.expirePayment(orderNumber), at: expiresAt))
        return .payment(orderNumber)
    }

    mutating func closePayment(_ body: JSON) throws(BankRefusal) -> BankInstruction.Subject {
        let orderNumber = try body.field("mainOrderNo")
        guard let payment = payments[orderNumber] else { throw BankRefusal("100211", "no such order") }
        guard payment.state != "PAID" else { throw BankRefusal("100208", "the order is paid") }
        payments[orderNumber]?.state = "CLOSED"
        return .fixed(["status": "SUCCESS", "mainOrderNo": .string(orderNumber)])
    }

    mutating func expirePayment(_ orderNumber: String, now: Instant) {
        guard let payment = payments[orderNumber], payment.state == "TO_PAY", payment.expiresAt <= now else { return }
        payments[orderNumber]?.state = "EXPIRED"
        effects.append(.notify(txnCode: "PAY.NOTIFY", body: paymentBody(orderNumber)))
    }

    /// The buyer pays.
    mutating func pay(_ orderNumber: String, now: Instant) throws(BankRefusal) {
        turn(to: now)
        guard var payment = payments[orderNumber], payment.state == "TO_PAY" else {
            throw BankRefusal("100211", "no order that can be paid")
        }
        book.context = BankContext(
            type: "PAY.CREATE", number: payment.number, at: now, bankDate: bankDate(of: now))
        let channelNumber = nextNumber("4200", now)
        var order = payment.order
        try hold(
            &order, orderNumber,
            BankRegistration(
                number: payment.number, channel: "WXPAY", channelOrderNumber: channelNumber, paidAt: now))
        payment.state = "PAID"
        payment.paidAt = now
        payment.channelOrderNumber = channelNumber
        payments[orderNumber] = payment
        effects.append(
            .schedule(.fundCollection(orderNumber), at: BusinessDate(of: now).advanced(by: 1).start + .seconds(7200)))
        effects.append(.notify(txnCode: "PAY.NOTIFY", body: paymentBody(orderNumber)))
    }

    /// The money arrives, less a fee of 0.60 %, rounded half up.
    mutating func fundCollection(_ orderNumber: String, now: Instant) {
        guard let payment = payments[orderNumber], let paidAt = payment.paidAt,
            let channelNumber = payment.channelOrderNumber
        else { return }
        let total = payment.order.total
        let item = BankCreditItem(
            isRefund: false, channelOrderNumber: channelNumber, outNumber: orderNumber, amount: total,
            fee: Fen((total.value * 60 + 5000) / 10_000))
        // The item's net is the lump's by construction.
        _ = try? credit(
            channel: "WXPAY", businessDate: BusinessDate(of: paidAt), net: item.net, items: [item], now: now)
    }

    func paymentBody(_ orderNumber: String) -> JSON {
        guard let payment = payments[orderNumber] else {
            return ["status": "NOT_FOUND", "mainOrderNo": .string(orderNumber)]
        }
        return
            ([
                "status": .string(payment.state), "mainOrderNo": .string(orderNumber),
                "bankSeqNo": .string(payment.bankNumber), "totalAmt": .string(payment.order.total.yuan),
                "payTime": JSON(payment.paidAt?.shanghaiCompact),
                "channelOrderNo": JSON(payment.channelOrderNumber),
                "payParams": payment.state == "TO_PAY"
                    ? ["codeUrl": .string("https://bank.example/pay/" + payment.bankNumber)] : .null,
                "finishBy": JSON(payment.state == "TO_PAY" ? payment.expiresAt.shanghaiCompact : nil),
            ] as JSON).omittingNulls
    }
}
