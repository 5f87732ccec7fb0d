import CustodyDomain
import CustodyWire

extension WeChatPayRoute {
    /// Refunds (退款): the ordinary ones, and those of e-commerce platforms.
    static let refunds: [WeChatPayRoute] =
        [("/v3/refund/domestic/refunds", ordinary), ("/v3/ecommerce/refunds", ecommerce)].flatMap { base, kinds in
            let isEcommerce = base.contains("ecommerce")
            return [
                WeChatPayRoute(
                    "POST", isEcommerce ? "\(base)/apply" : base, "refund", for: kinds, limits: [.perSecond(150)]
                ) {
                    simulator, call throws(WeChatPayFailure) in
                    let refund = try simulator.acceptRefund(call)
                    return .json(
                        isEcommerce ? refund.acceptance(call.merchant) : refund.json(call.merchant))
                },
                WeChatPayRoute(
                    "GET", isEcommerce ? "\(base)/out-refund-no/{out_refund_no}" : "\(base)/{out_refund_no}",
                    "query_refund", for: kinds
                ) { simulator, call throws(WeChatPayFailure) in
                    let key = WeChatPayMerchant.key(
                        call.request.queryField("sub_mchid"), call.parameter("out_refund_no"))
                    guard let refund = call.merchant.refunds[key] else { throw .absent("退款单不存在") }
                    return .json(refund.json(call.merchant))
                },
                WeChatPayRoute("POST", "\(base)/{refund_id}/apply-abnormal-refund", "abnormal_refund", for: kinds) {
                    simulator, call throws(WeChatPayFailure) in
                    .json(try simulator.resolveAbnormal(call).json(call.merchant))
                },
            ]
        } + [
            WeChatPayRoute("GET", "/v3/ecommerce/refunds/id/{refund_id}", "query_refund", for: ecommerce) {
                simulator, call throws(WeChatPayFailure) in
                .json(try simulator.refund(byID: call).json(call.merchant))
            },
            WeChatPayRoute(
                "POST", "/v3/ecommerce/refunds/{refund_id}/return-advance", "return_advance", for: ecommerce
            ) { simulator, call throws(WeChatPayFailure) in
                .json(try simulator.returnAdvance(call))
            },
            WeChatPayRoute(
                "GET", "/v3/ecommerce/refunds/{refund_id}/return-advance", "query_advance", for: ecommerce
            ) { simulator, call throws(WeChatPayFailure) in
                let refund = try simulator.refund(byID: call)
                guard refund.advanceReturn != nil else { throw .absent("垫付回补单不存在") }
                return .json(refund.advanceJSON(call.merchant))
            },
        ]
}

extension WeChatPaySimulator {
    /// Accepts a refund, or gives the same refund again.
    func acceptRefund(_ call: WeChatPayCall) throws(WeChatPayFailure) -> WeChatPayMerchant.Refund {
        let (body, merchant, now) = (try call.body(), call.merchant, call.now)
        let sub = body["sub_mchid"] == nil ? nil : try call.subMerchant(body["sub_mchid"]?.string).subMchid
        guard merchant.kind == .direct || sub != nil else { throw .parameter("缺少sub_mchid") }
        if merchant.kind == .ecommerce, body["sp_appid"]?.string != merchant.appid { throw .parameter("sp_appid无效") }
        let outRefundNo = try call.number("out_refund_no", 1...64)
        let key = WeChatPayMerchant.key(sub, outRefundNo)
        if let known = merchant.refunds[key] {
            guard known.request == body.sorted else { throw .conflict }
            return known
        }
        let amount = try call.amount(body["amount"]?["refund"], "amount.refund")
        let total = try call.amount(body["amount"]?["total"], "amount.total")
        guard body["amount"]?["currency"]?.string ?? "CNY" == "CNY" else { throw .parameter("amount无效") }
        let order = try refundable(body, sub, merchant, amount, total, now)
        var refund = WeChatPayMerchant.Refund(
            outRefundNo: outRefundNo, orderKey: order.key, request: body.sorted,
            refundID: freshNumber("5000", at: now, digits: 29), amount: amount, notifyURL: try call.notifyURL(),
            createdAt: now)
        try fund(&refund, order, merchant)
        move(refund, order, merchant, isBack: false, at: now)
        merchant.refunds[key] = refund
        merchant.orders[order.key]?.refunds.append(key)
        merchant.orders[order.key]?.state = .refunded
        scheduleLump(merchant, BusinessDate(of: now))
        let mchid = merchant.mchid
        clock.schedule(mchid, at: now + .seconds(3)) { [self] at in await finishRefund(mchid, key, at) }
        return refund
    }

