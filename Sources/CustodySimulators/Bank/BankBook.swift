import CustodyDomain

/// Why the bank refuses or fails an instruction: a return code and its sentence.
struct BankRefusal: Error {
    let code: String
    let message: String

    init(_ code: String, _ message: String) {
        self.code = code
        self.message = message
    }
}

/// Where a fen can be in a market's books.
enum BankPocket: Hashable {
    /// Cash in the supervised account. An asset.
    case master
    /// What channels collected for registered orders and still owe. An asset.
    case receivable
    /// What channels gave back to buyers and will keep from their next lump.
    case refundsInTransit
    /// Withdrawals leaving.
    case inTransitOut
    /// Money in doubt; negative when less arrived than was registered.
    case suspense
    /// The platform's own money; negative when it owes channel fees.
    case deposit
    /// A party's part of an order, not split yet.
    case frozen(account: String, order: String)
    /// A party's part of an order, split, the order's money not there yet.
    case pending(account: String, order: String)
    /// What a party may not use until a freeze is released.
    case blocked(account: String, freeze: String)
    /// What a party may withdraw.
    case withdrawable(account: String)

    var isAsset: Bool { self == .master || self == .receivable }

    var mayBeNegative: Bool {
        switch self {
        // A channel may take back more than it paid in: then the supervised account itself is drawn.
        case .suspense, .deposit, .master: true
        default: false
        }
    }
}

/// The bank's double-entry book of one market: assets equal claims after every posting.
struct BankBook {
    private(set) var balances: [BankPocket: Fen] = [:]
    private(set) var entries: [BankEntry] = []
    /// What the next postings belong to.
    var context = BankContext()
    private let market: String
    private var totals: [String: Fen] = [:]
    private var isUnbalanced = false
    private var postings = 0

    init(market: String) { self.market = market }

    /// The balance of a pocket.
    subscript(_ pocket: BankPocket) -> Fen { balances[pocket] ?? .zero }

    /// Moves money all at once or not at all.
    ///
    /// Throws 100201 when a pocket that must not go negative would.
    mutating func post(_ moves: [(BankPocket, Fen)]) throws(BankRefusal) {
        var changed: [BankPocket: Fen] = [:]
        var assets = Fen.zero
        var claims = Fen.zero
        for (pocket, amount) in moves {
            changed[pocket, default: self[pocket]] += amount
            if pocket.isAsset { assets += amount } else { claims += amount }
        }
        for (pocket, balance) in changed where balance < .zero && !pocket.mayBeNegative {
            guard balance >= self[pocket] else { throw BankRefusal("100201", "balance short") }
        }
        if assets != claims { isUnbalanced = true }
        for (pocket, balance) in changed { balances[pocket] = balance == .zero ? nil : balance }
        enter(moves)
        postings += 1
        // Summing everything after each of thousands of postings would take longer than the postings.
        if postings % 64 == 0, !sumsAgree { isUnbalanced = true }
    }

    /// Enters what changed the total of each account.
    private mutating func enter(_ moves: [(BankPocket, Fen)]) {
        var changes: [String: Fen] = [:]
        for (pocket, amount) in moves {
            if let account = pocket.account(of: market) { changes[account, default: .zero] += amount }
        }
        for (account, amount) in changes.sorted(by: { $0.key < $1.key }) where amount != .zero {
            totals[account, default: .zero] += amount
            entries.append(
                BankEntry(
                    number: entries.count + 1, account: account, amount: amount,
                    balance: totals[account] ?? .zero, context: context))
        }
    }

    /// Whether every posting balanced, and all balances summed anew do.
    var isSound: Bool { !isUnbalanced && sumsAgree }

    private var sumsAgree: Bool {
        var difference = Fen.zero
        for (pocket, balance) in balances {
            if pocket.isAsset { difference += balance } else { difference -= balance }
            if balance < .zero, !pocket.mayBeNegative { return false }
        }
        return difference == .zero
    }
}
