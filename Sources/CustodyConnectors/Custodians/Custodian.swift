import CustodyDomain

/// A custodian as business code sees it: who keeps the sub-merchants and their money. CWP/1 is its first dialect.
///
/// `serial` is the number of one instruction (`reqSeqNo`), stored before the first byte is sent; sending it again with the
/// same content is answered with the original outcome.
public protocol Custodian: Sendable {
    /// Opens a sub-merchant (进件); its review takes days, and is asked for by ``querySubMerchant(number:serial:)``.
    func openSubMerchant(_ opening: SubMerchantOpening, serial: String) async -> Reply<CustodianSubMerchant>
    /// Asks for a sub-merchant by our number.
    func querySubMerchant(number: String, serial: String) async -> Reply<CustodianSubMerchant>
    /// Closes a sub-merchant (销户); refused while money or orders remain.
    func closeSubMerchant(number: String, reason: String, serial: String) async -> Reply<CustodianResult>
    /// Binds a settlement account (绑卡), or replaces the one bound; the custodian then verifies it.
    func bindAccount(_ account: AccountBinding, serial: String) async -> Reply<CustodianBinding>
    /// Confirms a binding by what only the account's holder can know.
    func confirmAccount(bindingNumber: String, proof: AccountProof, serial: String) async -> Reply<CustodianBinding>
    /// Registers an order (订单同步): first its intention, and again with ``OrderRegistration/payment`` once it is paid.
    func syncOrder(_ order: OrderRegistration, serial: String) async -> Reply<CustodianResult>
    /// Registers a refund of an order.
    func refund(_ refund: RefundRegistration, serial: String) async -> Reply<CustodianResult>
    /// Splits the held money of an order (分账).
    func split(_ split: SplitInstruction, serial: String) async -> Reply<CustodianResult>
    /// Pays out to a bound account (提现).
    func withdraw(_ withdrawal: WithdrawalInstruction, serial: String) async -> Reply<CustodianResult>
    /// Asks what became of an instruction, by its operation, serial number and date.
    func query(_ operation: CustodianOperation, serial: String, sentOn: BusinessDate) async -> Reply<CustodianResult>
    /// Fetches a file of a bank date.
    func file(_ kind: CustodianFileKind, of date: BusinessDate, serial: String) async -> Reply<BillAnswer>
    /// Reads a notification whose signature was verified when it came in; decrypts fields where needed.
    func notice(in body: [UInt8]) throws(Doubt) -> CustodianNotice
}

/// What a custodian tells us by itself. A hint: ask again before money moves, unless it is a credit.
public enum CustodianNotice: Hashable, Sendable {
    /// An instruction reached a state.
    case instruction(CustodianOperation, serial: String, CustodianResult)
    /// A sub-merchant's review moved, by our number.
    case subMerchant(number: String)
    /// A binding moved, by the custodian's number of it.
    case binding(number: String)
    /// Money arrived in the custody account: the lump of a channel for a day.
    case credit(BankCredit)
    /// The platform put own money into its deposit there.
    case deposit(number: String, amount: Fen, bankDate: BusinessDate)
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

/// The instructions of ``Custodian`` whose outcome can be asked for by serial number.
public enum CustodianOperation: String, CaseIterable, Hashable, Sendable {
    /// ``Custodian/openSubMerchant(_:serial:)``
    case openSubMerchant = "open_sub_merchant"
    /// ``Custodian/closeSubMerchant(number:reason:serial:)``
    case closeSubMerchant = "close_sub_merchant"
    /// ``Custodian/bindAccount(_:serial:)``
    case bindAccount = "bind_account"
    /// ``Custodian/confirmAccount(bindingNumber:proof:serial:)``
    case confirmAccount = "confirm_account"
    /// ``Custodian/syncOrder(_:serial:)``
    case syncOrder = "sync_order"
    /// ``Custodian/refund(_:serial:)``
    case refund
    /// ``Custodian/split(_:serial:)``
    case split
    /// ``Custodian/withdraw(_:serial:)``
    case withdraw
}

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
}