    /// The order that a refund names, when so much may go back.
    private func refundable(
        _ body: JSON, _ sub: String?, _ merchant: WeChatPayMerchant, _ amount: Fen, _ total: Fen, _ now: Instant
    ) throws(WeChatPayFailure) -> WeChatPayMerchant.Order {
        let found =
            body["transaction_id"]?.string.flatMap { merchant.order(transactionID: $0) }
            ?? body["out_trade_no"]?.string.flatMap { merchant.orders[WeChatPayMerchant.key(sub, $0)] }
        guard let order = found, order.subMchid == sub else { throw .absent("订单不存在") }
        guard let paidAt = order.paidAt else { throw .invalid("订单未支付") }
        guard order.total == total else { throw .invalid("订单总金额与实际支付金额不一致") }
        guard now < paidAt + .seconds(365 * 86_400) else { throw .invalid("订单已超过退款期限") }
        guard order.refunds.count < 50 else { throw .invalid("部分退款次数超限") }
        let earlier = order.refunds.compactMap { merchant.refunds[$0] }.filter { $0.status != "CLOSED" }
        guard earlier.map(\.amount).sum() + amount <= total else { throw .invalid("累计退款金额超过订单金额") }
        return order
    }

    /// Decides whose money goes back, and refuses when there is too little.
    private func fund(
        _ refund: inout WeChatPayMerchant.Refund, _ order: WeChatPayMerchant.Order, _ merchant: WeChatPayMerchant
    ) throws(WeChatPayFailure) {
        let fee = WeChatPayMerchant.fee(of: refund.amount)
        let net = refund.amount - fee
        let account = merchant.accounts[order.subMchid ?? merchant.mchid] ?? WeChatPayAccount()
        let isHeld = order.sharesProfit && !order.isUnfrozen
        if refund.request["refund_account"]?.string == "REFUND_SOURCE_PARTNER_ADVANCE" {
            guard merchant.registration.mayAdvance else { throw WeChatPayFailure(403, "NO_AUTH", "无垫付退款权限") }
            guard (merchant.accounts[merchant.mchid]?.available ?? .zero) >= net else {
                throw .notEnough("平台垫付账户余额不足")
            }
            refund.advanced = net
        } else if let from = refund.request["amount"]?["from"]?.array {
            func part(_ name: String) -> Fen {
                from.filter { $0["account"]?.string == name }.compactMap { $0["amount"]?.integer }.map(Fen.init).sum()
            }
            let (available, held) = (part("AVAILABLE"), part("UNAVAILABLE"))
            guard available + held == refund.amount, available >= .zero, held >= .zero else {
                throw .parameter("amount.from合计与refund不一致")
            }
            refund.fromAvailable = available > fee ? available - fee : .zero
            refund.fromHeld = net - refund.fromAvailable
        } else if isHeld, order.splitCount == 0 {
            refund.fromHeld = net
        } else {
            refund.fromAvailable = net
        }
        guard refund.fromHeld == .zero || (isHeld && order.unsplit >= refund.fromHeld) else {
            throw .notEnough("订单待分账余额不足")
        }
        // A direct merchant's refunds are taken off the day's receipts, which the bank account covers.
        guard merchant.kind == .direct || account.available >= refund.fromAvailable else {
            throw .notEnough("基本账户余额不足")
        }
    }

