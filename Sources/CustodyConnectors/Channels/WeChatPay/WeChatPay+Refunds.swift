import CustodyDomain
import CustodyWire

/// Where the money of a refund comes from, at an e-commerce platform.
public enum WeChatPayRefundFunds: Hashable, Sendable {
    /// What was not split yet, if the order is split at all; otherwise what is available.
    case byState
    /// The platform advances it (垫付), by permission; ``WeChatPay/returnAdvance(refundNumber:)`` pays it back.
    case platformAdvance
    /// So much of what is available, and so much of what is not split yet (`UNAVAILABLE`).
    case divided(available: Fen, unsplit: Fen)
}

/// How a refund that is stuck (`ABNORMAL`) is brought to its end.
public enum WeChatPayAbnormalRefundWay: Hashable, Sendable {
    /// To a bank card of the buyer's; number and name are personal data and travel sealed.
    case userBankCard(bankType: String, account: String, holder: String)
    /// To the merchant's own settlement account; the buyer is then paid outside WeChat Pay.
    case merchantBankCard
}

/// An advance that is paid back to the platform (垫付回补).
public struct WeChatPayAdvanceReturn: Hashable, Sendable {
    /// Where it is.
    public enum State: String, Hashable, Sendable {
        /// Under way.
        case processing = "PROCESSING"
        /// Paid back.
        case succeeded = "SUCCESS"
        /// Not paid back; it may be asked for again.
        case failed = "FAILED"
    }

    /// WeChat's number of it.
    public let number: String
    /// What goes back.
    public let amount: Fen
    /// Where it is.
    public let state: State
}

extension WeChatPay {
    /// Sends money back (退款); the same serial may be sent again.
    public func refund(_ refund: ChannelRefundRequest) async -> Reply<ChannelRefund> {
        await self.refund(refund, from: .byState)
    }

    /// Sends money back out of certain funds, which only an e-commerce platform may choose.
    public func refund(_ refund: ChannelRefundRequest, from funds: WeChatPayRefundFunds) async -> Reply<ChannelRefund> {
        var amount: [JSON.Member] = [
            .init("refund", JSON(refund.amount.value)), .init("total", JSON(refund.paymentAmount.value)),
            .init("currency", "CNY"),
        ]
        var body: [JSON.Member] = []
        if let partner = link.partner {
            body.append(.init("sub_mchid", JSON(partner.subMchid)))
            if partner.kind == .ecommerce { body.append(.init("sp_appid", .string(link.appid))) }
        }
        body += [
            .init("out_trade_no", .string(refund.paymentSerial)), .init("out_refund_no", .string(refund.serial)),
            .init("reason", JSON(refund.reason)), .init("notify_url", .string(refund.callbackURL)),
        ]
        switch funds {
        case .byState: break
        case .platformAdvance:
            guard isEcommerce else { return .refused(Self.onlyEcommerce) }
            body.append(.init("refund_account", "REFUND_SOURCE_PARTNER_ADVANCE"))
        case .divided(let available, let unsplit):
            guard isEcommerce else { return .refused(Self.onlyEcommerce) }
            let parts = [("AVAILABLE", available), ("UNAVAILABLE", unsplit)].filter { $0.1 > .zero }
            amount.append(
                .init(
                    "from",
                    .array(parts.map { ["account": .string($0.0), "amount": JSON($0.1.value)] })))
        }
        body.append(.init("amount", .object(amount)))
        let path = isEcommerce ? "/v3/ecommerce/refunds/apply" : "/v3/refund/domestic/refunds"
        return await exchange.call("POST", path, body: JSON.object(body).omittingNulls.bytes)
            .reading { answer throws(Doubt) in try accepted(answer, refund) }
    }

    /// Asks what became of a refund, by our number; a refund WeChat does not have is `absent`.
    public func queryRefund(serial: String, paymentSerial: String) async -> Reply<ChannelRefund> {
        let number = PercentEncoding.encoded(serial)
        let path =
            isEcommerce ? "/v3/ecommerce/refunds/out-refund-no/\(number)" : "/v3/refund/domestic/refunds/\(number)"
        let query = (link.partner?.subMchid).map { "?sub_mchid=\(PercentEncoding.encoded($0))" } ?? ""
        let absent = ChannelRefund(state: .absent, refundNumber: nil, amount: nil, succeededAt: nil)
        return await exchange.call("GET", path + query).reading(orAbsent: absent) { answer throws(Doubt) in
            try readRefund(answer, serial: serial, paymentSerial: paymentSerial)
        }
    }

