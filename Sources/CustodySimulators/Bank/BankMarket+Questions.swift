import CustodyDomain
import CustodyWire

/// What the bank answers to questions; nothing here is recorded under the question's number.
extension BankMarket {
    /// How long after it was first asked an absent instruction is surely absent.
    static let safeAfter: Duration = .seconds(600)

    /// The answer to a question; nil when the request is an instruction.
    mutating func answer(question request: CWP1Request, now: Instant) throws(BankRefusal) -> BankAnswer? {
        let body = request.body
        switch request.txnCode {
        case "SYS.ECHO", "SYS.DATE":
            return BankAnswer(
                body: [
                    "status": "SUCCESS", "bankDate": .string(bankDate(of: now).compact),
                    "dayState": isCutting(now) ? "CUTTING" : "OPEN",
                    "nextCutAt": .string(nextCut(after: now).shanghaiCompact),
                ])
        case "MCH.QUERY": return BankAnswer(body: merchantBody(try body.field("merchantNo")))
        case "ORD.QUERY":
            return BankAnswer(body: orderBody(try body.field("mainOrderNo")))
        case "PAY.QUERY": return BankAnswer(body: paymentBody(try body.field("mainOrderNo")))
        case "SPLIT.QUERY": return BankAnswer(body: splitBody(try body.field("splitBatchNo")))
        case "REF.QUERY": return BankAnswer(body: refundBody(try body.field("refundNo")))
        case "WDR.QUERY": return BankAnswer(body: withdrawalBody(try body.field("wdrNo")))
        case "BATCH.QUERY": return BankAnswer(body: batchBody(try body.field("batchNo")))
        case "SUSP.LIST": return try suspenseList(body)
        case "TXN.LIST": return try entries(body)
        case "BAL.DAYEND": return try dayEndBalance(body)
        case "BAL.QUERY":
            let account = try body.field("subAcct")
            guard accounts[account] != nil else { throw BankRefusal("100206", "unknown sub-account") }
            let balance = balance(of: account)
            return BankAnswer(body: BankMarket.balanceBody(account, balance))
        case "TXN.QUERY": return try answer(txnQuery: body, now: now)
        case "FILE.APPLY", "FILE.LIST": return try applyFile(body, now: now)
        default: return nil
        }
    }

    private static func balanceBody(_ account: String, _ balance: BankBalance) -> JSON {
        [
            "status": "SUCCESS", "subAcct": .string(account), "pending": .string(balance.pending.yuan),
            "available": .string(balance.withdrawable.yuan), "withdrawable": .string(balance.withdrawable.yuan),
            "frozen": .string(balance.frozen.yuan), "inTransit": .string(balance.inTransit.yuan),
            "total": .string(balance.total.yuan),
        ]
    }

    private func dayEndBalance(_ body: JSON) throws(BankRefusal) -> BankAnswer {
        let account = try body.field("subAcct")
        guard let date = BusinessDate(try body.field("date")), let rows = snapshots[date] else {
            throw BankRefusal("100230", "the day is not over, or before the market's first")
        }
        guard let row = rows.first(where: { $0[0] == account }) else {
            throw BankRefusal("100206", "unknown sub-account")
        }
        let amounts = row[2...].map { Fen(Int64($0) ?? 0) }
        var balance = BankBalance(
            pending: amounts[1], withdrawable: amounts[2], frozen: amounts[3], inTransit: amounts[4])
        // The market's own accounts have a total and no parts.
        if balance.total != amounts[0] { balance.withdrawable = amounts[0] }
        return BankAnswer(body: BankMarket.balanceBody(account, balance))
    }

    private mutating func answer(txnQuery body: JSON, now: Instant) throws(BankRefusal) -> BankAnswer {
        let number = try body.field("origReqSeqNo")
        let txnCode = try body.field("origTxnCode")
        guard let instruction = instructions[number], instruction.txnCode == txnCode else {
            let asked = firstAsked[number] ?? now
            firstAsked[number] = asked
            // While the date turns, an instruction may still wait to be recorded.
            let turned =
                isCutting(asked) ? bankDate(of: asked).advanced(by: -1).start + terms.cutOff + terms.cutting : asked
            return BankAnswer(body: BankMarket.notFound(safeAfter: max(asked + BankMarket.safeAfter, turned)))
        }
        let known: [JSON.Member] = [
            .init("origTxnCode", .string(txnCode)), .init("origReqSeqNo", .string(number)),
            .init("origBankSeqNo", .string(instruction.bankNumber)),
            .init("bankDate", .string(instruction.bankDate.compact)),
        ]
        return BankAnswer(body: .object(known + (outcome(of: instruction).members ?? [])))
    }

    /// That an instruction is not there, and from when that can be believed.
    static func notFound(safeAfter: Instant) -> JSON {
        ["status": "NOT_FOUND", "safeAfter": .string(safeAfter.shanghaiCompact)]
    }

    /// Where an instruction is now.
    func outcome(of instruction: BankInstruction) -> JSON {
        switch instruction.subject {
        case .merchant(let number): merchantBody(number)
        case .card(let number): cardBody(number)
        case .order(let number, let isRegistration):
            [
                "status": isRegistration ? JSON(orders[number]?.state ?? "NOT_FOUND") : "SYNCED",
                "mainOrderNo": .string(number),
            ]
        case .refund(let number): refundBody(number)
        case .split(let number): splitBody(number)
        case .batch(let number): batchBody(number)
        case .payment(let number): paymentBody(number)
        case .withdrawal(let number): withdrawalBody(number)
        case .fixed(let body): body
        }
    }
}
