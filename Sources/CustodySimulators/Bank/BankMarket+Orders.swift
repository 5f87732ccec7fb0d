import CustodyDomain
import CustodyWire

/// One party's part of a sub-order.
struct BankOrderPart: Hashable {
    let subOrder: String
    let number: String
    let account: String
    let amount: Fen
    let isCommission: Bool
}

/// A sub-order: whose it mainly is, and how much of the order.
struct BankSubOrder: Hashable {
    let number: String
    let payee: String
    let amount: Fen
}

/// An order, intended or paid.
struct BankOrder {
    let total: Fen
    let subOrders: [BankSubOrder]
    let parts: [BankOrderPart]
    /// SYNCED, REGISTERED, FUNDED or CANCELLED.
    var state = "SYNCED"
    var isSplitFinished = false
    /// The day at whose end what is held is set free by itself.
    var confirmBy: BusinessDate?
    var refunded: [String: Fen] = [:]
    var registration: BankRegistration?
    var funding: BankFunding?
}

/// The receipt of an order.
struct BankRegistration: Hashable {
    let number: String
    let channel: String
    let channelOrderNumber: String
    let paidAt: Instant
}

/// The arrival of an order's money.
struct BankFunding {
    let businessDate: BusinessDate
    let fee: Fen
    let bankNumber: String
}

/// Orders.
extension BankMarket {
    mutating func syncOrder(
        _ body: JSON, number: String, now: Instant
    ) throws(BankRefusal) -> BankInstruction.Subject {
        let orderNumber = try body.field("mainOrderNo")
        var order = try readOrder(body)
        let known = orders[orderNumber]
        guard known?.state != "CANCELLED" else { throw BankRefusal("100217", "the order is cancelled") }
        guard body["channelOrderNo"] != nil || body["payTime"] != nil else {
            guard known?.registration == nil else { throw BankRefusal("100208", "the order is paid") }
            orders[orderNumber] = order
            return .order(orderNumber, isRegistration: false)
        }
        let channelNumber = try body.field("channelOrderNo")
        let time = try body.field("payTime")
        guard let paidAt = Instant(text: time) else { throw BankRefusal("100001", "payTime is no time") }
        if let days = terms.registrationDays {
            let late = bankDate(of: now).daysSinceEpoch - BusinessDate(of: paidAt).daysSinceEpoch
            guard abs(late) <= days else { throw BankRefusal("100216", "reported too late or too early") }
        }
        let registration = BankRegistration(
            number: number, channel: try body.field("channel"), channelOrderNumber: channelNumber, paidAt: paidAt)
        if let known {
            guard known.total == order.total, known.parts == order.parts else {
                throw BankRefusal("100209", "the parts are not those of the order's intention")
            }
            if let before = known.registration {
                guard before.channelOrderNumber == channelNumber else {
                    throw BankRefusal("200002", "the order is registered with another receipt")
                }
                return .order(orderNumber, isRegistration: true)
            }
        }
        guard orderByChannelNumber[channelNumber] == nil else {
            throw BankRefusal("100207", "the receipt is registered for another order")
        }
        try hold(&order, orderNumber, registration)
        try fundFromSuspense(channelNumber, now: now)
        return .order(orderNumber, isRegistration: true)
    }

    /// Holds the parts of an order that was paid, until it is split or its time is over.
    mutating func hold(
        _ order: inout BankOrder, _ orderNumber: String, _ registration: BankRegistration
    ) throws(BankRefusal) {
        try book.post(
            order.parts.map { (.frozen(account: $0.account, order: orderNumber), $0.amount) }
                + [(.receivable, order.total)])
        order.state = "REGISTERED"
        order.registration = registration
        orders[orderNumber] = order
        orderByChannelNumber[registration.channelOrderNumber] = orderNumber
        let last = registration.paidAt + .seconds(terms.splitDays * 86_400)
        let end = order.confirmBy.map { min($0.advanced(by: 1).start, last) } ?? last
        effects.append(.schedule(.freeOrder(orderNumber), at: end))
    }

