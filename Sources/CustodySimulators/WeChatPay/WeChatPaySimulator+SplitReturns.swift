import CustodyDomain
import CustodyWire

/// Parts of splits that go back (分账回退).
extension WeChatPaySimulator {
    /// A receiver gives back what it got.
    func acceptReturn(_ call: WeChatPayCall) throws(WeChatPayFailure) -> WeChatPaySplitReturn {
        let (body, merchant) = (try call.body(), call.merchant)
        let sub = body["sub_mchid"]?.string
        let outReturnNo = try call.number("out_return_no", 1...64)
        let key = WeChatPayMerchant.key(sub, outReturnNo)
        if let known = merchant.splitReturns[key] {
            guard known.request == body.sorted else { throw .parameter("分账回退参数与原请求不一致") }
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
            throw .ruleLimit("回退次数超限")
        }
        guard split.receivers[index].returned + amount <= split.receivers[index].amount else {
            throw .invalid("回退金额超过分账金额")
        }
        let holder = holder(of: returnMchid, type: "MERCHANT_ID", merchant)
        if let holder, (merchant.accounts[holder]?.available ?? .zero) < amount { throw .notEnough("接收方余额不足") }
        let back = WeChatPaySplitReturn(
            outReturnNo: outReturnNo, returnNo: freshNumber("3007", at: call.now, digits: 28), splitKey: splitKey,
            returnMchid: returnMchid, amount: amount, request: body.sorted, createdAt: call.now,
            finishedAt: nil)
        merchant.splits[splitKey]?.receivers[index].returned += amount
        merchant.splitReturns[key] = back
        let (mchid, now) = (merchant.mchid, call.now)
        let fault = outcome("return_result", merchant, serial: outReturnNo, amount: amount)
        switch fault?.fault {
        case "processing":
            clock.schedule(mchid, at: now + .seconds(5 * 86_400)) { [self] at in
                await failReturn(mchid, key, index, "TIME_OUT_CLOSED", at)
            }
        case "delayed":
            clock.schedule(mchid, at: now + .seconds(fault?.seconds ?? 1800)) { [self] at in
                await completeReturn(mchid, key, index, at)
            }
        case "failed":
            failReturn(mchid, key, index, fault?.parameters["fail_reason"]?.string ?? "ACCOUNT_ABNORMAL", now)
        default: completeReturn(mchid, key, index, now)
        }
        return merchant.splitReturns[key] ?? back
    }

    /// The money goes back, unless one of the two accounts is not in order.
    private func completeReturn(_ mchid: String, _ key: String, _ index: Int, _ at: Instant) {
        guard let merchant = merchants[mchid], var back = merchant.splitReturns[key], back.result == "PROCESSING",
            let split = merchant.splits[back.splitKey], let order = merchant.orders[split.orderKey]
        else { return }
        let holder = holder(of: back.returnMchid, type: "MERCHANT_ID", merchant)
        let isShort = holder.map { (merchant.accounts[$0]?.available ?? .zero) < back.amount } ?? false
        if let reason = failure(of: back.returnMchid, order, merchant) ?? (isShort ? "ACCOUNT_ABNORMAL" : nil) {
            failReturn(mchid, key, index, reason, at)
            return
        }
        back.result = "SUCCESS"
        back.finishedAt = at
        if let holder {
            book(merchant, holder, -back.amount, .available, "分账回退", "分账", back.returnNo, back.outReturnNo, at)
        }
        let owner = order.subMchid ?? mchid
        book(merchant, owner, back.amount, .available, "分账回退", "分账", back.returnNo, back.outReturnNo, at)
        merchant.splitReturns[key] = back
        clock.schedule(mchid, at: at) { [self] _ in await notifyReturn(mchid, key) }
    }

    /// Why nothing goes back; nil when it does.
    private func failure(
        of receiver: String, _ order: WeChatPayMerchant.Order, _ merchant: WeChatPayMerchant
    ) -> String? {
        if let payer = order.subMchid, merchant.subMerchants[payer]?.isClosed == true {
            return "PAYER_ACCOUNT_ABNORMAL"
        }
        return merchant.subMerchants[receiver]?.isFrozen == true ? "ACCOUNT_ABNORMAL" : nil
    }

    /// Nothing goes back; it may be asked for again under another number.
    private func failReturn(_ mchid: String, _ key: String, _ index: Int, _ reason: String, _ at: Instant) {
        guard let merchant = merchants[mchid], var back = merchant.splitReturns[key], back.result == "PROCESSING" else {
            return
        }
        back.result = "FAILED"
        back.failReason = reason
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
