import CustodyDomain
import CustodyWire

/// A refund of an order.
struct BankRefund {
    let number: String
    let orderNumber: String
    let amount: Fen
    /// When the channel's lump kept it.
    var settledOn: BusinessDate?
    var fee = Fen.zero
    var finishedAt: Instant
    /// SUCCESS, FAILED, or what it is called until then: PROCESSING, DELAYED, UNCERTAIN or TO_CONFIRM.
    var state = "SUCCESS"
    /// What it comes to when its time is over; nil for never.
    var ends: String?
    var finishBy: Instant?
    /// How its money was set aside, so that it can go back.
    var moves: [Move] = []
    let subOrders: [String: Fen]

    struct Move {
        let pocket: BankPocket
        let amount: Fen
    }
}

/// Refunds.
extension BankMarket {
    mutating func createRefund(
        _ body: JSON, number: String, now: Instant
    ) throws(BankRefusal) -> BankInstruction.Subject {
        let refundNumber = try body.field("refundNo")
        let orderNumber = try body.field("mainOrderNo")
        let amount = try body.yuan("amt")
        guard var order = orders[orderNumber], order.registration != nil, order.state != "CANCELLED" else {
            throw BankRefusal("100211", "no registered order")
        }
        var moves: [(BankPocket, Fen)] = [(.refundsInTransit, amount)]
        var taken: [BankPocket: Fen] = [:]
        var sum = Fen.zero
        var refunded: [String: Fen] = [:]
        let isAdvance = body["fundsFrom"]?.string == "PLATFORM_ADVANCE"
        for subOrder in try body.list("subOrders", upTo: 50) {
            var given = Fen.zero
            for giver in try subOrder.list("giveBack", upTo: 50) {
                let part = try giver.yuan("amt")
                given += part
                moves += try giveBack(
                    part, account: isAdvance ? depositAccount : try giver.field("acct"), orderNumber: orderNumber,
                    taken: &taken)
            }
            let total = try subOrder.yuan("amt")
            guard given == total else { throw BankRefusal("100214", "giveBack does not sum to the sub-order") }
            let name = try subOrder.field("subOrderNo")
            guard let original = order.subOrders.first(where: { $0.number == name }) else {
                throw BankRefusal("100211", "no such sub-order")
            }
            order.refunded[name, default: .zero] += total
            guard order.refunded[name, default: .zero] <= original.amount else {
                throw BankRefusal("100215", "more than was paid")
            }
            sum += total
            refunded[name, default: .zero] += total
        }
        guard sum == amount else { throw BankRefusal("100214", "the sub-orders do not sum to the refund") }
        try book.post(moves)
        orders[orderNumber] = order
        var refund = BankRefund(
            number: number, orderNumber: orderNumber, amount: amount, finishedAt: now, subOrders: refunded)
        refund.moves = moves.map { .init(pocket: $0.0, amount: $0.1) }
        if let state = BankMarket.refundStates[wish?.fault ?? ""] {
            // The money is set aside, and the quota taken, from the start.
            refund.state = state
            refund.ends = wish?.fault == "processing" ? nil : wish?.fault == "failed" ? "FAILED" : "SUCCESS"
            let finishBy = now + .seconds(wish?.parameters["seconds"]?.integer ?? 1800)
            refund.finishBy = finishBy
            if refund.ends != nil { effects.append(.schedule(.finishRefund(refundNumber), at: finishBy)) }
            refunds[refundNumber] = refund
            return .refund(refundNumber)
        }
        refunds[refundNumber] = refund
        try settleFromSuspense(refundNumber, now: now)
        coverNotice(refund, now: now)
        notifyInstruction("REF", number: number, now: now, body: refundBody(refundNumber))
        return .refund(refundNumber)
    }

    /// What a refund is called while a fault of that name keeps it from ending.
    private static let refundStates = [
        "delayed": "DELAYED", "uncertain": "UNCERTAIN", "to_confirm": "TO_CONFIRM", "processing": "PROCESSING",
        "failed": "PROCESSING",
    ]