    /// Brings a refund that is `abnormal` to its end another way; it is processing then.
    public func resolveAbnormalRefund(
        serial: String, paymentSerial: String, refundNumber: String, by way: WeChatPayAbnormalRefundWay
    ) async -> Reply<ChannelRefund> {
        var body: [JSON.Member] = [.init("out_refund_no", .string(serial))]
        if let subMchid = link.partner?.subMchid { body.append(.init("sub_mchid", .string(subMchid))) }
        let base = isEcommerce ? "/v3/ecommerce/refunds" : "/v3/refund/domestic/refunds"
        var request = WeChatPayExchange.Request(
            method: "POST", path: "\(base)/\(PercentEncoding.encoded(refundNumber))/apply-abnormal-refund")
        switch way {
        case .merchantBankCard: body.append(.init("type", "MERCHANT_BANK_CARD"))
        case .userBankCard(let bankType, let account, let holder):
            guard let key = await exchange.sealingKey(), let sealedAccount = try? key.sealed(account),
                let sealedHolder = try? key.sealed(holder)
            else { return .unknown(Doubt(.unreachable, "no key to seal personal fields for")) }
            request.sealingSerial = key.serial
            body += [
                .init("type", "USER_BANK_CARD"), .init("bank_type", .string(bankType)),
                .init("bank_account", .string(sealedAccount)), .init("real_name", .string(sealedHolder)),
            ]
        }
        request.body = JSON.object(body).bytes
        return await exchange.call(request).reading { answer throws(Doubt) in
            try readRefund(answer, serial: serial, paymentSerial: paymentSerial)
        }
    }

    /// Pays an advanced refund back to the platform from the sub-merchant's money; may be asked for again.
    public func returnAdvance(refundNumber: String) async -> Reply<WeChatPayAdvanceReturn> {
        await advance("POST", refundNumber)
    }

    /// Asks what became of paying an advance back.
    public func queryAdvanceReturn(refundNumber: String) async -> Reply<WeChatPayAdvanceReturn> {
        await advance("GET", refundNumber)
    }

    private func advance(_ method: String, _ refundNumber: String) async -> Reply<WeChatPayAdvanceReturn> {
        guard isEcommerce, let subMchid = link.partner?.subMchid else { return .refused(Self.onlyEcommerce) }
        let path = "/v3/ecommerce/refunds/\(PercentEncoding.encoded(refundNumber))/return-advance"
        let body: JSON = ["sub_mchid": .string(subMchid)]
        let outcome =
            method == "POST"
            ? await exchange.call("POST", path, body: body.bytes)
            : await exchange.call("GET", path + "?sub_mchid=\(PercentEncoding.encoded(subMchid))")
        return outcome.reading { answer throws(Doubt) in
            guard answer["refund_id"]?.string == refundNumber, let number = answer["advance_return_id"]?.string,
                let amount = answer["return_amount"]?.integer,
                let state = answer["result"]?.string.flatMap(WeChatPayAdvanceReturn.State.init)
            else { throw Doubt(.malformedAnswer, "a returned advance that cannot be read") }
            return WeChatPayAdvanceReturn(number: number, amount: Fen(amount), state: state)
        }
    }

    private var isEcommerce: Bool { link.partner?.kind == .ecommerce }

    private static let onlyEcommerce = Refusal(
        code: "NOT_ECOMMERCE", message: "only an e-commerce platform may do this for a sub-merchant")

    /// The answer to an application. An e-commerce platform's says no state: it was accepted.
    private func accepted(_ answer: JSON, _ refund: ChannelRefundRequest) throws(Doubt) -> ChannelRefund {
        guard isEcommerce, answer["status"] == nil else {
            return try readRefund(answer, serial: refund.serial, paymentSerial: refund.paymentSerial)
        }
        guard answer["out_refund_no"]?.string == refund.serial,
            answer["amount"]?["refund"]?.integer == refund.amount.value
        else { throw Doubt(.malformedAnswer, "the answer is about another refund") }
        guard let accepted = ChannelRefund(weChatPay: answer, status: "PROCESSING") else {
            throw Doubt(.malformedAnswer, "a refund that cannot be read")
        }
        return accepted
    }

    private func readRefund(_ answer: JSON, serial: String, paymentSerial: String) throws(Doubt) -> ChannelRefund {
        guard answer["out_refund_no"]?.string == serial, answer["out_trade_no"]?.string == paymentSerial else {
            throw Doubt(.malformedAnswer, "the answer is about another refund")
        }
        guard let refund = ChannelRefund(weChatPay: answer, status: answer["status"]?.string) else {
            throw Doubt(.malformedAnswer, "a refund that cannot be read")
        }
        return refund
    }
}

extension WeChatPayLink.PlatformKey {
    /// A sensitive field (敏感信息), readable by WeChat Pay alone.
    func sealed(_ text: String) throws -> String {
        try WeChatPaySensitiveField.encrypted(text, publicKeyPEM: try publicKeyPEM)
    }
}
