import CustodyDomain

/// WeChat Pay's trade bill (交易账单) of a day: CSV with back-ticks, then a summary.
public enum WeChatPayTradeBill {
    /// Which rows, and with them which columns, a bill has.
    public enum Form: String, CaseIterable, Hashable, Sendable {
        /// `bill_type=ALL`: payments and refunds.
        case all = "tradebill_all"
        /// `bill_type=SUCCESS`: payments, without refund columns.
        case success = "tradebill_success"
        /// `bill_type=REFUND`: refunds, with two more times.
        case refund = "tradebill_refund"

        /// The columns in the order WeChat writes them.
        var columns: [Column] {
            switch self {
            case .all: Column.allCases.filter { ![.refundAppliedAt, .refundSucceededAt].contains($0) }
            case .refund: Column.allCases
            case .success: Column.allCases.filter { !Column.refundOnly.contains($0) }
            }
        }
    }

    /// A column; its raw value is its title in the file.
    enum Column: String, CaseIterable {
        case time = "交易时间"
        case appid = "公众账号ID"
        case mchid = "商户号"
        case subMchid = "特约商户号"
        case device = "设备号"
        case transactionID = "微信订单号"
        case outTradeNo = "商户订单号"
        case payer = "用户标识"
        case tradeType = "交易类型"
        case tradeState = "交易状态"
        case bank = "付款银行"
        case currency = "货币种类"
        case settlementTotal = "应结订单金额"
        case coupon = "代金券金额"
        case refundAppliedAt = "退款申请时间"
        case refundSucceededAt = "退款成功时间"
        case refundID = "微信退款单号"
        case outRefundNo = "商户退款单号"
        case refund = "退款金额"
        case couponRefund = "充值券退款金额"
        case refundType = "退款类型"
        case refundState = "退款状态"
        case product = "商品名称"
        case attach = "商户数据包"
        case fee = "手续费"
        case rate = "费率"
        case total = "订单金额"
        case refundApplied = "申请退款金额"
        case rateNote = "费率备注"

        static let refundOnly: Set<Column> = [
            .refundAppliedAt, .refundSucceededAt, .refundID, .outRefundNo, .refund, .couponRefund, .refundType,
            .refundState, .refundApplied,
        ]
    }

    /// A sum in the summary; its raw value is its title in the file.
    enum Total: String, CaseIterable {
        case count = "总交易单数"
        case settlementTotal = "应结订单总金额"
        case refund = "退款总金额"
        case couponRefund = "充值券退款总金额"
        case fee = "手续费总金额"
        case total = "订单总金额"
        case refundApplied = "申请退款总金额"
    }
}

/// An amount with the five decimals of a yuan that bills use for fees; exact.
public struct FineYuan: Hashable, Sendable {
    /// Thousandths of a fen.
    public let thousandthsOfFen: Int64

    /// No money.
    public static let zero = FineYuan(thousandthsOfFen: 0)

    /// Makes an amount of so many thousandths of a fen.
    public init(thousandthsOfFen: Int64) { self.thousandthsOfFen = thousandthsOfFen }

    /// Makes an amount of whole fen.
    public init(_ fen: Fen) { thousandthsOfFen = fen.value * 1000 }

    /// Yuan with exactly five decimals, such as `-3.15042`.
    public var yuan: String {
        let magnitude = thousandthsOfFen.magnitude
        let fraction = String(magnitude % 100_000)
        let zeros = String(repeating: "0", count: 5 - fraction.utf8.count)
        return "\(thousandthsOfFen < 0 ? "-" : "")\(magnitude / 100_000).\(zeros)\(fraction)"
    }

    /// Whole fen, half away from zero.
    public var rounded: Fen {
        Fen((thousandthsOfFen + (thousandthsOfFen < 0 ? -500 : 500)) / 1000)
    }
}
