import CustodyDomain
import CustodyWire

/// A custodian as business code sees it: who keeps the sub-merchants and their money, a bank or a channel's own custody.
///
/// `serial` is the number of one instruction (`reqSeqNo`), stored before the first byte is sent; sending it again with the
/// same content is answered with the original outcome. Questions take numbers of their own.
///
/// A custodian is made of three parts, so that another one touches no business code:
/// - a *codec*, which frames, signs, encrypts and sends one message, and proves that the answer is the custodian's to that
///   very message (``CWP1Codec``, ``CCBCodec``);
/// - a *dialect*, which says an operation in the custodian's words and reads its states back into ours: the type that
///   conforms to this protocol. One operation may be several calls;
/// - its ``Capabilities``: data.
///
/// What a custodian does not have it leaves out: it is then refused as `unsupported`, see ``unsupported(_:)``.
public protocol Custodian: Sendable {
    /// What it can do, and on which terms.
    var capabilities: Capabilities { get }

    // MARK: - Sub-merchants and their settlement accounts

    /// Opens a sub-merchant (进件); its review takes days, and is asked for by ``querySubMerchant(number:serial:)``.
    func openSubMerchant(_ opening: SubMerchantOpening, serial: String) async -> Reply<CustodianSubMerchant>
    /// Sends a rejected application again, corrected.
    func resubmitSubMerchant(_ opening: SubMerchantOpening, serial: String) async -> Reply<CustodianSubMerchant>
    /// Changes what the custodian knows of a sub-merchant (变更).
    func modifySubMerchant(_ change: SubMerchantChange, serial: String) async -> Reply<CustodianResult>
    /// Asks for a sub-merchant by our number.
    func querySubMerchant(number: String, serial: String) async -> Reply<CustodianSubMerchant>
    /// Closes a sub-merchant (销户); refused while money or orders remain.
    func closeSubMerchant(number: String, reason: String, serial: String) async -> Reply<CustodianResult>
    /// Hands in a picture or document for an application (资料); the answer's number is named in it.
    func uploadMaterial(_ material: MaterialUpload, serial: String) async -> Reply<CustodianMaterial>
    /// Brings in merchants the platform had before (存量), by a file handed in with ``uploadMaterial(_:serial:)``.
    func importSubMerchants(_ batch: BatchSubmission, serial: String) async -> Reply<CustodianBatch>
    /// Binds a settlement account (绑卡), or replaces the one bound; the custodian then verifies it.
    func bindAccount(_ account: AccountBinding, serial: String) async -> Reply<CustodianBinding>
    /// Confirms a binding by what only the account's holder can know.
    func confirmAccount(bindingNumber: String, proof: AccountProof, serial: String) async -> Reply<CustodianBinding>
    /// Binds another account in place of a binding, which stays in force until the new one is confirmed (换卡).
    func changeAccount(
        _ account: AccountBinding, replacing bindingNumber: String, serial: String
    ) async -> Reply<CustodianBinding>
    /// Ends a binding (解绑).
    func unbindAccount(bindingNumber: String, serial: String) async -> Reply<CustodianResult>
    /// Makes someone able to receive parts of orders (分账接收方); doing it again changes nothing.
    func addReceiver(_ receiver: SplitReceiver, serial: String) async -> Reply<CustodianResult>
    /// The other side of ``addReceiver(_:serial:)``.
    func removeReceiver(_ receiver: SplitReceiver, serial: String) async -> Reply<CustodianResult>

    // MARK: - Orders

