import CustodyDomain

/// The outcome of an instruction as the custodian knows it.
public struct CustodianResult: Hashable, Sendable {
    /// The custodian's states, in our words.
    public enum State: Hashable, Sendable {
        /// Accepted; the outcome comes later, promised by a time if the custodian says so.
        case processing(finishBy: Instant?)
        /// Done.
        case succeeded
        /// Recorded, and failed finally; a new intent needs a new number.
        case failed(Refusal)
        /// A withdrawal that had succeeded, and came back (退票).
        case returned(number: String, on: BusinessDate?, reason: String)
        /// The custodian has no such instruction. Before `safeAfter` that means nothing; after it, it was never received.
        case absent(safeAfter: Instant?)
    }

    /// Where it is.
    public let state: State
    /// The custodian's own number.
    public let bankNumber: String?
    /// The custodian's accounting date, which may differ from the calendar's.
    public let bankDate: BusinessDate?

    /// Makes an answer.
    public init(state: State, bankNumber: String?, bankDate: BusinessDate?) {
        self.state = state
        self.bankNumber = bankNumber
        self.bankDate = bankDate
    }
}

/// Days from one to another, both included.
public struct DateRange: Hashable, Sendable {
    /// The first day.
    public let from: BusinessDate
    /// The last day.
    public let to: BusinessDate

    /// Makes a range.
    public init(from: BusinessDate, to: BusinessDate) {
        self.from = from
        self.to = to
    }
}

/// A part of a long answer.
public struct Page<Item: Hashable & Sendable>: Hashable, Sendable {
    /// What stands on it.
    public let items: [Item]
    /// What to ask the next page with; nil on the last.
    public let next: String?

    /// Makes a page.
    public init(items: [Item], next: String?) {
        self.items = items
        self.next = next
    }
}

/// What an account holds.
public struct CustodianBalance: Hashable, Sendable {
    /// The account.
    public let account: String
    /// All of it.
    public let total: Fen
    /// What may be spent.
    public let available: Fen
    /// What may be paid out.
    public let withdrawable: Fen
    /// What will be free with the next day.
    public let pending: Fen
    /// What is frozen, or held for orders.
    public let frozen: Fen
    /// What of it has not arrived yet.
    public let inTransit: Fen

    /// Makes a balance.
    public init(
        account: String, total: Fen, available: Fen, withdrawable: Fen, pending: Fen, frozen: Fen, inTransit: Fen
    ) {
        self.account = account
        self.total = total
        self.available = available
        self.withdrawable = withdrawable
        self.pending = pending
        self.frozen = frozen
        self.inTransit = inTransit
    }
}

/// One entry of an account (流水).
public struct CustodianTransaction: Hashable, Sendable {
    /// The custodian's number of it.
    public let number: String
    /// What it was, in the custodian's words.
    public let kind: String
    /// What came in, or went out as a negative amount.
    public let amount: Fen
    /// What the account held afterwards; nil when the custodian does not say.
    public let balance: Fen?
    /// Our number of what it belongs to, as far as the custodian says.
    public let businessNumber: String?
    /// When it was entered.
    public let at: Instant?
    /// The custodian's accounting date.
    public let bankDate: BusinessDate?

    /// Makes an entry.
    public init(
        number: String, kind: String, amount: Fen, balance: Fen?, businessNumber: String?, at: Instant?,
        bankDate: BusinessDate?
    ) {
        self.number = number
        self.kind = kind
        self.amount = amount
        self.balance = balance
        self.businessNumber = businessNumber
        self.at = at
        self.bankDate = bankDate
    }
}

/// Many instructions in one file.
public struct BatchSubmission: Hashable, Sendable {
    /// What they are. The raw value is stored.
    public enum Kind: String, CaseIterable, Hashable, Sendable {
        /// Receipts and refunds of a day (清算文件).
        case clearing
        /// Merchants the platform had before (存量).
        case stock
        /// Withdrawals.
        case withdrawals
        /// Refunds.
        case refunds
    }

    /// Our number of the batch.
    public let number: String
    /// What it holds.
    public let kind: Kind
    /// The file: the custodian's number of an upload, or a name where files are handed in another way.
    public let file: String
    /// How many records it has.
    public let recordCount: Int
    /// Their sum; zero for records without amounts.
    public let amount: Fen
    /// The digest of the file's bytes, in the custodian's form.
    public let digest: String

    /// Makes a submission.
    public init(number: String, kind: Kind, file: String, recordCount: Int, amount: Fen, digest: String) {
        self.number = number
        self.kind = kind
        self.file = file
        self.recordCount = recordCount
        self.amount = amount
        self.digest = digest
    }
}

/// A batch as the custodian knows it.
public struct CustodianBatch: Hashable, Sendable {
    /// The custodian's states, in our words.
    public enum State: Hashable, Sendable {
        /// Under way.
        case processing
        /// All records succeeded.
        case succeeded
        /// Some failed; they stand in a file, if it is named.
        case partlySucceeded(failures: Int, file: String?)
        /// None was carried out.
        case failed(Refusal)
        /// The custodian does not know it.
        case absent
    }

    /// Where it is.
    public let state: State
    /// The custodian's own number.
    public let bankNumber: String?

    /// Makes an answer.
    public init(state: State, bankNumber: String?) {
        self.state = state
        self.bankNumber = bankNumber
    }
}

/// The custodian's daily files, by its types.
public enum CustodianFileKind: String, CaseIterable, Hashable, Sendable {
    /// Registered receipts and whether their money has arrived.
    case receipts = "PAY"
    /// Refunds taken back by the channels.
    case refunds = "REF"
    /// Withdrawals finished that day.
    case withdrawals = "WDR"
    /// Withdrawals that came back (退票).
    case returns = "WRT"
    /// Balances of all sub-accounts at the day's end.
    case balances = "BAL"
    /// Payments that the custodian itself collected.
    case collections = "CHK"
    /// The parts of orders that were paid out to those they belong to.
    case splits = "DET"
    /// What each merchant was paid out in all.
    case splitSums = "SUM"
}

/// The files of a kind and day.
public enum CustodianFiles: Hashable, Sendable {
    /// There, the newest issue last.
    case files([CustodianFile])
    /// Nothing happened that day.
    case empty
    /// Not generated yet: ask again later.
    case notReady
}

/// A file to be had.
public struct CustodianFile: Hashable, Sendable {
    /// Its name.
    public let name: String
    /// How many bytes it has; nil when the custodian does not say.
    public let size: Int?
    /// The digest of its bytes, in the custodian's form.
    public let digest: String?

    /// Makes a file.
    public init(name: String, size: Int?, digest: String?) {
        self.name = name
        self.size = size
        self.digest = digest
    }
}

/// The custodian's accounting day.
public struct CustodianDay: Hashable, Sendable {
    /// Whether it takes instructions.
    public enum State: String, CaseIterable, Hashable, Sendable {
        /// It does.
        case open
        /// It is changing dates (日切): money waits.
        case cutting
        /// It does not.
        case closed
    }

    /// Its accounting date.
    public let date: BusinessDate
    /// Whether it takes instructions.
    public let state: State
    /// When the date ends.
    public let nextCutAt: Instant?

    /// Makes an answer.
    public init(date: BusinessDate, state: State, nextCutAt: Instant?) {
        self.date = date
        self.state = state
        self.nextCutAt = nextCutAt
    }
}
