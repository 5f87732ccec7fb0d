import CustodyDomain
import CustodyWire

/// A merchant as simulated WeChat Pay knows it; belongs to the simulator's actor.
final class WeChatPayMerchant {
    /// What a merchant number is for; each kind has endpoints of its own.
    enum Kind: String {
        case direct
        case serviceProvider = "service_provider"
        case ecommerce
    }

    /// An order (商户订单).
    struct Order {
        enum State: String {
            case unpaid = "NOTPAY"
            case paid = "SUCCESS"
            case refunded = "REFUND"
            case closed = "CLOSED"
        }

        let outTradeNo: String
        /// The sub-merchant's; nil for a direct merchant's.
        var subMchid: String?
        /// The combined order it belongs to.
        var combineNo: String?
        /// Whether its money is held back until it is split.
        var sharesProfit = false
        /// What was asked for, to tell a repeat from a conflict.
        let request: JSON
        let method: String
        let description: String
        let attach: String
        let total: Fen
        let notifyURL: String?
        let expiresAt: Instant?
        let createdAt: Instant
        let prompt: JSON
        var state = State.unpaid
        var transactionID: String?
        var paidAt: Instant?
        var openid: String?
        var refunds: [String] = []
        /// What is held back still.
        var unsplit = Fen.zero
        /// What was split or is being split, without what failed.
        var split = Fen.zero
        var splitCount = 0
        var isUnfrozen = false
        /// What the platform said it would top up (补差); nil for an order without.
        var announcedSubsidy: Fen?
        var isSubsidyCancelled = false
        var subsidy: WeChatPaySubsidy?

        /// Whether it waits for its top-up, or for that to be taken back; until then nothing is split.
        var awaitsSubsidy: Bool { announcedSubsidy != nil && subsidy == nil && !isSubsidyCancelled }

        /// Its place among the merchant's orders: numbers count per sub-merchant.
        var key: String { WeChatPayMerchant.key(subMchid, outTradeNo) }

        /// `NATIVE`, `JSAPI`, `MWEB`, `APP`.
        var tradeType: String { method == "h5" ? "MWEB" : method.uppercased() }
    }

    /// A combined order (合单).
    struct CombinedOrder {
        let combineNo: String
        let request: JSON
        let method: String
        let prompt: JSON
        let orderKeys: [String]
        let notifyURL: String?
    }

    /// A refund (退款单).
    struct Refund {
        let outRefundNo: String
        let orderKey: String
        let request: JSON
        let refundID: String
        let amount: Fen
        /// What of it was held back, what was available, and what the platform advances; less the fee given back.
        var fromHeld = Fen.zero
        var fromAvailable = Fen.zero
        var advanced = Fen.zero
        let notifyURL: String?
        let createdAt: Instant
        /// `PROCESSING`, `SUCCESS`, `CLOSED`, `ABNORMAL`.
        var status = "PROCESSING"
        var succeededAt: Instant?
        var channel = "ORIGINAL"
        /// The number of paying an advance back, and when it was.
        var advanceReturn: (id: String, at: Instant)?
    }

    /// A day's money sent to the bank.
    struct Lump {
        let date: BusinessDate
        let net: Fen
        let itemCount: Int
        var answer: Int
    }

    /// Who it is, as registered.
    struct Registration {
        var kind = Kind.direct
        var appid: String
        var apiV3Key: String
        var keys: [String: RSAVerifier]
        /// Seals sensitive fields of answers and keys of bills.
        var publicKeyPEM: String
        var marketID: String
        var remitURL: String?
        var profitSharingURL: String?
        var callbacksAllowed = true
        var callbacksByPublicKey = true
        /// Applications go through their states by themselves, a minute each.
        var applymentsMove = false
        var hasMagicAmounts = false
        var mayAdvance = true
        /// Calls per second that are allowed instead of what is documented, by the calls' names.
        var rateLimits: [String: Int] = [:]
    }

    let mchid: String
    let registration: Registration

    init(mchid: String, registration: Registration) {
        self.mchid = mchid
        self.registration = registration
    }

