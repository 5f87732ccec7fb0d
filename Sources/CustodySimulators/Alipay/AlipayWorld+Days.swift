import AsyncHTTPClient
import CustodyDomain
import CustodyWire
import NIOCore
import NIOHTTP1

/// What happens to a day that is over: its bill, its lump, and the differences planted in both.
extension AlipayWorld {
    /// A difference that a test plants.
    enum Difference: Sendable {
        /// A paid order that nobody knows.
        case surplus(Fen)
        /// The payment is in the next day's bill and lump instead of its own.
        case late(outTradeNo: String)
        /// Bill and lump carry this fee.
        case fee(outTradeNo: String, Fen)
        /// Bill and lump carry this amount.
        case amount(outTradeNo: String, Fen)
    }

    /// Plants a difference; what the bill already said, or the lump already paid, stays as it was.
    ///
    /// - Returns: The number of the trade concerned.
    func plant(_ difference: Difference, at appID: String) throws(Failure) -> String {
        let number = nextNumber(of: appID)
        return try change(appID) { merchant, now throws(Failure) in
            switch difference {
            case .surplus(let amount):
                let outTradeNo = "UNKNOWN\(number.suffix(20))"
                book(
                    AlipayBookEntry(
                        kind: .payment, tradeNo: number, outTradeNo: outTradeNo, outRequestNo: "", subject: "长款",
                        buyerID: "2088000000009999", createdAt: now, finishedAt: now, amount: amount,
                        fee: AlipayBookEntry.fee(of: amount), date: BusinessDate(of: now)), &merchant)
                return outTradeNo
            case .late(let outTradeNo):
                let index = try AlipayWorld.payment(outTradeNo, merchant)
                merchant.book[index].date = merchant.book[index].date.advanced(by: 1)
                awaitRemittance(of: merchant.book[index].date, &merchant)
                return outTradeNo
            case .fee(let outTradeNo, let fee):
                merchant.book[try AlipayWorld.payment(outTradeNo, merchant)].fee = fee
                return outTradeNo
            case .amount(let outTradeNo, let amount):
                merchant.book[try AlipayWorld.payment(outTradeNo, merchant)].amount = amount
                return outTradeNo
            }
        }
    }

    /// Schedules the lump of a day for 02:00 on the next, once.
    func awaitRemittance(of date: BusinessDate, _ merchant: inout AlipayMerchant) {
        guard merchant.awaited.insert(date).inserted else { return }
        let appID = merchant.appID
        let due = date.advanced(by: 1).start + .seconds(2 * 3600)
        clock.schedule(appID, at: due) { [weak self] at in await self?.remit(appID, date, at: at, tries: 1) }
    }

    /// Sends the lump of a day to the bank; again every 10 virtual minutes, 50 times, until the bank takes it.
    private func remit(_ appID: String, _ date: BusinessDate, at: Instant, tries: Int) async {
        let taken = try? change(appID) { merchant, _ throws(Failure) in
            merchant.awaited.remove(date)
            var items: [AlipayBookEntry] = []
            for index in merchant.book.indices where merchant.book[index].date == date {
                guard !merchant.book[index].isRemitted, merchant.book[index].smid == nil else { continue }
                merchant.book[index].isRemitted = true
                items.append(merchant.book[index])
            }
            return (url: merchant.remitURL, market: merchant.marketID, items: items)
        }
        guard let taken, !taken.items.isEmpty else { return }
        let lump = AlipayLump(marketID: taken.market, date: date, items: taken.items)
        await send(lump, to: taken.url, appID, at: at, tries: tries)
    }

    private func send(_ lump: AlipayLump, to url: String?, _ appID: String, at: Instant, tries: Int) async {
        guard let url else { return record(lump, appID, isAccepted: false) }
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        request.headers.add(name: "Content-Type", value: "application/json; charset=utf-8")
        request.body = .bytes(lump.json.bytes)
        let response = try? await client.execute(request, timeout: .seconds(10))
        if let response {
            _ = try? await response.body.collect(upTo: 1 << 20)
            if (200..<300).contains(response.status.code) { return record(lump, appID, isAccepted: true) }
        }
        guard tries < 50 else { return record(lump, appID, isAccepted: false) }
        clock.schedule(appID, at: at + .seconds(600)) { [weak self] next in
            await self?.send(lump, to: url, appID, at: next, tries: tries + 1)
        }
    }

    private func record(_ lump: AlipayLump, _ appID: String, isAccepted: Bool) {
        _ = try? change(appID) { merchant, now throws(Failure) in
            merchant.remittances.append(
                .init(date: lump.date, net: lump.net, items: lump.items.count, isAccepted: isAccepted))
            guard isAccepted else { return }
            merchant.enter(
                AlipayMovement(
                    account: merchant.sellerID, kind: .remittance, amount: -lump.net, at: now,
                    date: BusinessDate(of: now), businessNumber: "REMIT\(lump.date.compact)",
                    outNumber: "REMIT\(lump.date.compact)", counterpart: "存管银行"))
        }
    }

    private static func payment(_ outTradeNo: String, _ merchant: AlipayMerchant) throws(Failure) -> Int {
        let index = merchant.book.firstIndex { $0.kind == .payment && $0.outTradeNo == outTradeNo }
        guard let index else { throw Failure("ACQ.TRADE_NOT_EXIST", "交易不存在") }
        return index
    }
}

/// A day's net lump, as the bank is told of it.
struct AlipayLump: Sendable {
    let marketID: String
    let date: BusinessDate
    let items: [AlipayBookEntry]

    var net: Fen { items.map(\.net).sum() }

    var json: JSON {
        [
            "market_id": .string(marketID), "channel": "ALIPAY", "business_date": .string(date.iso),
            "net_fen": JSON(net.value),
            "items": .array(
                items.map { item in
                    [
                        "kind": item.kind == .payment ? "payment" : "refund",
                        "channel_order_no": .string(item.tradeNo),
                        "out_no": .string(item.kind == .payment ? item.outTradeNo : item.outRequestNo),
                        "amount_fen": JSON(item.amount.value), "fee_fen": JSON(item.fee.value),
                    ]
                }),
        ]
    }
}
