import CustodyDomain
import CustodyWire

/// Paying out of the collecting account (转账).
extension AlipayWorld {
    /// Puts money into the collecting account.
    func deposit(_ appID: String, _ amount: Fen) throws(Failure) -> Fen {
        let number = nextNumber(of: appID, kind: "00404")
        return try change(appID) { merchant, now throws(Failure) in
            merchant.enter(
                AlipayMovement(
                    account: merchant.sellerID, kind: .deposit, amount: amount, at: now, date: BusinessDate(of: now),
                    businessNumber: number, outNumber: ""))
            return merchant.balance
        }
    }

    /// `alipay.fund.trans.uni.transfer`: to an Alipay account at once, to a card within two hours.
    func transfer(_ appID: String, _ content: JSON, _ rule: FaultRule?) throws(Failure) -> AlipayTransfer {
        guard let number = content.alipayText("out_biz_no", upTo: 64),
            let amount = content.alipayAmount("trans_amount"),
            amount > .zero, let payee = content["payee_info"]?.alipayText("identity"),
            let type = content["payee_info"]?.alipayText("identity_type"),
            content["biz_scene"]?.string == "DIRECT_TRANSFER"
        else { throw Failure("INVALID_PARAMETER", "参数有误") }
        let product = content["product_code"]?.string
        guard product == "TRANS_ACCOUNT_NO_PWD" || product == "TRANS_BANKCARD_NO_PWD" else {
            throw Failure("INVALID_PARAMETER", "参数有误")
        }
        let isCard = product == "TRANS_BANKCARD_NO_PWD"
        guard !isCard || type == "BANKCARD_ACCOUNT" else { throw Failure("INVALID_PARAMETER", "参数有误") }
        let orderID = nextNumber(of: appID, kind: "11007")
        let fate = rule?.fault
        let made = try change(appID) { merchant, now throws(Failure) -> (AlipayTransfer, Bool) in
            guard case .certificate = merchant.mode else {
                throw Failure("isv.insufficient-isv-permissions", "转账接口仅支持公钥证书模式")
            }
            if let known = merchant.transfers.first(where: { $0.outBizNo == number }) {
                guard known.content == content.sorted else {
                    throw Failure("PAYMENT_INFO_INCONSISTENCY", "两次请求商户单号一样，但是参数不一致")
                }
                return (known, false)
            }
            guard type != "ALIPAY_USER_ID" || payee != merchant.sellerID else {
                throw Failure("PAYER_PAYEE_CANNOT_SAME", "收付款方不能相同")
            }
            guard merchant.balance >= amount else { throw Failure("PAYER_BALANCE_NOT_ENOUGH", "付款方余额不足") }
            let transfer = AlipayTransfer(
                outBizNo: number, orderID: orderID, amount: amount, payee: payee, content: content.sorted, at: now,
                status: isCard || fate == "fails_later" ? .dealing : .succeeded)
            merchant.transfers.append(transfer)
            merchant.enter(transfer.movement(.transfer, -amount, of: merchant.sellerID, at: now))
            return (transfer, true)
        }
        guard made.1 else { return made.0 }
        if made.0.status == .succeeded { announce(made.0, appID, at: made.0.at) }
        if made.0.status == .dealing {
            later(made.0, appID, after: .seconds(7200), becomes: fate == "fails_later" ? .failed : .succeeded)
        }
        if fate == "returns_later" { later(made.0, appID, after: .seconds(86_400), becomes: .returned) }
        return made.0
    }

    /// `alipay.fund.trans.common.query`.
    func transfer(_ appID: String, queriedBy content: JSON) throws(Failure) -> AlipayTransfer {
        try change(appID) { merchant, _ throws(Failure) in
            let found = merchant.transfers.first { transfer in
                if let orderID = content.alipayText("order_id") { return transfer.orderID == orderID }
                return transfer.outBizNo == content["out_biz_no"]?.string
            }
            guard let found else { throw Failure("ORDER_NOT_EXIST", "转账订单不存在") }
            return found
        }
    }

    private func later(
        _ transfer: AlipayTransfer, _ appID: String, after wait: Duration, becomes status: AlipayTransfer.Status
    ) {
        clock.schedule(appID, at: transfer.at + wait) { [weak self] at in
            let ended = try? self?.change(appID) { merchant, now throws(Failure) -> AlipayTransfer in
                guard let index = merchant.transfers.firstIndex(where: { $0.outBizNo == transfer.outBizNo }) else {
                    throw Failure("ORDER_NOT_EXIST", "转账订单不存在")
                }
                merchant.transfers[index].status = status
                guard status == .failed || status == .returned else { return merchant.transfers[index] }
                merchant.transfers[index].errorCode =
                    status == .failed ? "PAYEE_CARD_INFO_ERROR" : "CARD_REFUND"
                merchant.transfers[index].failReason = status == .failed ? "收款方卡信息错误" : "银行退票"
                merchant.enter(transfer.movement(.transferBack, transfer.amount, of: merchant.sellerID, at: now))
                return merchant.transfers[index]
            }
            if let ended { self?.announce(ended, appID, at: at) }
        }
    }

    /// Tells the application's gateway of a transfer that ended (`alipay.fund.trans.order.changed`).
    private func announce(_ transfer: AlipayTransfer, _ appID: String, at: Instant) {
        let content = JSON.object([
            .init("out_biz_no", .string(transfer.outBizNo)), .init("order_id", .string(transfer.orderID)),
            .init("pay_fund_order_id", .string(transfer.orderID)), .init("status", .string(transfer.status.rawValue)),
            .init("product_code", transfer.content["product_code"] ?? .null),
            .init("biz_scene", transfer.content["biz_scene"] ?? .null), .init("action_type", "FINISH"),
            .init("origin_interface", "alipay.fund.trans.uni.transfer"),
            .init("trans_amount", .string(transfer.amount.yuan)),
            .init("pay_date", .string(transfer.at.shanghaiWallClock)),
            .init("sub_order_error_code", JSON(transfer.errorCode)),
            .init("sub_order_fail_reason", JSON(transfer.failReason)), .init("error_code", JSON(transfer.errorCode)),
            .init("fail_reason", JSON(transfer.failReason)),
        ]).omittingNulls
        clock.schedule(appID, at: at) { [weak self] _ in
            await self?.tell(appID, "alipay.fund.trans.order.changed", content)
        }
    }
}

extension AlipayTransfer {
    /// The entry that it makes, or that undoes it.
    func movement(
        _ kind: AlipayMovement.Kind, _ amount: Fen, of account: String, at: Instant
    ) -> AlipayMovement {
        AlipayMovement(
            account: account, kind: kind, amount: amount, at: at, date: BusinessDate(of: at), businessNumber: orderID,
            outNumber: outBizNo, subject: content["order_title"]?.string ?? "", counterpart: "*(\(payee.suffix(4)))")
    }
}
