import CustodyDomain
import CustodyWire

/// What a platform adds to an order of a sub-merchant's (补差单).
struct WeChatPaySubsidy {
    let subsidyID: String
    let request: JSON
    let amount: Fen
    let at: Instant
    var returned = Fen.zero
}

/// What of it goes back with a refund (补差回退单).
struct WeChatPaySubsidyReturn {
    let subsidyReturnID: String
    let request: JSON
    let refundID: String
    let amount: Fen
    let at: Instant
}

extension WeChatPayRoute {
    /// Subsidies (补差) of e-commerce platforms.
    static let subsidies: [WeChatPayRoute] = [
        WeChatPayRoute(
            "POST", "/v3/ecommerce/subsidies/create", "subsidise", for: ecommerce,
            limits: [.perSecond(80), .perSecond(100, of: .subMerchant)]
        ) { simulator, call throws(WeChatPayFailure) in
            .json(try simulator.subsidise(call))
        },
        WeChatPayRoute("POST", "/v3/ecommerce/subsidies/return", "return_subsidy", for: ecommerce) {
            simulator, call throws(WeChatPayFailure) in
            .json(try simulator.returnSubsidy(call))
        },
        WeChatPayRoute(
            "POST", "/v3/ecommerce/subsidies/cancel", "cancel_subsidy", for: ecommerce,
            limits: [.perSecond(200), .perSecond(200, of: .subMerchant)]
        ) { simulator, call throws(WeChatPayFailure) in
            .json(try simulator.cancelSubsidy(call))
        },
    ]
}

extension WeChatPaySimulator {
    /// How much may be added to an order.
    static let subsidyLimit = Fen(1_000_000)

    /// What an order says will be added to it; only one that shares profit may.
    static func announcedSubsidy(_ order: JSON, _ call: WeChatPayCall) throws(WeChatPayFailure) -> Fen? {
        guard let field = order["settle_info"]?["subsidy_amount"] else { return nil }
        let amount = try call.amount(field, "settle_info.subsidy_amount")
        guard call.merchant.kind == .ecommerce, order["settle_info"]?["profit_sharing"]?.bool == true,
            amount <= subsidyLimit
        else { throw .parameter("settle_info.subsidy_amount无效") }
        return amount
    }

    /// The paid order that was announced to be topped up.
    private func subsidisable(_ call: WeChatPayCall) throws(WeChatPayFailure) -> WeChatPayMerchant.Order {
        let body = try call.body()
        let sub = try call.subMerchant(body["sub_mchid"]?.string)
        guard let order = body["transaction_id"]?.string.flatMap({ call.merchant.order(transactionID: $0) }),
            order.subMchid == sub.subMchid
        else { throw .absent("订单不存在") }
        guard order.announcedSubsidy != nil else { throw .invalid("订单下单时未带补差标识") }
        return order
    }

    /// The refunds of an order that were not taken back.
    private func refunds(of order: WeChatPayMerchant.Order, _ merchant: WeChatPayMerchant) -> [WeChatPayMerchant.Refund]
    {
        order.refunds.compactMap { merchant.refunds[$0] }.filter { $0.status != "CLOSED" }
    }

    /// Adds the platform's money to what is held for an order: once, before anything of it is split.
    func subsidise(_ call: WeChatPayCall) throws(WeChatPayFailure) -> JSON {
        let (body, merchant) = (try call.body(), call.merchant)
        var order = try subsidisable(call)
        let amount = try call.amount(body["amount"], "amount")
        _ = try call.text("description", 1...80)
        if body["out_subsidy_no"] != nil { _ = try call.number("out_subsidy_no", 1...64) }
        if let known = order.subsidy {
            guard known.request == body.sorted else { throw .conflict }
            return known.json
        }
        guard !order.isSubsidyCancelled else { throw .invalid("订单已取消补差") }
        guard order.splitCount == 0, !order.isUnfrozen else { throw .invalid("订单已分账或已解冻，不能补差") }
        let announced = order.announcedSubsidy ?? .zero
        guard amount <= announced else { throw .parameter("补差金额超过下单时的补差金额") }
        if amount < announced {
            let names = refunds(of: order, merchant).map(\.refundID)
            guard let refundID = body["refund_id"]?.string, names.contains(refundID) else {
                throw .parameter("补差金额与下单时不一致，须有该订单的微信退款单号")
            }
        }
        guard (merchant.accounts[merchant.mchid]?.available ?? .zero) >= amount else { throw .notEnough("平台账户余额不足") }
        let subsidy = WeChatPaySubsidy(
            subsidyID: freshNumber("3008", at: call.now, digits: 28), request: body.sorted, amount: amount, at: call.now
        )
        let (id, voucher) = (subsidy.subsidyID, body["out_subsidy_no"]?.string ?? order.outTradeNo)
        book(merchant, merchant.mchid, -amount, .available, "补差", "补差", id, voucher, call.now)
        book(merchant, order.subMchid ?? "", amount, .held, "补差", "补差", id, voucher, call.now)
        order.subsidy = subsidy
        order.unsplit += amount
        merchant.orders[order.key] = order
        return subsidy.json
    }

