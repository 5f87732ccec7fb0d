import CustodyDomain
import CustodyWire

/// One item of a channel's lump.
struct BankCreditItem: Hashable, Sendable {
    let isRefund: Bool
    let channelOrderNumber: String
    let outNumber: String
    let amount: Fen
    /// Negative when a refund gives it back.
    let fee: Fen

    /// What of it arrives: a payment less its fee, or a refund as a negative amount.
    var net: Fen { (isRefund ? -amount : amount) - fee }
}

/// A lump that arrived.
struct BankCreditEntry: Sendable {
    let bankNumber: String
    let channel: String
    let businessDate: BusinessDate
    let net: Fen
    let items: [BankCreditItem]
}

/// Money arriving from outside.
extension BankMarket {
    /// Books a channel's lump for a day; the same lump again changes nothing.
    ///
    /// Throws 100001 when the net is not that of the items.
    mutating func credit(
        channel: String, businessDate: BusinessDate, net: Fen, items: [BankCreditItem], now: Instant
    ) throws(BankRefusal) -> (entry: BankCreditEntry, isDuplicate: Bool) {
        turn(to: now)
        book.context = BankContext(
            type: "VOSTRO", number: channel + businessDate.compact, at: now, bankDate: bankDate(of: now))
        guard items.map(\.net).sum() == net else { throw BankRefusal("100001", "net_fen is not the sum of the items") }
        if let known = credits.first(where: {
            $0.channel == channel && $0.businessDate == businessDate && $0.items == items
        }) {
            return (known, true)
        }
        let entry = BankCreditEntry(
            bankNumber: nextNumber("B", now), channel: channel, businessDate: businessDate, net: net, items: items)
        for item in items { try book(item, of: entry) }
        credits.append(entry)
        effects.append(
            .notify(
                txnCode: "VOSTRO.NOTIFY",
                body: [
                    "bankSeqNo": .string(entry.bankNumber), "channel": .string(channel),
                    "businessDate": .string(businessDate.compact), "amt": .string(net.yuan),
                    "bankDate": .string(bankDate(of: now).compact), "direction": "IN",
                ]))
        return (entry, false)
    }

    private mutating func book(_ item: BankCreditItem, of entry: BankCreditEntry) throws(BankRefusal) {
        // The fee is the platform's: the parties get their parts whole.
        try book.post([
            (.master, item.net), (.deposit, -item.fee), (.suspense, item.isRefund ? -item.amount : item.amount),
        ])
        if item.isRefund {
            if let refund = refund(of: item) {
                try settle(refund, item, on: entry.businessDate)
                return
            }
        } else if let orderNumber = orderByChannelNumber[item.channelOrderNumber],
            orders[orderNumber]?.funding == nil
        {
            try fund(
                orderNumber, item,
                BankFunding(
                    businessDate: entry.businessDate, fee: item.fee,
                    bankNumber: nextNumber("B", entry.businessDate.start)))
            return
        }
        unknownItems.append(item)
    }

    /// Takes an item of a registered order out of suspense; what differs stays there.
    private mutating func fund(
        _ orderNumber: String, _ item: BankCreditItem, _ funding: BankFunding
    ) throws(BankRefusal) {
        guard let order = orders[orderNumber] else { return }
        try book.post([(.suspense, -order.total), (.receivable, -order.total)])
        orders[orderNumber]?.state = "FUNDED"
        orders[orderNumber]?.funding = funding
        if terms.releasesAtDayTurn { awaitingDayTurn.append(orderNumber) } else { release(orderNumber) }
    }

    private mutating func settle(
        _ refundNumber: String, _ item: BankCreditItem, on day: BusinessDate
    ) throws(BankRefusal) {
        guard let refund = refunds[refundNumber] else { return }
        try book.post([(.suspense, refund.amount), (.refundsInTransit, -refund.amount)])
        refunds[refundNumber]?.settledOn = day
        refunds[refundNumber]?.fee = item.fee
    }

    /// The refund an item is about: by the partner's number of it or of its instruction, else by order and amount.
    private func refund(of item: BankCreditItem) -> String? {
        if let refund = refunds[item.outNumber], refund.settledOn == nil { return item.outNumber }
        if let found = refunds.first(where: { $0.value.number == item.outNumber && $0.value.settledOn == nil }) {
            return found.key
        }
        guard let orderNumber = orderByChannelNumber[item.channelOrderNumber] else { return nil }
        return refunds.filter {
            $0.value.orderNumber == orderNumber && $0.value.amount == item.amount && $0.value.settledOn == nil
        }.min { ($0.value.finishedAt, $0.key) < ($1.value.finishedAt, $1.key) }?.key
    }

    /// An order registered after its money came finds it in suspense.
    mutating func fundFromSuspense(_ channelNumber: String, now: Instant) throws(BankRefusal) {
        guard let orderNumber = orderByChannelNumber[channelNumber],
            let index = unknownItems.firstIndex(where: { !$0.isRefund && $0.channelOrderNumber == channelNumber })
        else { return }
        let item = unknownItems.remove(at: index)
        try fund(
            orderNumber, item,
            BankFunding(businessDate: bankDate(of: now), fee: item.fee, bankNumber: nextNumber("B", now)))
    }

    /// A refund registered after the channel kept it finds it in suspense.
    mutating func settleFromSuspense(_ refundNumber: String, now: Instant) throws(BankRefusal) {
        guard let refund = refunds[refundNumber] else { return }
        let channelNumber = orders[refund.orderNumber]?.registration?.channelOrderNumber
        let index = unknownItems.firstIndex { item in
            item.isRefund
                && (item.outNumber == refundNumber || item.outNumber == refund.number
                    || (item.channelOrderNumber == channelNumber && item.amount == refund.amount))
        }
        guard let index else { return }
        try settle(refundNumber, unknownItems.remove(at: index), on: bankDate(of: now))
    }

    /// The platform pays own money in.
    mutating func deposit(_ amount: Fen, now: Instant) throws(BankRefusal) -> String {
        turn(to: now)
        book.context = BankContext(type: "DEPOSIT", number: "", at: now, bankDate: bankDate(of: now))
        try book.post([(.master, amount), (.deposit, amount)])
        let number = nextNumber("B", now)
        effects.append(
            .notify(
                txnCode: "DEPOSIT.NOTIFY",
                body: [
                    "bankSeqNo": .string(number), "amt": .string(amount.yuan), "direction": "IN",
                    "bankDate": .string(bankDate(of: now).compact),
                ]))
        return number
    }
}
