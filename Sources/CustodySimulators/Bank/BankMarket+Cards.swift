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
        guard mode == "SMALL_AMOUNT" || mode == "FOUR_FACTOR" else {
            throw BankRefusal("100001", "verify must be SMALL_AMOUNT or FOUR_FACTOR")
        }
        let isSmallAmount = mode == "SMALL_AMOUNT"
        let bindNumber = nextNumber("C", now)
        let card = BankCard(
            account: account, number: number, isSmallAmount: isSmallAmount, amount: Fen(.random(in: 1...50)),
            instructionNumber: String(Int.random(in: 100_000...999_999)),
            smsCode: String(Int.random(in: 100_000...999_999)),
            expiresAt: now + (isSmallAmount ? .seconds(86_400) : .seconds(120)))
        cards[bindNumber] = card
        effects.append(.schedule(.expireCard(bindNumber), at: card.expiresAt))
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
            if let old = accounts[card.account]?.card { cards[old]?.state = "REPLACED" }
            accounts[card.account]?.card = bindNumber
            settle(bindNumber, "BOUND")
        } else {
            cards[bindNumber]?.triesLeft -= 1
            if cards[bindNumber]?.triesLeft == 0 { settle(bindNumber, "FAILED") }
        }
        return .fixed(cardBody(bindNumber))
    }

    mutating func expireCard(_ number: String, now: Instant) {
        if let card = cards[number], card.state == "TO_VERIFY", card.expiresAt <= now { settle(number, "EXPIRED") }
    }

    private mutating func settle(_ number: String, _ state: String) {
        cards[number]?.state = state
        effects.append(.notify(txnCode: "CARD.NOTIFY", body: cardBody(number)))
    }

    func cardBody(_ number: String) -> JSON {
        guard let card = cards[number] else { return ["status": "NOT_FOUND"] }
        let isOpen = card.state == "TO_VERIFY"
        return
            ([
                // A binding that was replaced had been bound: that is what became of its instruction.
                "status": .string(card.state == "REPLACED" ? "BOUND" : card.state), "bindNo": .string(number),
                "mode": card.isSmallAmount ? "SMALL_AMOUNT" : "FOUR_FACTOR",
                "expireAt": JSON(isOpen ? card.expiresAt.shanghaiCompact : nil),
                "finishBy": JSON(isOpen ? card.expiresAt.shanghaiCompact : nil),
                "triesLeft": isOpen ? JSON(card.triesLeft) : .null,
                "failCode": card.state == "FAILED" ? "B2101" : .null,
                "failMsg": card.state == "FAILED" ? "验证次数超限" : .null,
            ] as JSON).omittingNulls
    }
}