    /// Gives back what was added, with a refund; from what is held still, or from what is available.
    func returnSubsidy(_ call: WeChatPayCall) throws(WeChatPayFailure) -> JSON {
        let (body, merchant) = (try call.body(), call.merchant)
        var order = try subsidisable(call)
        let number = try call.number("out_order_no", 1...64)
        let key = WeChatPayMerchant.key(order.subMchid, number)
        if let known = merchant.subsidyReturns[key] {
            guard known.request == body.sorted else { throw .conflict }
            return known.json
        }
        let amount = try call.amount(body["amount"], "amount")
        _ = try call.text("description", 1...80)
        guard let subsidy = order.subsidy else { throw .absent("补差单不存在") }
        guard body["subsidy_id"]?.string ?? subsidy.subsidyID == subsidy.subsidyID else { throw .absent("补差单不存在") }
        guard let refundID = body["refund_id"]?.string,
            refunds(of: order, merchant).contains(where: { $0.refundID == refundID })
        else { throw .invalid("订单未发生该笔退款") }
        guard !merchant.subsidyReturns.values.contains(where: { $0.refundID == refundID }) else {
            throw .invalid("一笔退款单只允许补差回退一次")
        }
        guard subsidy.returned + amount <= subsidy.amount else { throw .invalid("累计回退金额超过补差金额") }
        let purse = try purse(for: amount, of: order, body["from"], merchant)
        let back = WeChatPaySubsidyReturn(
            subsidyReturnID: freshNumber("3009", at: call.now, digits: 28), request: body.sorted, refundID: refundID,
            amount: amount, at: call.now)
        let id = back.subsidyReturnID
        book(merchant, order.subMchid ?? "", -amount, purse, "补差回退", "补差", id, number, call.now)
        book(merchant, merchant.mchid, amount, .available, "补差回退", "补差", id, number, call.now)
        order.subsidy?.returned += amount
        if purse == .held { order.unsplit -= amount }
        merchant.orders[order.key] = order
        merchant.subsidyReturns[key] = back
        return back.json
    }

    /// Which of the sub-merchant's money goes back: that which was named, and otherwise what is held while it lasts.
    private func purse(
        for amount: Fen, of order: WeChatPayMerchant.Order, _ from: JSON?, _ merchant: WeChatPayMerchant
    ) throws(WeChatPayFailure) -> WeChatPayAccount.Purse {
        let isHeldEnough = !order.isUnfrozen && order.unsplit >= amount
        let isEnough = (merchant.accounts[order.subMchid ?? ""]?.available ?? .zero) >= amount
        guard let from = from?.array else {
            guard isHeldEnough || isEnough else { throw .notEnough("二级商户余额不足") }
            return isHeldEnough ? .held : .available
        }
        guard from.count == 1, from[0]["amount"]?.integer == amount.value else {
            throw .parameter("from仅支持从一个账户出资，且金额与amount一致")
        }
        switch from[0]["account"]?.string {
        case "UNAVAILABLE":
            guard isHeldEnough else { throw .notEnough("订单待分账余额不足") }
            return .held
        case "AVAILABLE":
            guard isEnough else { throw .notEnough("二级商户余额不足") }
            return .available
        default: throw .parameter("from.account无效")
        }
    }

    /// Takes back that an order would be topped up, once there is a refund of it; it may be split then.
    func cancelSubsidy(_ call: WeChatPayCall) throws(WeChatPayFailure) -> JSON {
        let (body, merchant) = (try call.body(), call.merchant)
        let order = try subsidisable(call)
        let description = try call.text("description", 1...80)
        guard order.subsidy == nil else { throw .invalid("订单已补差，不能取消") }
        guard order.isSubsidyCancelled || !refunds(of: order, merchant).isEmpty else {
            throw .invalid("订单未发生退款，不能取消补差")
        }
        merchant.orders[order.key]?.isSubsidyCancelled = true
        return [
            "sub_mchid": body["sub_mchid"] ?? .null, "transaction_id": JSON(order.transactionID), "result": "SUCCESS",
            "description": .string(description),
        ]
    }
}

extension WeChatPaySubsidy {
    /// The subsidy as the API shows it.
    var json: JSON {
        [
            "sub_mchid": request["sub_mchid"] ?? .null, "transaction_id": request["transaction_id"] ?? .null,
            "subsidy_id": .string(subsidyID), "description": request["description"] ?? .null,
            "amount": JSON(amount.value), "result": "SUCCESS", "success_time": .string(at.rfc3339Shanghai),
        ]
    }
}

extension WeChatPaySubsidyReturn {
    /// The return as the API shows it.
    var json: JSON {
        [
            "sub_mchid": request["sub_mchid"] ?? .null, "transaction_id": request["transaction_id"] ?? .null,
            "subsidy_refund_id": .string(subsidyReturnID), "refund_id": .string(refundID),
            "out_order_no": request["out_order_no"] ?? .null, "amount": JSON(amount.value),
            "description": request["description"] ?? .null, "result": "SUCCESS",
            "success_time": .string(at.rfc3339Shanghai),
        ]
    }
}
