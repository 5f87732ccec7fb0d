import CustodyDomain
import CustodyWire

/// A combined order (合单): the buyer pays several sub-merchants at once.
public struct WeChatPayCombinedOrder: Hashable, Sendable {
    /// One sub-merchant's part, an order of its own to be refunded and split.
    public struct Part: Hashable, Sendable {
        /// The sub-merchant; nil when the part is the merchant's own.
        public let subMchid: String?
        /// Our number of the part (`out_trade_no`).
        public let serial: String
        /// Its amount.
        public let amount: Fen
        /// What the buyer reads.
        public let description: String
        /// Comes back in callbacks and bills.
        public let attachment: String
        /// Whether it is held back until it is split.
        public let sharesProfit: Bool
        /// What an e-commerce platform will add to it (补差), before it may be split; zero for nothing.
        public let subsidy: Fen

        /// Makes a part.
        public init(
            subMchid: String?, serial: String, amount: Fen, description: String, attachment: String = "-",
            sharesProfit: Bool = true, subsidy: Fen = .zero
        ) {
            self.subsidy = subsidy
            self.subMchid = subMchid
            self.serial = serial
            self.amount = amount
            self.description = description
            self.attachment = attachment
            self.sharesProfit = sharesProfit
        }
    }

    /// Our number of the whole (`combine_out_trade_no`).
    public let serial: String
    /// How the buyer pays.
    public let method: PaymentMethod
    /// The parts: 1 to 50.
    public let parts: [Part]
    /// When the order can no longer be paid.
    public let expiresAt: Instant
    /// Where WeChat calls back.
    public let callbackURL: String
    /// The buyer's openid, needed by `jsapi`.
    public let payerID: String?

    /// Makes a combined order to place.
    public init(
        serial: String, method: PaymentMethod, parts: [Part], expiresAt: Instant, callbackURL: String,
        payerID: String? = nil
    ) {
        self.serial = serial
        self.method = method
        self.parts = parts
        self.expiresAt = expiresAt
        self.callbackURL = callbackURL
        self.payerID = payerID
    }
}

/// A combined order as WeChat knows it.
public struct WeChatPayCombinedPayment: Hashable, Sendable {
    /// What became of a part.
    public struct Part: Hashable, Sendable {
        /// Our number of the part.
        public let serial: String
        /// The sub-merchant.
        public let subMchid: String?
        /// Its state.
        public let payment: ChannelPayment
    }

    /// Our number of the whole.
    public let serial: String
    /// The parts, in WeChat's order.
    public let parts: [Part]
}

extension WeChatPay {
    /// Places a combined order by `/v3/combine-transactions/{native|jsapi|h5|app}`; may be sent again.
    public func payCombined(_ order: WeChatPayCombinedOrder) async -> Reply<PaymentPrompt> {
        guard order.method.channels.contains(.weChatPay) else {
            return .refused(Refusal(code: "METHOD_NOT_SUPPORTED", message: "WeChat Pay has no such payment method"))
        }
        let parts = order.parts.map { part -> JSON in
            let settlement: JSON = [
                "profit_sharing": .bool(part.sharesProfit),
                "subsidy_amount": part.subsidy == .zero ? .null : JSON(part.subsidy.value),
            ]
            let json: JSON = [
                "mchid": .string(link.mchid), "sub_mchid": JSON(part.subMchid), "attach": .string(part.attachment),
                "amount": ["total_amount": JSON(part.amount.value), "currency": "CNY"],
                "out_trade_no": .string(part.serial), "description": .string(part.description),
                "settle_info": settlement.omittingNulls,
            ]
            return json.omittingNulls
        }
        var body: [JSON.Member] = [
            .init("combine_appid", .string(link.appid)), .init("combine_mchid", .string(link.mchid)),
            .init("combine_out_trade_no", .string(order.serial)), .init("sub_orders", .array(parts)),
            .init("time_expire", .string(order.expiresAt.rfc3339Shanghai)),
            .init("notify_url", .string(order.callbackURL)),
        ]
        if order.method == .jsapi {
            guard let payer = order.payerID else {
                return .refused(Refusal(code: "PARAM_ERROR", message: "jsapi needs the buyer's openid"))
            }
            body.append(.init("combine_payer_info", ["openid": .string(payer)]))
        }
        if order.method == .h5 {
            body.append(.init("scene_info", ["payer_client_ip": "127.0.0.1", "h5_info": ["type": "Wap"]]))
        }
        let path = "/v3/combine-transactions/\(order.method.rawValue)"
        return await exchange.call("POST", path, body: JSON.object(body).bytes)
            .reading { answer throws(Doubt) in try prompt(of: answer, order.method) }
    }

