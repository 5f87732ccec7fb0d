import CustodyDomain
import CustodyWire
import Foundation

/// What each method does.
extension AlipayGatewayRoutes {
    /// Executes a call, and returns the node of its answer.
    func execute(
        _ call: AlipayCall, _ method: AlipayMethod, _ rule: FaultRule?
    ) async throws(AlipayWorld.Failure) -> JSON {
        switch method {
        case .precreate, .create, .pay, .query, .close, .cancel: try await trade(call, method, rule)
        case .refund, .refundQuery: try refund(call, method, rule)
        case .settle, .settleQuery, .unsettledQuery, .settleConfirm, .cancelConfirmation, .receivables:
            try settlement(call, method)
        case .bind, .unbind, .relations, .ratio: try royalty(call, method)
        case .transfer, .transferQuery, .balance: try transfer(call, method, rule)
        case .apply, .applySimply, .applyQuickly, .consult, .modify, .upgrade: try application(call, method)
        case .changeAccount, .applicationQuery, .accountQuery, .delete, .detectCard, .unbindAccount, .uploadImage:
            try onboarding(call, method)
        case .bill: try billAddress(call, rule)
        case .certificate: try certificates()
        }
    }

    /// `alipay.open.app.alipaycert.download`.
    private func certificates() throws(AlipayWorld.Failure) -> JSON {
        guard let pem = try? authority.authority().alipayPEM else {
            throw .init("isp.unknow-error", "系统繁忙")
        }
        return .success(.init("alipay_cert_content", .string(Data(pem.utf8).base64EncodedString())))
    }

    private func trade(
        _ call: AlipayCall, _ method: AlipayMethod, _ rule: FaultRule?
    ) async throws(AlipayWorld.Failure) -> JSON {
        switch method {
        case .precreate:
            let trade = try world.place(call.appID, call.content, notifyURL: call.notifyURL, isOpened: false)
            return .success(
                .init("out_trade_no", .string(trade.outTradeNo)), .init("qr_code", .string(trade.code ?? "")))
        case .create:
            guard call.content.alipayText("buyer_id") != nil || call.content.alipayText("buyer_open_id") != nil else {
                throw .init("ACQ.INVALID_PARAMETER", "buyer_id 与 buyer_open_id 不能同时为空")
            }
            let trade = try world.place(call.appID, call.content, notifyURL: call.notifyURL, isOpened: true)
            return .success(
                .init("out_trade_no", .string(trade.outTradeNo)), .init("trade_no", .string(trade.tradeNo)))
        case .pay: return try await pay(call, rule)
        case .close:
            let trade = try world.close(call.appID, call.content)
            return .success(
                .init("out_trade_no", .string(trade.outTradeNo)), .init("trade_no", .string(trade.tradeNo)))
        case .cancel:
            guard let (trade, refund) = try world.cancel(call.appID, call.content) else {
                return .success(
                    .init("out_trade_no", JSON(call.content["out_trade_no"]?.string)), .init("retry_flag", "N"))
            }
            return .success(
                .init("out_trade_no", .string(trade.outTradeNo)), .init("trade_no", .string(trade.tradeNo)),
                .init("retry_flag", "N"), .init("action", refund == nil ? "close" : "refund"),
                .init("gmt_refund_pay", JSON(refund?.at.shanghaiWallClock)))
        default:
            return try world.query(call.appID, call.content).queryNode(
                claiming: rule?.fault == "stale" ? .waiting : nil,
                withSettlement: call.content["query_options"]?.array?.contains("trade_settle_info") ?? false)
        }
    }

    /// The buyer shows a code: paid at once, or the phone asks for the password.
    private func pay(_ call: AlipayCall, _ rule: FaultRule?) async throws(AlipayWorld.Failure) -> JSON {
        let code = call.content["auth_code"]?.string ?? ""
        guard (16...24).contains(code.utf8.count), let prefix = Int(code.prefix(2)), (25...30).contains(prefix),
            call.content["scene"]?.string == "bar_code"
        else { throw .init("ACQ.PAYMENT_AUTH_CODE_INVALID", "支付授权码无效") }
        let trade = try world.place(call.appID, call.content, notifyURL: call.notifyURL, isOpened: true)
        if rule?.fault == "waiting" {
            return [
                "code": "10003", "msg": "order success pay inprocess", "out_trade_no": .string(trade.outTradeNo),
                "trade_no": .string(trade.tradeNo),
            ]
        }
        let paid = try world.buy(
            call.appID, outTradeNo: trade.outTradeNo, buyerID: "2088\(code.suffix(12))", onlyOpens: false)
        announce(paid, nil, call.appID)
        return .success(
            .init("out_trade_no", .string(paid.outTradeNo)), .init("trade_no", .string(paid.tradeNo)),
            .init("buyer_user_id", JSON(paid.buyerID)), .init("buyer_logon_id", "159****5620"),
            .init("total_amount", .string(paid.amount.yuan)), .init("receipt_amount", .string(paid.amount.yuan)),
            .init("buyer_pay_amount", .string(paid.amount.yuan)), .init("invoice_amount", .string(paid.amount.yuan)),
            .init("point_amount", "0.00"), .init("gmt_payment", JSON(paid.paidAt?.shanghaiWallClock)),
            .init("fund_bill_list", [["amount": .string(paid.amount.yuan), "fund_channel": "ALIPAYACCOUNT"]]))
    }

