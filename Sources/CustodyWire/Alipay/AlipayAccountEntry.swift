import CustodyDomain

/// A row of Alipay's account bill (账务明细): one movement of an account, and what it held afterwards.
public struct AlipayAccountEntry: Hashable, Sendable {
    /// 账务流水号.
    public var number: String
    /// 业务流水号: Alipay's number of what moved the money.
    public var businessNumber: String
    /// 商户订单号: our number of it, as far as there is one.
    public var outNumber: String
    /// 商品名称.
    public var subject: String
    /// 发生时间.
    public var at: Instant
    /// 对方账号, masked by Alipay.
    public var counterpart: String
    /// 收入金额, or 支出金额 as a negative amount.
    public var amount: Fen
    /// 账户余额.
    public var balance: Fen
    /// 业务类型.
    public var kind: String
    /// 备注.
    public var memo: String
    /// 二级商户编号, in the bill of all sub-merchants' accounts; nil in that of the platform's own.
    public var smid: String?

    /// Makes a row.
    public init(
        number: String, businessNumber: String, outNumber: String, subject: String, at: Instant, counterpart: String,
        amount: Fen, balance: Fen, kind: String, memo: String = "", smid: String? = nil
    ) {
        self.number = number
        self.businessNumber = businessNumber
        self.outNumber = outNumber
        self.subject = subject
        self.at = at
        self.counterpart = counterpart
        self.amount = amount
        self.balance = balance
        self.kind = kind
        self.memo = memo
        self.smid = smid
    }
}

/// A row of the bill of settlements to cards (批次结算到卡明细): what one order added to, or took from, a payout.
public struct AlipaySettlementEntry: Hashable, Sendable {
    /// 结算批次号: the payout.
    public var batchNumber: String
    /// 二级商户编号.
    public var smid: String
    /// 结算账户: the card's alias, or the Alipay account.
    public var target: String
    /// 支付宝交易号.
    public var tradeNumber: String
    /// 商户订单号.
    public var outNumber: String
    /// 业务类型: `结算`, `退款`, or `退票` for money of an earlier payout.
    public var kind: String
    /// 发生时间.
    public var at: Instant
    /// 结算金额; negative when it takes away.
    public var amount: Fen

    /// Makes a row.
    public init(
        batchNumber: String, smid: String, target: String, tradeNumber: String, outNumber: String, kind: String,
        at: Instant, amount: Fen
    ) {
        self.batchNumber = batchNumber
        self.smid = smid
        self.target = target
        self.tradeNumber = tradeNumber
        self.outNumber = outNumber
        self.kind = kind
        self.at = at
        self.amount = amount
    }
}

/// The columns of the account bill, in their order; that of the sub-merchants has ``smid`` behind them.
enum AlipayAccountColumn: String, CaseIterable {
    case number = "账务流水号"
    case businessNumber = "业务流水号"
    case outNumber = "商户订单号"
    case subject = "商品名称"
    case at = "发生时间"
    case counterpart = "对方账号"
    case income = "收入金额（+元）"
    case expense = "支出金额（-元）"
    case balance = "账户余额（元）"
    case product = "交易渠道"
    case kind = "业务类型"
    case memo = "备注"

    /// The column that only the bill of all sub-merchants has.
    static let smid = "二级商户编号"
}

/// The columns of the account bill's summary.
enum AlipayAccountSummaryColumn: String, CaseIterable {
    case kind = "类型"
    case incomes = "收入笔数"
    case income = "收入金额（+元）"
    case expenses = "支出笔数"
    case expense = "支出金额（-元）"
    case total = "总金额（元）"
}

/// The columns of the bill of settlements to cards, in their order.
enum AlipaySettlementColumn: String, CaseIterable {
    case batch = "结算批次号"
    case smid = "二级商户编号"
    case target = "结算账户"
    case tradeNumber = "支付宝交易号"
    case outNumber = "商户订单号"
    case kind = "业务类型"
    case at = "发生时间"
    case amount = "结算金额（元）"
}

/// The columns of that bill's summary: a row for every payout.
enum AlipaySettlementSummaryColumn: String, CaseIterable {
    case batch = "结算批次号"
    case smid = "二级商户编号"
    case target = "结算账户"
    case count = "笔数"
    case amount = "结算金额（元）"
}
