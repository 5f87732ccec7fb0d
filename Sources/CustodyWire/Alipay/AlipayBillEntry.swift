import CustodyDomain

/// A row of Alipay's trade bill (业务明细), amounts without their file's signs.
public struct AlipayBillEntry: Hashable, Sendable {
    /// What a row reports (业务类型).
    public enum Kind: String, Sendable {
        /// A payment.
        case payment = "交易"
        /// A refund.
        case refund = "退款"
    }

    /// What it reports.
    public var kind: Kind
    /// 支付宝交易号.
    public var tradeNumber: String
    /// 商户订单号, our number of the payment.
    public var paymentSerial: String
    /// 退款批次号/请求号, our number of the refund; empty for a payment.
    public var refundSerial: String
    /// 商品名称.
    public var subject: String
    /// 创建时间.
    public var createdAt: Instant
    /// 完成时间.
    public var finishedAt: Instant
    /// 对方账户, masked by Alipay.
    public var buyer: String
    /// 订单金额: what the buyer was asked for, or gets back; not negative.
    public var amount: Fen
    /// 商家实收: what settles, before the fee; not negative.
    public var received: Fen
    /// 商家优惠: the merchant's own discount; not negative.
    public var merchantDiscount: Fen
    /// 服务费 as a cost: positive when Alipay keeps it, negative when a refund gives it back.
    public var fee: Fen
    /// 分润 as the file writes it.
    public var royalty: Fen
    /// 备注.
    public var memo: String

    /// Makes a row; ``received`` is the amount unless said otherwise.
    public init(
        kind: Kind, tradeNumber: String, paymentSerial: String, refundSerial: String = "", subject: String,
        createdAt: Instant, finishedAt: Instant, buyer: String, amount: Fen, received: Fen? = nil,
        merchantDiscount: Fen = .zero, fee: Fen, royalty: Fen = .zero, memo: String = ""
    ) {
        self.kind = kind
        self.tradeNumber = tradeNumber
        self.paymentSerial = paymentSerial
        self.refundSerial = refundSerial
        self.subject = subject
        self.createdAt = createdAt
        self.finishedAt = finishedAt
        self.buyer = buyer
        self.amount = amount
        self.received = received ?? amount
        self.merchantDiscount = merchantDiscount
        self.fee = fee
        self.royalty = royalty
        self.memo = memo
    }

    /// An amount with the sign that the file gives it: refunds are negative.
    func signed(_ amount: Fen) -> Fen { kind == .refund ? -amount : amount }
}

/// The columns of the detail file, in their order, as Alipay names them.
enum AlipayBillColumn: String, CaseIterable {
    case tradeNumber = "支付宝交易号"
    case paymentSerial = "商户订单号"
    case kind = "业务类型"
    case subject = "商品名称"
    case createdAt = "创建时间"
    case finishedAt = "完成时间"
    case storeNumber = "门店编号"
    case storeName = "门店名称"
    case operatorName = "操作员"
    case terminal = "终端号"
    case buyer = "对方账户"
    case amount = "订单金额（元）"
    case received = "商家实收（元）"
    case redPacket = "支付宝红包（元）"
    case points = "集分宝（元）"
    case alipayDiscount = "支付宝优惠（元）"
    case merchantDiscount = "商家优惠（元）"
    case voucherAmount = "券核销金额（元）"
    case voucherName = "券名称"
    case merchantRedPacket = "商家红包消费金额（元）"
    case cardAmount = "卡消费金额（元）"
    case refundSerial = "退款批次号/请求号"
    case fee = "服务费（元）"
    case royalty = "分润（元）"
    case memo = "备注"
}

/// The columns of the summary file that are checked.
enum AlipaySummaryColumn: String, CaseIterable {
    case store = "门店编号"
    case storeName = "门店名称"
    case payments = "交易订单总笔数"
    case refunds = "退款订单总笔数"
    case amount = "订单金额（元）"
    case received = "商家实收（元）"
    case alipayDiscount = "支付宝优惠（元）"
    case merchantDiscount = "商家优惠（元）"
    case cardAmount = "卡消费金额（元）"
    case fee = "服务费（元）"
    case royalty = "分润（元）"
    case net = "实收净额（元）"
}
