import CustodyDomain
import CustodyWire

/// Settling the orders of indirect merchants (直付通): confirmation, release, payout to the settlement account.
extension AlipayWorld {
    /// Reads `sub_merchant` and `settle_info` of an order; nil for an order of the platform's own.
    static func settleTerms(
        _ content: JSON, amount: Fen, _ merchant: AlipayMerchant
    ) throws(Failure) -> AlipayTrade.SettleTerms? {
        guard let subMerchant = content["sub_merchant"] else { return nil }
        guard let smid = subMerchant.alipayText("merchant_id") else {
            throw Failure("ACQ.SECONDARY_MERCHANT_ID_BLANK", "二级商户编号错误")
        }
        guard let index = merchant.subMerchant(smid), !merchant.subMerchants[index].isDeleted else {
            throw Failure("ACQ.SECONDARY_MERCHANT_ID_INVALID", "二级商户不存在")
        }
        guard !merchant.subMerchants[index].isFrozen else {
            throw Failure("ACQ.SECONDARY_MERCHANT_STATUS_ERROR", "商户状态异常")
        }
        let info = content["settle_info"]
        guard try detailAmount(info, of: merchant.subMerchants[index]) == amount else {
            throw Failure("ACQ.TRADE_SETTLE_ERROR", "交易结算异常")
        }
        guard let text = info?.alipayText("settle_period_time") else { return .init(smid: smid, period: nil) }
        guard text.hasSuffix("d"), let days = Int64(text.dropLast()), (1...365).contains(days) else {
            throw Failure("ACQ.TRADE_SETTLE_ERROR", "交易结算异常")
        }
        return .init(smid: smid, period: .seconds(days * 86_400))
    }

    /// `alipay.trade.settle.confirm`: the order's money, or a part of it, may be settled.
    func confirm(
        _ appID: String, _ content: JSON
    ) throws(Failure) -> (trade: AlipayTrade, confirmation: AlipayTrade.Confirmation) {
        guard let number = content.alipayText("out_request_no", upTo: 64) else {
            throw Failure("ACQ.INVALID_PARAMETER", "参数无效")
        }
        return try change(appID) { merchant, now throws(Failure) in
            var trade = try AlipayWorld.opened(content, &merchant, now)
            if let known = trade.confirmations.first(where: { $0.outRequestNo == number }) {
                guard known.content == content.sorted, !known.isCancelled else {
                    throw Failure("ACQ.DISCORDANT_REPEAT_REQUEST", "不一致的请求")
                }
                return (trade, known)
            }
            guard let terms = trade.terms, terms.period != nil, let index = merchant.subMerchant(terms.smid) else {
                throw Failure("ACQ.TRADE_SETTLE_ERROR", "交易结算异常")
            }
            guard trade.status == .success else { throw Failure("ACQ.TRADE_STATUS_ERROR", "交易状态不合法") }
            let left = trade.unconfirmed
            let info = content["settle_info"]
            // `amount` is the order's less its refunds, however much was confirmed before; `actual_amount` says how much
            // of that is confirmed now.
            guard left > .zero,
                try AlipayWorld.detailAmount(info, of: merchant.subMerchants[index]) == trade.amount - trade.refunded
            else { throw Failure("ACQ.TRADE_SETTLE_ERROR", "结算金额与可结算金额不一致") }
            let actual = info?["settle_detail_infos"]?.array?.first?.alipayAmount("actual_amount") ?? left
            guard actual > .zero, actual <= left else { throw Failure("ACQ.TRADE_SETTLE_ERROR", "结算金额无效") }
            let confirmation = AlipayTrade.Confirmation(
                outRequestNo: number, amount: actual, content: content.sorted, at: now)
            trade.confirmations.append(confirmation)
            if content["extend_params"]?.flag("royalty_freeze") ?? false {
                trade.isFrozen = true
                thaw(trade, appID)
            }
            merchant.trades[trade.outTradeNo] = trade
            release(trade.outTradeNo, &merchant, now)
            return (trade, confirmation)
        }
    }

