import CustodyDomain
import CustodyWire

extension WeChatPaySimulator {
    /// What there is of a merchant, for checks.
    func state(of merchant: WeChatPayMerchant) -> JSON {
        let orders = merchant.orders.values.sorted { ($0.createdAt, $0.outTradeNo) < ($1.createdAt, $1.outTradeNo) }
        let refunds = merchant.refunds.values.sorted {
            ($0.createdAt, $0.outRefundNo) < ($1.createdAt, $1.outRefundNo)
        }
        return [
            "mchid": .string(merchant.mchid), "now": .string(clock.now(of: merchant.mchid).rfc3339),
            "paid_fen": JSON(orders.filter { $0.paidAt != nil }.map(\.total).sum().value),
            "refunded_fen": JSON(refunds.filter { $0.status == "SUCCESS" }.map(\.amount).sum().value),
            "callbacks": [
                "open": JSON(merchant.openCallbacks), "delivered": JSON(merchant.deliveredCallbacks),
                "failed_attempts": JSON(merchant.failedAttempts),
            ],
            "orders": .array(
                orders.map {
                    [
                        "out_trade_no": .string($0.outTradeNo), "sub_mchid": JSON($0.subMchid),
                        "state": .string($0.state.rawValue), "total_fen": JSON($0.total.value),
                        "transaction_id": JSON($0.transactionID), "paid_at": JSON($0.paidAt?.rfc3339),
                    ]
                }),
            "refunds": .array(
                refunds.map {
                    [
                        "out_refund_no": .string($0.outRefundNo),
                        "out_trade_no": JSON(merchant.orders[$0.orderKey]?.outTradeNo),
                        "refund_id": .string($0.refundID), "amount_fen": JSON($0.amount.value),
                        "status": .string($0.status),
                    ]
                }),
            "accounts": .object(
                merchant.accounts.sorted { $0.key < $1.key }.map { number, account in
                    JSON.Member(
                        number,
                        ["available_fen": JSON(account.available.value), "held_fen": JSON(account.held.value)])
                }),
            "withdrawals": .array(
                merchant.withdrawals.values.sorted { $0.withdrawID < $1.withdrawID }.map {
                    [
                        "out_request_no": .string($0.outRequestNo), "mchid": .string($0.mchid),
                        "amount_fen": JSON($0.amount.value), "status": .string($0.status),
                    ]
                }),
            "splits": .array(
                merchant.splits.values.sorted { $0.orderID < $1.orderID }.map {
                    [
                        "out_order_no": .string($0.outOrderNo), "status": .string($0.status),
                        "split_fen": JSON($0.receivers.filter { $0.result == "SUCCESS" }.map(\.amount).sum().value),
                    ]
                }),
            "books": WeChatPayBooks(merchant).json,
            "lumps": .array(
                merchant.lumps.map {
                    [
                        "business_date": .string($0.date.iso), "net_fen": JSON($0.net.value),
                        "item_count": JSON($0.itemCount), "answer_status": JSON($0.answer),
                    ]
                }),
        ]
    }
}