    var kind: Kind { registration.kind }
    var appid: String { registration.appid }
    var apiV3Key: String { registration.apiV3Key }
    var remitURL: String? { kind == .ecommerce ? nil : registration.remitURL }

    var orders: [String: Order] = [:]
    var orderKeysByTransaction: [String: String] = [:]
    var combinedOrders: [String: CombinedOrder] = [:]
    var refunds: [String: Refund] = [:]
    var openCallbacks = 0
    var deliveredCallbacks = 0
    var failedAttempts = 0
    /// Callbacks that wait until the next one has gone.
    var overtaken: [WeChatPaySimulator.Message] = []
    /// Where notices of violations go (商户违规通知回调地址).
    var violationURL: String?
    var lumps: [Lump] = []
    var scheduledLumps: Set<BusinessDate> = []
    /// Bills as first made: what changes later never changes a bill.
    var bills: [BusinessDate: [WeChatPayTradeBill.Row]] = [:]

    var subMerchants: [String: WeChatPaySubMerchant] = [:]
    /// What came into the accounts otherwise than by orders.
    var deposited = Fen.zero
    var applyments: [String: WeChatPayApplyment] = [:]
    var settlementChanges: [String: WeChatPaySettlementChange] = [:]
    var cancellations: [String: WeChatPayCancellation] = [:]
    var receivers: Set<String> = []
    var splits: [String: WeChatPaySplit] = [:]
    var splitReturns: [String: WeChatPaySplitReturn] = [:]
    var subsidyReturns: [String: WeChatPaySubsidyReturn] = [:]
    var withdrawals: [String: WeChatPayWithdrawal] = [:]
    var dayEndWithdrawals: [String: WeChatPayDayEndWithdrawal] = [:]
    var closings: [String: WeChatPayClosing] = [:]
    var media: [String: String] = [:]
    /// The money of the merchant itself and of its sub-merchants, by merchant number.
    var accounts: [String: WeChatPayAccount] = [:]

    /// Orders that the day's bill and lump forget, and the next day's carry; these three by the orders' keys.
    var lateOrders: Set<String> = []
    /// Fees that bill and lump carry instead.
    var plantedFees: [String: Fen] = [:]
    /// Amounts that bill and lump carry instead.
    var plantedAmounts: [String: Fen] = [:]

    /// Where something of a sub-merchant's is kept, by its number; `/` is in no number.
    static func key(_ subMchid: String?, _ number: String) -> String {
        subMchid.map { "\($0)/\(number)" } ?? number
    }

    /// A channel's fee: 0.60 %, rounded half up.
    static func fee(of amount: Fen) -> Fen { Fen((amount.value * 6 + 500) / 1000) }

    func order(transactionID: String) -> Order? { orderKeysByTransaction[transactionID].flatMap { orders[$0] } }

    /// The day in whose bill and lump a paid order appears.
    func billDate(of order: Order) -> BusinessDate? {
        order.paidAt.map { BusinessDate(of: $0).advanced(by: lateOrders.contains(order.key) ? 1 : 0) }
    }

    /// What bill and lump say an order amounts to.
    func billAmount(of order: Order) -> Fen { plantedAmounts[order.key] ?? order.total }

    /// What bill and lump say an order's fee is, in the bill's precision.
    func billFee(of order: Order) -> FineYuan {
        plantedFees[order.key].map { FineYuan($0) } ?? FineYuan(thousandthsOfFen: order.total.value * 6)
    }

    /// The orders of a day's bill, oldest first.
    func billedOrders(_ date: BusinessDate) -> [Order] {
        orders.values.filter { billDate(of: $0) == date }
            .sorted { ($0.paidAt ?? $0.createdAt, $0.key) < ($1.paidAt ?? $1.createdAt, $1.key) }
    }

    /// The refunds of a day's bill: those accepted that day, oldest first.
    func billedRefunds(_ date: BusinessDate) -> [Refund] {
        refunds.values.filter { BusinessDate(of: $0.createdAt) == date }
            .sorted { ($0.createdAt, $0.outRefundNo) < ($1.createdAt, $1.outRefundNo) }
    }
}
