import CustodyDomain
import CustodyWire

extension WeChatPayRoute {
    /// Profit sharing (分账): one engine under two sets of names.
    static let profitSharing: [WeChatPayRoute] =
        [
            WeChatPayRoute("POST", "/v3/ecommerce/profitsharing/orders", "split", for: ecommerce, limit: 300) {
                simulator, call throws(WeChatPayFailure) in
                .json(try simulator.acceptSplit(call).json(call.merchant))
            },
            WeChatPayRoute("GET", "/v3/ecommerce/profitsharing/orders", "query_split", for: ecommerce, limit: 500) {
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
                "POST", "/v3/ecommerce/profitsharing/returnorders", "return_split", for: ecommerce, limit: 100
            ) { simulator, call throws(WeChatPayFailure) in
                .json(try simulator.acceptReturn(call).json(call.merchant))
            },
            WeChatPayRoute("GET", "/v3/ecommerce/profitsharing/returnorders", "query_return", for: ecommerce) {
                simulator, call throws(WeChatPayFailure) in
                .json(try simulator.splitReturn(call, try call.query("out_return_no")).json(call.merchant))
            },
            WeChatPayRoute("POST", "/v3/profitsharing/orders", "split", for: ordinary, limit: 300) {
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
            WeChatPayRoute("POST", "/v3/profitsharing/return-orders", "return_split", for: ordinary, limit: 100) {
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
            guard let relation = body["relation_type"]?.string, !relation.isEmpty else {
                throw .parameter("relation_type无效")
            }
            // An ordinary partner seals the name; an e-commerce platform seals a person's under another field.
            let sealedName = call.merchant.kind == .ecommerce ? body["encrypted_name"] : body["name"]
            if let sealedName { _ = try opened(call, sealedName, "name") }
            guard call.merchant.receivers.count < Self.receiverListLimit else {
                throw WeChatPayFailure(403, "RULE_LIMIT", "分账接收方数量超限")
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
        guard let paidAt = order.paidAt, order.sharesProfit else { throw .invalid("订单未标记分账或未支付") }
        guard call.now >= paidAt + .seconds(60) else { throw .invalid("订单支付后1分钟内不能分账") }
        return order
    }

    /// Accepts a split, or gives the same split again.
    func acceptSplit(_ call: WeChatPayCall) throws(WeChatPayFailure) -> WeChatPaySplit {
        let (body, merchant) = (try call.body(), call.merchant)
        let outOrderNo = try call.number("out_order_no", 1...64)
        let key = WeChatPayMerchant.key(body["sub_mchid"]?.string, outOrderNo)
        if let known = merchant.splits[key] {
            guard known.request == body.sorted else { throw .conflict }
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
        guard !order.isUnfrozen else { throw .invalid("订单已解冻，不能分账") }
        guard order.splitCount < Self.splitLimit else { throw WeChatPayFailure(403, "RULE_LIMIT", "分账次数超限") }
        let ratio = order.subMchid.flatMap { merchant.subMerchants[$0]?.maxRatio } ?? 3000
        guard order.split + total <= Fen(order.total.value * ratio / 10_000) else {
            throw WeChatPayFailure(403, "RULE_LIMIT", "分账金额超过最大分账比例")
        }
        guard total <= order.unsplit else { throw .notEnough("分账金额超过待分账余额") }
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
            receivers.append(
                .init(
                    type: type, account: account, amount: try call.amount(receiver["amount"], "receivers.amount"),
                    description: description, detailID: freshNumber("3600", at: call.now, digits: 32)))
        }
        return receivers
    }

    /// The receivers get theirs, or don't; then the rest is set free if this was the last.
    private func executeSplit(_ mchid: String, _ key: String, _ at: Instant) async {
        guard let merchant = merchants[mchid], var split = merchant.splits[key], split.status == "PROCESSING",
            let order = merchant.orders[split.orderKey]
        else { return }
        let total = split.receivers.map(\.amount).sum()
        let fault = outcome("split_result", merchant, serial: split.outOrderNo, amount: total)
        if fault?.fault == "processing" { return }
        let owner = order.subMchid ?? mchid
        for index in split.receivers.indices {
            let receiver = split.receivers[index]
            let isKnown = merchant.receivers.contains("\(receiver.type)/\(receiver.account)")
            let isHit = fault?.parameters["receiver"]?.string.map { $0 == receiver.account } ?? true
            if !isKnown || (fault?.fault == "closed" && isHit) {
                split.receivers[index].result = "CLOSED"
                split.receivers[index].failReason =
                    isKnown ? fault?.parameters["fail_reason"]?.string ?? "ACCOUNT_ABNORMAL" : "NO_RELATION"
                merchant.orders[order.key]?.unsplit += receiver.amount
                merchant.orders[order.key]?.split -= receiver.amount
            } else {
                split.receivers[index].result = "SUCCESS"
                book(merchant, owner, -receiver.amount, .held, "分账", "分账", receiver.detailID, split.outOrderNo, at)
                if let holder = holder(of: receiver.account, type: receiver.type, merchant) {
                    book(
                        merchant, holder, receiver.amount, .available, "分账", "分账", receiver.detailID, split.outOrderNo,
                        at)
                }
            }
            split.receivers[index].finishedAt = at
        }
        split.status = "FINISHED"
        if split.isLast { split.finishAmount = releaseRest(order.key, merchant, at) }
        merchant.splits[key] = split
        await notifyReceivers(mchid, split, order)
    }

    /// Who of those we keep accounts for gets a part; nil for people and strangers.
    private func holder(of account: String, type: String, _ merchant: WeChatPayMerchant) -> String? {
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
    private func releaseRest(_ orderKey: String, _ merchant: WeChatPayMerchant, _ at: Instant) -> Fen {
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

    /// A receiver gives back what it got.
    func acceptReturn(_ call: WeChatPayCall) throws(WeChatPayFailure) -> WeChatPaySplitReturn {
        let (body, merchant) = (try call.body(), call.merchant)
        let sub = body["sub_mchid"]?.string
        let outReturnNo = try call.number("out_return_no", 1...64)
        let key = WeChatPayMerchant.key(sub, outReturnNo)
        if let known = merchant.splitReturns[key] {
            guard known.request == body.sorted else { throw .conflict }
            return known
        }
        let amount = try call.amount(body["amount"], "amount")
        _ = try call.text("description", 1...80)
        let found = merchant.splits.first { entry in
            entry.value.orderID == body["order_id"]?.string
                || entry.key == WeChatPayMerchant.key(sub, body["out_order_no"]?.string ?? "")
        }
        guard let (splitKey, split) = found, let order = merchant.orders[split.orderKey], order.subMchid == sub,
            let returnMchid = body["return_mchid"]?.string,
            let index = split.receivers.firstIndex(where: {
                $0.type == "MERCHANT_ID" && $0.account == returnMchid && $0.result == "SUCCESS"
            })
        else { throw .absent("分账单或接收方不存在") }
        guard call.now < split.createdAt + .seconds(180 * 86_400) else { throw .invalid("分账单已超过回退期限") }
        guard merchant.splitReturns.values.count(where: { $0.splitKey == splitKey }) < 50 else {
            throw WeChatPayFailure(403, "RULE_LIMIT", "回退次数超限")
        }
        guard split.receivers[index].returned + amount <= split.receivers[index].amount else {
            throw .invalid("回退金额超过分账金额")
        }
        let holder = holder(of: returnMchid, type: "MERCHANT_ID", merchant)
        if let holder, (merchant.accounts[holder]?.available ?? .zero) < amount { throw .notEnough("接收方余额不足") }
        var back = WeChatPaySplitReturn(
            outReturnNo: outReturnNo, returnNo: freshNumber("3007", at: call.now, digits: 28), splitKey: splitKey,
            returnMchid: returnMchid, amount: amount, request: body.sorted, createdAt: call.now,
            finishedAt: call.now)
        merchant.splits[splitKey]?.receivers[index].returned += amount
        let mchid = merchant.mchid
        if outcome("return_result", merchant, serial: outReturnNo, amount: amount)?.fault == "processing" {
            back.result = "PROCESSING"
            back.finishedAt = nil
            clock.schedule(mchid, at: call.now + .seconds(5 * 86_400)) { [self] at in
                await expireReturn(mchid, key, index, at)
            }
        } else {
            if let holder {
                book(merchant, holder, -amount, .available, "分账回退", "分账", back.returnNo, outReturnNo, call.now)
            }
            book(merchant, sub ?? mchid, amount, .available, "分账回退", "分账", back.returnNo, outReturnNo, call.now)
        }
        merchant.splitReturns[key] = back
        return back
    }

    /// A return that took five days has failed.
    private func expireReturn(_ mchid: String, _ key: String, _ index: Int, _ at: Instant) {
        guard let merchant = merchants[mchid], var back = merchant.splitReturns[key], back.result == "PROCESSING" else {
            return
        }
        back.result = "FAILED"
        back.failReason = "TIME_OUT_CLOSED"
        back.finishedAt = at
        merchant.splitReturns[key] = back
        merchant.splits[back.splitKey]?.receivers[index].returned -= back.amount
    }

    /// A return by its number, and by the split it belongs to.
    func splitReturn(
        _ call: WeChatPayCall, _ outReturnNo: String
    ) throws(WeChatPayFailure) -> WeChatPaySplitReturn {
        let sub = call.request.queryField("sub_mchid")
        let (orderID, outOrderNo) = (call.request.queryField("order_id"), call.request.queryField("out_order_no"))
        guard orderID != nil || outOrderNo != nil else { throw .parameter("order_id和out_order_no二选一") }
        guard let back = call.merchant.splitReturns[WeChatPayMerchant.key(sub, outReturnNo)],
            call.merchant.splits[back.splitKey].map({ $0.orderID == orderID || $0.outOrderNo == outOrderNo }) == true
        else { throw .absent("回退单不存在") }
        return back
    }
}
