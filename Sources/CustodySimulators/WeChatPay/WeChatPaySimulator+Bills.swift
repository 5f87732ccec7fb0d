import Crypto
import CustodyDomain
import CustodyWire
import NIOCore

/// What a day leaves behind: the lump that goes to the bank, and the bill that explains it.
extension WeChatPaySimulator {
    /// Makes sure that a day's lump leaves at 02:00 of the next day.
    func scheduleLump(_ merchant: WeChatPayMerchant, _ date: BusinessDate) {
        guard merchant.remitURL != nil, merchant.scheduledLumps.insert(date).inserted else { return }
        let mchid = merchant.mchid
        clock.schedule(mchid, at: date.advanced(by: 1).start + .seconds(2 * 3600)) { [self] _ in
            await remit(mchid, date)
        }
    }

    /// Remits a day's net to the bank, with what it is made of.
    private func remit(_ mchid: String, _ date: BusinessDate) async {
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
            "market_id": .string(merchant.marketID), "channel": "WXPAY", "business_date": .string(date.iso),
            "net_fen": JSON(net.value), "items": .array(items),
        ]
        merchants[mchid]?.lumps.append(.init(date: date, net: net, itemCount: items.count, answer: 0))
        let status = await post(url, body.bytes, timeout: .seconds(30)) ?? 0
        if let index = merchants[mchid]?.lumps.firstIndex(where: { $0.date == date }) {
            merchants[mchid]?.lumps[index].answer = status
        }
    }

    /// Makes a bill ready for download.
    func makeBill(
        _ request: SimulatorRequest, _ merchant: WeChatPayMerchant, _ now: Instant
    ) throws(WeChatPayFailure) -> JSON {
        guard let date = request.queryField("bill_date").flatMap({ BusinessDate($0) }) else {
            throw WeChatPayFailure(400, "PARAM_ERROR", "bill_date无效")
        }
        let today = BusinessDate(of: now)
        guard date < today, date >= today.advanced(by: -92) else {
            throw WeChatPayFailure(400, "PARAM_ERROR", "账单日期只能是三个月内且早于今天")
        }
        guard now >= date.advanced(by: 1).start + .seconds(10 * 3600) else {
            throw WeChatPayFailure(400, "STATEMENT_CREATING", "账单生成中")
        }
        let type = request.queryField("bill_type") ?? "ALL"
        guard let form = WeChatPayTradeBill.Form(rawValue: "tradebill_\(type.lowercased())") else {
            throw WeChatPayFailure(400, "PARAM_ERROR", "bill_type无效")
        }
        let rows = merchant.bills[date] ?? billRows(merchant, date)
        merchant.bills[date] = rows
        let isRelevant = rows.contains { form == .all || ($0.refund != nil) == (form == .refund) }
        guard isRelevant else { throw WeChatPayFailure(400, "NO_STATEMENT_EXIST", "账单不存在") }
        let plain = WeChatPayTradeBill.write(rows, form: form)
        let isPacked = request.queryField("tar_type") == "GZIP"
        let token = WeChatPayRequestSigner.freshNonce()
        let realNow = SimulatorClock.realNow()
        downloads = downloads.filter { $0.value.expiresAt > realNow }
        downloads[token] = Download(
            mchid: merchant.mchid, bytes: isPacked ? Gzip.compressed(plain) : plain,
            expiresAt: realNow + .seconds(300))
        let digits = Array("0123456789abcdef".utf8)
        let hash = Insecure.SHA1.hash(data: plain).flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        let host = request.header("host") ?? "127.0.0.1"
        return [
            "hash_type": "SHA1", "hash_value": .string(String(decoding: hash, as: UTF8.self)),
            "download_url": .string(
                "http://\(host)/v3/billdownload/file?token=\(token)" + (isPacked ? "&tartype=gzip" : "")),
        ]
    }

    private func billRows(_ merchant: WeChatPayMerchant, _ date: BusinessDate) -> [WeChatPayTradeBill.Row] {
        func row(_ order: WeChatPayMerchant.Order, at time: Instant) -> WeChatPayTradeBill.Row {
            WeChatPayTradeBill.Row(
                time: time, appid: merchant.appid, mchid: merchant.mchid, transactionID: order.transactionID ?? "",
                outTradeNo: order.outTradeNo, payer: order.openid ?? "", tradeType: order.tradeType,
                total: merchant.billAmount(of: order), product: order.description, attach: order.attach,
                fee: merchant.billFee(of: order))
        }
        let states = ["SUCCESS": "SUCCESS", "PROCESSING": "PROCESSING", "ABNORMAL": "CHANGE", "CLOSED": "FAIL"]
        let payments = merchant.billedOrders(date).map { row($0, at: $0.paidAt ?? $0.createdAt) }
        let refunds = merchant.billedRefunds(date).compactMap { refund -> WeChatPayTradeBill.Row? in
            guard let order = merchant.orders[refund.outTradeNo] else { return nil }
            var row = row(order, at: refund.createdAt)
            row.fee = FineYuan(thousandthsOfFen: -refund.amount.value * 6)
            row.refund = .init(
                refundID: refund.refundID, outRefundNo: refund.outRefundNo, amount: refund.amount,
                state: states[refund.status] ?? refund.status, appliedAt: refund.createdAt,
                succeededAt: refund.succeededAt)
            return row
        }
        return payments + refunds
    }
}