    private func refund(
        _ call: AlipayCall, _ method: AlipayMethod, _ rule: FaultRule?
    ) throws(AlipayWorld.Failure) -> JSON {
        guard method == .refund else {
            guard let asked = call.content.alipayText("out_request_no") else {
                throw .init("ACQ.INVALID_PARAMETER", "参数无效")
            }
            let number = rule?.fault == "stale" ? "" : asked
            return try world.query(call.appID, call.content).refundQueryNode(number)
        }
        let (trade, refund, isNew) = try world.refund(call.appID, call.content)
        if isNew { announce(trade, refund, call.appID) }
        return trade.refundNode(refund, isNew: isNew && rule?.fault != "unchanged")
    }

    private func settlement(_ call: AlipayCall, _ method: AlipayMethod) throws(AlipayWorld.Failure) -> JSON {
        switch method {
        case .settle:
            let (trade, settlement, isNew, isAsync) = try world.settle(call.appID, call.content)
            if isNew { follow(settlement, of: trade, call.appID, isAsync: isAsync) }
            return .success(
                .init("trade_no", .string(trade.tradeNo)), .init("settle_no", .string(settlement.settleNo)))
        case .settleQuery:
            let settlement = try world.settlement(call.appID, call.content)
            return .object([.init("code", "10000"), .init("msg", "Success")] + settlement.members)
        case .unsettledQuery:
            let trade = try world.query(call.appID, call.content)
            let isOpen = trade.status == .success && trade.royaltyFinishedAt == nil
            return .success(.init("unsettled_amount", .string((isOpen ? trade.unsettled : .zero).yuan)))
        case .cancelConfirmation:
            let (trade, number) = try world.cancelConfirmation(call.appID, call.content)
            return .success(.init("trade_no", .string(trade.tradeNo)), .init("ori_request_no", .string(number)))
        case .receivables:
            let trade = try world.query(call.appID, call.content)
            guard trade.terms != nil else { throw .init("ACQ.TRADE_SETTLE_ERROR", "交易结算异常") }
            return .success(
                .init("unsettled_amount", .string(trade.unconfirmed.yuan)),
                .init("on_settle_amount", .string(trade.releasable.yuan)),
                .init("settled_amount", .string(trade.released.yuan)))
        default:
            let (trade, confirmation) = try world.confirm(call.appID, call.content)
            return .success(
                .init("trade_no", .string(trade.tradeNo)),
                .init("out_request_no", .string(confirmation.outRequestNo)),
                .init("settle_amount", .string(confirmation.amount.yuan)))
        }
    }

    private func royalty(_ call: AlipayCall, _ method: AlipayMethod) throws(AlipayWorld.Failure) -> JSON {
        switch method {
        case .bind: try world.bind(call.appID, call.content)
        case .unbind: try world.unbind(call.appID, call.content)
        case .relations: return try world.relations(call.appID, call.content)
        default:
            guard let merchant = world.merchant(call.appID) else { throw .init("isv.invalid-app-id", "无效的AppID参数") }
            return .success(
                .init("user_id", .string(merchant.sellerID)), .init("max_ratio", JSON(merchant.royaltyRatio)))
        }
        return .success(.init("result_code", "SUCCESS"))
    }

    private func transfer(
        _ call: AlipayCall, _ method: AlipayMethod, _ rule: FaultRule?
    ) throws(AlipayWorld.Failure) -> JSON {
        switch method {
        case .transfer:
            let transfer = try world.transfer(call.appID, call.content, rule)
            return .success(
                .init("out_biz_no", .string(transfer.outBizNo)), .init("order_id", .string(transfer.orderID)),
                .init("pay_fund_order_id", .string(transfer.orderID)),
                .init("status", .string(transfer.status.rawValue)),
                .init("trans_date", .string(transfer.at.shanghaiWallClock)))
        case .transferQuery:
            let transfer = try world.transfer(call.appID, queriedBy: call.content)
            return .success(
                .init("out_biz_no", .string(transfer.outBizNo)), .init("order_id", .string(transfer.orderID)),
                .init("pay_fund_order_id", .string(transfer.orderID)),
                .init("status", .string(transfer.status.rawValue)),
                .init("trans_amount", .string(transfer.amount.yuan)),
                .init("pay_date", .string(transfer.at.shanghaiWallClock)), .init("order_fee", "0.00"),
                .init("error_code", JSON(transfer.errorCode)), .init("fail_reason", JSON(transfer.failReason)))
        default:
            let balance = world.merchant(call.appID)?.balance ?? .zero
            return .success(
                .init("available_amount", .string(balance.yuan)), .init("freeze_amount", "0.00"),
                .init("total_amount", .string(balance.yuan)))
        }
    }

