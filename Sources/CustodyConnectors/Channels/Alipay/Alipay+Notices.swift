import CustodyDomain
import CustodyWire

extension Alipay {
    /// Reads a notification that ``AlipayNotify/verify(body:link:now:)`` accepted when it came in.
    ///
    /// One with `out_biz_no` is about that refund; its `refund_fee` sums all refunds so far and is no refund's amount.
    public func notice(in body: [UInt8]) throws(Doubt) -> ChannelNotice {
        guard let form = try? URLForm.decode(body) else { throw Doubt(.malformedAnswer, "no form") }
        var fields: [String: String] = [:]
        for field in form { fields[field.name] = field.value }
        if let message = fields["msg_method"], !message.isEmpty { return .other(message) }
        guard let type = fields["notify_type"] else { throw Doubt(.malformedAnswer, "no notify_type") }
        guard type == "trade_status_sync" else { return .other(type) }
        guard let paymentSerial = fields["out_trade_no"], !paymentSerial.isEmpty,
            let seller = fields["seller_id"]
        else { throw Doubt(.malformedAnswer, "no out_trade_no or seller_id") }
        if let serial = fields["out_biz_no"], !serial.isEmpty, fields["refund_fee"] != nil {
            return .refund(
                serial: serial,
                paymentSerial: paymentSerial,
                ChannelRefund(
                    state: .succeeded, refundNumber: nil, amount: nil,
                    succeededAt: fields["gmt_refund"].flatMap { Instant(text: $0) }))
        }
        guard let payment = ChannelPayment(alipayNotice: fields) else {
            throw Doubt(.malformedAnswer, "trade_status or total_amount")
        }
        return .payment(serial: paymentSerial, merchantNumber: seller, payment)
    }
}

extension ChannelPayment {
    /// Reads the answer to `alipay.trade.query`.
    init?(alipayTrade node: JSON) {
        self.init(
            status: node["trade_status"]?.string,
            number: node["trade_no"]?.string,
            amount: node["total_amount"]?.string,
            paidAt: node["send_pay_date"]?.string,
            payer: node["buyer_user_id"]?.string ?? node["buyer_open_id"]?.string)
    }

    /// Reads a notification's fields.
    init?(alipayNotice fields: [String: String]) {
        self.init(
            status: fields["trade_status"],
            number: fields["trade_no"],
            amount: fields["total_amount"],
            paidAt: fields["gmt_payment"],
            payer: fields["buyer_id"] ?? fields["buyer_open_id"])
    }

    /// An answer that says no more than the state.
    static func without(_ state: State, transactionNumber: String? = nil) -> ChannelPayment {
        ChannelPayment(state: state, transactionNumber: transactionNumber, amount: nil, paidAt: nil, payerID: nil)
    }

    /// `TRADE_CLOSED` is both *never paid* and *paid, and wholly refunded*; the time of payment tells them apart.
    private init?(status: String?, number: String?, amount: String?, paidAt: String?, payer: String?) {
        let paidAt = paidAt.flatMap { $0.isEmpty ? nil : $0 }
        let state: State
        switch status {
        case "WAIT_BUYER_PAY": state = .waiting
        case "TRADE_SUCCESS", "TRADE_FINISHED": state = .succeeded
        case "TRADE_CLOSED": state = paidAt == nil ? .closed : .succeeded
        default: return nil
        }
        let total = amount.flatMap { Fen(yuan: $0) }
        guard state != .succeeded || total != nil else { return nil }
        self.init(
            state: state,
            transactionNumber: number,
            amount: total,
            paidAt: paidAt.flatMap { Instant(text: $0) },
            payerID: payer)
    }
}
