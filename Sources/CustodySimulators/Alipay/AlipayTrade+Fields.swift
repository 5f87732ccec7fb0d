import CustodyDomain
import CustodyWire

/// A trade as the gateway's answers and the notifications write it.
extension AlipayTrade {
    /// The node of `alipay.trade.query`.
    func queryNode(claiming status: Status? = nil, withSettlement: Bool = false) -> JSON {
        let status = status ?? self.status
        let isPaid = paidAt != nil && status != .waiting
        let paidAt = isPaid ? paidAt : nil
        return JSON.object(
            [
                .init("code", "10000"), .init("msg", "Success"), .init("out_trade_no", .string(outTradeNo)),
                .init("trade_no", .string(tradeNo)), .init("trade_status", .string(status.rawValue)),
                .init("total_amount", .string(amount.yuan)), .init("subject", .string(subject)),
                .init("buyer_user_id", JSON(isPaid ? buyerID : nil)),
                .init("buyer_pay_amount", .string(isPaid ? amount.yuan : "0.00")),
                .init("receipt_amount", .string(isPaid ? amount.yuan : "0.00")),
                .init("send_pay_date", JSON(paidAt?.shanghaiWallClock)),
                .init("alipay_sub_merchant_id", JSON(terms?.smid)),
                .init("trade_settle_info", withSettlement ? settleInfo : .null),
            ]
        ).omittingNulls
    }

    /// What `query_options` asks for as `trade_settle_info`.
    private var settleInfo: JSON {
        let left = terms == nil ? unsettled : held
        let splits = settlements.flatMap { settlement in
            settlement.details.filter { $0.state == .succeeded }.map { detail -> JSON in
                [
                    "operation_type": "transfer", "operation_serial_no": .string(settlement.outRequestNo),
                    "operation_dt": .string(settlement.at.shanghaiWallClock), "trans_in": .string(detail.account),
                    "amount": .string(detail.amount.yuan),
                ]
            }
        }
        let confirmed = standing.map { confirmation -> JSON in
            [
                "operation_type": "settle", "operation_serial_no": .string(confirmation.outRequestNo),
                "operation_dt": .string(confirmation.at.shanghaiWallClock), "trans_in": JSON(terms?.smid),
                "amount": .string(confirmation.amount.yuan),
            ]
        }
        let returned = refunds.flatMap { refund -> [JSON] in
            let back = refund.givenBack.sorted { $0.key < $1.key }.map { account, amount -> JSON in
                [
                    "operation_type": "transfer_refund", "operation_serial_no": .string(refund.outRequestNo),
                    "operation_dt": .string(refund.at.shanghaiWallClock), "trans_out": .string(account),
                    "amount": .string(amount.yuan),
                ]
            }
            guard refund.confirmNo != nil, refund.ofPayee > .zero else { return back }
            return back + [
                [
                    "operation_type": "settle_refund", "operation_serial_no": .string(refund.outRequestNo),
                    "operation_dt": .string(refund.at.shanghaiWallClock), "trans_out": JSON(terms?.smid),
                    "amount": .string(refund.ofPayee.yuan),
                ]
            ]
        }
        return [
            "trade_unsettled_amount": .string(max(left, .zero).yuan),
            "trade_settle_detail_list": .array(splits + confirmed + returned),
        ]
    }

    /// The node of `alipay.trade.refund`; `refund_fee` is the sum so far.
    func refundNode(_ refund: Refund, isNew: Bool) -> JSON {
        JSON.object(
            [
                .init("code", "10000"), .init("msg", "Success"), .init("out_trade_no", .string(outTradeNo)),
                .init("trade_no", .string(tradeNo)), .init("buyer_user_id", JSON(buyerID)),
                .init("fund_change", isNew ? "Y" : "N"), .init("refund_fee", .string(refunded.yuan)),
                .init("gmt_refund_pay", JSON(isNew ? refund.at.shanghaiWallClock : nil)),
            ]
        ).omittingNulls
    }

    /// The node of `alipay.trade.fastpay.refund.query`; without a refund it says nothing about one.
    func refundQueryNode(_ outRequestNo: String) -> JSON {
        var members: [JSON.Member] = [.init("code", "10000"), .init("msg", "Success")]
        if let refund = refunds.first(where: { $0.outRequestNo == outRequestNo }) {
            members += [
                .init("out_trade_no", .string(outTradeNo)), .init("trade_no", .string(tradeNo)),
                .init("out_request_no", .string(outRequestNo)), .init("refund_status", "REFUND_SUCCESS"),
                .init("refund_reason", .string(refund.reason)), .init("total_amount", .string(amount.yuan)),
                .init("refund_amount", .string(refund.amount.yuan)),
                .init("gmt_refund_pay", .string(refund.at.shanghaiWallClock)),
            ]
        }
        return .object(members)
    }

    /// The notification that the trade is paid, or partly or wholly refunded.
    func notification(
        of merchant: AlipayMerchant, notifyID: String, refund: Refund? = nil
    ) -> AlipayNotifier.Notification? {
        guard let notifyURL else { return nil }
        var fields: [URLForm.Field] = [
            .init("notify_type", "trade_status_sync"), .init("notify_id", notifyID), .init("charset", "utf-8"),
            .init("version", "1.0"), .init("app_id", merchant.appID), .init("auth_app_id", merchant.appID),
            .init("seller_id", merchant.sellerID), .init("trade_no", tradeNo), .init("out_trade_no", outTradeNo),
            .init("trade_status", status.rawValue), .init("total_amount", amount.yuan),
            .init("receipt_amount", amount.yuan), .init("invoice_amount", amount.yuan),
            .init("buyer_pay_amount", amount.yuan), .init("point_amount", "0.00"), .init("subject", subject),
            .init("buyer_id", buyerID ?? ""), .init("gmt_create", createdAt.shanghaiWallClock),
            .init("fund_bill_list", "[{\"amount\":\"\(amount.yuan)\",\"fundChannel\":\"ALIPAYACCOUNT\"}]"),
        ]
        if let paidAt { fields.append(.init("gmt_payment", paidAt.shanghaiWallClock)) }
        if let refund {
            fields += [
                .init("out_biz_no", refund.outRequestNo), .init("refund_fee", refunded.yuan),
                .init("gmt_refund", refund.at.shanghaiWallClock + ".000"),
            ]
        }
        if let closedAt { fields.append(.init("gmt_close", closedAt.shanghaiWallClock)) }
        return AlipayNotifier.Notification(
            appID: merchant.appID, url: notifyURL, notifyID: notifyID, outTradeNo: outTradeNo,
            outRequestNo: refund?.outRequestNo, amount: refund?.amount ?? amount, fields: fields)
    }
}
