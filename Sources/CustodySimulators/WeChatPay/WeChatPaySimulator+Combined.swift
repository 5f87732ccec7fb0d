import CustodyDomain
import CustodyWire

extension WeChatPayRoute {
    /// Combined orders (合单).
    static let combined: [WeChatPayRoute] =
        ["native", "jsapi", "h5", "app"].map { method in
            WeChatPayRoute("POST", "/v3/combine-transactions/\(method)", "pay_combined") {
                simulator, call throws(WeChatPayFailure) in
                .json(try simulator.placeCombined(call, method))
            }
        } + [
            WeChatPayRoute(
                "GET", "/v3/combine-transactions/out-trade-no/{combine_out_trade_no}", "query_combined"
            ) { simulator, call throws(WeChatPayFailure) in
                .json(try simulator.combinedJSON(try simulator.combined(call), call.merchant, call.now))
            },
            WeChatPayRoute(
                "POST", "/v3/combine-transactions/out-trade-no/{combine_out_trade_no}/close", "close_combined"
            ) { simulator, call throws(WeChatPayFailure) in
                try simulator.closeCombined(call)
            },
        ]
}

extension WeChatPaySimulator {
    /// How many parts a combined order may have, where sub-merchants are paid.
    static let partLimit = 50
    /// How many it has where a merchant pays itself: one alone is an ordinary order.
    static let directParts = 2...10

    func placeCombined(_ call: WeChatPayCall, _ method: String) throws(WeChatPayFailure) -> JSON {
        let (body, merchant, now) = (try call.body(), call.merchant, call.now)
        guard body["combine_mchid"]?.string == merchant.mchid, body["combine_appid"]?.string == merchant.appid else {
            throw WeChatPayFailure(400, "APPID_MCHID_NOT_MATCH", "combine_appid和combine_mchid不匹配")
        }
        let combineNo = try call.number("combine_out_trade_no", 6...32)
        guard let url = try call.notifyURL() else { throw .parameter("缺少notify_url") }
        if method == "jsapi", body["combine_payer_info"]?["openid"]?.string?.isEmpty ?? true {
            throw .parameter("缺少combine_payer_info.openid")
        }
        if method == "h5", body["scene_info"]?["payer_client_ip"]?.string == nil { throw .parameter("缺少scene_info") }
        if let known = merchant.combinedOrders[combineNo] { return try repeated(known, body, method, merchant, now) }
        let counts = merchant.kind == .direct ? Self.directParts : 1...Self.partLimit
        guard let parts = body["sub_orders"]?.array, counts.contains(parts.count) else {
            throw .parameter("sub_orders数量应为\(counts.lowerBound)至\(counts.upperBound)")
        }
        let expiresAt = try Self.expiry(body, now)
        let prompt = prompt(method, now)
        var orders: [WeChatPayMerchant.Order] = []
        for part in parts {
            let order = try combinedPart(part, call, combineNo, method, expiresAt, prompt)
            guard merchant.orders[order.key] == nil, !orders.contains(where: { $0.key == order.key }) else {
                throw WeChatPayFailure(403, "OUT_TRADE_NO_USED", "商户订单号重复")
            }
            orders.append(order)
        }
        for order in orders { merchant.orders[order.key] = order }
        merchant.combinedOrders[combineNo] = .init(
            combineNo: combineNo, request: body.sorted, method: method, prompt: prompt, orderKeys: orders.map(\.key),
            notifyURL: url)
        return prompt
    }

    private func repeated(
        _ known: WeChatPayMerchant.CombinedOrder, _ body: JSON, _ method: String, _ merchant: WeChatPayMerchant,
        _ now: Instant
    ) throws(WeChatPayFailure) -> JSON {
        let first = try order(known.orderKeys[0], merchant, now)
        guard first.state != .closed else { throw WeChatPayFailure(400, "ORDERCLOSED", "订单已关闭") }
        guard first.state == .unpaid else { throw WeChatPayFailure(400, "ORDERPAID", "该订单已支付") }
        guard known.method == method, known.request == body.sorted else {
            throw WeChatPayFailure(403, "OUT_TRADE_NO_USED", "商户订单号重复，参数与首次请求时不一致")
        }
        return known.prompt
    }

