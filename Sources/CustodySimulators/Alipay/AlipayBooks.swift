import CustodyDomain
import CustodyWire

/// One entry of an account at the simulated Alipay (账务流水).
struct AlipayMovement: Sendable {
    /// What moved the money (业务类型).
    enum Kind: String, Sendable {
        case payment = "在线支付"
        case refund = "交易退款"
        case fee = "收费"
        case feeBack = "收费退回"
        case split = "交易分账"
        case splitBack = "分账退回"
        case payout = "结算"
        case payoutBack = "结算退票"
        case remittance = "提现"
        case deposit = "充值"
        case transfer = "转账"
        case transferBack = "转账退回"
    }

    /// The place in time among all entries of a day.
    var sequence: Int64 = 0
    /// The collecting account, a sub-merchant's `smid`, or a receiver.
    let account: String
    let kind: Kind
    /// What came in, or went out as a negative amount.
    let amount: Fen
    let at: Instant
    /// The day whose bill carries it.
    let date: BusinessDate
    let businessNumber: String
    let outNumber: String
    var subject = ""
    var counterpart = ""
}

extension AlipayBookEntry {
    /// A payment or refund as its account sees it; who received the payment bears the fee.
    func movements(sellerID: String) -> [AlipayMovement] {
        let out = kind == .payment ? outTradeNo : outRequestNo
        let main = AlipayMovement(
            sequence: sequence, account: smid ?? sellerID, kind: kind == .payment ? .payment : .refund,
            amount: kind == .payment ? amount : -amount, at: finishedAt, date: date, businessNumber: tradeNo,
            outNumber: out, subject: subject, counterpart: "*客(\(buyerID.suffix(4)))")
        guard fee != .zero else { return [main] }
        return [
            main,
            AlipayMovement(
                sequence: sequence + 1, account: smid ?? sellerID, kind: kind == .payment ? .fee : .feeBack,
                amount: -fee,
                at: finishedAt, date: date, businessNumber: tradeNo, outNumber: out, subject: subject,
                counterpart: "支付宝"),
        ]
    }
}

/// Where all money is that ever came in: what the control API shows, for checks.
struct AlipayBooks: Sendable {
    /// Sums by what moved the money, as the accounts' entries tell.
    private var sums: [AlipayMovement.Kind: Fen] = [:]
    /// Balances by account.
    private(set) var balances: [String: Fen] = [:]
    private let merchant: AlipayMerchant

    init(_ merchant: AlipayMerchant) {
        self.merchant = merchant
        for movement in merchant.log() {
            sums[movement.kind, default: .zero] += movement.amount
            balances[movement.account, default: .zero] += movement.amount
        }
    }

    /// What an account holds.
    func balance(of account: String) -> Fen { balances[account] ?? .zero }

    /// What is kept for a sub-merchant's orders: neither charged, split, refunded nor released.
    func held(_ smid: String) -> Fen {
        merchant.trades.values.filter { $0.terms?.smid == smid && $0.paidAt != nil }.map(\.held).sum()
    }

    var json: JSON {
        let sum = { (kinds: AlipayMovement.Kind...) in kinds.map { sums[$0] ?? .zero }.sum() }
        let subMerchants = merchant.subMerchants.compactMap(\.smid)
        let kept = subMerchants.map { balance(of: $0) }.sum()
        let platform = balance(of: merchant.sellerID)
        let received = sum(.payment)
        let left = -sum(.refund, .fee, .feeBack, .remittance, .transfer, .transferBack, .payout, .payoutBack)
        let receivers = balances.values.sum() - kept - platform
        // What the orders say, and what the accounts' entries say, are kept apart: each sub-merchant's must agree.
        let agrees = merchant.subMerchants.allSatisfy { subMerchant in
            guard let smid = subMerchant.smid else { return true }
            return balance(of: smid) == held(smid) + subMerchant.pending
        }
        return [
            "received_fen": JSON(received.value), "refunded_fen": JSON((-sum(.refund)).value),
            "fees_fen": JSON((-sum(.fee, .feeBack)).value), "deposited_fen": JSON(sum(.deposit).value),
            "remitted_fen": JSON((-sum(.remittance)).value),
            "transferred_fen": JSON((-sum(.transfer, .transferBack)).value),
            "paid_out_fen": JSON((-sum(.payout, .payoutBack)).value), "platform_fen": JSON(platform.value),
            "sub_merchants_fen": JSON(kept.value), "receivers_fen": JSON(receivers.value),
            "balanced": .bool(agrees && received + sum(.deposit) == left + platform + kept + receivers),
        ]
    }
}

extension AlipayMerchant {
    /// Enters a movement that is neither payment, refund nor fee.
    mutating func enter(_ movement: AlipayMovement) {
        var movement = movement
        movement.sequence = nextSequence()
        movements.append(movement)
    }

    /// Moves money of an order between two accounts here.
    mutating func move(
        _ amount: Fen, from payer: String, to payee: String, _ kind: AlipayMovement.Kind, at: Instant,
        of trade: AlipayTrade, outNumber: String
    ) {
        for (account, other, amount) in [(payer, payee, -amount), (payee, payer, amount)] {
            enter(
                AlipayMovement(
                    account: account, kind: kind, amount: amount, at: at, date: BusinessDate(of: at),
                    businessNumber: trade.tradeNo, outNumber: outNumber, subject: trade.subject,
                    counterpart: "*(\(other.suffix(4)))"))
        }
    }

    /// A place in time for one entry and its fee.
    mutating func nextSequence() -> Int64 {
        sequence += 2
        return sequence
    }

    /// All entries of all accounts, oldest first.
    func log() -> [AlipayMovement] {
        (movements + book.flatMap { $0.movements(sellerID: sellerID) })
            .sorted { ($0.date, $0.sequence) < ($1.date, $1.sequence) }
    }

    /// What the collecting account holds.
    var balance: Fen { log().filter { $0.account == sellerID }.map(\.amount).sum() }
}
