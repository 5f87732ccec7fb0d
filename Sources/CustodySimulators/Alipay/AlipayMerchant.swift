import CustodyDomain
import CustodyWire

/// A merchant of the simulated Alipay: one application with one collecting account.
struct AlipayMerchant: Sendable {
    /// A lump sent to the bank, or that could not be.
    struct Remittance: Sendable {
        let date: BusinessDate
        let net: Fen
        let items: Int
        var isAccepted: Bool
    }

    /// The mode in which the application is set up.
    enum Mode: Sendable {
        /// Requests are judged by the key alone.
        case key
        /// Requests must name these serials.
        case certificate(appSerial: String, rootSerial: String)
    }

    let appID: String
    var sellerID: String
    var verifier: RSAVerifier
    var mode = Mode.key
    var marketID: String
    var remitURL: String?
    /// Where messages of the application go (应用网关): settlements and onboarding.
    var messageURL: String?
    /// How many calls per second of real time are served; nil for all.
    var rateLimit: Int?
    /// Whether certain amounts provoke certain outcomes.
    var hasMagicAmounts = false
    /// Which calls of a method are served per second, by the method's name in `/control/faults`; those not named all are.
    var methodLimits: [String: Int] = [:]
    /// Decrypts contents, where the application switched that on (接口内容加密).
    var cipher: AlipayCipher?
    /// Whether the end of a trade is notified: closed unpaid, or finished.
    var notifiesEnd = false
    /// Whether a sub-merchant signs before it is open.
    var needsSignatures = false
    /// How much of an order may be split, in percent.
    var royaltyRatio: Int64 = 30
    var trades: [String: AlipayTrade] = [:]
    /// Our codes' trades.
    var codes: [String: String] = [:]
    /// The serials of trades by Alipay's number.
    var serials: [String: String] = [:]
    var book: [AlipayBookEntry] = []
    var remittances: [Remittance] = []
    /// Days whose remittance is scheduled.
    var awaited: Set<BusinessDate> = []
    var relations: [AlipayReceiver] = []
    var subMerchants: [AlipaySubMerchant] = []
    /// Names whose applications are refused, with the reason.
    var refusals: [(nameContains: String, reason: String)] = []
    var transfers: [AlipayTransfer] = []
    /// Entries of accounts beyond payments, refunds and their fees, which ``book`` has.
    var movements: [AlipayMovement] = []
    var sequence: Int64 = 0
    /// Numbers of pictures handed in.
    var images: Set<String> = []
    /// When it was registered: no bill goes further back.
    var registeredOn: BusinessDate?

    /// The serial of the trade with either number.
    func serial(outTradeNo: String?, tradeNo: String?) -> String? {
        if let outTradeNo, !outTradeNo.isEmpty { return trades[outTradeNo].map(\.outTradeNo) }
        return tradeNo.flatMap { serials[$0] }
    }

    /// The sub-merchant with a number of Alipay's.
    func subMerchant(_ smid: String) -> Int? { subMerchants.firstIndex { $0.smid == smid } }
}

/// Who may receive a part of an order (分账接收方).
struct AlipayReceiver: Hashable, Sendable {
    /// `userId`, `loginName` or `openId`.
    let type: String
    let account: String
    let name: String?
    let memo: String?
}