    private func application(_ call: AlipayCall, _ method: AlipayMethod) throws(AlipayWorld.Failure) -> JSON {
        let made: AlipayApplication
        switch method {
        case .consult:
            let (orderID, isWelcome) = try world.consult(call.appID, call.content)
            let verdict = JSON.string(isWelcome ? "PASS" : "REJECT")
            return .success(
                .init("order_id", .string(orderID)), .init("risk_audit", verdict), .init("account_audit", verdict))
        case .applySimply: made = try world.apply(call.appID, call.content, .simpleCreate)
        case .applyQuickly:
            made = try world.apply(call.appID, call.content, .quickCreate)
            let page = "https://u.alipay.cn/_\(made.orderID.suffix(8))"
            return .success(
                .init("order_id", .string(made.orderID)), .init("sign_short_chain_url", .string(page)),
                .init("sign_qr_code_url", .string(page + "?qr=1")))
        case .modify: made = try world.change(call.appID, call.content, .modify)
        case .upgrade: made = try world.change(call.appID, call.content, .upgrade)
        default: made = try world.apply(call.appID, call.content, .create)
        }
        return .success(.init("order_id", .string(made.orderID)))
    }

    private func onboarding(_ call: AlipayCall, _ method: AlipayMethod) throws(AlipayWorld.Failure) -> JSON {
        switch method {
        case .changeAccount:
            return .success(.init("order_id", .string(try world.changeAccount(call.appID, call.content))))
        case .detectCard:
            let difference = try world.cardDifference(call.appID, call.content)
            return .success(
                .init("consistent", .string(difference == nil ? "true" : "false")),
                .init("inconsistency_reason", JSON(difference)))
        case .unbindAccount:
            try world.unbindAccount(call.appID, call.content)
            return .success()
        case .uploadImage:
            guard let image = call.image else { throw .init("isv.missing-parameter", "缺少图片") }
            return .success(.init("image_id", .string(try world.keep(image, call.appID))))
        case .applicationQuery:
            return .success(.init("orders", .array(try world.applications(call.appID, call.content))))
        case .accountQuery:
            let subMerchant = try world.account(call.appID, call.content)
            return .success(
                .init("default_settle_rule", subMerchant.content["default_settle_rule"] ?? .null),
                .init("alipay_logon_id", JSON(subMerchant.content.alipayText("alipay_logon_id"))),
                .init(
                    "biz_cards",
                    .array(
                        (subMerchant.content["biz_cards"]?.array ?? []).map { card in
                            let number = card["account_no"]?.string ?? ""
                            return ["account_no": .string("\(number.prefix(4))****\(number.suffix(4))")]
                        })))
        default:
            try world.delete(call.appID, call.content)
            return .success()
        }
    }

    /// Notifies of a payment or refund right after the answer, not before.
    func announce(_ trade: AlipayTrade, _ refund: AlipayTrade.Refund?, _ appID: String) {
        guard let merchant = world.merchant(appID), let at = refund?.at ?? trade.paidAt else { return }
        let notifyID = "\(BusinessDate(of: at).compact)00222\(world.nextNumber())"
        guard let notification = trade.notification(of: merchant, notifyID: notifyID, refund: refund) else { return }
        world.clock.schedule(appID, at: at) { [notifier] _ in await notifier.send(notification) }
    }

    /// Tells of a split that was made for each receiver by itself, once all of it has ended.
    private func follow(
        _ settlement: AlipaySettlement, of trade: AlipayTrade, _ appID: String, isAsync: Bool
    ) {
        let isOpen = settlement.details.contains { $0.state == .processing }
        guard isAsync || isOpen else { return }
        let (world, number) = (world, trade.outTradeNo)
        let due = isOpen ? settlement.at + .seconds(86_400) : settlement.at
        world.clock.schedule(appID, at: due) { _ in
            let ended = world.finishProcessing(
                appID, outTradeNo: number, outRequestNo: settlement.outRequestNo)
            guard isAsync, let ended else { return }
            await world.tell(
                appID, "alipay.trade.order.settle.notify",
                .object(
                    [.init("msg_type", "ASYNC_SETTLE_RESULT"), .init("trade_no", .string(trade.tradeNo))]
                        + ended.members))
        }
    }
}
