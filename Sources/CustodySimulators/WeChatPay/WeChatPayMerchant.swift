import CustodyDomain
import CustodyWire

/// A merchant as simulated WeChat Pay knows it; belongs to the simulator's actor.
final class WeChatPayMerchant {
    /// An order (商户订单).
    struct Order {
        enum State: String {
            case unpaid = "NOTPAY"
            case paid = "SUCCESS"
            case refunded = "REFUND"
            case closed = "CLOSED"
        }

        let outTradeNo: String
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

        /// `NATIVE`, `JSAPI`, `MWEB`, `APP`.
        var tradeType: String { method == "h5" ? "MWEB" : method.uppercased() }
    }

    /// A refund (退款单).
    struct Refund {
        let outRefundNo: String
        let outTradeNo: String
        let request: JSON
        let refundID: String
        let amount: Fen
        let notifyURL: String?
        let createdAt: Instant
        /// `PROCESSING`, `SUCCESS`, `CLOSED`, `ABNORMAL`.
        var status = "PROCESSING"
        var succeededAt: Instant?
    }

    /// A day's money sent to the bank.
    struct Lump {
        let date: BusinessDate
        let net: Fen
        let itemCount: Int
        var answer: Int
    }

    let mchid: String
    let appid: String
    let apiV3Key: String
    let keys: [String: RSAVerifier]
    let marketID: String
    let remitURL: String?
    let callbacksAllowed: Bool
    let callbacksByPublicKey: Bool

    init(
        mchid: String, appid: String, apiV3Key: String, keys: [String: RSAVerifier], marketID: String,
        remitURL: String?, callbacksAllowed: Bool, callbacksByPublicKey: Bool
    ) {
        self.mchid = mchid
        self.appid = appid
        self.apiV3Key = apiV3Key
        self.keys = keys
        self.marketID = marketID
        self.remitURL = remitURL
        self.callbacksAllowed = callbacksAllowed
        self.callbacksByPublicKey = callbacksByPublicKey
    }

    var orders: [String: Order] = [:]
    var refunds: [String: Refund] = [:]
    var openCallbacks = 0
    var deliveredCallbacks = 0
    var failedAttempts = 0
    var lumps: [Lump] = []
    var scheduledLumps: Set<BusinessDate> = []
    /// Bills as first made: what changes later never changes a bill.
    var bills: [BusinessDate: [WeChatPayTradeBill.Row]] = [:]

    /// Orders that the day's bill and lump forget, and the next day's carry.
    var lateOrders: Set<String> = []
    /// Fees that bill and lump carry instead.
    var plantedFees: [String: Fen] = [:]
    /// Amounts that bill and lump carry instead.
    var plantedAmounts: [String: Fen] = [:]

    /// A channel's fee: 0.60 %, rounded half up.
    static func fee(of amount: Fen) -> Fen { Fen((amount.value * 6 + 500) / 1000) }

    /// The day in whose bill and lump a paid order appears.
    func billDate(of order: Order) -> BusinessDate? {
        order.paidAt.map { BusinessDate(of: $0).advanced(by: lateOrders.contains(order.outTradeNo) ? 1 : 0) }
    }

    /// What bill and lump say an order amounts to.
    func billAmount(of order: Order) -> Fen { plantedAmounts[order.outTradeNo] ?? order.total }

    /// What bill and lump say an order's fee is, in the bill's precision.
    func billFee(of order: Order) -> FineYuan {
        plantedFees[order.outTradeNo].map { FineYuan($0) } ?? FineYuan(thousandthsOfFen: order.total.value * 6)
    }

    /// The orders of a day's bill, oldest first.
    func billedOrders(_ date: BusinessDate) -> [Order] {
        orders.values.filter { billDate(of: $0) == date }
            .sorted { ($0.paidAt ?? $0.createdAt, $0.outTradeNo) < ($1.paidAt ?? $1.createdAt, $1.outTradeNo) }
    }

    /// The refunds of a day's bill: those accepted that day, oldest first.
    func billedRefunds(_ date: BusinessDate) -> [Refund] {
        refunds.values.filter { BusinessDate(of: $0.createdAt) == date }
            .sorted { ($0.createdAt, $0.outRefundNo) < ($1.createdAt, $1.outRefundNo) }
    }
}
