import CustodyDomain
import CustodyWire

extension WeChatPayRoute {
    /// How often an order's money may be split, for a platform and for each of those whose money it is.
    private static let ecommerceSplitLimits: [WeChatPayRateLimit] = [
        .perSecond(2000, code: "FREQUENCY_LIMITED"),
        .perSecond(300, of: .subMerchant, code: "FREQUENCY_LIMITED"),
    ]
    private static let ordinarySplitLimits: [WeChatPayRateLimit] = [
        .perSecond(300, code: "FREQUENCY_LIMITED"), .perSecond(30, of: .subMerchant, code: "FREQUENCY_LIMITED"),
    ]

    /// Profit sharing (分账): one engine under two sets of names.
    static let profitSharing: [WeChatPayRoute] =
        [
            WeChatPayRoute(
                "POST", "/v3/ecommerce/profitsharing/orders", "split", for: ecommerce, limits: ecommerceSplitLimits
            ) {
                simulator, call throws(WeChatPayFailure) in
                .json(try simulator.acceptSplit(call).json(call.merchant))
            },
            WeChatPayRoute(
                "GET", "/v3/ecommerce/profitsharing/orders", "query_split", for: ecommerce, limits: [.perSecond(500)]
            ) {
                simulator, call throws(WeChatPayFailure) in
                .json(try simulator.split(call, try call.query("out_order_no")).json(call.merchant))
            },
            WeChatPayRoute("POST", "/v3/ecommerce/profitsharing/finish-order", "finish_split", for: ecommerce) {
                simulator, call throws(WeChatPayFailure) in
                .json(try simulator.finishSplitting(call).json(call.merchant, isFinish: true))
            },
            WeChatPayRoute(
                "GET", "/v3/ecommerce/profitsharing/orders/{transaction_id}/amounts", "unsplit", for: ecommerce
            ) { simulator, call throws(WeChatPayFailure) in
                .json(try simulator.unsplit(call))
            },
            WeChatPayRoute(
                "POST", "/v3/ecommerce/profitsharing/returnorders", "return_split", for: ecommerce,
                limits: [.perSecond(100)]
            ) { simulator, call throws(WeChatPayFailure) in
                .json(try simulator.acceptReturn(call).json(call.merchant))
            },
            WeChatPayRoute("GET", "/v3/ecommerce/profitsharing/returnorders", "query_return", for: ecommerce) {
                simulator, call throws(WeChatPayFailure) in
                .json(try simulator.splitReturn(call, try call.query("out_return_no")).json(call.merchant))
            },
            WeChatPayRoute("POST", "/v3/profitsharing/orders", "split", for: ordinary, limits: ordinarySplitLimits) {
                simulator, call throws(WeChatPayFailure) in
                .json(try simulator.acceptSplit(call).json(call.merchant))
            },
            WeChatPayRoute("GET", "/v3/profitsharing/orders/{out_order_no}", "query_split", for: ordinary) {
                simulator, call throws(WeChatPayFailure) in
                .json(try simulator.split(call, call.parameter("out_order_no")).json(call.merchant))
            },
            WeChatPayRoute("POST", "/v3/profitsharing/orders/unfreeze", "finish_split", for: ordinary) {
                simulator, call throws(WeChatPayFailure) in
                .json(try simulator.finishSplitting(call).json(call.merchant))
            },
            WeChatPayRoute("GET", "/v3/profitsharing/transactions/{transaction_id}/amounts", "unsplit", for: ordinary) {
                simulator, call throws(WeChatPayFailure) in
                .json(try simulator.unsplit(call))
            },
            WeChatPayRoute(
                "POST", "/v3/profitsharing/return-orders", "return_split", for: ordinary, limits: [.perSecond(100)]
            ) {
                simulator, call throws(WeChatPayFailure) in
                .json(try simulator.acceptReturn(call).json(call.merchant))
            },
            WeChatPayRoute("GET", "/v3/profitsharing/return-orders/{out_return_no}", "query_return", for: ordinary) {
                simulator, call throws(WeChatPayFailure) in
                .json(try simulator.splitReturn(call, call.parameter("out_return_no")).json(call.merchant))
            },
            WeChatPayRoute("GET", "/v3/profitsharing/merchant-configs/{sub_mchid}", "ratio", for: partners) {
                simulator, call throws(WeChatPayFailure) in
                let sub = try call.subMerchant(call.parameter("sub_mchid"))
                return .json(["sub_mchid": .string(sub.subMchid), "max_ratio": JSON(sub.maxRatio)])
            },
        ]
        + [("/v3/ecommerce/profitsharing/receivers", ecommerce), ("/v3/profitsharing/receivers", ordinary)].flatMap {
            base, kinds in
            [
                WeChatPayRoute("POST", "\(base)/add", "add_receiver", for: kinds) {
                    simulator, call throws(WeChatPayFailure) in
                    .json(try simulator.changeReceiver(call, isAdded: true))
                },
                WeChatPayRoute("POST", "\(base)/delete", "delete_receiver", for: kinds) {
                    simulator, call throws(WeChatPayFailure) in
                    .json(try simulator.changeReceiver(call, isAdded: false))
                },
            ]
        }
}

