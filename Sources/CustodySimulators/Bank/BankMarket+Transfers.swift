import CustodyDomain
import CustodyWire

/// Money of an account that may not be used.
struct BankFreeze {
    let account: String
    var left: Fen
}

/// Incoming money nobody is known to own.
struct BankSuspense {
    let bankNumber: String
    let amount: Fen
    var left: Fen
    let payer: String?
    let memo: String?
    let bankDate: BusinessDate
}

/// Incoming money given to an account.
struct BankAssignment {
    let entry: String
    let account: String
    let amount: Fen
    var isUndone = false
}

/// Freezes, transfers between function accounts, and money in suspense.
extension BankMarket {
    mutating func createFreeze(_ body: JSON) throws(BankRefusal) -> BankInstruction.Subject {
        let number = try body.field("freezeNo")
        let account = try body.field("acct")
        let amount = try body.yuan("amt")
        _ = try body.field("reason")
        try requireOpen(account)
        try book.post([
            (.withdrawable(account: account), -amount), (.blocked(account: account, freeze: number), amount),
        ])
        freezes[number] = BankFreeze(account: account, left: amount)
        return .fixed(["status": "SUCCESS", "freezeNo": .string(number)])
    }

    mutating func releaseFreeze(_ body: JSON) throws(BankRefusal) -> BankInstruction.Subject {
        let number = try body.field("freezeNo")
        let releaseNumber = try body.field("releaseNo")
        let amount = try body.yuan("amt")
        guard var freeze = freezes[number] else { throw BankRefusal("100224", "no such freeze") }
        guard freeze.left >= amount else { throw BankRefusal("100225", "more than is frozen") }
        try book.post([
            (.blocked(account: freeze.account, freeze: number), -amount),
            (.withdrawable(account: freeze.account), amount),
        ])
        freeze.left -= amount
        freezes[number] = freeze
        return .fixed(["status": "SUCCESS", "releaseNo": .string(releaseNumber), "leftAmt": .string(freeze.left.yuan)])
    }

    mutating func createTransfer(_ body: JSON) throws(BankRefusal) -> BankInstruction.Subject {
        let number = try body.field("xferNo")
        let from = try body.field("fromAcct")
        let to = try body.field("toAcct")
        let amount = try body.yuan("amt")
        guard ["MARKETING", "SUBSIDY", "FEE", "DEPOSIT", "ADJUSTMENT"].contains(try body.field("purpose")) else {
            throw BankRefusal("100001", "purpose is unknown")
        }
        guard accounts[from]?.kind != .merchant else {
            throw BankRefusal("100226", "a transfer leaves function accounts only")
        }
        let source = try pocket(from)
        guard from != to, book[source] >= amount else { throw BankRefusal("100201", "balance short") }
        try book.post([(source, -amount), (try pocket(to), amount)])
        return .fixed(["status": "SUCCESS", "xferNo": .string(number)])
    }

    /// What an account can be paid from and into.
    private func pocket(_ account: String) throws(BankRefusal) -> BankPocket {
        if account == depositAccount { return .deposit }
        try requireOpen(account)
        return .withdrawable(account: account)
    }

    /// Somebody pays into the supervised account.
    mutating func receive(_ amount: Fen, payer: String?, memo: String?, now: Instant) throws(BankRefusal) -> String {
        turn(to: now)
        let number = nextNumber("B", now)
        book.context = BankContext(type: "VOSTRO", number: number, at: now, bankDate: bankDate(of: now))
        try book.post([(.master, amount), (.suspense, amount)])
        let entry = BankSuspense(
            bankNumber: number, amount: amount, left: amount, payer: payer, memo: memo, bankDate: bankDate(of: now))
        suspense.append(entry)
        effects.append(.notify(txnCode: "VOSTRO.NOTIFY", body: suspenseBody(entry)))
        return number
    }

    func suspenseList(_ body: JSON) throws(BankRefusal) -> BankAnswer {
        guard let from = BusinessDate(try body.field("fromDate")), let to = BusinessDate(try body.field("toDate"))
        else {
            throw BankRefusal("100001", "fromDate or toDate is no date")
        }
        let start = body["cursor"]?.string.flatMap { Int($0) } ?? 0
        let found = suspense.filter { (from...to).contains($0.bankDate) }
        let page = found.dropFirst(start).prefix(BankMarket.pageSize)
        let end = start + page.count
        return BankAnswer(
            body: ([
                "status": "SUCCESS", "items": .array(page.map(suspenseBody)),
                "next": JSON(end < found.count ? String(end) : nil),
            ] as JSON).omittingNulls)
    }

    private func suspenseBody(_ entry: BankSuspense) -> JSON {
        ([
            "bankSeqNo": .string(entry.bankNumber), "amt": .string(entry.amount.yuan),
            "leftAmt": .string(entry.left.yuan), "payer": JSON(entry.payer), "memo": JSON(entry.memo),
            "bankDate": .string(entry.bankDate.compact), "direction": "IN",
        ] as JSON).omittingNulls
    }

    mutating func assignSuspense(_ body: JSON) throws(BankRefusal) -> BankInstruction.Subject {
        let number = try body.field("assignNo")
        let entry = try body.field("origBankSeqNo")
        let account = try body.field("acct")
        let amount = try body.yuan("amt")
        guard let index = suspense.firstIndex(where: { $0.bankNumber == entry }) else {
            throw BankRefusal("100227", "no such entry in suspense")
        }
        guard suspense[index].left >= amount else { throw BankRefusal("100228", "more than is left of the entry") }
        try book.post([(.suspense, -amount), (try pocket(account), amount)])
        suspense[index].left -= amount
        assignments[number] = BankAssignment(entry: entry, account: account, amount: amount)
        return .fixed(["status": "SUCCESS", "assignNo": .string(number)])
    }

    mutating func undoSuspense(_ body: JSON) throws(BankRefusal) -> BankInstruction.Subject {
        let number = try body.field("assignNo")
        guard let assignment = assignments[number], !assignment.isUndone,
            let index = suspense.firstIndex(where: { $0.bankNumber == assignment.entry })
        else { throw BankRefusal("100229", "no such assignment in force") }
        try book.post([(try pocket(assignment.account), -assignment.amount), (.suspense, assignment.amount)])
        suspense[index].left += assignment.amount
        assignments[number]?.isUndone = true
        return .fixed(["status": "SUCCESS", "assignNo": .string(number)])
    }
}
