import CustodyDomain
import CustodyWire

/// The gateway's verbs about trades.
extension AlipayWorld {
    /// `alipay.trade.precreate`, and the opening of a page, wap or app order: registers what the buyer may pay.
    ///
    /// - Parameter isOpened: Whether the trade exists from now on, or only once the buyer scans the code.
    func place(_ appID: String, _ content: JSON, notifyURL: String?, isOpened: Bool) throws(Failure) -> AlipayTrade {
        guard let outTradeNo = content["out_trade_no"]?.string, !outTradeNo.isEmpty, outTradeNo.utf8.count <= 64,
            let amount = content["total_amount"]?.string.flatMap({ Fen(yuan: $0) }), amount > .zero,
            let subject = content["subject"]?.string, !subject.isEmpty
        else { throw Failure("ACQ.INVALID_PARAMETER", "参数无效") }
        let number = nextTradeNumber(on: BusinessDate(of: clock.now(of: appID)))
        return try change(appID) { merchant, now throws(Failure) in
            if var known = merchant.trades[outTradeNo] {
                known.expire(at: now)
                known.isOpened = known.isOpened || isOpened
                merchant.trades[outTradeNo] = known
                guard known.status != .success else { throw Failure("ACQ.TRADE_HAS_SUCCESS", "交易已被支付") }
                guard known.status != .closed else { throw Failure("ACQ.TRADE_HAS_CLOSE", "交易已经关闭") }
                guard known.amount == amount else { throw Failure("ACQ.CONTEXT_INCONSISTENT", "交易信息被篡改") }
                return known
            }
            var trade = AlipayTrade(
                outTradeNo: outTradeNo, tradeNo: number, subject: subject, amount: amount, notifyURL: notifyURL,
                expiresAt: content["time_expire"]?.string.flatMap { Instant(text: $0) }, isOpened: isOpened,
                createdAt: now)
            if !isOpened {
                let code = "https://qr.alipay.com/bax\(String(UInt64.random(in: 1 << 60...UInt64.max), radix: 36))"
                trade.code = code
                merchant.codes[code] = outTradeNo
            }
            merchant.trades[outTradeNo] = trade
            return trade
        }
    }

    /// `alipay.trade.query`.
    func query(_ appID: String, _ content: JSON) throws(Failure) -> AlipayTrade {
        try change(appID) { merchant, now throws(Failure) in
            try AlipayWorld.opened(content, &merchant, now)
        }
    }

    /// `alipay.trade.close`.
    func close(_ appID: String, _ content: JSON) throws(Failure) -> AlipayTrade {
        try change(appID) { merchant, now throws(Failure) in
            var trade = try AlipayWorld.opened(content, &merchant, now)
            guard trade.status == .waiting else { throw Failure("ACQ.TRADE_STATUS_ERROR", "交易状态不合法") }
            trade.status = .closed
            trade.closedAt = now
            merchant.trades[trade.outTradeNo] = trade
            return trade
        }
    }

    /// `alipay.trade.refund`; the same `out_request_no` moves money once.
    func refund(
        _ appID: String, _ content: JSON
    ) throws(Failure) -> (trade: AlipayTrade, refund: AlipayTrade.Refund, isNew: Bool) {
        guard let amount = content["refund_amount"]?.string.flatMap({ Fen(yuan: $0) }), amount > .zero else {
            throw Failure("ACQ.INVALID_PARAMETER", "参数无效")
        }
        return try change(appID) { merchant, now throws(Failure) in
            var trade = try AlipayWorld.opened(content, &merchant, now)
            let number = content["out_request_no"]?.string ?? trade.outTradeNo
            if let known = trade.refunds.first(where: { $0.outRequestNo == number }) {
                guard known.amount == amount else {
                    throw Failure("ACQ.DISCORDANT_REPEAT_REQUEST", "不一致的请求")
                }
                return (trade, known, false)
            }
            guard trade.status == .success else { throw Failure("ACQ.TRADE_STATUS_ERROR", "交易状态不合法") }
            guard trade.refunded + amount <= trade.amount else {
                throw Failure("ACQ.REASON_TRADE_REFUND_FEE_ERR", "退款金额无效")
            }
            let refund = AlipayTrade.Refund(
                outRequestNo: number, amount: amount, at: now, reason: content["refund_reason"]?.string ?? "")
            trade.refunds.append(refund)
            if trade.refunded == trade.amount {
                trade.status = .closed
                trade.closedAt = now
            }
            merchant.trades[trade.outTradeNo] = trade
            book(
                AlipayBookEntry(
                    kind: .refund, tradeNo: trade.tradeNo, outTradeNo: trade.outTradeNo, outRequestNo: number,
                    subject: trade.subject, buyerID: trade.buyerID ?? "", createdAt: now, finishedAt: now,
                    amount: amount, fee: -AlipayBookEntry.fee(of: amount), date: BusinessDate(of: now)), &merchant)
            return (trade, refund, true)
        }
    }

    /// The buyer opens a trade, and pays it unless `onlyOpens`.
    func buy(
        _ appID: String, outTradeNo: String, buyerID: String, onlyOpens: Bool
    ) throws(Failure) -> AlipayTrade {
        try change(appID) { merchant, now throws(Failure) in
            guard var trade = merchant.trades[outTradeNo] else {
                throw Failure("ACQ.TRADE_NOT_EXIST", "交易不存在")
            }
            trade.expire(at: now)
            trade.isOpened = true
            merchant.trades[outTradeNo] = trade
            guard trade.status != .success else { throw Failure("ACQ.TRADE_HAS_SUCCESS", "交易已被支付") }
            guard trade.status != .closed else { throw Failure("ACQ.TRADE_HAS_CLOSE", "交易已经关闭") }
            guard !onlyOpens else { return trade }
            trade.status = .success
            trade.paidAt = now
            trade.buyerID = buyerID
            merchant.trades[outTradeNo] = trade
            book(
                AlipayBookEntry(
                    kind: .payment, tradeNo: trade.tradeNo, outTradeNo: outTradeNo, outRequestNo: "",
                    subject: trade.subject, buyerID: buyerID, createdAt: trade.createdAt, finishedAt: now,
                    amount: trade.amount, fee: AlipayBookEntry.fee(of: trade.amount), date: BusinessDate(of: now)),
                &merchant)
            return trade
        }
    }

    /// Enters a payment or refund, and sees to it that its day is remitted.
    func book(_ entry: AlipayBookEntry, _ merchant: inout AlipayMerchant) {
        merchant.book.append(entry)
        awaitRemittance(of: entry.date, &merchant)
    }

    /// The trade that a request names, brought up to date; a precreated one that nobody scanned does not exist.
    private static func opened(
        _ content: JSON, _ merchant: inout AlipayMerchant, _ now: Instant
    ) throws(Failure) -> AlipayTrade {
        let serial = merchant.serial(
            outTradeNo: content["out_trade_no"]?.string, tradeNo: content["trade_no"]?.string)
        guard let serial, var trade = merchant.trades[serial], trade.isOpened else {
            throw Failure("ACQ.TRADE_NOT_EXIST", "交易不存在")
        }
        trade.expire(at: now)
        merchant.trades[serial] = trade
        return trade
    }
}
