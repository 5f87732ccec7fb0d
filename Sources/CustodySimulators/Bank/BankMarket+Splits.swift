import CustodyDomain
import CustodyWire

/// A split as it was carried out.
struct BankSplit {
    /// SUCCESS, or DONE when some of its items failed.
    var state: String
    var items: [JSON]
    let order: String
    /// What each account got and has not given back.
    var given: [String: Fen]
}

/// Splits, their reversal, and confirmations of receipt.
extension BankMarket {
    mutating func createSplit(
        _ body: JSON, number: String, now: Instant
    ) throws(BankRefusal) -> BankInstruction.Subject {
        let batch = try body.field("splitBatchNo")
        let orderNumber = try splittable(body)
        let isFinish = body["finish"]?.bool ?? false
        let elements = isFinish ? body["items"]?.array ?? [] : try body.list("items", upTo: 30)
        guard elements.count <= 30 else { throw BankRefusal("100001", "items are more than 30") }
        let subOrder = try body.field("subOrderNo")
        var split = BankSplit(state: "SUCCESS", items: [], order: orderNumber, given: [:])
        var shares: [(account: String, amount: Fen)] = []
        var rows: [BankShare] = []
        func row(_ name: String, _ share: (account: String, amount: Fen), _ failure: BankFailure?) -> BankShare {
            BankShare(
                bankNumber: executing ?? batch, number: number, splitNumber: name, order: orderNumber,
                subOrder: subOrder, account: share.account, isBack: false, amount: share.amount, failure: failure,
                context: book.context)
        }
        for (index, item) in elements.enumerated() {
            let share = (account: try item.field("toAcct"), amount: try item.yuan("amt"))
            guard isPart(share.account, of: subOrder, in: orderNumber) else {
                throw BankRefusal("100213", "toAcct has no part in the sub-order")
            }
            let name = try item.field("splitNo")
            if wish?.fault == "part_failed", index == 0 {
                let failure = BankFailure(code: "B3201", message: "收款账户异常")
                split.state = "DONE"
                split.items.append([
                    "splitNo": .string(name), "status": "FAILED", "failCode": .string(failure.code),
                    "failMsg": .string(failure.message),
                ])
                rows.append(row(name, share, failure))
                continue
            }
            shares.append(share)
            split.given[share.account, default: .zero] += share.amount
            split.items.append(["splitNo": .string(name), "status": "SUCCESS"])
            rows.append(row(name, share, nil))
        }
        try setFree(orderNumber, shares, finishing: isFinish && split.state == "SUCCESS")
        splits[batch] = split
        self.shares += rows
        notifyInstruction("SPLIT", number: number, now: now, body: splitBody(batch))
        return .split(batch)
    }

    mutating func reverseSplit(
        _ body: JSON, number: String, now: Instant
    ) throws(BankRefusal) -> BankInstruction.Subject {
        let batch = try body.field("splitBatchNo")
        let reverseNumber = try body.field("reverseNo")
        guard var split = splits[batch], let order = orders[split.order] else {
            throw BankRefusal("100219", "no such split")
        }
        let isFree = order.funding != nil && !awaitingDayTurn.contains(split.order)
        var moves: [(BankPocket, Fen)] = []
        var rows: [BankShare] = []
        for item in try body.list("items", upTo: 30) {
            let account = try item.field("acct")
            let amount = try item.yuan("amt")
            guard split.given[account, default: .zero] >= amount else {
                throw BankRefusal("100220", "more than the split gave")
            }
            split.given[account, default: .zero] -= amount
            moves.append(
                (isFree ? .withdrawable(account: account) : .pending(account: account, order: split.order), -amount))
            moves.append((.frozen(account: account, order: split.order), amount))
            rows.append(
                BankShare(
                    bankNumber: executing ?? reverseNumber, number: number, splitNumber: try item.field("splitNo"),
                    order: split.order, subOrder: order.subOrders.first?.number ?? split.order, account: account,
                    isBack: true, amount: amount, failure: nil, context: book.context))
        }
        try book.post(moves)
        shares += rows
        splits[batch] = split
        orders[split.order]?.isSplitFinished = false
        let outcome: JSON = [
            "status": "SUCCESS", "reverseNo": .string(reverseNumber), "splitBatchNo": .string(batch),
            "mainOrderNo": .string(split.order),
        ]
        notifyInstruction("SPLIT", operation: "REVERSE", number: number, now: now, body: outcome)
        return .fixed(outcome)
    }

