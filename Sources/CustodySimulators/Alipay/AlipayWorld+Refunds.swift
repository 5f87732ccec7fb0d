import CustodyDomain
import CustodyWire

/// Sending money back.
extension AlipayWorld {
    /// `alipay.trade.refund`; the same `out_request_no` moves money once.
    func refund(
        _ appID: String, _ content: JSON
    ) throws(Failure) -> (trade: AlipayTrade, refund: AlipayTrade.Refund, isNew: Bool) {
        guard let amount = content.alipayAmount("refund_amount"), amount > .zero else {
            throw Failure("ACQ.INVALID_PARAMETER", "参数无效")
        }
        return try change(appID) { merchant, now throws(Failure) in
            var trade = try AlipayWorld.opened(content, &merchant, now)
            let number = content.alipayText("out_request_no", upTo: 64) ?? trade.outTradeNo
            if let known = trade.refunds.first(where: { $0.outRequestNo == number }) {
                guard known.amount == amount else {
                    throw Failure("ACQ.DISCORDANT_REPEAT_REQUEST", "不一致的请求")
                }
                return (trade, known, false)
            }
            guard trade.status != .finished else { throw Failure("ACQ.TRADE_HAS_FINISHED", "交易已完结") }
            guard trade.status == .success else { throw Failure("ACQ.TRADE_STATUS_ERROR", "交易状态不合法") }
            guard trade.refunded + amount <= trade.amount else {
                throw Failure("ACQ.REASON_TRADE_REFUND_FEE_ERR", "退款金额无效")
            }
            // A part of an order needs a number of its own, or the rest could never be sent back.
            guard amount == trade.amount || content.alipayText("out_request_no") != nil else {
                throw Failure("ACQ.INVALID_PARAMETER", "部分退款时 out_request_no 必传")
            }
            var refund = AlipayTrade.Refund(
                outRequestNo: number, amount: amount, at: now, reason: content["refund_reason"]?.string ?? "")
            refund.givenBack = try AlipayWorld.givenBack(content, of: trade, amount: amount)
            try AlipayWorld.take(&refund, from: &trade, content, &merchant)
            trade.refunds.append(refund)
            if trade.refunded == trade.amount {
                trade.status = .closed
                trade.closedAt = now
            }
            merchant.trades[trade.outTradeNo] = trade
            enter(refund, of: trade, &merchant)
            return (trade, refund, true)
        }
    }

    /// Enters a refund into the books of its day.
    func enter(_ refund: AlipayTrade.Refund, of trade: AlipayTrade, _ merchant: inout AlipayMerchant) {
        let payee = trade.terms?.smid ?? merchant.sellerID
        for (giver, amount) in refund.givenBack.sorted(by: { $0.key < $1.key }) {
            merchant.move(
                amount, from: giver, to: payee, .splitBack, at: refund.at, of: trade, outNumber: refund.outRequestNo)
        }
        book(
            AlipayBookEntry(
                kind: .refund, tradeNo: trade.tradeNo, outTradeNo: trade.outTradeNo,
                outRequestNo: refund.outRequestNo, subject: trade.subject, buyerID: trade.buyerID ?? "",
                createdAt: refund.at, finishedAt: refund.at, amount: refund.amount,
                fee: -AlipayBookEntry.fee(of: refund.amount), date: BusinessDate(of: refund.at),
                smid: trade.terms?.smid), &merchant)
    }

    /// Who gives back how much, as the request says: no one gives back more than was received, and none of it by itself.
    private static func givenBack(
        _ content: JSON, of trade: AlipayTrade, amount: Fen
    ) throws(Failure) -> [String: Fen] {
        var givers: [String: Fen] = [:]
        for item in content["refund_royalty_parameters"]?.array ?? [] {
            guard item["royalty_type"]?.string ?? "transfer" == "transfer", let share = item.alipayAmount("amount"),
                share > .zero, let account = item.alipayText("trans_out")
            else { throw Failure("ACQ.INVALID_PARAMETER", "参数无效") }
            givers[account, default: .zero] += share
        }
        for (account, share) in givers where share > trade.allocated(to: account) {
            throw Failure("ACQ.ALLOC_AMOUNT_VALIDATE_ERROR", "退分账金额超限")
        }
        guard givers.values.sum() <= amount else { throw Failure("ACQ.ALLOC_AMOUNT_VALIDATE_ERROR", "退分账金额超限") }
        return givers
    }

    /// Takes what the receivers do not give back from the payee: from the order's own money, then from its balance.
    static func take(
        _ refund: inout AlipayTrade.Refund, from trade: inout AlipayTrade, _ content: JSON,
        _ merchant: inout AlipayMerchant
    ) throws(Failure) {
        guard let terms = trade.terms else { return }
        let rest = refund.ofPayee
        let number = content.alipayText("related_settle_confirm_no")
        if number == nil, terms.period != nil, rest <= trade.unconfirmed {
            refund.fromUnconfirmed = rest
            return
        }
        if !trade.standing.isEmpty {
            // Settled money goes back against the confirmation that settled it, and no more than that.
            guard let number, let confirmation = trade.standing.first(where: { $0.outRequestNo == number })
            else { throw Failure("ACQ.TRADE_SETTLE_ERROR", "交易结算异常") }
            let before = trade.refunds.filter { $0.confirmNo == number }.map(\.amount).sum()
            guard before + refund.amount <= confirmation.amount else {
                throw Failure("ACQ.REASON_TRADE_REFUND_FEE_ERR", "退款金额超过结算确认金额")
            }
            refund.confirmNo = number
        }
        // What the receivers give back frees nothing here: it passes through to the buyer.
        let back = AlipayBookEntry.fee(of: refund.amount)
        let available = min(trade.unsettled, trade.held - AlipayTrade.reserve(trade.unconfirmed) + back)
        guard rest > available else { return }
        // What was released already comes from what the sub-merchant was not yet paid out.
        let short = rest - available
        guard let index = merchant.subMerchant(terms.smid), merchant.subMerchants[index].pending >= short else {
            throw Failure("ACQ.SELLER_BALANCE_NOT_ENOUGH", "卖家余额不足")
        }
        merchant.subMerchants[index].waiting.append(
            .init(
                tradeNo: trade.tradeNo, outNo: refund.outRequestNo, kind: "退款", at: refund.at, amount: -short))
        trade.released -= short
    }
}
