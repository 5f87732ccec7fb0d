import CustodyDomain
import CustodyWire

extension WeChatPay {
    /// Decrypts a callback that was verified when it came in, and reads what it says of a payment or refund.
    ///
    /// - Throws: When it does not decrypt under our key, is about another sub-merchant, or says nothing readable.
    public func notice(in body: [UInt8]) throws(Doubt) -> ChannelNotice {
        let content = try content(of: body)
        let resource = content.resource
        if let ours = link.partner?.subMchid, let theirs = resource["sub_mchid"]?.string, ours != theirs {
            throw .anotherMerchant
        }
        switch content.eventType {
        case "TRANSACTION.SUCCESS":
            // Combined orders and receivers of shared profit have the same event and other fields.
            guard let serial = resource["out_trade_no"]?.string, resource["trade_state"] != nil else {
                return .other(content.eventType)
            }
            guard let merchant = (resource["mchid"] ?? resource["sp_mchid"])?.string,
                let payment = ChannelPayment(weChatPay: resource)
            else { throw Doubt(.malformedAnswer, "a payment callback that cannot be read") }
            let app = (resource["appid"] ?? resource["sp_appid"])?.string
            guard app == nil || app == link.appid else { throw .anotherMerchant }
            return .payment(serial: serial, merchantNumber: merchant, payment)
        case "REFUND.SUCCESS", "REFUND.ABNORMAL", "REFUND.CLOSED":
            guard let serial = resource["out_refund_no"]?.string, let parent = resource["out_trade_no"]?.string,
                let refund = ChannelRefund(weChatPay: resource, status: resource["refund_status"]?.string)
            else { throw Doubt(.malformedAnswer, "a refund callback that cannot be read") }
            let merchant = (resource["mchid"] ?? resource["sp_mchid"])?.string
            guard merchant == nil || merchant == link.mchid else { throw .anotherMerchant }
            return .refund(serial: serial, paymentSerial: parent, refund)
        default: return .other(content.eventType)
        }
    }

    /// Decrypts a callback.
    func content(of body: [UInt8]) throws(Doubt) -> WeChatPayCallback.Content {
        do throws(WeChatPayCallback.Rejection) {
            return try WeChatPayCallback.content(of: body, apiV3Key: link.apiV3Key)
        } catch { throw Doubt(error == .undecryptable ? .badSignature : .malformedAnswer, "callback") }
    }
}

extension ChannelPayment {
    static let absent = ChannelPayment(
        state: .absent, transactionNumber: nil, amount: nil, paidAt: nil, payerID: nil)
    static let closed = ChannelPayment(
        state: .closed, transactionNumber: nil, amount: nil, paidAt: nil, payerID: nil)

    /// Reads WeChat's order; nil when a field that its state needs is missing.
    init?(weChatPay json: JSON) {
        let state: State
        switch json["trade_state"]?.string {
        // An order with refunds stays paid: what went back is the refund's business.
        case "SUCCESS", "REFUND": state = .succeeded
        case "NOTPAY", "USERPAYING", "ACCEPT", "PAYERROR": state = .waiting
        case "CLOSED", "REVOKED": state = .closed
        default: return nil
        }
        let transactionNumber = json["transaction_id"]?.string
        let amount = json["amount"]?["total"]?.integer.map(Fen.init)
        let paidAt = json["success_time"]?.string.flatMap { $0.isEmpty ? nil : Instant(text: $0) }
        if state == .succeeded, transactionNumber == nil || amount == nil || paidAt == nil { return nil }
        let payer = json["payer"]?["openid"] ?? json["payer"]?["sp_openid"]
        self.init(
            state: state, transactionNumber: transactionNumber, amount: amount, paidAt: paidAt, payerID: payer?.string)
    }
}

extension ChannelRefund {
    /// Reads WeChat's refund; nil when a field that its state needs is missing.
    init?(weChatPay json: JSON, status: String?) {
        let state: State
        switch status {
        case "SUCCESS": state = .succeeded
        case "PROCESSING": state = .processing
        case "CLOSED", "CLOSE", "REFUNDCLOSE": state = .closed
        case "ABNORMAL": state = .abnormal
        default: return nil
        }
        guard let number = json["refund_id"]?.string, let amount = json["amount"]?["refund"]?.integer else {
            return nil
        }
        let succeededAt = json["success_time"]?.string.flatMap { $0.isEmpty ? nil : Instant(text: $0) }
        if state == .succeeded, succeededAt == nil { return nil }
        self.init(state: state, refundNumber: number, amount: Fen(amount), succeededAt: succeededAt)
    }
}