    mutating func confirmSettlement(_ body: JSON) throws(BankRefusal) -> BankInstruction.Subject {
        let confirmNumber = try body.field("confirmNo")
        let orderNumber = try splittable(body)
        let subOrder = try body.field("subOrderNo")
        var shares: [(account: String, amount: Fen)] = []
        let isWhole = body["items"] == nil
        for item in isWhole ? [] : try body.list("items", upTo: 50) {
            let share = (account: try item.field("acct"), amount: try item.yuan("amt"))
            guard isPart(share.account, of: subOrder, in: orderNumber) else {
                throw BankRefusal("100213", "acct has no part in the sub-order")
            }
            shares.append(share)
        }
        try setFree(orderNumber, shares, finishing: isWhole)
        return .fixed([
            "status": "SUCCESS", "confirmNo": .string(confirmNumber), "mainOrderNo": .string(orderNumber),
        ])
    }

    /// The time of an order is over: what is still held is set free.
    mutating func freeOrder(_ number: String) {
        guard let order = orders[number], !order.isSplitFinished, order.state != "CANCELLED" else { return }
        // Only what is held moves: nothing can be short.
        try? setFree(number, [], finishing: true)
    }

    func splitBody(_ batch: String) -> JSON {
        guard let split = splits[batch] else { return ["status": "NOT_FOUND"] }
        return [
            "status": .string(split.state), "splitBatchNo": .string(batch), "mainOrderNo": .string(split.order),
            "items": .array(split.items),
        ]
    }

    private func splittable(_ body: JSON) throws(BankRefusal) -> String {
        let subOrder = try body.field("subOrderNo")
        guard let number = body["mainOrderNo"]?.string ?? orderNumber(ofSubOrder: subOrder),
            let order = orders[number], order.registration != nil, order.state != "CANCELLED"
        else { throw BankRefusal("100211", "no registered order") }
        guard !order.isSplitFinished else { throw BankRefusal("100212", "the order's split is finished") }
        return number
    }

    private func isPart(_ account: String, of subOrder: String, in order: String) -> Bool {
        orders[order]?.parts.contains { $0.subOrder == subOrder && $0.account == account } ?? false
    }

    /// Moves shares from what is held to what is pending, or straight to what is withdrawable when the money is there.
    private mutating func setFree(
        _ orderNumber: String, _ shares: [(account: String, amount: Fen)], finishing: Bool
    ) throws(BankRefusal) {
        guard let order = orders[orderNumber] else { return }
        let isFree = order.funding != nil && !awaitingDayTurn.contains(orderNumber)
        var left: [String: Fen] = [:]
        var all = shares
        for share in shares {
            left[share.account, default: book[.frozen(account: share.account, order: orderNumber)]] -= share.amount
        }
        if finishing {
            // What nobody was given yet falls to the part it is frozen for.
            for account in Set(order.parts.map(\.account)).sorted() {
                let rest = left[account] ?? book[.frozen(account: account, order: orderNumber)]
                if rest > .zero { all.append((account: account, amount: rest)) }
            }
        }
        try book.post(
            all.flatMap { share -> [(BankPocket, Fen)] in
                [
                    (.frozen(account: share.account, order: orderNumber), -share.amount),
                    (
                        isFree
                            ? .withdrawable(account: share.account)
                            : .pending(account: share.account, order: orderNumber), share.amount
                    ),
                ]
            })
        if finishing { orders[orderNumber]?.isSplitFinished = true }
    }
}
