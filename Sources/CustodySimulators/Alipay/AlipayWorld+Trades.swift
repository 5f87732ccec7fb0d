import CustodyDomain
import CustodyWire

/// The gateway's verbs about trades: placing, asking, paying, and ending them.
extension AlipayWorld {
    /// Registers what the buyer may pay: `precreate`, `create`, and the opening of a page, wap or app order.
    ///
    /// The same number with the same amount and title is the same order, however often it is placed.
    ///
    /// - Parameter isOpened: Whether the trade exists from now on, or only once the buyer scans the code.
    func place(_ appID: String, _ content: JSON, notifyURL: String?, isOpened: Bool) throws(Failure) -> AlipayTrade {
        guard let outTradeNo = content.alipayText("out_trade_no", upTo: 64),
            let amount = content.alipayAmount("total_amount"),
            let subject = content.alipayText("subject", upTo: 256)
        else { throw Failure("ACQ.INVALID_PARAMETER", "参数无效") }
        guard amount > .zero else { throw Failure("ACQ.INVALID_PARAMETER", "参数无效") }
        guard amount <= Fen(10_000_000_000) else { throw Failure("ACQ.TOTAL_FEE_EXCEED", "订单总金额超过限额") }
        let number = nextNumber(of: appID)
        return try change(appID) { merchant, now throws(Failure) in
            if var known = merchant.trades[outTradeNo] {
                known.expire(at: now)
                known.isOpened = known.isOpened || isOpened
                merchant.trades[outTradeNo] = known
                guard known.paidAt == nil || known.status == .closed else {
                    throw Failure("ACQ.TRADE_HAS_SUCCESS", "交易已被支付")
                }
                guard known.status != .closed else { throw Failure("ACQ.TRADE_HAS_CLOSE", "交易已经关闭") }
                guard known.amount == amount, known.subject == subject else {
                    throw Failure("ACQ.CONTEXT_INCONSISTENT", "交易信息被篡改")
                }
                return known
            }
            let deadline = try AlipayWorld.deadline(content, now: now)
            var trade = AlipayTrade(
                outTradeNo: outTradeNo, tradeNo: number, subject: subject, amount: amount, notifyURL: notifyURL,
                expiresAt: deadline, isOpened: isOpened, createdAt: now)
            trade.terms = try AlipayWorld.settleTerms(content, amount: amount, merchant)
            trade.isFrozen = content["extend_params"]?.flag("royalty_freeze") ?? false
            if !isOpened {
                let code = "https://qr.alipay.com/bax\(String(UInt64.random(in: 1 << 60...UInt64.max), radix: 36))"
                trade.code = code
                merchant.codes[code] = outTradeNo
            }
            merchant.trades[outTradeNo] = trade
            merchant.serials[number] = outTradeNo
            if let deadline { awaitEnd(of: trade, at: deadline, merchant) }
            return trade
        }
    }

    /// `alipay.trade.query`.
    func query(_ appID: String, _ content: JSON) throws(Failure) -> AlipayTrade {
        try change(appID) { merchant, now throws(Failure) in try AlipayWorld.opened(content, &merchant, now) }
    }

    /// `alipay.trade.close`: of what is open and unpaid.
    func close(_ appID: String, _ content: JSON) throws(Failure) -> AlipayTrade {
        try change(appID) { merchant, now throws(Failure) in
            var trade = try AlipayWorld.opened(content, &merchant, now)
            guard trade.status == .waiting else { throw Failure("ACQ.TRADE_STATUS_ERROR", "交易状态不合法") }
            trade.status = .closed
            trade.closedAt = now
            merchant.trades[trade.outTradeNo] = trade
            awaitEnd(of: trade, at: now, merchant)
            return trade
        }
    }

    /// Sees to it that the end of a trade is notified, where the application has that switched on: closed without a
    /// payment, or finished.
    private func awaitEnd(of trade: AlipayTrade, at: Instant, _ merchant: AlipayMerchant) {
        guard merchant.notifiesEnd else { return }
        let (appID, outTradeNo) = (merchant.appID, trade.outTradeNo)
        clock.schedule(appID, at: at) { [weak self] _ in await self?.tellEnd(appID, outTradeNo) }
    }

    private func tellEnd(_ appID: String, _ outTradeNo: String) async {
        let ended = try? change(appID) { merchant, now throws(Failure) -> (AlipayTrade, AlipayMerchant) in
            guard var trade = merchant.trades[outTradeNo] else { throw Failure("ACQ.TRADE_NOT_EXIST", "交易不存在") }
            trade.expire(at: now)
            merchant.trades[outTradeNo] = trade
            return (trade, merchant)
        }
        guard let (trade, merchant) = ended, trade.isOpened, !trade.isEndTold,
            trade.status == .finished || (trade.status == .closed && trade.paidAt == nil)
        else { return }
        _ = try? change(appID) { merchant, _ throws(Failure) in merchant.trades[outTradeNo]?.isEndTold = true }
        let notifyID = "\(nextNumber(of: appID, kind: "00222"))"
        if let notification = trade.notification(of: merchant, notifyID: notifyID) {
            await tell(notification)
        }
    }

