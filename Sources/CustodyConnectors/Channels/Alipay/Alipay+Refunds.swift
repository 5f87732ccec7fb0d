import CustodyDomain
import CustodyWire

extension Alipay {
    /// Sends money back; the same serial is one refund, however often it is sent.
    ///
    /// Alipay tells of refunds at the order's own `notify_url`; ``ChannelRefundRequest/callbackURL`` goes along for the
    /// products that take one. `fund_change=N` means that this call moved nothing: a repetition, or not done yet. Ask
    /// ``queryRefund(serial:paymentSerial:)``, 10 seconds later at the earliest.
    public func refund(_ refund: ChannelRefundRequest) async -> Reply<ChannelRefund> {
        let content: JSON = [
            "out_trade_no": .string(refund.paymentSerial),
            "out_request_no": .string(refund.serial),
            "refund_amount": .string(refund.amount.yuan),
            "refund_reason": JSON(refund.reason),
        ]
        switch await gateway.call("alipay.trade.refund", content.omittingNulls, notifyURL: refund.callbackURL) {
        case .answered(let node):
            guard node["out_trade_no"]?.string == refund.paymentSerial, let change = node["fund_change"]?.string else {
                return .unknown(Doubt(.malformedAnswer, "trade.refund"))
            }
            // `refund_fee` is the sum of all refunds so far: this refund's amount is what we asked for, or is queried.
            let succeededAt = node["gmt_refund_pay"]?.string.flatMap { Instant(text: $0) }
            return .answered(
                ChannelRefund(
                    state: change == "Y" ? .succeeded : .processing, refundNumber: nil, amount: nil,
                    succeededAt: change == "Y" ? succeededAt : nil))
        case .refused(let refusal): return .refused(refusal)
        case .unknown(let doubt): return .unknown(doubt)
        }
    }

    /// Asks what became of a refund; without `refund_status` it was not received, or failed: sending it again is safe.
    public func queryRefund(serial: String, paymentSerial: String) async -> Reply<ChannelRefund> {
        let content: JSON = [
            "out_trade_no": .string(paymentSerial), "out_request_no": .string(serial),
            "query_options": ["gmt_refund_pay"],
        ]
        let absent = ChannelRefund(state: .absent, refundNumber: nil, amount: nil, succeededAt: nil)
        switch await gateway.call("alipay.trade.fastpay.refund.query", content) {
        case .answered(let node):
            guard let status = node["refund_status"]?.string, !status.isEmpty else { return .answered(absent) }
            guard node["out_request_no"]?.string == serial, status == "REFUND_SUCCESS" || status == "REFUND_PROCESSING"
            else { return .unknown(Doubt(.malformedAnswer, "fastpay.refund.query")) }
            return .answered(
                ChannelRefund(
                    state: status == "REFUND_SUCCESS" ? .succeeded : .processing,
                    refundNumber: nil,
                    amount: node["refund_amount"]?.string.flatMap { Fen(yuan: $0) },
                    succeededAt: node["gmt_refund_pay"]?.string.flatMap { Instant(text: $0) }))
        case .refused(let refusal) where refusal.code == AlipayCodes.tradeNotExist: return .answered(absent)
        case .refused(let refusal): return .refused(refusal)
        case .unknown(let doubt): return .unknown(doubt)
        }
    }
}
