import CustodyDomain
import CustodyWire

/// A payment channel as business code sees it; WeChat Pay and Alipay are its dialects.
///
/// Every call is one exchange over the network. `serial` is the number we gave the operation, stored before the first
/// byte is sent, and the channel's idempotency key: the same call with the same serial may be made again.
public protocol Channel: Sendable {
    /// Which channel this is.
    var kind: ChannelKind { get }

    /// Places an order with the channel (下单), so that the buyer can pay it.
    func pay(_ order: ChannelOrder) async -> Reply<PaymentPrompt>
    /// Asks what became of a payment.
    func queryPayment(serial: String) async -> Reply<ChannelPayment>
    /// Closes an unpaid payment, so that it can no longer be paid. Closing a closed one succeeds.
    func closePayment(serial: String) async -> Reply<ChannelPayment>
    /// Sends money back (退款).
    func refund(_ refund: ChannelRefundRequest) async -> Reply<ChannelRefund>
    /// Asks what became of a refund.
    func queryRefund(serial: String, paymentSerial: String) async -> Reply<ChannelRefund>
    /// The bills it has of every day, as far as this link is entitled to them: data, by which days are planned.
    var bills: [ChannelBill] { get }
    /// Fetches a bill of a day that is over.
    func bill(_ bill: ChannelBill, of date: BusinessDate, into spool: Spool) async -> Reply<BillAnswer>
    /// Reads a callback whose signature was verified when it came in; decrypts it where needed.
    func notice(in body: [UInt8]) throws(Doubt) -> ChannelNotice
}

/// What a channel tells us by itself.
public enum ChannelNotice: Hashable, Sendable {
    /// About a payment, by our number.
    case payment(serial: String, merchantNumber: String, ChannelPayment)
    /// About a refund, by our numbers.
    case refund(serial: String, paymentSerial: String, ChannelRefund)
    /// Something we keep but do not act on, by its name.
    case other(String)
}

/// What the channel is asked to collect.
public struct ChannelOrder: Hashable, Sendable {
    /// Our number of this payment (`out_trade_no`): up to 32 letters and digits.
    public let serial: String
    /// How the buyer pays.
    public let method: PaymentMethod
    /// The amount the buyer pays.
    public let amount: Fen
    /// What the buyer reads, up to 127 bytes.
    public let description: String
    /// When the order can no longer be paid.
    public let expiresAt: Instant
    /// Where the channel calls back.
    public let callbackURL: String
    /// The buyer's id at the channel, needed by `jsapi`.
    public let payerID: String?
    /// Whose the money is: what a custodian that collects must know, and a channel need not.
    public let parts: [OrderRegistration.Part]
    /// Until when such a custodian holds it without a confirmation; nil when nothing is to be confirmed.
    public let confirmBy: BusinessDate?

    /// Makes an order to place.
    public init(
        serial: String, method: PaymentMethod, amount: Fen, description: String, expiresAt: Instant,
        callbackURL: String, payerID: String?, parts: [OrderRegistration.Part] = [], confirmBy: BusinessDate? = nil
    ) {
        self.serial = serial
        self.method = method
        self.amount = amount
        self.description = description
        self.expiresAt = expiresAt
        self.callbackURL = callbackURL
        self.payerID = payerID
        self.parts = parts
        self.confirmBy = confirmBy
    }
}

/// What the platform's front end needs to let the buyer pay.
public enum PaymentPrompt: Hashable, Sendable {
    /// The content of a QR code.
    case code(String)
    /// An address to open.
    case url(String)
    /// Parameters for the channel's own call inside its app, in order.
    case parameters([String: String])
    /// A form (HTML) that sends the browser to the channel.
    case form(String)
}

/// A payment as the channel knows it.
public struct ChannelPayment: Hashable, Sendable {
    /// The channel's states, in our words.
    public enum State: String, Sendable {
        /// Not paid yet, or the channel does not know the order yet.
        case waiting
        /// Paid.
        case succeeded
        /// Can no longer be paid.
        case closed
        /// The channel has no such order.
        case absent
    }

