import CustodyDomain

/// What a custodian tells us by itself. A hint: ask again before money moves, unless it is a credit.
public enum CustodianNotice: Hashable, Sendable {
    /// An instruction reached a state.
    case instruction(CustodianOperation, serial: String, CustodianResult)
    /// A sub-merchant's review moved, or it was restricted, by our number.
    case subMerchant(number: String)
    /// A sub-merchant was signed, changed or removed at the custodian itself.
    case signedSubMerchant(SignedSubMerchant)
    /// A binding moved, by the custodian's number of it.
    case binding(number: String)
    /// A collection moved, by the order's number.
    case collection(number: String, CustodianCollection)
    /// Money arrived in the custody account: the lump of a channel for a day.
    case credit(BankCredit)
    /// Money arrived that nobody is known to own, by the custodian's number of the entry.
    case suspense(SuspenseEntry)
    /// The platform put own money into its deposit there.
    case deposit(number: String, amount: Fen, bankDate: BusinessDate)
    /// A batch moved, by our number.
    case batch(number: String)
    /// A file of a day is there, by the custodian's type.
    case file(kind: String, bankDate: BusinessDate)
    /// Something we keep but do not act on, by its name.
    case other(String)
}

/// A lump sum that arrived in the custody account (到账).
public struct BankCredit: Hashable, Sendable {
    /// The custodian's number of the entry.
    public let number: String
    /// Who sent it.
    public let channel: ChannelKind
    /// The day whose receipts it pays, by the channel.
    public let businessDate: BusinessDate
    /// What arrived, after fees and refunds; may be negative when refunds outweigh.
    public let amount: Fen
    /// The custodian's accounting date.
    public let bankDate: BusinessDate

    /// Makes a credit.
    public init(
        number: String, channel: ChannelKind, businessDate: BusinessDate, amount: Fen, bankDate: BusinessDate
    ) {
        self.number = number
        self.channel = channel
        self.businessDate = businessDate
        self.amount = amount
        self.bankDate = bankDate
    }
}

/// A sub-merchant that signed at the custodian, as the custodian tells us of it.
public struct SignedSubMerchant: Hashable, Sendable {
    /// What happened.
    public enum Change: String, CaseIterable, Hashable, Sendable {
        /// It signed.
        case added
        /// It changed.
        case modified
        /// It left.
        case removed
    }

    /// What happened.
    public let change: Change
    /// The custodian's number of it, under which orders name it.
    public let merchantNumber: String
    /// Our number of it, if it was told to the custodian.
    public let number: String?
    /// Its registered name.
    public let name: String
    /// Its licence or certificate number. Personal data when it is a person.
    public let certificateNumber: String?
    /// The account at the custodian, or the settlement account, by its last digits.
    public let account: String?

    /// Makes a signed sub-merchant.
    public init(
        change: Change, merchantNumber: String, number: String?, name: String, certificateNumber: String?,
        account: String?
    ) {
        self.change = change
        self.merchantNumber = merchantNumber
        self.number = number
        self.name = name
        self.certificateNumber = certificateNumber
        self.account = account
    }
}
