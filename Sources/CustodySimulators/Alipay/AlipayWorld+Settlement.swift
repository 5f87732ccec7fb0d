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
        guard try detailAmount(info) == amount else { throw Failure("ACQ.TRADE_SETTLE_ERROR", "交易结算异常") }
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
                guard known.content == content.sorted else {
                    throw Failure("ACQ.DISCORDANT_REPEAT_REQUEST", "不一致的请求")
                }
                return (trade, known)
            }
            guard trade.terms?.period != nil else { throw Failure("ACQ.TRADE_SETTLE_ERROR", "交易结算异常") }
            guard trade.status == .success else { throw Failure("ACQ.TRADE_STATUS_ERROR", "交易状态不合法") }
            let left = trade.amount - trade.refunded - trade.confirmed
            let info = content["settle_info"]
            // `amount` is what is left of the order as Alipay knows it; `actual_amount` confirms less of it.
            guard left > .zero, try AlipayWorld.detailAmount(info) == left else {
                throw Failure("ACQ.TRADE_SETTLE_ERROR", "结算金额与可结算金额不一致")
            }
            let actual = info?["settle_detail_infos"]?.array?.first?.alipayAmount("actual_amount") ?? left
            guard actual > .zero, actual <= left else { throw Failure("ACQ.TRADE_SETTLE_ERROR", "结算金额无效") }
            let confirmation = AlipayTrade.Confirmation(
                outRequestNo: number, amount: actual, content: content.sorted)
            trade.confirmations.append(confirmation)
            if content["extend_params"]?.flag("royalty_freeze") ?? false { trade.isFrozen = true }
            merchant.trades[trade.outTradeNo] = trade
            release(trade.outTradeNo, &merchant, now)
            return (trade, confirmation)
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
        // Frozen money thaws; what needs no confirmation settles at once.
        clock.schedule(appID, at: trade.isFrozen ? paidAt + AlipayTrade.frozen : paidAt) { [weak self] _ in
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
        let amount = trade.unsettled
        guard amount > .zero, !trade.isFrozen || trade.royaltyFinishedAt != nil else {
            merchant.trades[outTradeNo] = trade
            return
        }
        trade.released += amount
        merchant.trades[outTradeNo] = trade
        merchant.subMerchants[index].pending += amount
        let appID = merchant.appID
        let date = BusinessDate(of: now)
        clock.schedule(appID, at: date.advanced(by: 1).start + .seconds(2 * 3600)) { [weak self] _ in
            self?.payOut(appID, smid, on: date.advanced(by: 1))
        }
    }

    /// Sends back what a payout brought to an account that does not take it.
    func returnPayouts(_ appID: String, smid: String) throws(Failure) -> Fen {
        try change(appID) { merchant, _ throws(Failure) in
            guard let index = merchant.subMerchant(smid) else {
                throw Failure("ACQ.SECONDARY_MERCHANT_ID_INVALID", "二级商户不存在")
            }
            var sum = Fen.zero
            for payout in merchant.subMerchants[index].payouts.indices
            where !merchant.subMerchants[index].payouts[payout].isReturned {
                merchant.subMerchants[index].payouts[payout].isReturned = true
                sum += merchant.subMerchants[index].payouts[payout].amount
            }
            merchant.subMerchants[index].pending += sum
            return sum
        }
    }

    private func confirmByTime(_ appID: String, _ outTradeNo: String) {
        _ = try? change(appID) { merchant, now throws(Failure) in
            guard var trade = merchant.trades[outTradeNo], trade.status == .success else { return }
            let left = trade.amount - trade.refunded - trade.confirmed
            guard left > .zero else { return }
            trade.confirmations.append(.init(outRequestNo: "AUTO\(trade.tradeNo)", amount: left, content: [:]))
            merchant.trades[outTradeNo] = trade
            self.release(outTradeNo, &merchant, now)
        }
    }

    private func payOut(_ appID: String, _ smid: String, on date: BusinessDate) {
        _ = try? change(appID) { merchant, _ throws(Failure) in
            guard let index = merchant.subMerchant(smid), merchant.subMerchants[index].pending > .zero,
                !merchant.subMerchants[index].isFrozen
            else { return }
            let subMerchant = merchant.subMerchants[index]
            let rule = subMerchant.content["default_settle_rule"]
            let isCard = rule?["default_settle_type"]?.string != "alipayAccount"
            let target = isCard ? subMerchant.cardAlias : rule?.alipayText("default_settle_target")
            merchant.subMerchants[index].payouts.append(
                .init(date: date, amount: subMerchant.pending, target: target ?? ""))
            merchant.subMerchants[index].pending = .zero
        }
    }

    /// The amount of the one detail that `settle_info` must have.
    private static func detailAmount(_ info: JSON?) throws(Failure) -> Fen {
        guard let details = info?["settle_detail_infos"]?.array, details.count == 1,
            let amount = details[0].alipayAmount("amount"),
            ["defaultSettle", "cardAliasNo", "userId", "loginName"].contains(
                details[0]["trans_in_type"]?.string ?? "")
        else { throw Failure("ACQ.TRADE_SETTLE_ERROR", "交易结算异常") }
        return amount
    }
}