    /// Moves the money of a refund out of its purses, or back into them.
    private func move(
        _ refund: WeChatPayMerchant.Refund, _ order: WeChatPayMerchant.Order, _ merchant: WeChatPayMerchant,
        isBack: Bool, at now: Instant
    ) {
        let fee = WeChatPayMerchant.fee(of: refund.amount)
        let owner = order.subMchid ?? merchant.mchid
        func book(_ amount: Fen, _ owner: String, _ purse: WeChatPayAccount.Purse, _ name: String) {
            merchant.accounts[owner, default: WeChatPayAccount()].book(
                isBack ? amount : -amount, purse, at: now, number: freshNumber("3000", at: now, digits: 28), name: name,
                type: "退款", business: refund.refundID, voucher: refund.outRefundNo,
                remark: "退款总金额\(refund.amount.yuan)元;含手续费\(fee.yuan)元")
        }
        book(refund.fromHeld, owner, .held, isBack ? "退款退回" : "退款")
        book(refund.fromAvailable, owner, .available, isBack ? "退款退回" : "退款")
        book(refund.advanced, merchant.mchid, .available, isBack ? "垫付退款退回" : "垫付退款")
        merchant.orders[order.key]?.unsplit += isBack ? refund.fromHeld : -refund.fromHeld
    }

    /// A refund comes to its end on virtual time, and says so.
    func finishRefund(_ mchid: String, _ key: String, _ at: Instant) async {
        guard let merchant = merchants[mchid], var refund = merchant.refunds[key], refund.status == "PROCESSING",
            let order = merchant.orders[refund.orderKey]
        else { return }
        let fault = outcome("refund_result", merchant, serial: refund.outRefundNo, amount: refund.amount)
        switch fault?.fault {
        case "delayed":
            clock.schedule(mchid, at: at + .seconds(fault?.seconds ?? 1800)) { [self] at in
                await finishRefund(mchid, key, at)
            }
            return
        case "closed":
            refund.status = "CLOSED"
            move(refund, order, merchant, isBack: true, at: at)
        case "abnormal": refund.status = "ABNORMAL"
        case "processing": return
        default:
            refund.status = "SUCCESS"
            refund.succeededAt = at
        }
        merchant.refunds[key] = refund
        await notifyRefund(mchid, refund)
    }

    func refund(byID call: WeChatPayCall) throws(WeChatPayFailure) -> WeChatPayMerchant.Refund {
        let id = call.parameter("refund_id")
        guard let refund = call.merchant.refunds.values.first(where: { $0.refundID == id }) else {
            throw .absent("退款单不存在")
        }
        return refund
    }

    /// Sends a stuck refund another way.
    func resolveAbnormal(_ call: WeChatPayCall) throws(WeChatPayFailure) -> WeChatPayMerchant.Refund {
        var refund = try refund(byID: call)
        let body = try call.body()
        guard body["out_refund_no"]?.string == refund.outRefundNo else { throw .parameter("out_refund_no无效") }
        guard refund.status == "ABNORMAL" else { throw .invalid("退款单不是退款异常状态") }
        switch body["type"]?.string {
        case "MERCHANT_BANK_CARD": break
        case "USER_BANK_CARD":
            guard body["bank_type"]?.string != nil, try !opened(call, body["bank_account"], "bank_account").isEmpty,
                try !opened(call, body["real_name"], "real_name").isEmpty
            else { throw .parameter("缺少银行卡信息") }
        default: throw .parameter("type无效")
        }
        refund.status = "PROCESSING"
        refund.channel = "OTHER_BANKCARD"
        let order = call.merchant.orders[refund.orderKey]
        let key = WeChatPayMerchant.key(order?.subMchid, refund.outRefundNo)
        call.merchant.refunds[key] = refund
        let mchid = call.merchant.mchid
        clock.schedule(mchid, at: call.now + .seconds(3)) { [self] at in await finishRefund(mchid, key, at) }
        return refund
    }

    /// Pays an advance back from the sub-merchant's available money.
    func returnAdvance(_ call: WeChatPayCall) throws(WeChatPayFailure) -> JSON {
        var refund = try refund(byID: call)
        let merchant = call.merchant
        guard let order = merchant.orders[refund.orderKey], let sub = order.subMchid,
            try call.body()["sub_mchid"]?.string == sub
        else { throw .parameter("sub_mchid无效") }
        guard refund.advanced > .zero, refund.status == "SUCCESS" else { throw .invalid("该退款单不能垫付回补") }
        if refund.advanceReturn != nil { return refund.advanceJSON(merchant) }
        guard (merchant.accounts[sub]?.available ?? .zero) >= refund.advanced else { throw .notEnough("二级商户余额不足") }
        let id = freshNumber("5900", at: call.now, digits: 28)
        for (owner, change) in [(sub, -refund.advanced), (merchant.mchid, refund.advanced)] {
            merchant.accounts[owner, default: WeChatPayAccount()].book(
                change, .available, at: call.now, number: freshNumber("3000", at: call.now, digits: 28), name: "垫付回补",
                type: "退款", business: id, voucher: refund.outRefundNo)
        }
        refund.advanceReturn = (id, call.now)
        merchant.refunds[WeChatPayMerchant.key(sub, refund.outRefundNo)] = refund
        return refund.advanceJSON(merchant)
    }