extension WeChatPaySimulator {
    /// How many days after payment splitting ends by itself.
    static let ecommerceSplitDays: Int64 = 180
    static let ordinarySplitDays: Int64 = 30
    /// How many receivers a split may have, and how many splits an order.
    static let receiverLimit = 50
    static let splitLimit = 50
    static let receiverListLimit = 20_000
    /// What a person may receive in a month.
    static let personalLimit = Fen(20_000_000)
    private static let ecommerceRelations: Set<String> = [
        "SUPPLIER", "DISTRIBUTOR", "SERVICE_PROVIDER", "PLATFORM", "OTHERS",
    ]

    /// Adds a receiver, or strikes one off; both may be repeated.
    func changeReceiver(_ call: WeChatPayCall, isAdded: Bool) throws(WeChatPayFailure) -> JSON {
        let body = try call.body()
        guard body["appid"]?.string == call.merchant.appid else { throw .parameter("appid无效") }
        guard let type = body["type"]?.string, ["MERCHANT_ID", "PERSONAL_OPENID"].contains(type) else {
            throw .parameter("type无效")
        }
        let account = try call.text("account", 1...64)
        let entry = "\(type)/\(account)"
        if isAdded {
            guard let relation = body["relation_type"]?.string, !relation.isEmpty,
                call.merchant.kind != .ecommerce || Self.ecommerceRelations.contains(relation)
            else { throw .parameter("relation_type无效") }
            // An ordinary partner seals the name; an e-commerce platform seals a person's under another field.
            let sealedName = call.merchant.kind == .ecommerce ? body["encrypted_name"] : body["name"]
            if let sealedName { _ = try opened(call, sealedName, "name") }
            guard call.merchant.receivers.count < Self.receiverListLimit else {
                throw .ruleLimit("分账接收方数量超限")
            }
            call.merchant.receivers.insert(entry)
        } else {
            call.merchant.receivers.remove(entry)
        }
        return [
            "sub_mchid": body["sub_mchid"] ?? .null, "type": .string(type), "account": .string(account),
            "relation_type": body["relation_type"] ?? .null,
        ]
    }

    /// The order whose money is to be split, when it may be split now.
    private func splittable(_ call: WeChatPayCall) throws(WeChatPayFailure) -> WeChatPayMerchant.Order {
        let body = try call.body()
        let sub = body["sub_mchid"] == nil ? nil : try call.subMerchant(body["sub_mchid"]?.string).subMchid
        guard let order = body["transaction_id"]?.string.flatMap({ call.merchant.order(transactionID: $0) }),
            order.subMchid == sub
        else { throw .absent("订单不存在") }
        guard let paidAt = order.paidAt, order.sharesProfit else { throw .invalid("非分账订单不支持分账") }
        guard call.now >= paidAt + .seconds(60) else { throw .invalid("订单处理中，请稍后重试") }
        guard !order.awaitsSubsidy else { throw .invalid("订单未补差，请先补差或取消补差") }
        return order
    }