    /// Registers an order (订单同步): first its intention, and again with ``OrderRegistration/payment`` once it is paid.
    func syncOrder(_ order: OrderRegistration, serial: String) async -> Reply<CustodianResult>
    /// Takes back an order that is not funded (撤销).
    func cancelOrder(number: String, serial: String) async -> Reply<CustodianResult>
    /// Asks for an order by our number.
    func queryOrder(number: String, serial: String) async -> Reply<CustodianOrder>
    /// Has the custodian collect from the buyer (收款), where it does so itself.
    func collect(_ collection: CollectionInstruction, serial: String) async -> Reply<CustodianCollection>
    /// Asks what became of a collection, by the order's number.
    func queryCollection(number: String, serial: String) async -> Reply<CustodianCollection>
    /// Closes an unpaid collection.
    func closeCollection(number: String, serial: String) async -> Reply<CustodianResult>
    /// Registers a refund of an order, or has it paid where the custodian collects.
    func refund(_ refund: RefundRegistration, serial: String) async -> Reply<CustodianResult>
    /// Confirms the receipt of goods (确认收货): what was held is set free.
    func confirmSettlement(_ confirmation: SettlementConfirmation, serial: String) async -> Reply<CustodianResult>
    /// Splits the held money of an order (分账).
    func split(_ split: SplitInstruction, serial: String) async -> Reply<CustodianResult>
    /// Takes parts of a split back (分账回退).
    func reverseSplit(_ reversal: SplitReversal, serial: String) async -> Reply<CustodianResult>
    /// Asks for a split, item by item: some may have failed while others did not.
    func querySplit(number: String, orderNumber: String, serial: String) async -> Reply<CustodianSplit>

    // MARK: - Money

    /// Pays out to a bound account (提现).
    func withdraw(_ withdrawal: WithdrawalInstruction, serial: String) async -> Reply<CustodianResult>
    /// Freezes money of an account (冻结).
    func freeze(_ freeze: FreezeInstruction, serial: String) async -> Reply<CustodianResult>
    /// Sets frozen money free (解冻).
    func release(_ release: FreezeRelease, serial: String) async -> Reply<CustodianResult>
    /// Moves money between function accounts, such as marketing and fees (功能户调拨).
    func transfer(_ transfer: TransferInstruction, serial: String) async -> Reply<CustodianResult>
    /// Lists incoming money nobody is known to own (挂账).
    func listSuspense(_ range: DateRange, cursor: String?, serial: String) async -> Reply<Page<SuspenseEntry>>
    /// Gives incoming money to an account (认领).
    func assignSuspense(_ assignment: SuspenseAssignment, serial: String) async -> Reply<CustodianResult>
    /// Takes an assignment back.
    func undoSuspense(assignmentNumber: String, serial: String) async -> Reply<CustodianResult>
    /// What an account holds now.
    func queryBalance(of account: String, serial: String) async -> Reply<CustodianBalance>
    /// What an account held at the end of a day (日终余额).
    func queryDayEndBalance(
        of account: String, on date: BusinessDate, serial: String
    ) async -> Reply<CustodianBalance>
    /// Lists an account's entries (流水), oldest first.
    func listTransactions(
        of account: String, _ range: DateRange, cursor: String?, serial: String
    ) async -> Reply<Page<CustodianTransaction>>

    // MARK: - Batches, files, days

    /// Hands in many instructions as one file.
    func submitBatch(_ batch: BatchSubmission, serial: String) async -> Reply<CustodianBatch>
    /// Asks what became of a batch.
    func queryBatch(number: String, serial: String) async -> Reply<CustodianBatch>
    /// Lists the files of a bank date.
    func listFiles(_ kind: CustodianFileKind, of date: BusinessDate, serial: String) async -> Reply<CustodianFiles>
    /// Fetches a file of a bank date, one of ``Capabilities/fileKinds``.
    func file(
        _ kind: CustodianFileKind, of date: BusinessDate, into spool: Spool, serial: String
    ) async -> Reply<BillAnswer>
    /// The bills it gives in the form of the channel that it collects through; none for a custodian that does not.
    var bills: [ChannelBill] { get }
    /// Fetches a bill of a day that is over, one of ``bills``.
    func bill(_ bill: ChannelBill, of date: BusinessDate, into spool: Spool) async -> Reply<BillAnswer>
    /// Asks for the custodian's accounting date and when it ends.
    func bankDay(serial: String) async -> Reply<CustodianDay>

    // MARK: - What became of it

    /// Asks what became of an instruction, by its operation, serial number and date.
    func query(_ operation: CustodianOperation, serial: String, sentOn: BusinessDate) async -> Reply<CustodianResult>
    /// Asks the same with what the instruction was about, which some custodians need to find it; others leave it out.
    func query(
        _ operation: CustodianOperation, serial: String, sentOn: BusinessDate, about subject: InstructionSubject
    ) async -> Reply<CustodianResult>
    /// Reads a notification whose signature was verified when it came in; decrypts fields where needed.
    func notice(in body: [UInt8]) throws(Doubt) -> CustodianNotice
}

