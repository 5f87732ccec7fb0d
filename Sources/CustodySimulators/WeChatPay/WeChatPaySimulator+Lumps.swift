import CustodyDomain
import CustodyWire
import NIOCore

/// The lump that a day leaves behind for the bank, where the money does not stay at WeChat Pay.
extension WeChatPaySimulator {
    /// Makes sure that a day's lump leaves at 02:00 of the next day.
    func scheduleLump(_ merchant: WeChatPayMerchant, _ date: BusinessDate) {
        guard merchant.remitURL != nil, merchant.scheduledLumps.insert(date).inserted else { return }
        let mchid = merchant.mchid
        clock.schedule(mchid, at: date.advanced(by: 1).start + .seconds(2 * 3600)) { [self] at in
            await remit(mchid, date, at)
        }
    }

    /// Remits a day's net to the bank, with what it is made of.
    private func remit(_ mchid: String, _ date: BusinessDate, _ at: Instant) async {
        guard let merchant = merchants[mchid], let url = merchant.remitURL else { return }
        var net = Fen.zero
        var items: [JSON] = []
        for order in merchant.billedOrders(date) {
            let (amount, fee) = (merchant.billAmount(of: order), merchant.billFee(of: order).rounded)
            net += amount - fee
            items.append([
                "kind": "payment", "channel_order_no": JSON(order.transactionID), "out_no": .string(order.outTradeNo),
                "amount_fen": JSON(amount.value), "fee_fen": JSON(fee.value),
            ])
        }
        for refund in merchant.billedRefunds(date) where refund.status != "CLOSED" {
            let fee = -WeChatPayMerchant.fee(of: refund.amount)
            net -= refund.amount + fee
            items.append([
                "kind": "refund", "channel_order_no": .string(refund.refundID),
                "out_no": .string(refund.outRefundNo), "amount_fen": JSON(refund.amount.value),
                "fee_fen": JSON(fee.value),
            ])
        }
        guard !items.isEmpty else { return }
        let body: JSON = [
            "market_id": .string(merchant.registration.marketID), "channel": "WXPAY",
            "business_date": .string(date.iso),
            "net_fen": JSON(net.value), "items": .array(items),
        ]
        let number = "REMIT\(date.compact)"
        book(merchant, mchid, -net, .available, "提现", "提现", number, number, at)
        merchant.lumps.append(.init(date: date, net: net, itemCount: items.count, answer: 0))
        let status = await post(url, body.bytes, timeout: .seconds(30)) ?? 0
        if let index = merchants[mchid]?.lumps.firstIndex(where: { $0.date == date }) {
            merchants[mchid]?.lumps[index].answer = status
        }
    }
}