    /// Accepts a split, or gives the same split again.
    func acceptSplit(_ call: WeChatPayCall) throws(WeChatPayFailure) -> WeChatPaySplit {
        let (body, merchant) = (try call.body(), call.merchant)
        let outOrderNo = try call.number("out_order_no", 1...64)
        let key = WeChatPayMerchant.key(body["sub_mchid"]?.string, outOrderNo)
        if let known = merchant.splits[key] {
            guard known.request["transaction_id"] == body["transaction_id"] else {
                throw .parameter("微信支付订单号与原请求不一致")
            }
            guard known.request == body.sorted else { throw .parameter("分账接收方与原请求不一致") }
            return known
        }
        let order = try splittable(call)
        guard let isLast = body[merchant.kind == .ecommerce ? "finish" : "unfreeze_unsplit"]?.bool else {
            throw .parameter("缺少finish")
        }
        let receivers = try receivers(call, isLast)
        let total = receivers.map(\.amount).sum()
        let refunded = order.refunds.compactMap { merchant.refunds[$0] }.filter { $0.status != "CLOSED" }
        guard refunded.map(\.amount).sum() < order.total else { throw .invalid("订单已全额退款") }
        guard !order.isUnfrozen else { throw .invalid("订单已完结分账，不支持分账") }
        guard order.splitCount < Self.splitLimit else { throw .ruleLimit("分账次数超限") }
        let ratio = order.subMchid.flatMap { merchant.subMerchants[$0]?.maxRatio } ?? 3000
        guard order.split + total <= Fen(order.total.value * ratio / 10_000) else {
            throw .ruleLimit("分账金额超出最大分账比例")
        }
        guard total <= order.unsplit else { throw .notEnough("分账金额不足") }
        let split = WeChatPaySplit(
            outOrderNo: outOrderNo, orderID: freshNumber("3008", at: call.now, digits: 28), orderKey: order.key,
            request: body.sorted, createdAt: call.now, isLast: isLast, receivers: receivers)
        merchant.splits[key] = split
        merchant.orders[order.key]?.unsplit -= total
        merchant.orders[order.key]?.split += total
        merchant.orders[order.key]?.splitCount += 1
        if isLast { merchant.orders[order.key]?.isUnfrozen = true }
        let mchid = merchant.mchid
        clock.schedule(mchid, at: call.now + .seconds(5)) { [self] at in await executeSplit(mchid, key, at) }
        return split
    }

    private func receivers(
        _ call: WeChatPayCall, _ isLast: Bool
    ) throws(WeChatPayFailure) -> [WeChatPaySplit.Receiver] {
        let list = try call.body()["receivers"]?.array ?? []
        guard list.count <= Self.receiverLimit, isLast || !list.isEmpty else { throw .parameter("receivers数量无效") }
        var receivers: [WeChatPaySplit.Receiver] = []
        for receiver in list {
            guard let type = receiver["type"]?.string, ["MERCHANT_ID", "PERSONAL_OPENID"].contains(type),
                let account = (receiver["receiver_account"] ?? receiver["account"])?.string, !account.isEmpty,
                let description = receiver["description"]?.string, (1...80).contains(description.utf8.count)
            else { throw .parameter("receivers无效") }
            if let name = receiver["receiver_name"] ?? receiver["name"] { _ = try opened(call, name, "receiver_name") }
            guard call.merchant.receivers.contains("\(type)/\(account)") else { throw .invalid("分账接收方关系不存在") }
            receivers.append(
                .init(
                    type: type, account: account, amount: try call.amount(receiver["amount"], "receivers.amount"),
                    description: description, detailID: freshNumber("3600", at: call.now, digits: 32)))
        }
        return receivers
    }

    /// Why a receiver gets nothing; nil when it gets its part.
    private func failure(
        of receiver: WeChatPaySplit.Receiver, _ order: WeChatPayMerchant.Order, _ merchant: WeChatPayMerchant,
        _ fault: FaultRule?, _ at: Instant
    ) -> String? {
        guard merchant.receivers.contains("\(receiver.type)/\(receiver.account)") else { return "NO_RELATION" }
        if fault?.fault == "closed", fault?.parameters["receiver"]?.string.map({ $0 == receiver.account }) ?? true {
            return fault?.parameters["fail_reason"]?.string ?? "ACCOUNT_ABNORMAL"
        }
        if let payer = order.subMchid, merchant.subMerchants[payer]?.isFrozen == true {
            return "PAYER_ACCOUNT_ABNORMAL"
        }
        if let sub = merchant.subMerchants[receiver.account], sub.isFrozen || sub.isClosed {
            return "ACCOUNT_ABNORMAL"
        }
        guard receiver.type == "PERSONAL_OPENID" else { return nil }
        let month = BusinessDate(of: at).iso.prefix(7)
        let received = merchant.splits.values.flatMap(\.receivers).filter {
            $0.type == receiver.type && $0.account == receiver.account && $0.result == "SUCCESS"
                && $0.finishedAt.map { BusinessDate(of: $0).iso.prefix(7) == month } == true
        }
        let isOver = received.map(\.amount).sum() + receiver.amount > Self.personalLimit
        return isOver ? "RECEIVER_RECEIPT_LIMIT" : nil
    }

