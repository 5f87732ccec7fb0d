import CustodyDomain
import CustodyWire

/// Paying at a counter: the buyer shows a code (付款码), and a payment that will not end is undone (撤销).
extension Alipay {
    /// Takes the payment of a buyer who shows a code (`alipay.trade.pay`).
    ///
    /// Waiting means that the buyer's phone asks for the password: query every few seconds, and
    /// ``cancelPayment(serial:)`` when it takes too long.
    ///
    /// - Parameter code: What was scanned: 16 to 24 digits from 25–30 on; usable once, for a minute.
    public func pay(_ order: ChannelOrder, byCode code: String) async -> Reply<ChannelPayment> {
        let content: JSON = [
            "out_trade_no": .string(order.serial), "total_amount": .string(order.amount.yuan),
            "subject": .string(order.description), "product_code": "FACE_TO_FACE_PAYMENT", "scene": "bar_code",
            "auth_code": .string(code), "time_expire": .string(order.expiresAt.shanghaiWallClock),
        ]
        switch await gateway.call("alipay.trade.pay", content, notifyURL: order.callbackURL) {
        case .answered(let node):
            guard node["out_trade_no"]?.string == order.serial, let total = node["total_amount"]?.string,
                let amount = Fen(yuan: total), let paidAt = node["gmt_payment"]?.string
            else { return .unknown(Doubt(.malformedAnswer, "trade.pay")) }
            return .answered(
                ChannelPayment(
                    state: .succeeded, transactionNumber: node["trade_no"]?.string, amount: amount,
                    paidAt: Instant(text: paidAt),
                    payerID: node["buyer_user_id"]?.string ?? node["buyer_open_id"]?.string))
        case .refused(let refusal): return .refused(refusal)
        // 10003: the buyer is asked.
        case .unknown(let doubt) where doubt.reason == .systemError && doubt.detail == "10003":
            return .answered(.without(.waiting))
        case .unknown(let doubt): return .unknown(doubt)
        }
    }

    /// Undoes a payment of the same day (`alipay.trade.cancel`): closes it when unpaid, sends everything back when paid.
    ///
    /// May be repeated until it is answered. What Alipay does not have counts as closed.
    public func cancelPayment(serial: String) async -> Reply<ChannelPayment> {
        switch await gateway.call("alipay.trade.cancel", ["out_trade_no": .string(serial)]) {
        case .answered(let node):
            guard node["retry_flag"]?.string != "Y" else { return .unknown(Doubt(.systemError, "retry_flag")) }
            guard node["out_trade_no"]?.string ?? serial == serial else {
                return .unknown(Doubt(.malformedAnswer, "trade.cancel"))
            }
            return .answered(.without(.closed, transactionNumber: node["trade_no"]?.string))
        case .refused(let refusal) where refusal.code == AlipayCodes.tradeNotExist:
            return .answered(.without(.closed))
        case .refused(let refusal): return .refused(refusal)
        case .unknown(let doubt): return .unknown(doubt)
        }
    }
}
