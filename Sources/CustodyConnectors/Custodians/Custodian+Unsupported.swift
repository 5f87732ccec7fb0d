import CustodyDomain
import CustodyWire

extension Refusal {
    /// The code with which an operation is refused that the custodian does not have.
    public static let unsupportedCode = "unsupported"
}

extension Custodian {
    /// The refusal of an operation that this custodian does not have. Nothing was sent.
    public func unsupported<Value>(_ operation: CustodianOperation) -> Reply<Value> {
        .refused(
            Refusal(code: Refusal.unsupportedCode, message: "\(capabilities.name) has no \(operation.rawValue)"))
    }

    /// The refusal when the capabilities do not name the operation; nil when it may be sent.
    public func refusal<Value>(of operation: CustodianOperation) -> Reply<Value>? {
        capabilities.operations.contains(operation) ? nil : unsupported(operation)
    }
}

/// A custodian that leaves an operation out does not have it.
extension Custodian {
    /// Refused, see ``unsupported(_:)``.
    public func openSubMerchant(_ opening: SubMerchantOpening, serial: String) async -> Reply<CustodianSubMerchant> {
        unsupported(.openSubMerchant)
    }
    /// Refused, see ``unsupported(_:)``.
    public func resubmitSubMerchant(
        _ opening: SubMerchantOpening, serial: String
    ) async -> Reply<CustodianSubMerchant> {
        unsupported(.resubmitSubMerchant)
    }
    /// Refused, see ``unsupported(_:)``.
    public func modifySubMerchant(_ change: SubMerchantChange, serial: String) async -> Reply<CustodianResult> {
        unsupported(.modifySubMerchant)
    }
    /// Refused, see ``unsupported(_:)``.
    public func querySubMerchant(number: String, serial: String) async -> Reply<CustodianSubMerchant> {
        unsupported(.querySubMerchant)
    }
    /// Refused, see ``unsupported(_:)``.
    public func closeSubMerchant(number: String, reason: String, serial: String) async -> Reply<CustodianResult> {
        unsupported(.closeSubMerchant)
    }
    /// Refused, see ``unsupported(_:)``.
    public func uploadMaterial(_ material: MaterialUpload, serial: String) async -> Reply<CustodianMaterial> {
        unsupported(.uploadMaterial)
    }
    /// Refused, see ``unsupported(_:)``.
    public func importSubMerchants(_ batch: BatchSubmission, serial: String) async -> Reply<CustodianBatch> {
        unsupported(.importSubMerchants)
    }
    /// Refused, see ``unsupported(_:)``.
    public func bindAccount(_ account: AccountBinding, serial: String) async -> Reply<CustodianBinding> {
        unsupported(.bindAccount)
    }
    /// Refused, see ``unsupported(_:)``.
    public func confirmAccount(
        bindingNumber: String, proof: AccountProof, serial: String
    ) async -> Reply<CustodianBinding> {
        unsupported(.confirmAccount)
    }
    /// Refused, see ``unsupported(_:)``.
    public func changeAccount(
        _ account: AccountBinding, replacing bindingNumber: String, serial: String
    ) async -> Reply<CustodianBinding> {
        unsupported(.changeAccount)
    }
    /// Refused, see ``unsupported(_:)``.
    public func unbindAccount(bindingNumber: String, serial: String) async -> Reply<CustodianResult> {
        unsupported(.unbindAccount)
    }
    /// Refused, see ``unsupported(_:)``.
    public func addReceiver(_ receiver: SplitReceiver, serial: String) async -> Reply<CustodianResult> {
        unsupported(.addReceiver)
    }
    /// Refused, see ``unsupported(_:)``.
    public func removeReceiver(_ receiver: SplitReceiver, serial: String) async -> Reply<CustodianResult> {
        unsupported(.removeReceiver)
    }
    /// Refused, see ``unsupported(_:)``.
    public func syncOrder(_ order: OrderRegistration, serial: String) async -> Reply<CustodianResult> {
        unsupported(.syncOrder)
    }
    /// Refused, see ``unsupported(_:)``.
    public func cancelOrder(number: String, serial: String) async -> Reply<CustodianResult> {
        unsupported(.cancelOrder)
    }
    /// Refused, see ``unsupported(_:)``.
    public func queryOrder(number: String, serial: String) async -> Reply<CustodianOrder> { unsupported(.queryOrder) }
    /// Refused, see ``unsupported(_:)``.
    public func collect(_ collection: CollectionInstruction, serial: String) async -> Reply<CustodianCollection> {
        unsupported(.collect)
    }
    /// Refused, see ``unsupported(_:)``.
    public func queryCollection(number: String, serial: String) async -> Reply<CustodianCollection> {
        unsupported(.queryCollection)
    }
    /// Refused, see ``unsupported(_:)``.
    public func closeCollection(number: String, serial: String) async -> Reply<CustodianResult> {
        unsupported(.closeCollection)
    }
    /// Refused, see ``unsupported(_:)``.
    public func refund(_ refund: RefundRegistration, serial: String) async -> Reply<CustodianResult> {
        unsupported(.refund)
    }
    /// Refused, see ``unsupported(_:)``.
    public func confirmSettlement(
        _ confirmation: SettlementConfirmation, serial: String
    ) async -> Reply<CustodianResult> {
        unsupported(.confirmSettlement)
    }
    /// Refused, see ``unsupported(_:)``.
    public func split(_ split: SplitInstruction, serial: String) async -> Reply<CustodianResult> {
        unsupported(.split)
    }
    /// Refused, see ``unsupported(_:)``.
    public func reverseSplit(_ reversal: SplitReversal, serial: String) async -> Reply<CustodianResult> {
        unsupported(.reverseSplit)
    }
    /// Refused, see ``unsupported(_:)``.
    public func querySplit(number: String, orderNumber: String, serial: String) async -> Reply<CustodianSplit> {
        unsupported(.querySplit)
    }
    /// Refused, see ``unsupported(_:)``.
    public func withdraw(_ withdrawal: WithdrawalInstruction, serial: String) async -> Reply<CustodianResult> {
        unsupported(.withdraw)
    }
    /// Refused, see ``unsupported(_:)``.
    public func freeze(_ freeze: FreezeInstruction, serial: String) async -> Reply<CustodianResult> {
        unsupported(.freeze)
    }
    /// Refused, see ``unsupported(_:)``.
    public func release(_ release: FreezeRelease, serial: String) async -> Reply<CustodianResult> {
        unsupported(.release)
    }
    /// Refused, see ``unsupported(_:)``.
    public func transfer(_ transfer: TransferInstruction, serial: String) async -> Reply<CustodianResult> {
        unsupported(.transfer)
    }
    /// Refused, see ``unsupported(_:)``.
    public func listSuspense(
        _ range: DateRange, cursor: String?, serial: String
    ) async -> Reply<Page<SuspenseEntry>> {
        unsupported(.listSuspense)
    }
    /// Refused, see ``unsupported(_:)``.
    public func assignSuspense(_ assignment: SuspenseAssignment, serial: String) async -> Reply<CustodianResult> {
        unsupported(.assignSuspense)
    }
    /// Refused, see ``unsupported(_:)``.
    public func undoSuspense(assignmentNumber: String, serial: String) async -> Reply<CustodianResult> {
        unsupported(.undoSuspense)
    }
    /// Refused, see ``unsupported(_:)``.
    public func queryBalance(of account: String, serial: String) async -> Reply<CustodianBalance> {
        unsupported(.queryBalance)
    }
    /// Refused, see ``unsupported(_:)``.
    public func queryDayEndBalance(
        of account: String, on date: BusinessDate, serial: String
    ) async -> Reply<CustodianBalance> {
        unsupported(.queryDayEndBalance)
    }
    /// Refused, see ``unsupported(_:)``.
    public func listTransactions(
        of account: String, _ range: DateRange, cursor: String?, serial: String
    ) async -> Reply<Page<CustodianTransaction>> {
        unsupported(.listTransactions)
    }
    /// Refused, see ``unsupported(_:)``.
    public func submitBatch(_ batch: BatchSubmission, serial: String) async -> Reply<CustodianBatch> {
        unsupported(.submitBatch)
    }
    /// Refused, see ``unsupported(_:)``.
    public func queryBatch(number: String, serial: String) async -> Reply<CustodianBatch> { unsupported(.queryBatch) }
    /// Refused, see ``unsupported(_:)``.
    public func listFiles(
        _ kind: CustodianFileKind, of date: BusinessDate, serial: String
    ) async -> Reply<CustodianFiles> {
        unsupported(.listFiles)
    }
    /// Refused, see ``unsupported(_:)``.
    public func file(
        _ kind: CustodianFileKind, of date: BusinessDate, into spool: Spool, serial: String
    ) async -> Reply<BillAnswer> {
        unsupported(.fetchFile)
    }
    /// None.
    public var bills: [ChannelBill] { [] }
    /// Refused, see ``unsupported(_:)``.
    public func bill(_ bill: ChannelBill, of date: BusinessDate, into spool: Spool) async -> Reply<BillAnswer> {
        unsupported(.fetchFile)
    }
    /// Refused, see ``unsupported(_:)``.
    public func bankDay(serial: String) async -> Reply<CustodianDay> { unsupported(.bankDay) }
}