    /// The receivers get theirs, or don't; then the rest is set free if this was the last.
    func executeSplit(_ mchid: String, _ key: String, _ at: Instant) async {
        guard let merchant = merchants[mchid], var split = merchant.splits[key], split.status == "PROCESSING",
            let order = merchant.orders[split.orderKey]
        else { return }
        let total = split.receivers.map(\.amount).sum()
        let fault = outcome("split_result", merchant, serial: split.outOrderNo, amount: total)
        if fault?.fault == "processing" { return }
        if let fault, fault.fault == "delayed" {
            clock.schedule(mchid, at: at + .seconds(fault.seconds ?? 1800)) { [self] at in
                await executeSplit(mchid, key, at)
            }
            return
        }
        let owner = order.subMchid ?? mchid
        for index in split.receivers.indices {
            let receiver = split.receivers[index]
            split.receivers[index].finishedAt = at
            if let reason = failure(of: receiver, order, merchant, fault, at) {
                split.receivers[index].result = "CLOSED"
                split.receivers[index].failReason = reason
                merchant.orders[order.key]?.unsplit += receiver.amount
                merchant.orders[order.key]?.split -= receiver.amount
                continue
            }
            split.receivers[index].result = "SUCCESS"
            book(merchant, owner, -receiver.amount, .held, "分账", "分账", receiver.detailID, split.outOrderNo, at)
            if let holder = holder(of: receiver.account, type: receiver.type, merchant) {
                book(
                    merchant, holder, receiver.amount, .available, "分账", "分账", receiver.detailID, split.outOrderNo,
                    at)
            }
        }
        split.status = "FINISHED"
        if split.isLast { split.finishAmount = releaseRest(order.key, merchant, at) }
        merchant.splits[key] = split
        await notifyReceivers(mchid, split, order)
    }

    /// Who of those we keep accounts for gets a part; nil for people and strangers.
    func holder(of account: String, type: String, _ merchant: WeChatPayMerchant) -> String? {
        guard type == "MERCHANT_ID" else { return nil }
        return account == merchant.mchid || merchant.subMerchants[account] != nil ? account : nil
    }

    func book(
        _ merchant: WeChatPayMerchant, _ owner: String, _ change: Fen, _ purse: WeChatPayAccount.Purse, _ name: String,
        _ type: String, _ business: String, _ voucher: String, _ at: Instant
    ) {
        merchant.accounts[owner, default: WeChatPayAccount()].book(
            change, purse, at: at, number: freshNumber("3000", at: at, digits: 28), name: name, type: type,
            business: business, voucher: voucher)
    }

    /// Sets free what is held back still; gives how much that was.
    func releaseRest(_ orderKey: String, _ merchant: WeChatPayMerchant, _ at: Instant) -> Fen {
        guard let order = merchant.orders[orderKey] else { return .zero }
        let rest = order.unsplit
        merchant.accounts[order.subMchid ?? merchant.mchid, default: WeChatPayAccount()].release(rest, at: at)
        merchant.orders[orderKey]?.unsplit = .zero
        merchant.orders[orderKey]?.isUnfrozen = true
        return rest
    }

    /// The time for splitting is over.
    func unfreeze(_ mchid: String, _ orderKey: String, _ at: Instant) {
        guard let merchant = merchants[mchid], merchant.orders[orderKey]?.isUnfrozen == false else { return }
        _ = releaseRest(orderKey, merchant, at)
    }

    /// Ends splitting; under the number of a split, it answers and does nothing.
    func finishSplitting(_ call: WeChatPayCall) throws(WeChatPayFailure) -> WeChatPaySplit {
        let (body, merchant) = (try call.body(), call.merchant)
        let outOrderNo = try call.number("out_order_no", 1...64)
        let description = try call.text("description", 1...80)
        let key = WeChatPayMerchant.key(body["sub_mchid"]?.string, outOrderNo)
        if let known = merchant.splits[key] { return known }
        let order = try splittable(call)
        guard !order.isUnfrozen else { throw .invalid("订单已解冻") }
        var split = WeChatPaySplit(
            outOrderNo: outOrderNo, orderID: freshNumber("3008", at: call.now, digits: 28), orderKey: order.key,
            request: body.sorted, createdAt: call.now, isLast: true, receivers: [])
        split.finishAmount = releaseRest(order.key, merchant, call.now)
        split.finishDescription = description
        split.status = "FINISHED"
        merchant.splits[key] = split
        return split
    }

    func split(_ call: WeChatPayCall, _ outOrderNo: String) throws(WeChatPayFailure) -> WeChatPaySplit {
        let key = WeChatPayMerchant.key(call.request.queryField("sub_mchid"), outOrderNo)
        let transactionID = try call.query("transaction_id")
        guard let split = call.merchant.splits[key],
            call.merchant.orders[split.orderKey]?.transactionID == transactionID
        else { throw .absent("分账单不存在") }
        return split
    }

    func unsplit(_ call: WeChatPayCall) throws(WeChatPayFailure) -> JSON {
        let id = call.parameter("transaction_id")
        guard let order = call.merchant.order(transactionID: id) else { throw .absent("订单不存在") }
        return ["transaction_id": .string(id), "unsplit_amount": JSON(order.unsplit.value)]
    }
}
