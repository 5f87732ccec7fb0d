import CustodyDomain
import CustodyWire

extension WeChatPayRoute {
    /// Orders of direct merchants and of partners' sub-merchants.
    static let orders: [WeChatPayRoute] =
        ["native", "jsapi", "h5", "app"].flatMap { method in
            [("/v3/pay/transactions", anyone), ("/v3/pay/partner/transactions", partners)].map { base, kinds in
                WeChatPayRoute("POST", "\(base)/\(method)", "pay", for: kinds) {
                    simulator, call throws(WeChatPayFailure) in
                    .json(try simulator.place(call, method, isPartner: base.contains("partner")))
                }
            }
        }
        + [("/v3/pay/transactions", anyone), ("/v3/pay/partner/transactions", partners)].flatMap { base, kinds in
            let isPartner = base.contains("partner")
            return [
                WeChatPayRoute("GET", "\(base)/out-trade-no/{out_trade_no}", "query", for: kinds) {
                    simulator, call throws(WeChatPayFailure) in
                    let sub = try call.owner(isPartner, call.request.queryField)
                    let key = WeChatPayMerchant.key(sub, call.parameter("out_trade_no"))
                    return .json(try simulator.singleOrder(key, call).json(call.merchant))
                },
                WeChatPayRoute("GET", "\(base)/id/{transaction_id}", "query", for: kinds) {
                    simulator, call throws(WeChatPayFailure) in
                    let sub = try call.owner(isPartner, call.request.queryField)
                    guard let order = call.merchant.order(transactionID: call.parameter("transaction_id")),
                        order.subMchid == sub
                    else { throw WeChatPayFailure(404, "ORDER_NOT_EXIST", "订单不存在") }
                    return .json(order.json(call.merchant))
                },
                WeChatPayRoute("POST", "\(base)/out-trade-no/{out_trade_no}/close", "close", for: kinds) {
                    simulator, call throws(WeChatPayFailure) in
                    let body = try call.body()
                    let sub = try call.owner(isPartner) { body[$0]?.string }
                    let key = WeChatPayMerchant.key(sub, call.parameter("out_trade_no"))
                    let order = try simulator.singleOrder(key, call)
                    guard order.state == .unpaid || order.state == .closed else {
                        throw WeChatPayFailure(400, "ORDERPAID", "该订单已支付")
                    }
                    call.merchant.orders[key]?.state = .closed
                    return .noContent
                },
            ]
        }
}

extension WeChatPayCall {
    /// Checks that the caller asks for itself, and gives the sub-merchant it asks for.
    func owner(_ isPartner: Bool, _ field: (String) -> String?) throws(WeChatPayFailure) -> String? {
        guard isPartner else {
            guard field("mchid") == merchant.mchid else { throw .parameter("mchid与签名商户不一致") }
            return nil
        }
        guard field("sp_mchid") == merchant.mchid else { throw .parameter("sp_mchid与签名商户不一致") }
        return try subMerchant(field("sub_mchid")).subMchid
    }
}

/// Orders, by WeChat Pay's rules.
extension WeChatPaySimulator {
    /// Places an order, or gives the prompt of the same order again.
    func place(_ call: WeChatPayCall, _ method: String, isPartner: Bool) throws(WeChatPayFailure) -> JSON {
        let (body, merchant, now) = (try call.body(), call.merchant, call.now)
        let (appName, mchName) = isPartner ? ("sp_appid", "sp_mchid") : ("appid", "mchid")
        guard body[mchName]?.string == merchant.mchid, body[appName]?.string == merchant.appid else {
            throw WeChatPayFailure(400, "APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配")
        }
        let sub = isPartner ? try call.subMerchant(body["sub_mchid"]?.string) : nil
        guard sub?.isClosed != true else { throw WeChatPayFailure(403, "NO_AUTH", "二级商户已注销") }
        let outTradeNo = try call.number("out_trade_no", 6...32)
        let description = try call.text("description", 1...127)
        let total = try call.amount(body["amount"]?["total"], "amount.total")
        guard body["amount"]?["currency"]?.string ?? "CNY" == "CNY" else { throw .parameter("amount无效") }
        guard let url = try call.notifyURL() else { throw .parameter("缺少notify_url") }
        if method == "jsapi" {
            let payer =
                isPartner ? body["payer"]?["sp_openid"] ?? body["payer"]?["sub_openid"] : body["payer"]?["openid"]
            guard let payer = payer?.string, !payer.isEmpty else { throw .parameter("缺少payer.openid") }
        }
        if method == "h5", body["scene_info"]?["payer_client_ip"]?.string == nil { throw .parameter("缺少scene_info") }
        let key = WeChatPayMerchant.key(sub?.subMchid, outTradeNo)
        if merchant.orders[key] != nil {
            let known = try order(key, merchant, now)
            guard known.state != .closed else { throw WeChatPayFailure(400, "ORDERCLOSED", "订单已关闭") }
            guard known.state == .unpaid else { throw WeChatPayFailure(400, "ORDERPAID", "该订单已支付") }
            guard known.method == method, known.request == body.sorted else {
                throw WeChatPayFailure(403, "OUT_TRADE_NO_USED", "商户订单号重复，参数与首次请求时不一致")
            }
            return known.prompt
        }
        var order = WeChatPayMerchant.Order(
            outTradeNo: outTradeNo, subMchid: sub?.subMchid,
            sharesProfit: body["settle_info"]?["profit_sharing"]?.bool ?? false, request: body.sorted, method: method,
            description: description, attach: body["attach"]?.string ?? "", total: total, notifyURL: url,
            expiresAt: try Self.expiry(body, now), createdAt: now, prompt: prompt(method, now))
        order.announcedSubsidy = try Self.announcedSubsidy(body, call)
        merchant.orders[key] = order
        return order.prompt
    }