    mutating func cancelOrder(_ body: JSON) throws(BankRefusal) -> BankInstruction.Subject {
        let number = try body.field("mainOrderNo")
        guard let order = orders[number], order.state == "SYNCED" || order.state == "REGISTERED" else {
            throw BankRefusal("100218", "no order that can be cancelled")
        }
        if let registration = order.registration {
            guard order.parts.map({ book[.frozen(account: $0.account, order: number)] }).sum() == order.total else {
                throw BankRefusal("100218", "the order is split or refunded")
            }
            try book.post(
                order.parts.map { (.frozen(account: $0.account, order: number), -$0.amount) }
                    + [(.receivable, -order.total)])
            orderByChannelNumber[registration.channelOrderNumber] = nil
        }
        orders[number]?.state = "CANCELLED"
        return .fixed(["status": "SUCCESS", "mainOrderNo": .string(number)])
    }

    /// What is held for an order and not split.
    func held(_ number: String) -> Fen {
        Set(orders[number]?.parts.map(\.account) ?? []).map { book[.frozen(account: $0, order: number)] }.sum()
    }

    func orderBody(_ number: String) -> JSON {
        guard let order = orders[number] else { return ["status": "NOT_FOUND", "mainOrderNo": .string(number)] }
        let isFinished = order.registration != nil && order.state != "CANCELLED" && held(number) == .zero
        return [
            "status": .string(isFinished ? "FINISHED" : order.state), "mainOrderNo": .string(number),
            "totalAmt": .string(order.total.yuan), "heldAmt": .string(held(number).yuan),
        ]
    }

    func readOrder(_ body: JSON) throws(BankRefusal) -> BankOrder {
        let total = try body.yuan("totalAmt")
        var subOrders: [BankSubOrder] = []
        var parts: [BankOrderPart] = []
        var confirmBy: BusinessDate?
        for element in try body.list("subOrders", upTo: 50) {
            let subOrder = BankSubOrder(
                number: try element.field("subOrderNo"), payee: try element.field("payeeSubAcct"),
                amount: try element.yuan("amt"))
            subOrders.append(subOrder)
            if let date = element["confirmBy"]?.string.flatMap({ BusinessDate($0) }) {
                confirmBy = max(confirmBy ?? date, date)
            }
            var sum = Fen.zero
            for split in try element.list("splits", upTo: 50) {
                let part = BankOrderPart(
                    subOrder: subOrder.number, number: try split.field("splitNo"), account: try split.field("acct"),
                    amount: try split.yuan("amt"), isCommission: split["purpose"]?.string == "COMMISSION")
                try requireOpen(part.account)
                guard !parts.contains(where: { $0.subOrder == part.subOrder && $0.number == part.number }) else {
                    throw BankRefusal("100001", "splitNo is there twice")
                }
                parts.append(part)
                sum += part.amount
            }
            guard sum == subOrder.amount else {
                throw BankRefusal("100210", "the splits do not sum to the sub-order")
            }
        }
        guard subOrders.map(\.amount).sum() == total, Set(subOrders.map(\.number)).count == subOrders.count else {
            throw BankRefusal("100210", "the sub-orders do not sum to the order")
        }
        return BankOrder(total: total, subOrders: subOrders, parts: parts, confirmBy: confirmBy)
    }

    func orderNumber(ofSubOrder subOrder: String) -> String? {
        orders.first { $0.value.subOrders.contains { $0.number == subOrder } }?.key
    }

    /// Makes an order's split money withdrawable.
    mutating func release(_ orderNumber: String) {
        guard let order = orders[orderNumber] else { return }
        var moves: [(BankPocket, Fen)] = []
        for account in Set(order.parts.map(\.account)) {
            let pending = book[.pending(account: account, order: orderNumber)]
            if pending > .zero {
                moves.append((.pending(account: account, order: orderNumber), -pending))
                moves.append((.withdrawable(account: account), pending))
            }
        }
        // Nothing goes negative: the pending balance itself is moved.
        try? book.post(moves)
    }

    /// Tells the partner what became of an instruction.
    mutating func notifyInstruction(
        _ family: String, operation: String = "CREATE", number: String, now: Instant, body: JSON
    ) {
        let head: [JSON.Member] = [
            .init("origReqSeqNo", .string(number)), .init("origTxnCode", .string(family + "." + operation)),
            .init("bankSeqNo", .string(instructions[number]?.bankNumber ?? executing ?? "")),
            .init("bankDate", .string(bankDate(of: now).compact)),
        ]
        effects.append(
            .notify(txnCode: family + ".NOTIFY", body: .object(head + (body.members ?? []))))
    }
}
