import CustodyDomain
import CustodyWire

/// A trade at the simulated Alipay.
struct AlipayTrade: Sendable {
    /// `trade_status`.
    enum Status: String, Sendable {
        case waiting = "WAIT_BUYER_PAY"
        case success = "TRADE_SUCCESS"
        case closed = "TRADE_CLOSED"
    }

    /// A refund of it.
    struct Refund: Sendable {
        let outRequestNo: String
        let amount: Fen
        let at: Instant
        let reason: String
    }

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
    var status = Status.waiting
    var createdAt: Instant
    var paidAt: Instant?
    var closedAt: Instant?
    var buyerID: String?
    var refunds: [Refund] = []

    /// What all refunds sum to, which is what Alipay calls `refund_fee`.
    var refunded: Fen { refunds.map(\.amount).sum() }

    /// Closes an unpaid trade whose time is over.
    mutating func expire(at now: Instant) {
        guard status == .waiting, let expiresAt, now >= expiresAt else { return }
        status = .closed
        closedAt = expiresAt
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
    var isRemitted = false

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

/// A merchant of the simulated Alipay: one application with one collecting account.
struct AlipayMerchant: Sendable {
    /// A lump sent to the bank, or that could not be.
    struct Remittance: Sendable {
        let date: BusinessDate
        let net: Fen
        let items: Int
        var isAccepted: Bool
    }

    let appID: String
    var sellerID: String
    var verifier: RSAVerifier
    var marketID: String
    var remitURL: String?
    var trades: [String: AlipayTrade] = [:]
    /// Our codes' trades.
    var codes: [String: String] = [:]
    var book: [AlipayBookEntry] = []
    var remittances: [Remittance] = []
    /// Days whose remittance is scheduled.
    var awaited: Set<BusinessDate> = []

    /// The serial of the trade with either number.
    func serial(outTradeNo: String?, tradeNo: String?) -> String? {
        if let outTradeNo, !outTradeNo.isEmpty { return trades[outTradeNo].map(\.outTradeNo) }
        guard let tradeNo else { return nil }
        return trades.values.first { $0.tradeNo == tradeNo }?.outTradeNo
    }
}
