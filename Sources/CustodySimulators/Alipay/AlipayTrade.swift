import CustodyDomain
import CustodyWire

/// A trade at the simulated Alipay.
struct AlipayTrade: Sendable {
    /// `trade_status`.
    enum Status: String, Sendable {
        case waiting = "WAIT_BUYER_PAY"
        case success = "TRADE_SUCCESS"
        case closed = "TRADE_CLOSED"
        case finished = "TRADE_FINISHED"
    }

    /// A refund of it.
    struct Refund: Sendable {
        let outRequestNo: String
        let amount: Fen
        let at: Instant
        let reason: String
        /// What the receivers of the order's parts gave back of it, by their account.
        var givenBack: [String: Fen] = [:]
        /// What of it came from money that waits for its confirmation.
        var fromUnconfirmed = Fen.zero
        /// The confirmation it goes back against (`related_settle_confirm_no`).
        var confirmNo: String?

        /// What the payee gives.
        var ofPayee: Fen { amount - givenBack.values.sum() }
    }

    /// A confirmation that the order's money may be settled (结算确认).
    struct Confirmation: Sendable {
        let outRequestNo: String
        let amount: Fen
        let content: JSON
        let at: Instant
        /// Whether it was taken back before anything was settled.
        var isCancelled = false
    }

    /// How the money of an indirect merchant's order (直付通) is settled.
    struct SettleTerms: Sendable {
        let smid: String
        /// How long it waits for a confirmation; nil when it needs none.
        let period: Duration?
    }

    /// How long after its payment an order may be refunded.
    static let refundable = Duration.seconds(365 * 86_400)
    /// How long money stays frozen for splits.
    static let frozen = Duration.seconds(30 * 86_400)

    let outTradeNo: String
    let tradeNo: String
    let subject: String
    let amount: Fen
    let notifyURL: String?
    let expiresAt: Instant?
    /// The content of the code that precreate gave.
    var code: String?
    /// False until the buyer scans or opens it: the gateway then says `ACQ.TRADE_NOT_EXIST`.
    var isOpened = false
    /// Whether it was notified that it is closed, or finished.
    var isEndTold = false
    var status = Status.waiting
    var createdAt: Instant
    var paidAt: Instant?
    var closedAt: Instant?
    var buyerID: String?
    var refunds: [Refund] = []
    var terms: SettleTerms?
    /// Whether its money waits to be split (`royalty_freeze`).
    var isFrozen = false
    /// When it was split for the last time, or the time for that was over.
    var royaltyFinishedAt: Instant?
    var settlements: [AlipaySettlement] = []
    var confirmations: [Confirmation] = []
    /// What has gone to the sub-merchant's balance.
    var released = Fen.zero

    /// What all refunds sum to, which is what Alipay calls `refund_fee`.
    var refunded: Fen { refunds.map(\.amount).sum() }

    /// What was split off, less what came back with refunds.
    var allocated: Fen {
        settlements.flatMap(\.details).filter { $0.state != .failed }.map(\.amount).sum()
            - refunds.flatMap(\.givenBack.values).sum()
    }

    /// What an account received of it, less what it gave back.
    func allocated(to account: String) -> Fen {
        settlements.flatMap(\.details).filter { $0.state == .succeeded && $0.account == account }.map(\.amount).sum()
            - refunds.compactMap { $0.givenBack[account] }.sum()
    }

    /// Confirmations that count.
    var standing: [Confirmation] { confirmations.filter { !$0.isCancelled } }

    /// What has been confirmed; of an order that needs no confirmation, all of it.
    var confirmed: Fen { terms?.period == nil ? amount : standing.map(\.amount).sum() }

    private var refundedUnconfirmed: Fen { refunds.map(\.fromUnconfirmed).sum() }

    /// What still waits for its confirmation.
    var unconfirmed: Fen { terms?.period == nil ? .zero : amount - confirmed - refundedUnconfirmed }

    /// What can still be split or settled.
    var unsettled: Fen { max(confirmed - (refunded - refundedUnconfirmed) - allocated - released, .zero) }

    /// What its payee is charged: the payment's fee, less what refunds gave back of it.
    var fee: Fen {
        guard terms != nil, paidAt != nil else { return .zero }
        return AlipayBookEntry.fee(of: amount) - refunds.map { AlipayBookEntry.fee(of: $0.amount) }.sum()
    }

    /// What is kept for it: neither charged, split, refunded nor released.
    var held: Fen { amount - fee - refunded - allocated - released }

    /// What must stay for what waits for its confirmation: its own part of the fee is charged with it.
    static func reserve(_ unconfirmed: Fen) -> Fen { unconfirmed - AlipayBookEntry.fee(of: unconfirmed) }

    /// What the payee can have now, splits aside.
    var releasable: Fen { max(min(unsettled, held - AlipayTrade.reserve(unconfirmed)), .zero) }

    /// Brings it up to date: an unpaid one closes, a paid one finishes, frozen money thaws when its time is over.
    mutating func expire(at now: Instant) {
        if status == .waiting, let expiresAt, now >= expiresAt {
            status = .closed
            closedAt = expiresAt
        }
        guard let paidAt else { return }
        if status == .success, now >= paidAt + AlipayTrade.refundable { status = .finished }
        if isFrozen, royaltyFinishedAt == nil, now >= paidAt + AlipayTrade.frozen {
            royaltyFinishedAt = paidAt + AlipayTrade.frozen
        }
    }
}

/// What a payment or refund is in the bill and in the lump.
struct AlipayBookEntry: Sendable {
    var kind: AlipayBillEntry.Kind
    var tradeNo: String
    var outTradeNo: String
    var outRequestNo: String
    var subject: String
    var buyerID: String
    var createdAt: Instant
    var finishedAt: Instant
    var amount: Fen
    /// Positive when Alipay keeps it, negative when a refund gives it back.
    var fee: Fen
    /// The day whose bill and lump carry it.
    var date: BusinessDate
    /// The sub-merchant it belongs to; its money never reaches the platform.
    var smid: String?
    var isRemitted = false
    /// Its place in time among all entries.
    var sequence: Int64 = 0

    /// The channel's fee: 0.60 %, rounded half up.
    static func fee(of amount: Fen) -> Fen { Fen((amount.value * 6 + 500) / 1000) }

    /// What it adds to the lump.
    var net: Fen { kind == .payment ? amount - fee : -(amount + fee) }

    var billEntry: AlipayBillEntry {
        AlipayBillEntry(
            kind: kind, tradeNumber: tradeNo, paymentSerial: outTradeNo, refundSerial: outRequestNo,
            subject: subject, createdAt: createdAt, finishedAt: finishedAt, buyer: "*客(\(buyerID.suffix(4)))",
            amount: amount, fee: fee, memo: kind == .refund ? "退款" : "")
    }
}
