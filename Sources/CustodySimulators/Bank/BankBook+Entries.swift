import CustodyDomain
import CustodyWire

/// What a posting belongs to.
struct BankContext: Sendable {
    /// The operation, such as `WDR.CREATE`, or the event.
    var type = ""
    /// The partner's number of it.
    var number = ""
    var at = Instant(seconds: 0)
    var bankDate = BusinessDate(daysSinceEpoch: 0)
}

/// An entry of an account: what came in or went out.
struct BankEntry: Sendable {
    let number: Int
    let account: String
    let amount: Fen
    let balance: Fen
    let context: BankContext
}

/// Entries of accounts.
extension BankMarket {
    /// The entries of an account within two dates, a page of them.
    func entries(_ body: JSON) throws(BankRefusal) -> BankAnswer {
        let account = try body.field("subAcct")
        guard accounts[account] != nil || ownAccounts.contains(account) else {
            throw BankRefusal("100206", "unknown sub-account")
        }
        guard let from = BusinessDate(try body.field("fromDate")), let to = BusinessDate(try body.field("toDate"))
        else {
            throw BankRefusal("100001", "fromDate or toDate is no date")
        }
        let start = body["cursor"]?.string.flatMap { Int($0) } ?? 0
        let found = book.entries.filter {
            $0.account == account && $0.number > start && (from...to).contains($0.context.bankDate)
        }
        let page = found.prefix(BankMarket.pageSize)
        let items = page.map { entry -> JSON in
            [
                "bankSeqNo": .string("E\(entry.number)"), "type": .string(entry.context.type),
                "direction": entry.amount < .zero ? "OUT" : "IN",
                "amt": .string(Fen(abs(entry.amount.value)).yuan), "balance": .string(entry.balance.yuan),
                "bizNo": .string(entry.context.number), "time": .string(entry.context.at.shanghaiCompact),
                "bankDate": .string(entry.context.bankDate.compact),
            ]
        }
        return BankAnswer(
            body: (["status": "SUCCESS", "items": .array(items), "next": JSON(next(page, of: found))] as JSON)
                .omittingNulls)
    }

    private func next(_ page: ArraySlice<BankEntry>, of found: [BankEntry]) -> String? {
        page.count < found.count ? page.last.map { String($0.number) } : nil
    }

    /// How many items a page of an answer has.
    static var pageSize: Int { 100 }

    /// The accounts that are the market's own and no party's.
    var ownAccounts: [String] { [masterAccount, depositAccount, suspenseAccount] }
}

extension BankPocket {
    /// The account whose total it is part of; nil for what lies between accounts.
    func account(of market: String) -> String? {
        switch self {
        case .master: market + "MST001"
        case .deposit: market + "DEP001"
        case .suspense: market + "SUS001"
        case .frozen(let account, _), .pending(let account, _), .blocked(let account, _), .withdrawable(let account):
            account
        case .receivable, .refundsInTransit, .inTransitOut: nil
        }
    }
}
