import CustodyDomain
import CustodyWire

/// Orders and refunds, by WeChat Pay's rules.
extension WeChatPaySimulator {
    /// Places an order, or gives the prompt of the same order again.
    func place(
        _ body: JSON, _ method: String, _ merchant: WeChatPayMerchant, _ now: Instant
    ) throws(WeChatPayFailure) -> JSON {
        guard body["mchid"]?.string == merchant.mchid, body["appid"]?.string == merchant.appid else {
            throw WeChatPayFailure(400, "APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配")
        }
        let outTradeNo = try number(body, "out_trade_no", 6...32)
        guard let description = body["description"]?.string, (1...127).contains(description.utf8.count) else {
            throw WeChatPayFailure(400, "PARAM_ERROR", "description无效")
        }
        guard let total = body["amount"]?["total"]?.integer, total >= 1, total <= 100_000_000_000,
            body["amount"]?["currency"]?.string ?? "CNY" == "CNY"
        else { throw WeChatPayFailure(400, "PARAM_ERROR", "amount无效") }
        guard let url = try notifyURL(body) else { throw WeChatPayFailure(400, "PARAM_ERROR", "缺少notify_url") }
        if method == "jsapi", body["payer"]?["openid"]?.string?.isEmpty ?? true {
            throw WeChatPayFailure(400, "PARAM_ERROR", "缺少payer.openid")
        }
        if method == "h5", body["scene_info"]?["payer_client_ip"]?.string == nil {
            throw WeChatPayFailure(400, "PARAM_ERROR", "缺少scene_info")
        }
        if merchant.orders[outTradeNo] != nil {
            let known = try order(outTradeNo, merchant, now)
            guard known.state != .closed else { throw WeChatPayFailure(400, "ORDERCLOSED", "订单已关闭") }
            guard known.state == .unpaid else { throw WeChatPayFailure(400, "ORDERPAID", "该订单已支付") }
            guard known.method == method, known.request == body.sorted else {
                throw WeChatPayFailure(403, "OUT_TRADE_NO_USED", "商户订单号重复，参数与首次请求时不一致")
            }
            return known.prompt
        }
        var expiresAt: Instant?
        if let text = body["time_expire"]?.string {
            guard let time = Instant(text: text), time > now else {
                throw WeChatPayFailure(400, "PARAM_ERROR", "time_expire无效或早于当前时间")
            }
            expiresAt = time
        }
        let order = WeChatPayMerchant.Order(
            outTradeNo: outTradeNo, request: body.sorted, method: method, description: description,
            attach: body["attach"]?.string ?? "", total: Fen(total), notifyURL: url, expiresAt: expiresAt,
            createdAt: now, prompt: prompt(method, now))
        merchant.orders[outTradeNo] = order
        return order.prompt
    }

    private func prompt(_ method: String, _ now: Instant) -> JSON {
        let id = freshNumber("wx", at: now, digits: 36)
        return switch method {
        case "native": ["code_url": .string("weixin://wxpay/bizpayurl?pr=\(id.suffix(11))")]
        case "h5":
            ["h5_url": .string("https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=\(id)&package=1")]
        default: ["prepay_id": .string(id)]
        }
    }

    /// An order as it is now: an unpaid one past its time is closed.
    func order(
        _ outTradeNo: String, _ merchant: WeChatPayMerchant, _ now: Instant
    ) throws(WeChatPayFailure) -> WeChatPayMerchant.Order {
        guard var order = merchant.orders[outTradeNo] else {
            throw WeChatPayFailure(404, "ORDER_NOT_EXIST", "订单不存在")
        }
        let end = min(order.expiresAt ?? order.createdAt + .seconds(7 * 86_400), order.createdAt + .seconds(7 * 86_400))
        if order.state == .unpaid, now >= end {
            order.state = .closed
            merchant.orders[outTradeNo] = order
        }
        return order
    }

    /// Accepts a refund, or gives the same refund again.
    func acceptRefund(
        _ body: JSON, _ merchant: WeChatPayMerchant, _ now: Instant
    ) throws(WeChatPayFailure) -> WeChatPayMerchant.Refund {
        let outRefundNo = try number(body, "out_refund_no", 1...64)
        if let known = merchant.refunds[outRefundNo] {
            guard known.request == body.sorted else {
                throw WeChatPayFailure(400, "INVALID_REQUEST", "请求重入时，参数与首次请求时不一致")
            }
            return known
        }
        guard let amount = body["amount"]?["refund"]?.integer, amount >= 1,
            let total = body["amount"]?["total"]?.integer, body["amount"]?["currency"]?.string == "CNY"
        else { throw WeChatPayFailure(400, "PARAM_ERROR", "amount无效") }
        let found =
            body["out_trade_no"]?.string.flatMap { merchant.orders[$0] }
            ?? body["transaction_id"]?.string.flatMap { id in
                merchant.orders.values.first { $0.transactionID == id }
            }
        guard let order = found else { throw WeChatPayFailure(404, "RESOURCE_NOT_EXISTS", "订单不存在") }
        guard let paidAt = order.paidAt else { throw WeChatPayFailure(400, "INVALID_REQUEST", "订单未支付") }
        guard order.total.value == total else {
            throw WeChatPayFailure(400, "INVALID_REQUEST", "订单总金额与实际支付金额不一致")
        }
        guard now < paidAt + .seconds(365 * 86_400) else {
            throw WeChatPayFailure(400, "INVALID_REQUEST", "订单已超过退款期限")
        }
        guard order.refunds.count < 50 else { throw WeChatPayFailure(400, "INVALID_REQUEST", "部分退款次数超限") }
        let earlier = order.refunds.compactMap { merchant.refunds[$0] }.filter { $0.status != "CLOSED" }
        guard earlier.map(\.amount).sum().value + amount <= total else {
            throw WeChatPayFailure(400, "INVALID_REQUEST", "累计退款金额超过订单金额")
        }
        let refund = WeChatPayMerchant.Refund(
            outRefundNo: outRefundNo, outTradeNo: order.outTradeNo, request: body.sorted,
            refundID: freshNumber("5000", at: now, digits: 29), amount: Fen(amount), notifyURL: try notifyURL(body),
            createdAt: now)
        merchant.refunds[outRefundNo] = refund
        merchant.orders[order.outTradeNo]?.refunds.append(outRefundNo)
        merchant.orders[order.outTradeNo]?.state = .refunded
        scheduleLump(merchant, BusinessDate(of: now))
        let mchid = merchant.mchid
        clock.schedule(mchid, at: now + .seconds(3)) { [self] at in await finishRefund(mchid, outRefundNo, at) }
        return refund
    }