    /// `alipay.trade.settle.confirm.cancel`: takes a confirmation back while all of its money is still here.
    func cancelConfirmation(_ appID: String, _ content: JSON) throws(Failure) -> (trade: AlipayTrade, number: String) {
        guard let number = content.alipayText("ori_request_no") else {
            throw Failure("ACQ.INVALID_PARAMETER", "参数无效")
        }
        return try change(appID) { merchant, now throws(Failure) in
            var trade = try AlipayWorld.opened(content, &merchant, now)
            guard let place = trade.confirmations.firstIndex(where: { $0.outRequestNo == number }),
                let index = trade.terms.flatMap({ merchant.subMerchant($0.smid) })
            else { throw Failure("ACQ.TRADE_SETTLE_ERROR", "结算确认请求不存在") }
            let confirmation = trade.confirmations[place]
            if confirmation.isCancelled { return (trade, number) }
            let short = max(AlipayTrade.reserve(trade.unconfirmed + confirmation.amount) - trade.held, .zero)
            guard trade.refunds.allSatisfy({ $0.confirmNo != number }), trade.released >= short,
                merchant.subMerchants[index].pending >= short
            else { throw Failure("ACQ.TRADE_SETTLE_ERROR", "资金已结算，不允许撤销") }
            if short > .zero {
                merchant.subMerchants[index].waiting.append(
                    .init(tradeNo: trade.tradeNo, outNo: trade.outTradeNo, kind: "撤销", at: now, amount: -short))
                trade.released -= short
            }
            trade.confirmations[place].isCancelled = true
            merchant.trades[trade.outTradeNo] = trade
            return (trade, number)
        }
    }

    /// Schedules what the passing of time does to a paid order of an indirect merchant.
    func awaitSettlement(of trade: AlipayTrade, _ appID: String) {
        guard let terms = trade.terms, let paidAt = trade.paidAt else { return }
        let outTradeNo = trade.outTradeNo
        if let period = terms.period {
            clock.schedule(appID, at: paidAt + period) { [weak self] _ in
                self?.confirmByTime(appID, outTradeNo)
            }
        }
        // What needs no confirmation, and is not frozen, settles at once.
        if trade.isFrozen { thaw(trade, appID) } else { release(trade, appID, at: paidAt) }
    }

    /// Frozen money thaws 30 days after the payment.
    private func thaw(_ trade: AlipayTrade, _ appID: String) {
        guard let paidAt = trade.paidAt else { return }
        release(trade, appID, at: paidAt + AlipayTrade.frozen)
    }

    private func release(_ trade: AlipayTrade, _ appID: String, at instant: Instant) {
        let outTradeNo = trade.outTradeNo
        clock.schedule(appID, at: instant) { [weak self] _ in
            _ = try? self?.change(appID) { merchant, now throws(Failure) in
                self?.release(outTradeNo, &merchant, now)
            }
        }
    }

    /// Gives the sub-merchant what is confirmed and neither split, refunded nor frozen; its payout follows on the next day.
    func release(_ outTradeNo: String, _ merchant: inout AlipayMerchant, _ now: Instant) {
        guard var trade = merchant.trades[outTradeNo], let smid = trade.terms?.smid,
            let index = merchant.subMerchant(smid)
        else { return }
        trade.expire(at: now)
        let amount = trade.releasable
        guard amount > .zero, !trade.isFrozen || trade.royaltyFinishedAt != nil else {
            merchant.trades[outTradeNo] = trade
            return
        }
        trade.released += amount
        merchant.trades[outTradeNo] = trade
        merchant.subMerchants[index].waiting.append(
            .init(tradeNo: trade.tradeNo, outNo: trade.outTradeNo, kind: "结算", at: now, amount: amount))
        awaitPayout(merchant.appID, smid, now)
    }

    /// Schedules a payout for 02:00 on the next day.
    func awaitPayout(_ appID: String, _ smid: String, _ now: Instant) {
        let date = BusinessDate(of: now).advanced(by: 1)
        clock.schedule(appID, at: date.start + .seconds(2 * 3600)) { [weak self] _ in
            self?.payOut(appID, smid, on: date)
        }
    }

