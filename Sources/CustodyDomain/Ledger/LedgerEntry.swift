/// An account of the ledger, by what it is and whose; docs/ledger.md is its chart.
public enum Account: Hashable, Sendable {
    /// Money collected by a channel that has not arrived in the custody account yet. Asset.
    case clearing(ChannelKind)
    /// Money in the custody account, as the bank counts it. Asset.
    case bankCash
    /// Fees that the platform owes because its reserve was short. Asset.
    case feeReceivable
    /// A party's share of paid, unsplit orders. Guarded.
    case held(Party)
    /// Split, but not matched or not due yet. Guarded.
    case pending(Party)
    /// May be withdrawn. Guarded.
    case available(Party)
    /// Held back by risk or by the bank. Guarded.
    case frozen(Party)
    /// On its way to the bound account. Guarded.
    case withdrawing(Party)
    /// On its way back to buyers. Guarded.
    case refunding
    /// The platform's own money in custody: pays the channels' fees. Guarded.
    case reserve
    /// Money in doubt; always the sum of what open discrepancies hold there. Either side.
    case suspense
    /// What discrepancies cost, or brought, in the end. Either side.
    case writeOff

    /// Whose share it is.
    public enum Party: Hashable, Sendable {
        /// A shop.
        case subMerchant(ID<SubMerchant>)
        /// The platform: its commission.
        case platform
    }

    /// The stored name of its kind.
    public var kind: String {
        switch self {
        case .clearing: "clearing"
        case .bankCash: "bank_cash"
        case .feeReceivable: "fee_receivable"
        case .held: "held"
        case .pending: "pending"
        case .available: "available"
        case .frozen: "frozen"
        case .withdrawing: "withdrawing"
        case .refunding: "refunding"
        case .reserve: "reserve"
        case .suspense: "suspense"
        case .writeOff: "write_off"
        }
    }

    /// The stored name of its owner: a channel, a sub-merchant's UUID, or nothing for the platform.
    public var owner: String {
        switch self {
        case .clearing(let channel): channel.rawValue
        case .held(let party), .pending(let party), .available(let party), .frozen(let party), .withdrawing(let party):
            switch party {
            case .subMerchant(let id): id.uuid.text
            case .platform: ""
            }
        default: ""
        }
    }

    /// Whether it grows on the debit side.
    public var isDebitNormal: Bool {
        switch self {
        case .clearing, .bankCash, .feeReceivable: true
        default: false
        }
    }

    /// Whether it never goes below zero.
    public var isGuarded: Bool {
        switch self {
        case .clearing, .bankCash, .feeReceivable, .suspense, .writeOff: false
        default: true
        }
    }
}

/// A money fact: movements between accounts that sum to zero, for one reason, booked once.
public struct LedgerEntry: Hashable, Sendable {
    /// What happened, such as `payment.succeeded`.
    public let event: String
    /// What it happened to; with the event, it can be booked only once.
    public let subject: String
    /// The day of the books.
    public let businessDate: BusinessDate
    /// The movements: debits positive, credits negative.
    public private(set) var lines: [(account: Account, amount: Fen)] = []

    /// Makes an entry without movements.
    public init(_ event: String, subject: String, on businessDate: BusinessDate) {
        self.event = event
        self.subject = subject
        self.businessDate = businessDate
    }

    /// Moves an amount from the credited account to the debited one; nothing when the amount is zero, and the other way when it is negative.
    public mutating func move(_ amount: Fen, debit: Account, credit: Account) {
        add(amount, to: debit)
        add(-amount, to: credit)
    }

    private mutating func add(_ amount: Fen, to account: Account) {
        guard amount != .zero else { return }
        if let index = lines.firstIndex(where: { $0.account == account }) {
            let sum = lines[index].amount + amount
            if sum == .zero { lines.remove(at: index) } else { lines[index].amount = sum }
        } else {
            lines.append((account, amount))
        }
    }

    /// Whether two entries are the same.
    public static func == (lhs: LedgerEntry, rhs: LedgerEntry) -> Bool {
        lhs.event == rhs.event && lhs.subject == rhs.subject && lhs.businessDate == rhs.businessDate
            && lhs.lines.elementsEqual(rhs.lines) { $0 == $1 }
    }

    /// Feeds what makes the entry unique.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(event)
        hasher.combine(subject)
    }
}
