import CustodyDomain
import CustodyWire

/// Alipay's own custody for platforms (互联网平台直付通): it collects, keeps each order's money for its sub-merchant until
/// the receipt is confirmed, splits it, and settles to the sub-merchant's card.
///
/// An order has one payee, by its `smid`; everyone else receives by splits, and must be a receiver first. Business numbers
/// are Alipay's idempotency keys (`out_trade_no`, `out_request_no`, `out_biz_no`): what may not have arrived is sent
/// again as it was, and answered with the first outcome.
public struct AlipayDirect: Custodian {
    /// What it can do.
    public let capabilities: Capabilities

    let gateway: AlipayGateway
    let notifyURL: String?

    /// Makes a connector for one platform, in the mode of its link.
    ///
    /// - Parameters:
    ///   - notifyURL: Where Alipay tells of payments.
    ///   - clock: The real time, for the requests' timestamps and the certificates' validity.
    public init(
        link: AlipayLink, notifyURL: String?, capabilities: Capabilities = .alipayDirect, outbound: Outbound,
        clock: @escaping @Sendable () -> Instant
    ) throws(AlipayLink.Defect) {
        self.capabilities = capabilities
        self.notifyURL = notifyURL
        gateway = try AlipayGateway(link: link, outbound: outbound, clock: clock)
    }

    /// One call of a method, if the capabilities have the operation it is for.
    func call(
        _ operation: CustodianOperation, _ method: String, _ content: JSON, notifyURL: String? = nil
    ) async -> Reply<JSON> {
        if let refusal: Reply<JSON> = refusal(of: operation) { return refusal }
        return await gateway.call(method, content.omittingNulls, notifyURL: notifyURL)
    }

    /// The order's trade as Alipay knows it; its number is what splits and confirmations need.
    func trade(of orderNumber: String, for operation: CustodianOperation) async -> Reply<AlipayDirectTrade> {
        await call(
            operation, "alipay.trade.query",
            ["out_trade_no": .string(orderNumber), "query_options": ["trade_settle_info"]]
        ).reading { node throws(Doubt) in
            guard node["out_trade_no"]?.string == orderNumber else {
                throw Doubt(.malformedAnswer, "answers about another order")
            }
            let details = node["trade_settle_info"]?["trade_settle_detail_list"]?.array ?? []
            return AlipayDirectTrade(
                number: try node.text("trade_no"), amount: try node.amount("total_amount"),
                subMerchant: node["alipay_sub_merchant_id"]?.string,
                unsettled: node["trade_settle_info"]?.yuan("trade_unsettled_amount"),
                confirmations: details.filter { $0["operation_type"]?.string == "settle" }.map {
                    .init(number: $0["operation_serial_no"]?.string ?? "", amount: $0.yuan("amount") ?? .zero)
                },
                returned: details.filter {
                    ["settle_refund", "transfer_refund"].contains($0["operation_type"]?.string ?? "")
                }.map { $0.yuan("amount") ?? .zero }.sum())
        }
    }

    /// What of an order waits for its confirmation, is confirmed, and is settled
    /// (`alipay.trade.settle.receivables.query`).
    public func receivables(of orderNumber: String) async -> Reply<AlipayReceivables> {
        switch await trade(of: orderNumber, for: .queryOrder) {
        case .answered(let trade): return await receivables(of: trade)
        case .refused(let refusal): return .refused(refusal)
        case .unknown(let doubt): return .unknown(doubt)
        }
    }

    func receivables(of trade: AlipayDirectTrade) async -> Reply<AlipayReceivables> {
        await call(
            .queryOrder, "alipay.trade.settle.receivables.query",
            ["trade_no": .string(trade.number), "out_request_no": .string("Q\(trade.number)")]
        ).reading { node throws(Doubt) in
            AlipayReceivables(
                unconfirmed: try node.amount("unsettled_amount"), confirmed: try node.amount("on_settle_amount"),
                settled: try node.amount("settled_amount"))
        }
    }

    /// An outcome that is final with the answer.
    static func done(_ number: String?) -> CustodianResult {
        CustodianResult(state: .succeeded, bankNumber: number, bankDate: nil)
    }
}

/// What of a trade other calls need.
struct AlipayDirectTrade: Sendable {
    /// `trade_no`.
    let number: String
    let amount: Fen
    /// The payee's `smid`.
    let subMerchant: String?
    /// What is neither split nor settled; nil when the answer does not say.
    let unsettled: Fen?
    /// What was confirmed, oldest first; what is settled goes back against one of them.
    let confirmations: [Confirmation]
    /// What went back of it after it was confirmed.
    let returned: Fen

    /// One confirmation of it.
    struct Confirmation: Hashable, Sendable {
        let number: String
        let amount: Fen
    }
}

/// Where the money of an order is between its payment and its settlement.
public struct AlipayReceivables: Hashable, Sendable {
    /// What waits for its confirmation.
    public let unconfirmed: Fen
    /// What is confirmed, and still kept for splits.
    public let confirmed: Fen
    /// What is the sub-merchant's, paid out or about to be.
    public let settled: Fen

    /// Makes an answer.
    public init(unconfirmed: Fen, confirmed: Fen, settled: Fen) {
        self.unconfirmed = unconfirmed
        self.confirmed = confirmed
        self.settled = settled
    }
}

extension Capabilities {
    /// What 直付通 has. Its limits are those of an ordinary contract.
    public static let alipayDirect = Capabilities(
        name: "Alipay 直付通",
        operations: [
            .openSubMerchant, .resubmitSubMerchant, .modifySubMerchant, .querySubMerchant, .closeSubMerchant,
            .uploadMaterial, .bindAccount, .changeAccount, .unbindAccount, .addReceiver, .removeReceiver, .collect,
            .queryCollection, .closeCollection, .refund, .confirmSettlement, .split, .querySplit, .queryOrder,
            .transfer, .queryBalance, .fetchFile, .query,
        ],
        repeatable: [
            .addReceiver, .removeReceiver, .closeSubMerchant, .bindAccount, .changeAccount, .closeCollection,
        ],
        collector: .custodian, signer: .platform, splitTimings: [.later], confirmsFirst: true,
        confirmsPartially: true,
        refundSources: [.held, .available], withdrawalSpeeds: [], verifications: [.none], deliveries: [.push, .poll],
        fileKinds: [.receipts, .withdrawals, .balances],
        limits: .init(
            partsPerOrder: 31, itemsPerSplit: 30, splitsPerOrder: 50, refundsPerOrder: 50,
            splitShareBasisPoints: 3000, materialBytes: AlipayImageUpload.limit),
        deadlines: .init(
            cutOff: .seconds(24 * 3600), reviewWorkdays: 2, refundDays: 365, splitDays: 30,
            filesBy: .seconds(9 * 3600), absenceBelieved: .seconds(10)),
        numbers: .init(serialLength: 64, businessLength: 32, alphanumericOnly: false, isOneSpace: false),
        notifySchedule: [240, 600, 600, 3600, 7200, 21_600, 54_000].map { .seconds($0) },
        testGaps: ["直付通 has no public sandbox: its methods are only tried with a real contract"])
}
