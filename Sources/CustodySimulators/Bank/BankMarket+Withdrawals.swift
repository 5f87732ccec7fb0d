import CustodyDomain
import CustodyWire

/// A withdrawal to a bound account.
struct BankWithdrawal {
    let number: String
    let account: String
    let cardMask: String
    let amount: Fen
    let fee: Fen
    let finishBy: Instant
    /// PROCESSING, SUCCESS, FAILED or RETURNED.
    var state = "PROCESSING"
    var willFail = false
    var finishedAt: Instant?
    var returnNumber: String?
    var returnedAt: Instant?
}

/// A withdrawal's return, planted before it finished.
struct BankPlannedReturn {
    let withdrawal: String?
    let account: String?
    let afterDays: Int64
}

/// Withdrawals and their returns.
extension BankMarket {
    /// How long a withdrawal takes.
    static let withdrawalTime: Duration = .seconds(600)

    mutating func createWithdrawal(
        _ body: JSON, number: String, now: Instant
    ) throws(BankRefusal) -> BankInstruction.Subject {
        let wdrNumber = try body.field("wdrNo")
        let account = try body.field("subAcct")
        let amount = try body.yuan("amt")
        let fee = body["fee"] == nil ? Fen.zero : try body.yuan("fee", allowsZero: true)
        try requireOpen(account)
        if let merchant = accounts[account]?.merchantNumber, merchants[merchant]?.state == "FROZEN" {
            throw BankRefusal("100501", "the merchant is frozen")
        }
        let bindNumber = try body.field("cardBindNo")
        guard let card = cards[bindNumber], accounts[account]?.card == bindNumber else {
            throw BankRefusal("100503", "the settlement account is not bound")
        }
        let total = amount + fee
        try book.post([(.withdrawable(account: account), -total), (.inTransitOut, total)])
        withdrawals[wdrNumber] = BankWithdrawal(
            number: number, account: account, cardMask: card.mask, amount: amount, fee: fee,
            finishBy: now + .seconds(7200))
        effects.append(.schedule(.finishWithdrawal(wdrNumber), at: now + BankMarket.withdrawalTime))
        return .withdrawal(wdrNumber)
    }

    mutating func finishWithdrawal(_ wdrNumber: String, now: Instant) {
        guard var withdrawal = withdrawals[wdrNumber], withdrawal.state == "PROCESSING" else { return }
        let total = withdrawal.amount + withdrawal.fee
        withdrawal.finishedAt = now
        withdrawal.state = withdrawal.willFail ? "FAILED" : "SUCCESS"
        // The money was set aside when the withdrawal was accepted: neither posting can fall short.
        if withdrawal.willFail {
            try? book.post([(.inTransitOut, -total), (.withdrawable(account: withdrawal.account), total)])
        } else {
            try? book.post([(.inTransitOut, -total), (.master, -total)])
            let planned = plannedReturns.firstIndex {
                $0.withdrawal == wdrNumber || $0.account == withdrawal.account
            }
            if let planned {
                let days = plannedReturns.remove(at: planned).afterDays
                effects.append(.schedule(.returnWithdrawal(wdrNumber), at: now + .seconds(days * 86_400)))
            }
        }
        withdrawals[wdrNumber] = withdrawal
        notifyInstruction("WDR", number: withdrawal.number, now: now, body: withdrawalBody(wdrNumber))
    }

    mutating func returnWithdrawal(_ wdrNumber: String, now: Instant) {
        guard var withdrawal = withdrawals[wdrNumber], withdrawal.state == "SUCCESS" else { return }
        try? book.post([(.master, withdrawal.amount), (.withdrawable(account: withdrawal.account), withdrawal.amount)])
        withdrawal.state = "RETURNED"
        withdrawal.returnNumber = nextNumber("BRT", now)
        withdrawal.returnedAt = now
        withdrawals[wdrNumber] = withdrawal
        notifyInstruction("WDR", number: withdrawal.number, now: now, body: withdrawalBody(wdrNumber))
    }

    /// Plants a return: of a withdrawal that succeeded already, or of the next one that does.
    mutating func plantReturn(_ planned: BankPlannedReturn, now: Instant) {
        if let number = planned.withdrawal, withdrawals[number]?.state == "SUCCESS" {
            effects.append(
                .schedule(.returnWithdrawal(number), at: now + .seconds(planned.afterDays * 86_400)))
        } else {
            plannedReturns.append(planned)
        }
    }

    func withdrawalBody(_ wdrNumber: String) -> JSON {
        guard let withdrawal = withdrawals[wdrNumber] else { return ["status": "NOT_FOUND"] }
        let isReturned = withdrawal.state == "RETURNED"
        let isFailed = withdrawal.state == "FAILED"
        return
            ([
                "status": .string(withdrawal.state), "wdrNo": .string(wdrNumber),
                "amt": .string(withdrawal.amount.yuan),
                "finishBy": JSON(withdrawal.state == "PROCESSING" ? withdrawal.finishBy.shanghaiCompact : nil),
                "failCode": isFailed ? "B3107" : .null, "failMsg": isFailed ? "收款账号户名不符" : .null,
                "returnNo": JSON(withdrawal.returnNumber),
                "returnDate": JSON(withdrawal.returnedAt.map { BusinessDate(of: $0).compact }),
                "reason": isReturned ? "收款银行退票:账户状态异常" : .null,
            ] as JSON).omittingNulls
    }
}