    /// `alipay.trade.cancel`: undoes a trade of the last 24 hours, whatever became of it; nil when there is none.
    func cancel(
        _ appID: String, _ content: JSON
    ) throws(Failure) -> (trade: AlipayTrade, refund: AlipayTrade.Refund?)? {
        try change(appID) { merchant, now throws(Failure) in
            let serial = merchant.serial(
                outTradeNo: content["out_trade_no"]?.string, tradeNo: content["trade_no"]?.string)
            guard let serial, var trade = merchant.trades[serial] else { return nil }
            trade.expire(at: now)
            if trade.status == .closed { return (trade, trade.refunds.first { $0.outRequestNo == serial }) }
            guard trade.status != .finished else { throw Failure("ACQ.TRADE_HAS_FINISHED", "交易已经完结") }
            guard now < trade.createdAt + .seconds(86_400) else {
                throw Failure("ACQ.TRADE_CANCEL_TIME_OUT", "超过撤销时间范围")
            }
            guard trade.refunds.isEmpty else { throw Failure("ACQ.REASON_TRADE_REFUND_FEE_ERR", "退款金额无效") }
            guard trade.settlements.isEmpty, trade.standing.isEmpty else {
                throw Failure("ACQ.CANCEL_NOT_ALLOWED", "交易不允许撤销")
            }
            trade.status = .closed
            trade.closedAt = now
            var refund: AlipayTrade.Refund?
            if trade.paidAt != nil {
                var made = AlipayTrade.Refund(outRequestNo: serial, amount: trade.amount, at: now, reason: "撤销")
                try AlipayWorld.take(&made, from: &trade, [:], &merchant)
                trade.refunds.append(made)
                refund = made
                enter(made, of: trade, &merchant)
            }
            merchant.trades[serial] = trade
            return (trade, refund)
        }
    }

    /// The buyer opens a trade, and pays it unless `onlyOpens`.
    func buy(
        _ appID: String, outTradeNo: String, buyerID: String, onlyOpens: Bool
    ) throws(Failure) -> AlipayTrade {
        let paid = try change(appID) { merchant, now throws(Failure) in
            guard var trade = merchant.trades[outTradeNo] else {
                throw Failure("ACQ.TRADE_NOT_EXIST", "交易不存在")
            }
            trade.expire(at: now)
            trade.isOpened = true
            merchant.trades[outTradeNo] = trade
            guard trade.status != .closed else { throw Failure("ACQ.TRADE_HAS_CLOSE", "交易已经关闭") }
            guard trade.status == .waiting else { throw Failure("ACQ.TRADE_HAS_SUCCESS", "交易已被支付") }
            guard !onlyOpens else { return trade }
            if merchant.hasMagicAmounts, let rule = AlipayMagic.rule("buy", trade.amount) {
                throw Failure(rule.parameters["sub_code"]?.string ?? "ACQ.PAYMENT_FAIL", "支付失败")
            }
            trade.status = .success
            trade.paidAt = now
            trade.buyerID = buyerID
            merchant.trades[outTradeNo] = trade
            book(
                AlipayBookEntry(
                    kind: .payment, tradeNo: trade.tradeNo, outTradeNo: outTradeNo, outRequestNo: "",
                    subject: trade.subject, buyerID: buyerID, createdAt: trade.createdAt, finishedAt: now,
                    amount: trade.amount, fee: AlipayBookEntry.fee(of: trade.amount), date: BusinessDate(of: now),
                    smid: trade.terms?.smid), &merchant)
            awaitEnd(of: trade, at: now + AlipayTrade.refundable, merchant)
            return trade
        }
        if paid.paidAt != nil { awaitSettlement(of: paid, appID) }
        return paid
    }

    /// Enters a payment or refund, and sees to it that its day is remitted.
    func book(_ entry: AlipayBookEntry, _ merchant: inout AlipayMerchant) {
        var entry = entry
        entry.sequence = merchant.nextSequence()
        merchant.book.append(entry)
        if entry.smid == nil { awaitRemittance(of: entry.date, &merchant) }
    }

    /// The trade that a request names, brought up to date; a precreated one that nobody scanned does not exist.
    static func opened(
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

    /// `time_expire`, or `timeout_express` (`90m`, `2h`, `1d`, `1c` for the end of the day).
    private static func deadline(_ content: JSON, now: Instant) throws(Failure) -> Instant? {
        if let text = content.alipayText("time_expire") {
            guard let deadline = Instant(text: text) else { throw Failure("ACQ.INVALID_PARAMETER", "参数无效") }
            guard now < deadline else {
                throw Failure("ACQ.NOW_TIME_AFTER_EXPIRE_TIME_ERROR", "当前时间已超过允许支付的时间")
            }
            return deadline
        }
        guard let text = content.alipayText("timeout_express") else { return nil }
        guard let number = Int64(text.dropLast()), number > 0 else {
            throw Failure("ACQ.INVALID_PARAMETER", "参数无效")
        }
        switch text.last {
        case "m": return now + .seconds(number * 60)
        case "h": return now + .seconds(number * 3600)
        case "d": return now + .seconds(number * 86_400)
        case "c": return BusinessDate(of: now).advanced(by: Int(number)).start
        default: throw Failure("ACQ.INVALID_PARAMETER", "参数无效")
        }
    }
}
