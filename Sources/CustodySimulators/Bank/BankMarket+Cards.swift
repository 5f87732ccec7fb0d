import CustodyDomain
import CustodyWire

/// A binding of a settlement account.
struct BankCard {
    let account: String
    let number: String
    let isSmallAmount: Bool
    /// What the holder finds on the bank statement.
    let amount: Fen
    let instructionNumber: String
    /// What the holder's telephone shows.
    let smsCode: String
    let expiresAt: Instant
    var state = "TO_VERIFY"
    var triesLeft = 3

    /// As it is printed.
    var mask: String { String(number.prefix(6)) + "****" + String(number.suffix(4)) }
}

/// Settlement accounts.
extension BankMarket {
    mutating func bindCard(_ body: JSON, now: Instant) throws(BankRefusal) -> BankInstruction.Subject {
        let account = try body.field("subAcct")
        try requireOpen(account)
        for name in ["acctType", "acctName", "bankName", "mobile"] { _ = try body.field(name) }
        let number = try body.field("acctNo")
        guard (8...32).contains(number.utf8.count) else { throw BankRefusal("100001", "acctNo is no account number") }
        let mode = try body.field("verify")
        guard ["SMALL_AMOUNT", "FOUR_FACTOR", "REMIT", "NONE"].contains(mode) else {
            throw BankRefusal("100001", "verify is unknown")
        }
        if let old = body["bindNo"]?.string, cards[old]?.account != account {
            throw BankRefusal("100204", "no such binding to change")
        }
        // A remittance is confirmed by its amount and remark, as a small amount is.
        let isSmallAmount = mode == "SMALL_AMOUNT" || mode == "REMIT"
        let bindNumber = nextNumber("C", now)
        let card = BankCard(
            account: account, number: number, isSmallAmount: isSmallAmount, amount: Fen(.random(in: 1...50)),
            instructionNumber: String(Int.random(in: 100_000...999_999)),
            smsCode: String(Int.random(in: 100_000...999_999)),
            expiresAt: now + (isSmallAmount ? .seconds(86_400) : .seconds(120)))
        cards[bindNumber] = card
        if mode == "NONE" {
            bound(bindNumber)
        } else {
            effects.append(.schedule(.expireCard(bindNumber), at: card.expiresAt))
        }
        return .card(bindNumber)
    }

    mutating func confirmCard(_ body: JSON, now: Instant) throws(BankRefusal) -> BankInstruction.Subject {
        let bindNumber = try body.field("bindNo")
        guard let card = cards[bindNumber] else { throw BankRefusal("100204", "no such binding") }
        guard card.state == "TO_VERIFY" else {
            throw BankRefusal("100205", "the binding is \(card.state)")
        }
        if now >= card.expiresAt {
            settle(bindNumber, "EXPIRED")
            return .fixed(cardBody(bindNumber))
        }
        let isRight: Bool
        if card.isSmallAmount {
            let amount = try body.yuan("amount")
            let instructionNumber = try body.field("instructionNo")
            isRight = amount == card.amount && instructionNumber == card.instructionNumber
        } else {
            isRight = try body.field("smsCode") == card.smsCode
        }
        if isRight {
            bound(bindNumber)
        } else {
            cards[bindNumber]?.triesLeft -= 1
            if cards[bindNumber]?.triesLeft == 0 { settle(bindNumber, "FAILED") }
        }
        return .fixed(cardBody(bindNumber))
    }

    private mutating func bound(_ number: String) {
        guard let account = cards[number]?.account else { return }
        if let old = accounts[account]?.card { cards[old]?.state = "REPLACED" }
        accounts[account]?.card = number
        settle(number, "BOUND")
    }

    mutating func unbindCard(_ body: JSON) throws(BankRefusal) -> BankInstruction.Subject {
        let number = try body.field("bindNo")
        guard let card = cards[number], card.state == "BOUND", accounts[card.account]?.card == number else {
            throw BankRefusal("100204", "no such binding in force")
        }
        guard
            !withdrawals.values.contains(where: { $0.account == card.account && $0.state == "PROCESSING" })
        else { throw BankRefusal("100401", "blocked by WITHDRAWAL") }
        accounts[card.account]?.card = nil
        settle(number, "UNBOUND")
        return .fixed(["status": "SUCCESS", "bindNo": .string(number)])
    }

    mutating func expireCard(_ number: String, now: Instant) {
        if let card = cards[number], card.state == "TO_VERIFY", card.expiresAt <= now { settle(number, "EXPIRED") }
    }

    private mutating func settle(_ number: String, _ state: String) {
        cards[number]?.state = state
        cardEvents.append(BankCardEvent(number: number, state: state, context: book.context))
        effects.append(.notify(txnCode: "CARD.NOTIFY", body: cardBody(number)))
    }

    func cardBody(_ number: String) -> JSON {
        guard let card = cards[number] else { return ["status": "NOT_FOUND"] }
        let isOpen = card.state == "TO_VERIFY"
        return
            ([
                // A binding that was replaced or ended had been bound: that is what became of its instruction.
                "status": .string(["REPLACED", "UNBOUND"].contains(card.state) ? "BOUND" : card.state),
                "bindNo": .string(number),
                "mode": card.isSmallAmount ? "SMALL_AMOUNT" : "FOUR_FACTOR",
                "expireAt": JSON(isOpen ? card.expiresAt.shanghaiCompact : nil),
                "finishBy": JSON(isOpen ? card.expiresAt.shanghaiCompact : nil),
                "triesLeft": isOpen ? JSON(card.triesLeft) : .null,
                "failCode": card.state == "FAILED" ? "B2101" : .null,
                "failMsg": card.state == "FAILED" ? "验证次数超限" : .null,
            ] as JSON).omittingNulls
    }
}