    /// A sensitive field of a request, by the key that the caller says it sealed it for.
    func opened(_ call: WeChatPayCall, _ field: JSON?, _ name: String) throws(WeChatPayFailure) -> String {
        guard let text = field?.string else { throw .parameter("缺少\(name)") }
        guard let serial = call.request.header("Wechatpay-Serial") else { throw .parameter("缺少Wechatpay-Serial") }
        guard let plain = identity.opened(text, sealedFor: serial) else {
            throw .parameter("\(name)解密失败，请检查加密公钥与Wechatpay-Serial")
        }
        return plain
    }
}

extension WeChatPayMerchant.Refund {
    /// The refund as the API shows it.
    func json(_ merchant: WeChatPayMerchant) -> JSON {
        let order = merchant.orders[orderKey]
        let isAdvanced = advanced > .zero
        let isEcommerce = merchant.kind == .ecommerce
        var amounts: [JSON.Member] = [
            .init("refund", JSON(amount.value)), .init("payer_refund", JSON(amount.value)),
            .init("discount_refund", 0), .init("currency", "CNY"),
        ]
        if isEcommerce {
            if isAdvanced { amounts.append(.init("advance", JSON(advanced.value))) }
            if let from = request["amount"]?["from"] { amounts.append(.init("from", from)) }
        } else {
            amounts += [
                .init("total", JSON(order?.total.value)), .init("payer_total", JSON(order?.total.value)),
                .init("settlement_refund", JSON(amount.value)), .init("settlement_total", JSON(order?.total.value)),
            ]
        }
        let json: JSON = [
            "refund_id": .string(refundID), "out_refund_no": .string(outRefundNo),
            "transaction_id": JSON(order?.transactionID), "out_trade_no": JSON(order?.outTradeNo),
            "channel": .string(channel), "user_received_account": "支付用户零钱",
            "success_time": JSON(succeededAt?.rfc3339Shanghai), "create_time": .string(createdAt.rfc3339Shanghai),
            "status": .string(status), "funds_account": fromHeld > .zero ? "UNSETTLED" : "AVAILABLE",
            "refund_account": isEcommerce ? .string(account) : .null, "amount": .object(amounts),
        ]
        return json.omittingNulls
    }

    private var account: String { advanced > .zero ? "REFUND_SOURCE_PARTNER_ADVANCE" : "REFUND_SOURCE_SUB_MERCHANT" }

    /// What an e-commerce platform is answered when it asks for a refund: no state yet.
    func acceptance(_ merchant: WeChatPayMerchant) -> JSON {
        [
            "refund_id": .string(refundID), "out_refund_no": .string(outRefundNo),
            "create_time": .string(createdAt.rfc3339Shanghai), "refund_account": .string(account),
            "amount": [
                "refund": JSON(amount.value), "payer_refund": JSON(amount.value), "discount_refund": 0,
                "currency": "CNY", "advance": JSON(advanced.value),
            ],
        ]
    }

    /// The advance's way back.
    func advanceJSON(_ merchant: WeChatPayMerchant) -> JSON {
        let json: JSON = [
            "refund_id": .string(refundID), "advance_return_id": JSON(advanceReturn?.id),
            "return_amount": JSON(advanced.value), "payer_mchid": JSON(merchant.orders[orderKey]?.subMchid),
            "payer_account": "BASIC", "payee_mchid": .string(merchant.mchid), "payee_account": "BASIC",
            "result": "SUCCESS", "success_time": JSON(advanceReturn?.at.rfc3339Shanghai),
        ]
        return json.omittingNulls
    }
}