    /// Sends back what payouts brought to an account that does not take it; it waits for the next one.
    func returnPayouts(_ appID: String, smid: String) throws(Failure) -> Fen {
        try change(appID) { merchant, now throws(Failure) in
            guard let index = merchant.subMerchant(smid) else {
                throw Failure("ACQ.SECONDARY_MERCHANT_ID_INVALID", "二级商户不存在")
            }
            var sum = Fen.zero
            for payout in merchant.subMerchants[index].payouts.indices
            where !merchant.subMerchants[index].payouts[payout].isReturned {
                merchant.subMerchants[index].payouts[payout].isReturned = true
                let returned = merchant.subMerchants[index].payouts[payout]
                merchant.subMerchants[index].waiting.append(
                    .init(
                        tradeNo: "", outNo: returned.batchNumber, kind: "退票", at: now, amount: returned.amount))
                merchant.enter(
                    AlipayMovement(
                        account: smid, kind: .payoutBack, amount: returned.amount, at: now, date: BusinessDate(of: now),
                        businessNumber: returned.batchNumber, outNumber: returned.batchNumber,
                        counterpart: returned.target))
                sum += returned.amount
            }
            return sum
        }
    }

    private func confirmByTime(_ appID: String, _ outTradeNo: String) {
        _ = try? change(appID) { merchant, now throws(Failure) in
            guard var trade = merchant.trades[outTradeNo], trade.status == .success else { return }
            let left = trade.unconfirmed
            guard left > .zero else { return }
            trade.confirmations.append(
                .init(outRequestNo: "AUTO\(trade.tradeNo)", amount: left, content: [:], at: now))
            merchant.trades[outTradeNo] = trade
            self.release(outTradeNo, &merchant, now)
        }
    }

    private func payOut(_ appID: String, _ smid: String, on date: BusinessDate) {
        let number = nextNumber(of: appID, kind: "00301")
        _ = try? change(appID) { merchant, now throws(Failure) in
            guard let index = merchant.subMerchant(smid), merchant.subMerchants[index].pending > .zero,
                !merchant.subMerchants[index].isFrozen
            else { return }
            let subMerchant = merchant.subMerchants[index]
            let rule = subMerchant.content["default_settle_rule"]
            let isCard = rule?["default_settle_type"]?.string != "alipayAccount"
            // Without an account the money waits until there is one.
            guard let target = isCard ? subMerchant.cardAlias : rule?.alipayText("default_settle_target") else {
                return
            }
            let amount = subMerchant.pending
            merchant.subMerchants[index].payouts.append(
                .init(date: date, amount: amount, target: target, batchNumber: number, items: subMerchant.waiting))
            merchant.subMerchants[index].waiting = []
            merchant.enter(
                AlipayMovement(
                    account: smid, kind: .payout, amount: -amount, at: now, date: date, businessNumber: number,
                    outNumber: number, counterpart: target))
        }
    }

    /// The amount of the one detail that `settle_info` must have, to an account that is the payee's.
    private static func detailAmount(_ info: JSON?, of subMerchant: AlipaySubMerchant) throws(Failure) -> Fen {
        let failure = Failure("ACQ.TRADE_SETTLE_ERROR", "交易结算异常")
        guard let details = info?["settle_detail_infos"]?.array, details.count == 1,
            let amount = details[0].alipayAmount("amount")
        else { throw failure }
        if let entity = details[0].alipayText("settle_entity_id") {
            guard entity == subMerchant.smid, details[0]["settle_entity_type"]?.string == "SecondMerchant" else {
                throw failure
            }
        }
        switch details[0]["trans_in_type"]?.string {
        case "defaultSettle": guard subMerchant.content["default_settle_rule"] != nil else { throw failure }
        case "cardAliasNo":
            guard let alias = subMerchant.cardAlias, details[0]["trans_in"]?.string == alias else { throw failure }
        case "userId", "loginName": guard details[0].alipayText("trans_in") != nil else { throw failure }
        default: throw failure
        }
        return amount
    }
}
