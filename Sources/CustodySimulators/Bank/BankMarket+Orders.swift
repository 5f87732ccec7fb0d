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
    /// SYNCED, REGISTERED or FUNDED.
    var state = "SYNCED"
    var isSplitFinished = false
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

/// Orders and splits.
extension BankMarket {
    mutating func syncOrder(
        _ body: JSON, number: String, now: Instant
    ) throws(BankRefusal) -> BankInstruction.Subject {
        let orderNumber = try body.field("mainOrderNo")
        var order = try readOrder(body)
        let known = orders[orderNumber]
        guard body["channelOrderNo"] != nil || body["payTime"] != nil else {
            guard known?.registration == nil else { throw BankRefusal("100208", "the order is paid") }
            orders[orderNumber] = order
            return .order(orderNumber, isRegistration: false)
        }
        let channelNumber = try body.field("channelOrderNo")
        let time = try body.field("payTime")
        guard let paidAt = Instant(text: time) else { throw BankRefusal("100001", "payTime is no time") }
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
        try book.post(
            order.parts.map { (.frozen(account: $0.account, order: orderNumber), $0.amount) }
                + [(.receivable, order.total)])
        order.state = "REGISTERED"
        order.registration = registration
        orders[orderNumber] = order
        orderByChannelNumber[channelNumber] = orderNumber
        try fundFromSuspense(channelNumber, now: now)
        return .order(orderNumber, isRegistration: true)
    }

    private func readOrder(_ body: JSON) throws(BankRefusal) -> BankOrder {
        let total = try body.yuan("totalAmt")
        var subOrders: [BankSubOrder] = []
        var parts: [BankOrderPart] = []
        for element in try body.list("subOrders", upTo: 50) {
            let subOrder = BankSubOrder(
                number: try element.field("subOrderNo"), payee: try element.field("payeeSubAcct"),
                amount: try element.yuan("amt"))
            subOrders.append(subOrder)
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
        return BankOrder(total: total, subOrders: subOrders, parts: parts)
    }

    mutating func createSplit(
        _ body: JSON, number: String, now: Instant
    ) throws(BankRefusal) -> BankInstruction.Subject {
        let batch = try body.field("splitBatchNo")
        let subOrder = try body.field("subOrderNo")
        guard let orderNumber = body["mainOrderNo"]?.string ?? orderNumber(ofSubOrder: subOrder),
            var order = orders[orderNumber], order.registration != nil
        else { throw BankRefusal("100211", "no registered order") }
        guard !order.isSplitFinished else { throw BankRefusal("100212", "the order's split is finished") }
        let isFinish = body["finish"]?.bool ?? false
        var moves: [(BankPocket, Fen)] = []
        var items: [JSON] = []
        let elements = isFinish ? body["items"]?.array ?? [] : try body.list("items", upTo: 30)
        guard elements.count <= 30 else { throw BankRefusal("100001", "items are more than 30") }
        var left: [String: Fen] = [:]
        for item in elements {
            let account = try item.field("toAcct")
            let amount = try item.yuan("amt")
            guard order.parts.contains(where: { $0.subOrder == subOrder && $0.account == account }) else {
                throw BankRefusal("100213", "toAcct has no part in the sub-order")
            }
            moves += splitMoves(account, orderNumber, order, amount)
            left[account, default: book[.frozen(account: account, order: orderNumber)]] -= amount
            items.append(["splitNo": .string(try item.field("splitNo")), "status": "SUCCESS"])
        }
        if isFinish {
            // What nobody was given yet falls to the part it is frozen for.
            for account in Set(order.parts.map(\.account)) {
                let rest = left[account] ?? book[.frozen(account: account, order: orderNumber)]
                if rest > .zero { moves += splitMoves(account, orderNumber, order, rest) }
            }
        }
        try book.post(moves)
        order.isSplitFinished = isFinish
        orders[orderNumber] = order
        splits[batch] = [
            "status": "SUCCESS", "splitBatchNo": .string(batch), "mainOrderNo": .string(orderNumber),
            "items": .array(items),
        ]
        notifyInstruction("SPLIT", number: number, now: now, body: splits[batch] ?? [:])
        return .split(batch)
    }

    /// From frozen to pending, or straight to withdrawable when the money is there.
    private func splitMoves(
        _ account: String, _ orderNumber: String, _ order: BankOrder, _ amount: Fen
    ) -> [(BankPocket, Fen)] {
        let isFree = order.funding != nil && !awaitingDayTurn.contains(orderNumber)
        return [
            (.frozen(account: account, order: orderNumber), -amount),
            (
                isFree
                    ? .withdrawable(account: account) : .pending(account: account, order: orderNumber), amount
            ),
        ]
    }

    private func orderNumber(ofSubOrder subOrder: String) -> String? {
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
    mutating func notifyInstruction(_ family: String, number: String, now: Instant, body: JSON) {
        let head: [JSON.Member] = [
            .init("origReqSeqNo", .string(number)), .init("origTxnCode", .string(family + ".CREATE")),
            .init("bankSeqNo", .string(instructions[number]?.bankNumber ?? executing ?? "")),
            .init("bankDate", .string(BusinessDate(of: now).compact)),
        ]
        effects.append(
            .notify(txnCode: family + ".NOTIFY", body: .object(head + (body.members ?? []))))
    }
}
