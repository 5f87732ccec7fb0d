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
                    "status": "SUCCESS", "bankDate": .string(BusinessDate(of: now).compact), "dayState": "OPEN",
                    "nextCutAt": .string(BusinessDate(of: now).advanced(by: 1).start.shanghaiCompact),
                ])
        case "MCH.QUERY": return BankAnswer(body: merchantBody(try body.field("merchantNo")))
        case "ORD.QUERY":
            let number = try body.field("mainOrderNo")
            return BankAnswer(body: ["status": JSON(orders[number]?.state ?? "NOT_FOUND")])
        case "BAL.QUERY":
            let account = try body.field("subAcct")
            guard accounts[account] != nil else { throw BankRefusal("100206", "unknown sub-account") }
            let balance = balance(of: account)
            return BankAnswer(
                body: [
                    "status": "SUCCESS", "subAcct": .string(account), "pending": .string(balance.pending.yuan),
                    "withdrawable": .string(balance.withdrawable.yuan), "frozen": .string(balance.frozen.yuan),
                    "inTransit": .string(balance.inTransit.yuan), "total": .string(balance.total.yuan),
                ])
        case "TXN.QUERY": return try answer(txnQuery: body, now: now)
        case "FILE.APPLY": return try applyFile(body, now: now)
        default: return nil
        }
    }

    private mutating func answer(txnQuery body: JSON, now: Instant) throws(BankRefusal) -> BankAnswer {
        let number = try body.field("origReqSeqNo")
        let txnCode = try body.field("origTxnCode")
        guard let instruction = instructions[number], instruction.txnCode == txnCode else {
            let asked = firstAsked[number] ?? now
            firstAsked[number] = asked
            return BankAnswer(body: BankMarket.notFound(safeAfter: asked + BankMarket.safeAfter))
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
        case .split(let number): splits[number] ?? ["status": "NOT_FOUND"]
        case .withdrawal(let number): withdrawalBody(number)
        case .fixed(let body): body
        }
    }
}