    private func combinedPart(
        _ part: JSON, _ call: WeChatPayCall, _ combineNo: String, _ method: String, _ expiresAt: Instant?,
        _ prompt: JSON
    ) throws(WeChatPayFailure) -> WeChatPayMerchant.Order {
        let merchant = call.merchant
        guard part["mchid"]?.string == merchant.mchid else { throw .parameter("sub_orders.mchid无效") }
        let sub = part["sub_mchid"] == nil ? nil : try call.subMerchant(part["sub_mchid"]?.string)
        guard sub != nil || merchant.kind != .ecommerce else { throw .parameter("缺少sub_mchid") }
        guard sub?.isClosed != true else { throw WeChatPayFailure(403, "NO_AUTH", "二级商户已注销") }
        guard let attach = part["attach"]?.string, (1...127).contains(attach.utf8.count),
            let description = part["description"]?.string, (1...127).contains(description.utf8.count),
            part["amount"]?["currency"]?.string == "CNY"
        else { throw .parameter("sub_orders无效") }
        var order = WeChatPayMerchant.Order(
            outTradeNo: try WeChatPayCall.number(part["out_trade_no"], "out_trade_no", 6...32),
            subMchid: sub?.subMchid, combineNo: combineNo,
            sharesProfit: part["settle_info"]?["profit_sharing"]?.bool ?? false, request: part.sorted, method: method,
            description: description, attach: attach,
            total: try call.amount(part["amount"]?["total_amount"], "total_amount"), notifyURL: nil,
            expiresAt: expiresAt, createdAt: call.now, prompt: prompt)
        order.announcedSubsidy = try Self.announcedSubsidy(part, call)
        return order
    }

    func combined(_ call: WeChatPayCall) throws(WeChatPayFailure) -> WeChatPayMerchant.CombinedOrder {
        guard let combined = call.merchant.combinedOrders[call.parameter("combine_out_trade_no")] else {
            throw WeChatPayFailure(404, "ORDER_NOT_EXIST", "订单不存在")
        }
        return combined
    }

    /// Closes a combined order, by exactly the parts it was placed with.
    func closeCombined(_ call: WeChatPayCall) throws(WeChatPayFailure) -> WeChatPayAnswer {
        let combined = try combined(call)
        let body = try call.body()
        guard body["combine_appid"]?.string == call.merchant.appid else { throw .parameter("combine_appid无效") }
        let keys = (body["sub_orders"]?.array ?? []).map {
            WeChatPayMerchant.key($0["sub_mchid"]?.string, $0["out_trade_no"]?.string ?? "")
        }
        guard Set(keys) == Set(combined.orderKeys), keys.count == combined.orderKeys.count else {
            throw .parameter("sub_orders与下单时不一致")
        }
        for key in combined.orderKeys {
            let order = try order(key, call.merchant, call.now)
            guard order.state == .unpaid || order.state == .closed else {
                throw WeChatPayFailure(400, "ORDERPAID", "该订单已支付")
            }
        }
        for key in combined.orderKeys { call.merchant.orders[key]?.state = .closed }
        return .noContent
    }

    /// The combined order as a query and a callback show it.
    func combinedJSON(
        _ combined: WeChatPayMerchant.CombinedOrder, _ merchant: WeChatPayMerchant, _ now: Instant
    ) throws(WeChatPayFailure) -> JSON {
        var parts: [JSON] = []
        var openid: String?
        for key in combined.orderKeys {
            let order = try order(key, merchant, now)
            openid = order.openid ?? openid
            var members: [JSON.Member] = [.init("mchid", .string(merchant.mchid))]
            if let sub = order.subMchid { members.append(.init("sub_mchid", .string(sub))) }
            members.append(.init("out_trade_no", .string(order.outTradeNo)))
            members += order.stateMembers
            members += [
                .init("attach", .string(order.attach)),
                .init(
                    "amount",
                    [
                        "total_amount": JSON(order.total.value), "currency": "CNY",
                        "payer_amount": JSON(order.total.value), "payer_currency": "CNY",
                    ]),
            ]
            parts.append(.object(members))
        }
        let json: JSON = [
            "combine_appid": .string(merchant.appid), "combine_mchid": .string(merchant.mchid),
            "combine_out_trade_no": .string(combined.combineNo), "sub_orders": .array(parts),
            "combine_payer_info": openid.map { ["openid": .string($0)] } ?? .null,
        ]
        return json.omittingNulls
    }
}