    /// Asks what became of a combined order; nil when WeChat does not have it. Its parts cannot be asked for singly.
    public func queryCombined(serial: String) async -> Reply<WeChatPayCombinedPayment?> {
        await exchange.call("GET", "/v3/combine-transactions/out-trade-no/\(PercentEncoding.encoded(serial))")
            .reading(orAbsent: nil) { answer throws(Doubt) in
                let payment = try combined(answer)
                guard payment.serial == serial else {
                    throw Doubt(.malformedAnswer, "the answer is about another order")
                }
                return payment
            }
    }

    /// Closes an unpaid combined order, which takes exactly the parts it was placed with.
    public func closeCombined(_ order: WeChatPayCombinedOrder) async -> Reply<ChannelPayment> {
        let parts = order.parts.map { part -> JSON in
            let json: JSON = [
                "mchid": .string(link.mchid), "sub_mchid": JSON(part.subMchid), "out_trade_no": .string(part.serial),
            ]
            return json.omittingNulls
        }
        let path = "/v3/combine-transactions/out-trade-no/\(PercentEncoding.encoded(order.serial))/close"
        let body: JSON = ["combine_appid": .string(link.appid), "sub_orders": .array(parts)]
        let outcome = await exchange.call("POST", path, body: body.bytes)
        if case .error(let refusal) = outcome, refusal.isAny("ORDERCLOSED", "ORDER_CLOSED") {
            return .answered(.closed)
        }
        return outcome.reading(orAbsent: .absent) { _ throws(Doubt) in .closed }
    }

    /// Reads a callback about a combined order, which was verified when it came in; nil when it is about another thing.
    public func combinedNotice(in body: [UInt8]) throws(Doubt) -> WeChatPayCombinedPayment? {
        let content = try content(of: body)
        guard content.eventType == "TRANSACTION.SUCCESS", content.resource["combine_out_trade_no"] != nil else {
            return nil
        }
        return try combined(content.resource)
    }

    private func combined(_ json: JSON) throws(Doubt) -> WeChatPayCombinedPayment {
        guard let serial = json["combine_out_trade_no"]?.string, json["combine_mchid"]?.string == link.mchid else {
            throw Doubt(.malformedAnswer, "a combined order of another merchant")
        }
        var parts: [WeChatPayCombinedPayment.Part] = []
        for part in json["sub_orders"]?.array ?? [] {
            guard let number = part["out_trade_no"]?.string, let payment = ChannelPayment(weChatPayPart: part) else {
                throw Doubt(.malformedAnswer, "a part that cannot be read")
            }
            parts.append(.init(serial: number, subMchid: part["sub_mchid"]?.string, payment: payment))
        }
        guard !parts.isEmpty else { throw Doubt(.malformedAnswer, "a combined order without parts") }
        return WeChatPayCombinedPayment(serial: serial, parts: parts)
    }
}

extension ChannelPayment {
    /// Reads a part of a combined order, whose amounts have names of their own.
    fileprivate init?(weChatPayPart json: JSON) {
        guard var members = json.members else { return nil }
        members.removeAll { $0.name == "amount" }
        members.append(
            .init("amount", .object([.init("total", json["amount"]?["total_amount"] ?? .null)])))
        if members.contains(where: { $0.name == "trade_state" }) == false {
            members.append(.init("trade_state", "NOTPAY"))
        }
        self.init(weChatPay: .object(members))
    }
}