    /// A refund comes to its end on virtual time, and says so.
    private func finishRefund(_ mchid: String, _ outRefundNo: String, _ at: Instant) async {
        guard let merchant = merchants[mchid], var refund = merchant.refunds[outRefundNo],
            refund.status == "PROCESSING"
        else { return }
        let fault = faults.take("refund_result", merchant: mchid, serial: outRefundNo, amount: refund.amount)?.fault
        switch fault {
        case "closed": refund.status = "CLOSED"
        case "abnormal": refund.status = "ABNORMAL"
        case "processing": return
        default:
            refund.status = "SUCCESS"
            refund.succeededAt = at
        }
        merchant.refunds[outRefundNo] = refund
        await notifyRefund(mchid, refund)
    }

    private func number(
        _ body: JSON, _ name: String, _ length: ClosedRange<Int>
    ) throws(WeChatPayFailure) -> String {
        let others = Set("_-|*@".utf8)
        guard let text = body[name]?.string, length.contains(text.utf8.count),
            text.utf8.allSatisfy({ byte in
                (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
                    || others.contains(byte)
            })
        else { throw WeChatPayFailure(400, "PARAM_ERROR", "\(name)无效") }
        return text
    }

    private func notifyURL(_ body: JSON) throws(WeChatPayFailure) -> String? {
        guard let url = body["notify_url"] else { return nil }
        guard let text = url.string, text.hasPrefix("https://") || text.hasPrefix("http://"), !text.contains("?"),
            text.utf8.count <= 256
        else { throw WeChatPayFailure(400, "PARAM_ERROR", "notify_url无效") }
        return text
    }
}

extension JSON {
    /// The same value with members in the order of their names, so that contents can be compared.
    var sorted: JSON {
        switch self {
        case .object(let members):
            .object(members.map { Member($0.name, $0.value.sorted) }.sorted { $0.name < $1.name })
        case .array(let elements): .array(elements.map(\.sorted))
        default: self
        }
    }
}

extension WeChatPayMerchant.Order {
    /// The order as a query and a callback show it.
    func json(_ merchant: WeChatPayMerchant) -> JSON {
        let descriptions = ["NOTPAY": "订单未支付", "SUCCESS": "支付成功", "REFUND": "转入退款", "CLOSED": "订单已关闭"]
        var members: [JSON.Member] = [
            .init("appid", .string(merchant.appid)), .init("mchid", .string(merchant.mchid)),
            .init("out_trade_no", .string(outTradeNo)),
        ]
        if let transactionID, let paidAt {
            members += [
                .init("transaction_id", .string(transactionID)), .init("trade_type", .string(tradeType)),
                .init("bank_type", "OTHERS"), .init("success_time", .string(paidAt.rfc3339Shanghai)),
            ]
        }
        members += [
            .init("trade_state", .string(state.rawValue)),
            .init("trade_state_desc", JSON(descriptions[state.rawValue])), .init("attach", .string(attach)),
            .init(
                "amount",
                [
                    "total": JSON(total.value), "payer_total": JSON(total.value), "currency": "CNY",
                    "payer_currency": "CNY",
                ]),
        ]
        if let openid { members.append(.init("payer", ["openid": .string(openid)])) }
        return .object(members)
    }
}

extension WeChatPayMerchant.Refund {
    /// The refund as the API shows it.
    func json(_ merchant: WeChatPayMerchant) -> JSON {
        let order = merchant.orders[outTradeNo]
        let json: JSON = [
            "refund_id": .string(refundID), "out_refund_no": .string(outRefundNo),
            "transaction_id": JSON(order?.transactionID), "out_trade_no": .string(outTradeNo), "channel": "ORIGINAL",
            "user_received_account": "支付用户零钱", "success_time": JSON(succeededAt?.rfc3339Shanghai),
            "create_time": .string(createdAt.rfc3339Shanghai), "status": .string(status),
            "funds_account": "AVAILABLE",
            "amount": [
                "total": JSON(order?.total.value), "refund": JSON(amount.value),
                "payer_total": JSON(order?.total.value),
                "payer_refund": JSON(amount.value), "settlement_refund": JSON(amount.value),
                "settlement_total": JSON(order?.total.value), "discount_refund": 0, "currency": "CNY",
            ],
        ]
        return json.omittingNulls
    }
}
