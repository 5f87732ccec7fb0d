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
    let finishedAt: Instant
}

/// Refunds.
extension BankMarket {
    mutating func createRefund(
        _ body: JSON, number: String, now: Instant
    ) throws(BankRefusal) -> BankInstruction.Subject {
        let refundNumber = try body.field("refundNo")
        let orderNumber = try body.field("mainOrderNo")
        let amount = try body.yuan("amt")
        guard var order = orders[orderNumber], order.registration != nil else {
            throw BankRefusal("100211", "no registered order")
        }
        var moves: [(BankPocket, Fen)] = [(.refundsInTransit, amount)]
        var taken: [BankPocket: Fen] = [:]
        var sum = Fen.zero
        for subOrder in try body.list("subOrders", upTo: 50) {
            var given = Fen.zero
            for giver in try subOrder.list("giveBack", upTo: 50) {
                let part = try giver.yuan("amt")
                given += part
                moves += try giveBack(
                    part, account: try giver.field("acct"), orderNumber: orderNumber, taken: &taken)
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
        }
        guard sum == amount else { throw BankRefusal("100214", "the sub-orders do not sum to the refund") }
        try book.post(moves)
        orders[orderNumber] = order
        refunds[refundNumber] = BankRefund(
            number: number, orderNumber: orderNumber, amount: amount, finishedAt: now)
        try settleFromSuspense(refundNumber, now: now)
        notifyInstruction("REF", number: number, now: now, body: refundBody(refundNumber))
        return .refund(refundNumber)
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
        guard rest == .zero else { throw BankRefusal("100201", "balance short by \(rest.yuan)") }
        return moves
    }

    func refundBody(_ number: String) -> JSON {
        guard let refund = refunds[number] else { return ["status": "NOT_FOUND"] }
        return [
            "status": "SUCCESS", "refundNo": .string(number), "mainOrderNo": .string(refund.orderNumber),
            "amt": .string(refund.amount.yuan),
        ]
    }
}
