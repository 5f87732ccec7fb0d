import CustodyDomain
import CustodyWire

/// A bank that speaks CWP/1, for one platform's market.
public struct CWP1Custodian: Custodian {
    /// What this bank has.
    public let capabilities: Capabilities
    let codec: CWP1Codec

    /// Reads the link's keys.
    ///
    /// - Parameters:
    ///   - capabilities: What this bank has of CWP/1, and its terms.
    ///   - clock: Real time, for the freshness of signatures; never a test clock.
    /// - Throws: When a key is not PEM, or the bank has none.
    public init(
        link: CWP1Link, outbound: Outbound, capabilities: Capabilities = .cwp1,
        clock: @escaping @Sendable () -> Instant
    ) throws {
        self.capabilities = capabilities
        codec = try CWP1Codec(link: link, outbound: outbound, clock: clock)
    }

    /// One exchange, if this bank has the operation.
    func exchange(_ operation: CustodianOperation, serial: String, body: JSON) async -> Reply<CWP1Response> {
        if let refusal: Reply<CWP1Response> = refusal(of: operation) { return refusal }
        return await codec.exchange(operation.txnCode, serial: serial, body: body.omittingNulls)
    }

    /// One exchange with personal fields, if this bank has the operation.
    func exchange(
        _ operation: CustodianOperation, serial: String, sealing body: (CWP1SessionKey) throws -> JSON
    ) async -> Reply<CWP1Response> {
        if let refusal: Reply<CWP1Response> = refusal(of: operation) { return refusal }
        return await codec.exchange(operation.txnCode, serial: serial) { try body($0).omittingNulls }
    }
}

extension CustodianOperation {
    /// The bank's name of the operation.
    var txnCode: String {
        switch self {
        case .openSubMerchant: "MCH.OPEN"
        case .resubmitSubMerchant: "MCH.RESUBMIT"
        case .modifySubMerchant: "MCH.MODIFY"
        case .querySubMerchant: "MCH.QUERY"
        case .closeSubMerchant: "MCH.CLOSE"
        case .uploadMaterial: "MCH.MATERIAL"
        case .importSubMerchants: "MCH.IMPORT"
        case .bindAccount: "CARD.BIND"
        case .confirmAccount: "CARD.CONFIRM"
        case .changeAccount: "CARD.CHANGE"
        case .unbindAccount: "CARD.UNBIND"
        case .addReceiver: "RCV.ADD"
        case .removeReceiver: "RCV.REMOVE"
        case .syncOrder: "ORD.SYNC"
        case .cancelOrder: "ORD.CANCEL"
        case .queryOrder: "ORD.QUERY"
        case .collect: "PAY.CREATE"
        case .queryCollection: "PAY.QUERY"
        case .closeCollection: "PAY.CLOSE"
        case .refund: "REF.CREATE"
        case .confirmSettlement: "SETTLE.CONFIRM"
        case .split: "SPLIT.CREATE"
        case .reverseSplit: "SPLIT.REVERSE"
        case .querySplit: "SPLIT.QUERY"
        case .withdraw: "WDR.CREATE"
        case .freeze: "FRZ.CREATE"
        case .release: "FRZ.RELEASE"
        case .transfer: "XFER.CREATE"
        case .listSuspense: "SUSP.LIST"
        case .assignSuspense: "SUSP.ASSIGN"
        case .undoSuspense: "SUSP.UNDO"
        case .queryBalance: "BAL.QUERY"
        case .queryDayEndBalance: "BAL.DAYEND"
        case .listTransactions: "TXN.LIST"
        case .submitBatch: "BATCH.CREATE"
        case .queryBatch: "BATCH.QUERY"
        case .listFiles: "FILE.LIST"
        case .fetchFile: "FILE.APPLY"
        case .bankDay: "SYS.DATE"
        case .query: "TXN.QUERY"
        }
    }

    /// The operation of a bank's name; nil when it is none of ours.
    init?(txnCode: String) {
        guard let operation = CustodianOperation.allCases.first(where: { $0.txnCode == txnCode }) else { return nil }
        self = operation
    }
}
