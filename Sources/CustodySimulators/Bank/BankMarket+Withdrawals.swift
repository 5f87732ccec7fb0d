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
        if let merchant = accounts[account]?.merchantNumber, let state = merchants[merchant]?.state {
            guard state != "FROZEN" else { throw BankRefusal("100501", "the merchant is frozen") }
            guard state != "TO_CONFIRM" && state != "SIGNING" else {
                throw BankRefusal("100502", "the merchant has not signed")
            }
        }
        let bindNumber = try body.field("cardBindNo")
        guard let card = cards[bindNumber], accounts[account]?.card == bindNumber else {
            throw BankRefusal("100503", "the settlement account is not bound")
        }
        let total = amount + fee
        try book.post([(.withdrawable(account: account), -total), (.inTransitOut, total)])
        let speed = body["speed"]?.string ?? "T0"
        guard ["T0", "T1", "BATCH"].contains(speed) else { throw BankRefusal("100001", "speed is unknown") }
        let nextDay = bankDate(of: now).advanced(by: 1).start
        var withdrawal = BankWithdrawal(
            number: number, account: account, cardMask: card.mask, amount: amount, fee: fee,
            finishBy: speed == "T0" ? now + .seconds(7200) : nextDay + .seconds(10 * 3600))
        withdrawal.willFail = wish?.fault == "failed"
        withdrawals[wdrNumber] = withdrawal
        if wish?.fault == "returned" {
            plannedReturns.append(
                BankPlannedReturn(
                    withdrawal: wdrNumber, account: nil, afterDays: wish?.parameters["days"]?.integer ?? 1))
        }
        // An instruction that stays in process for ever has no event that would finish it.
        if wish?.fault != "processing" {
            effects.append(
                .schedule(
                    .finishWithdrawal(wdrNumber),
                    at: speed == "T0" ? now + BankMarket.withdrawalTime : nextDay + .seconds(9 * 3600)))
        }
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
            // The fee stays in the market: it is the platform's.
            try? book.post([
                (.inTransitOut, -total), (.master, -withdrawal.amount),
                (.withdrawable(account: feeAccount), withdrawal.fee),
            ])
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
                "returnDate": JSON(withdrawal.returnedAt.map { bankDate(of: $0).compact }),
                "reason": isReturned ? "收款银行退票:账户状态异常" : .null,
            ] as JSON).omittingNulls
    }
}