    static func expiry(_ body: JSON, _ now: Instant) throws(WeChatPayFailure) -> Instant? {
        guard let text = body["time_expire"]?.string else { return nil }
        guard let time = Instant(text: text), time > now else { throw .parameter("time_expire无效或早于当前时间") }
        return time
    }

    func prompt(_ method: String, _ now: Instant) -> JSON {
        let id = freshNumber("wx", at: now, digits: 36)
        return switch method {
        case "native": ["code_url": .string("weixin://wxpay/bizpayurl?pr=\(id.suffix(11))")]
        case "h5":
            ["h5_url": .string("https://wx.tenpay.com/cgi-bin/mmpayweb-bin/checkmweb?prepay_id=\(id)&package=1")]
        default: ["prepay_id": .string(id)]
        }
    }

    /// An order that may be asked for and closed by itself: not a part of a combined one.
    func singleOrder(_ key: String, _ call: WeChatPayCall) throws(WeChatPayFailure) -> WeChatPayMerchant.Order {
        let order = try order(key, call.merchant, call.now)
        guard order.combineNo == nil else { throw .invalid("合单订单请使用合单接口") }
        return order
    }

    /// An order as it is now: an unpaid one past its time is closed.
    func order(
        _ key: String, _ merchant: WeChatPayMerchant, _ now: Instant
    ) throws(WeChatPayFailure) -> WeChatPayMerchant.Order {
        guard var order = merchant.orders[key] else {
            throw WeChatPayFailure(404, "ORDER_NOT_EXIST", "订单不存在")
        }
        let end = min(order.expiresAt ?? order.createdAt + .seconds(7 * 86_400), order.createdAt + .seconds(7 * 86_400))
        if order.state == .unpaid, now >= end {
            order.state = .closed
            merchant.orders[key] = order
        }
        return order
    }

    /// The buyer has paid an order: it gets its number, and the money its place.
    ///
    /// - Returns: The order as it is now.
    @discardableResult
    func settlePaid(
        _ order: WeChatPayMerchant.Order, _ merchant: WeChatPayMerchant, openid: String, at now: Instant
    ) -> WeChatPayMerchant.Order {
        var order = order
        let transactionID = freshNumber("4200", at: now, digits: 28)
        order.state = .paid
        order.paidAt = now
        order.openid = openid
        order.transactionID = transactionID
        let owner = order.subMchid ?? merchant.mchid
        let fee = WeChatPayMerchant.fee(of: order.total)
        let purse: WeChatPayAccount.Purse = order.sharesProfit ? .held : .available
        for (change, name) in [(order.total, "交易"), (-fee, "扣除交易手续费")] {
            merchant.accounts[owner, default: WeChatPayAccount()].book(
                change, purse, at: now, number: freshNumber("3000", at: now, digits: 28), name: name, type: name,
                business: transactionID, voucher: order.outTradeNo)
        }
        if order.sharesProfit { order.unsplit = order.total - fee }
        merchant.orders[order.key] = order
        merchant.orderKeysByTransaction[transactionID] = order.key
        scheduleLump(merchant, BusinessDate(of: now))
        if order.sharesProfit {
            let (mchid, key) = (merchant.mchid, order.key)
            let window = merchant.kind == .ecommerce ? Self.ecommerceSplitDays : Self.ordinarySplitDays
            clock.schedule(mchid, at: now + .seconds(window * 86_400)) { [self] at in
                await unfreeze(mchid, key, at)
            }
        }
        return order
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
        var members: [JSON.Member]
        if let subMchid {
            members = [
                .init("sp_appid", .string(merchant.appid)), .init("sp_mchid", .string(merchant.mchid)),
                .init("sub_mchid", .string(subMchid)),
            ]
            if let subAppid = request["sub_appid"] { members.append(.init("sub_appid", subAppid)) }
        } else {
            members = [.init("appid", .string(merchant.appid)), .init("mchid", .string(merchant.mchid))]
        }
        members.append(.init("out_trade_no", .string(outTradeNo)))
        members += stateMembers
        members += [
            .init("trade_state_desc", .string(Self.descriptions[state.rawValue] ?? "")),
            .init("attach", .string(attach)),
            .init(
                "amount",
                [
                    "total": JSON(total.value), "payer_total": JSON(total.value), "currency": "CNY",
                    "payer_currency": "CNY",
                ]),
        ]
        if let openid {
            members.append(
                .init("payer", .object([.init(subMchid == nil ? "openid" : "sp_openid", .string(openid))])))
        }
        return .object(members)
    }

    private static let descriptions = ["NOTPAY": "订单未支付", "SUCCESS": "支付成功", "REFUND": "转入退款", "CLOSED": "订单已关闭"]

    /// State, and what there is once it is paid.
    var stateMembers: [JSON.Member] {
        var members: [JSON.Member] = []
        if let transactionID, let paidAt {
            members += [
                .init("transaction_id", .string(transactionID)), .init("trade_type", .string(tradeType)),
                .init("bank_type", "OTHERS"), .init("success_time", .string(paidAt.rfc3339Shanghai)),
            ]
        }
        return members + [.init("trade_state", .string(state.rawValue))]
    }
}
