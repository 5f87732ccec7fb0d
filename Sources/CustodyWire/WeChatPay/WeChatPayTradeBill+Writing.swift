import CustodyDomain

extension WeChatPayTradeBill {
    /// What a row says of the refund it reports.
    public struct RefundPart: Hashable, Sendable {
        /// WeChat's number of the refund.
        public var refundID: String
        /// The merchant's number of the refund.
        public var outRefundNo: String
        /// What goes back.
        public var amount: Fen
        /// `ORIGINAL`, `BALANCE`, …
        public var type: String
        /// `SUCCESS`, `PROCESSING`, `CHANGE`, `FAIL`: as it was when the bill was made.
        public var state: String
        /// When it was asked for.
        public var appliedAt: Instant
        /// When the money was back; nil while it is not.
        public var succeededAt: Instant?

        /// Makes a refund part.
        public init(
            refundID: String, outRefundNo: String, amount: Fen, type: String = "ORIGINAL", state: String,
            appliedAt: Instant, succeededAt: Instant?
        ) {
            self.refundID = refundID
            self.outRefundNo = outRefundNo
            self.amount = amount
            self.type = type
            self.state = state
            self.appliedAt = appliedAt
            self.succeededAt = succeededAt
        }
    }

    /// A row as the channel itself writes it.
    public struct Row: Hashable, Sendable {
        /// When the buyer paid, or asked for the refund.
        public var time: Instant
        /// The app.
        public var appid: String
        /// The merchant number.
        public var mchid: String
        /// The sub-merchant; `0` for a direct merchant.
        public var subMchid: String = "0"
        /// WeChat's number of the payment.
        public var transactionID: String
        /// The merchant's number of the payment.
        public var outTradeNo: String
        /// The buyer.
        public var payer: String
        /// `NATIVE`, `JSAPI`, …
        public var tradeType: String
        /// Who paid, such as `CMC`.
        public var bank: String
        /// The order's amount; of a refund row, ignored.
        public var total: Fen
        /// What a coupon paid of it.
        public var coupon: Fen = .zero
        /// What the buyer reads.
        public var product: String
        /// What the merchant attached.
        public var attach: String
        /// The fee: negative on refunds.
        public var fee: FineYuan
        /// The rate as text.
        public var rate: String = "0.60%"
        /// The refund, on a refund's row.
        public var refund: RefundPart?

        /// Makes a row.
        public init(
            time: Instant, appid: String, mchid: String, transactionID: String, outTradeNo: String, payer: String,
            tradeType: String, bank: String = "OTHERS", total: Fen, product: String, attach: String = "",
            fee: FineYuan, refund: RefundPart? = nil
        ) {
            self.time = time
            self.appid = appid
            self.mchid = mchid
            self.transactionID = transactionID
            self.outTradeNo = outTradeNo
            self.payer = payer
            self.tradeType = tradeType
            self.bank = bank
            self.total = total
            self.product = product
            self.attach = attach
            self.fee = fee
            self.refund = refund
        }

        fileprivate func value(of column: Column) -> String {
            let isRefund = refund != nil
            return switch column {
            case .time: time.shanghaiWallClock
            case .appid: appid
            case .mchid: mchid
            case .subMchid: subMchid
            case .device, .rateNote: ""
            case .transactionID: transactionID
            case .outTradeNo: outTradeNo
            case .payer: payer
            case .tradeType: tradeType
            case .tradeState: isRefund ? "REFUND" : "SUCCESS"
            case .bank: bank
            case .currency: "CNY"
            case .settlementTotal: isRefund ? "0.00" : (total - coupon).yuan
            case .coupon: isRefund ? "0.00" : coupon.yuan
            case .refundAppliedAt: refund?.appliedAt.shanghaiWallClock ?? ""
            case .refundSucceededAt: refund?.succeededAt?.shanghaiWallClock ?? ""
            case .refundID: refund?.refundID ?? "0"
            case .outRefundNo: refund?.outRefundNo ?? "0"
            case .refund, .refundApplied: (refund?.amount ?? .zero).yuan
            case .couponRefund: "0.00"
            case .refundType: refund?.type ?? ""
            case .refundState: refund?.state ?? ""
            case .product: BackTickCSV.escaped(product)
            case .attach: BackTickCSV.escaped(attach)
            case .fee: fee.yuan
            case .rate: rate
            case .total: isRefund ? "0.00" : total.yuan
            }
        }

        fileprivate func amount(of total: Total) -> Int64 {
            let isRefund = refund != nil
            return switch total {
            case .count: 1
            case .settlementTotal: isRefund ? 0 : FineYuan(self.total - coupon).thousandthsOfFen
            case .refund, .refundApplied: FineYuan(refund?.amount ?? .zero).thousandthsOfFen
            case .couponRefund: 0
            case .fee: fee.thousandthsOfFen
            case .total: isRefund ? 0 : FineYuan(self.total).thousandthsOfFen
            }
        }
    }

    /// Writes a bill of rows, uncompressed; rows that do not belong into the form are left out.
    public static func write(_ rows: [Row], form: Form, lineEnd: String = "\r\n") -> [UInt8] {
        let rows = rows.filter { row in
            switch form {
            case .all: true
            case .success: row.refund == nil
            case .refund: row.refund != nil
            }
        }
        let columns = form.columns
        var output = Array((columns.map(\.rawValue).joined(separator: ",") + lineEnd).utf8)
        for row in rows {
            for (index, column) in columns.enumerated() {
                output.append(contentsOf: index == 0 ? [0x60] : [0x2C, 0x60])
                output.append(contentsOf: row.value(of: column).utf8)
            }
            output.append(contentsOf: lineEnd.utf8)
        }
        output.append(contentsOf: (Total.allCases.map(\.rawValue).joined(separator: ",") + lineEnd).utf8)
        let values = Total.allCases.map { total in
            let sum = FineYuan(thousandthsOfFen: rows.reduce(0) { $0 + $1.amount(of: total) })
            return switch total {
            case .count: "`\(rows.count)"
            case .fee: "`\(sum.yuan)"
            default: "`\(sum.rounded.yuan)"
            }
        }
        output.append(contentsOf: (values.joined(separator: ",") + lineEnd).utf8)
        return output
    }
}