    /// Where it is.
    public let state: State
    /// The channel's own number (微信支付订单号, 支付宝交易号), once there is one.
    public let transactionNumber: String?
    /// What the buyer was asked to pay; nil when the answer does not say.
    public let amount: Fen?
    /// When it was paid.
    public let paidAt: Instant?
    /// The buyer's id at the channel.
    public let payerID: String?

    /// Makes an answer.
    public init(state: State, transactionNumber: String?, amount: Fen?, paidAt: Instant?, payerID: String?) {
        self.state = state
        self.transactionNumber = transactionNumber
        self.amount = amount
        self.paidAt = paidAt
        self.payerID = payerID
    }
}

/// What the channel is asked to send back.
public struct ChannelRefundRequest: Hashable, Sendable {
    /// Our number of this refund (`out_refund_no`).
    public let serial: String
    /// The payment it belongs to.
    public let paymentSerial: String
    /// The amount that goes back.
    public let amount: Fen
    /// The payment's whole amount.
    public let paymentAmount: Fen
    /// What the buyer reads.
    public let reason: String?
    /// Where the channel calls back.
    public let callbackURL: String
    /// Who gives it back: what a custodian that collected must know, and a channel need not.
    public let giveBack: [RefundRegistration.Giver]

    /// Makes a refund to send.
    public init(
        serial: String, paymentSerial: String, amount: Fen, paymentAmount: Fen, reason: String?, callbackURL: String,
        giveBack: [RefundRegistration.Giver] = []
    ) {
        self.serial = serial
        self.paymentSerial = paymentSerial
        self.amount = amount
        self.paymentAmount = paymentAmount
        self.reason = reason
        self.callbackURL = callbackURL
        self.giveBack = giveBack
    }
}

/// A refund as the channel knows it.
public struct ChannelRefund: Hashable, Sendable {
    /// The channel's states, in our words.
    public enum State: String, Sendable {
        /// Under way.
        case processing
        /// The money has gone back.
        case succeeded
        /// It will not happen (WeChat `CLOSED`).
        case closed
        /// Stuck: a person must act (WeChat `ABNORMAL`).
        case abnormal
        /// The channel has no such refund.
        case absent
    }

    /// Where it is.
    public let state: State
    /// The channel's own number.
    public let refundNumber: String?
    /// The amount that goes back; nil when the answer does not say.
    public let amount: Fen?
    /// When it succeeded.
    public let succeededAt: Instant?

    /// Makes an answer.
    public init(state: State, refundNumber: String?, amount: Fen?, succeededAt: Instant?) {
        self.state = state
        self.refundNumber = refundNumber
        self.amount = amount
        self.succeededAt = succeededAt
    }
}

/// What a channel reports of a day. Raw values are the names under which statements are kept, and stay.
public enum ChannelBill: String, CaseIterable, Hashable, Sendable {
    /// Every payment and refund (交易账单); what days are matched by.
    case trade
    /// Every movement of the platform's own account (资金账单).
    case fundFlow = "fund_flow"
    /// Every split and return (分账账单).
    case profitSharing = "profit_sharing"
    /// Every movement of the sub-merchants' accounts (二级商户资金账单).
    case subMerchantFundFlow = "sub_merchant_fund_flow"
}

/// A file for a day, or why there is none.
public enum BillAnswer: Sendable {
    /// The file, byte for byte as downloaded (still compressed), its hash verified where one was given.
    case file(StatementFile)
    /// Nothing happened that day.
    case empty
    /// Not generated yet: ask again later.
    case notReady

    /// The file; nil when there is none.
    public var file: StatementFile? { if case .file(let file) = self { file } else { nil } }
    /// Whether nothing happened that day.
    public var isEmpty: Bool { if case .empty = self { true } else { false } }
    /// Whether it is to be asked for again.
    public var isNotReady: Bool { if case .notReady = self { true } else { false } }
}