/// The operations of ``Custodian``. Raw values are stored and stay.
public enum CustodianOperation: String, CaseIterable, Hashable, Sendable {
    /// ``Custodian/openSubMerchant(_:serial:)``
    case openSubMerchant = "open_sub_merchant"
    /// ``Custodian/resubmitSubMerchant(_:serial:)``
    case resubmitSubMerchant = "resubmit_sub_merchant"
    /// ``Custodian/modifySubMerchant(_:serial:)``
    case modifySubMerchant = "modify_sub_merchant"
    /// ``Custodian/querySubMerchant(number:serial:)``
    case querySubMerchant = "query_sub_merchant"
    /// ``Custodian/closeSubMerchant(number:reason:serial:)``
    case closeSubMerchant = "close_sub_merchant"
    /// ``Custodian/uploadMaterial(_:serial:)``
    case uploadMaterial = "upload_material"
    /// ``Custodian/importSubMerchants(_:serial:)``
    case importSubMerchants = "import_sub_merchants"
    /// ``Custodian/bindAccount(_:serial:)``
    case bindAccount = "bind_account"
    /// ``Custodian/confirmAccount(bindingNumber:proof:serial:)``
    case confirmAccount = "confirm_account"
    /// ``Custodian/changeAccount(_:replacing:serial:)``
    case changeAccount = "change_account"
    /// ``Custodian/unbindAccount(bindingNumber:serial:)``
    case unbindAccount = "unbind_account"
    /// ``Custodian/addReceiver(_:serial:)``
    case addReceiver = "add_receiver"
    /// ``Custodian/removeReceiver(_:serial:)``
    case removeReceiver = "remove_receiver"
    /// ``Custodian/syncOrder(_:serial:)``
    case syncOrder = "sync_order"
    /// ``Custodian/cancelOrder(number:serial:)``
    case cancelOrder = "cancel_order"
    /// ``Custodian/queryOrder(number:serial:)``
    case queryOrder = "query_order"
    /// ``Custodian/collect(_:serial:)``
    case collect
    /// ``Custodian/queryCollection(number:serial:)``
    case queryCollection = "query_collection"
    /// ``Custodian/closeCollection(number:serial:)``
    case closeCollection = "close_collection"
    /// ``Custodian/refund(_:serial:)``
    case refund
    /// ``Custodian/confirmSettlement(_:serial:)``
    case confirmSettlement = "confirm_settlement"
    /// ``Custodian/split(_:serial:)``
    case split
    /// ``Custodian/reverseSplit(_:serial:)``
    case reverseSplit = "reverse_split"
    /// ``Custodian/querySplit(number:orderNumber:serial:)``
    case querySplit = "query_split"
    /// ``Custodian/withdraw(_:serial:)``
    case withdraw
    /// ``Custodian/freeze(_:serial:)``
    case freeze
    /// ``Custodian/release(_:serial:)``
    case release
    /// ``Custodian/transfer(_:serial:)``
    case transfer
    /// ``Custodian/listSuspense(_:cursor:serial:)``
    case listSuspense = "list_suspense"
    /// ``Custodian/assignSuspense(_:serial:)``
    case assignSuspense = "assign_suspense"
    /// ``Custodian/undoSuspense(assignmentNumber:serial:)``
    case undoSuspense = "undo_suspense"
    /// ``Custodian/queryBalance(of:serial:)``
    case queryBalance = "query_balance"
    /// ``Custodian/queryDayEndBalance(of:on:serial:)``
    case queryDayEndBalance = "query_day_end_balance"
    /// ``Custodian/listTransactions(of:_:cursor:serial:)``
    case listTransactions = "list_transactions"
    /// ``Custodian/submitBatch(_:serial:)``
    case submitBatch = "submit_batch"
    /// ``Custodian/queryBatch(number:serial:)``
    case queryBatch = "query_batch"
    /// ``Custodian/listFiles(_:of:serial:)``
    case listFiles = "list_files"
    /// ``Custodian/file(_:of:into:serial:)``
    case fetchFile = "fetch_file"
    /// ``Custodian/bankDay(serial:)``
    case bankDay = "bank_day"
    /// ``Custodian/query(_:serial:sentOn:)``
    case query
}