    /// The time of a refund that was kept from ending is over.
    mutating func finishRefund(_ refundNumber: String, now: Instant) {
        guard var refund = refunds[refundNumber], let end = refund.ends, refund.state != end else { return }
        refund.state = end
        refund.finishedAt = now
        refunds[refundNumber] = refund
        if end == "FAILED" {
            // What was set aside goes back to where it came from.
            try? book.post(refund.moves.map { ($0.pocket, -$0.amount) })
            for (subOrder, amount) in refund.subOrders {
                orders[refund.orderNumber]?.refunded[subOrder, default: .zero] -= amount
            }
        } else {
            try? settleFromSuspense(refundNumber, now: now)
            coverNotice(refund, now: now)
        }
        notifyInstruction("REF", number: refund.number, now: now, body: refundBody(refundNumber))
    }

    /// Tells the platform what of its deposit was used.
    private mutating func coverNotice(_ refund: BankRefund, now: Instant) {
        let used = refund.moves.filter { $0.pocket == .deposit }.map(\.amount).sum()
        guard used < .zero else { return }
        effects.append(
            .notify(
                txnCode: "DEPOSIT.NOTIFY",
                body: [
                    "bankSeqNo": .string(nextNumber("D", now)), "amt": .string((-used).yuan), "direction": "OUT",
                    "bankDate": .string(bankDate(of: now).compact), "origReqSeqNo": .string(refund.number),
                ]))
    }

    /// Takes from what is frozen for the order, then what was split of it, then what may be withdrawn.
    private func giveBack(
        _ amount: Fen, account: String, orderNumber: String, taken: inout [BankPocket: Fen]
    ) throws(BankRefusal) -> [(BankPocket, Fen)] {
        if account == depositAccount {
            let left = book[.deposit] - (taken[.deposit] ?? .zero)
            guard left >= amount else { throw BankRefusal("100201", "the deposit is short") }
            taken[.deposit, default: .zero] += amount
            return [(.deposit, -amount)]
        }
        guard accounts[account] != nil else { throw BankRefusal("100206", "unknown sub-account") }
        var rest = amount
        var moves: [(BankPocket, Fen)] = []
        let pockets: [BankPocket] = [
            .frozen(account: account, order: orderNumber), .pending(account: account, order: orderNumber),
            .withdrawable(account: account),
        ]
        for pocket in pockets where rest > .zero {
            let part = min(rest, book[pocket] - (taken[pocket] ?? .zero))
            guard part > .zero else { continue }
            taken[pocket, default: .zero] += part
            moves.append((pocket, -part))
            rest -= part
        }
        if rest > .zero, terms.depositCoversRefunds, book[.deposit] - (taken[.deposit] ?? .zero) >= rest {
            taken[.deposit, default: .zero] += rest
            moves.append((.deposit, -rest))
            rest = .zero
        }
        guard rest == .zero else { throw BankRefusal("100201", "balance short by \(rest.yuan)") }
        return moves
    }

    func refundBody(_ number: String) -> JSON {
        guard let refund = refunds[number] else { return ["status": "NOT_FOUND"] }
        let isOpen = refund.state != "SUCCESS" && refund.state != "FAILED"
        return
            ([
                "status": .string(refund.state), "refundNo": .string(number),
                "mainOrderNo": .string(refund.orderNumber), "amt": .string(refund.amount.yuan),
                "fundsSource": refund.state == "SUCCESS"
                    ? (refund.moves.contains { $0.pocket == .deposit } ? "DEPOSIT" : "MERCHANT") : .null,
                "failCode": refund.state == "FAILED" ? "B3108" : .null,
                "failMsg": refund.state == "FAILED" ? "渠道退款失败" : .null,
                "finishBy": JSON(isOpen ? refund.finishBy?.shanghaiCompact : nil),
            ] as JSON).omittingNulls
    }
}
