import CustodyDomain
import CustodyWire

/// Splits, and what the market's books come to.
extension CCBMarket {
    /// The number of a merchant: its market's, and six digits.
    mutating func nextMerchant() -> String {
        let digits = String(merchants.count + 1)
        return marketID + String(repeating: "0", count: max(0, 6 - digits.count)) + digits
    }

    /// Splits an order among its merchants, once; false while a refund of it is open.
    mutating func split(_ number: String, now: Instant) -> Bool {
        guard var order = orders[number], order.state == "2" else { return false }
        guard !order.isConfirmed else { return true }
        guard !refunds.values.contains(where: { $0.order == number && $0.state != "00" && $0.state != "01" }) else {
            return false
        }
        order.confirmedAt = now
        var fee = order.fee - order.feeReturned
        for part in order.parts {
            let share = part.amount - part.refunded
            guard share > .zero else { continue }
            // The payee stands first, and bears the fee as far as its share goes.
            let borne = min(fee, share)
            fee -= borne
            order.splits.append(
                CCBSplit(number: next("SP"), merchant: part.merchant, share: share, fee: borne))
        }
        orders[number] = order
        return true
    }

    /// The time in which a buyer may object is over.
    mutating func confirmByItself(_ number: String, now: Instant) {
        guard orders[number]?.isConfirmed == false, !split(number, now: now) else { return }
        effects.append(.confirm(number, at: now + .seconds(86_400)))
    }

    /// What each merchant holds and got, and whether all of it is what buyers paid.
    func proof() -> JSON {
        var held: [String: Fen] = [:]
        var settled: [String: Fen] = [:]
        var (paid, fees, refunded) = (Fen.zero, Fen.zero, Fen.zero)
        for order in orders.values where order.paidAt != nil {
            paid += order.amount
            guard order.isConfirmed else {
                for part in order.parts { held[part.merchant, default: .zero] += part.amount - part.refunded }
                refunded += order.refunded
                continue
            }
            for split in order.splits {
                settled[split.merchant, default: .zero] += split.amount
                fees += split.fee
            }
            refunded += order.amount - order.splits.map(\.share).sum()
        }
        let all = held.values.sum() + settled.values.sum() + fees + refunded
        let numbers = Set(held.keys).union(settled.keys).sorted()
        return [
            "market_id": .string(marketID), "paid_fen": JSON(paid.value), "fees_fen": JSON(fees.value),
            "refunded_before_split_fen": JSON(refunded.value),
            "merchants": .array(
                numbers.map { number in
                    [
                        "mkt_mrch_id": .string(number), "held_fen": JSON(held[number, default: .zero].value),
                        "settled_fen": JSON(settled[number, default: .zero].value),
                        "given_back_fen": JSON(spent[number, default: .zero].value),
                    ]
                }),
            "invariant_ok": .bool(all == paid),
        ]
    }
}

/// Daily packages.
extension CCBMarket {
    /// From when on the day after a day its package is there: 10:30.
    static let filesReadyAfter: Duration = .seconds(10 * 3600 + 1800)

    /// A file's lines, the header first.
    func lines(_ part: CCBPackage.Part, on date: BusinessDate) -> [String] {
        switch part {
        case .payments: paymentLines(date)
        case .splits: splitLines(date)
        case .splitSums: sumLines(date)
        }
    }

    private func name(_ merchant: String) -> String { merchants[merchant]?["Mkt_Mrch_Nm"]?.string ?? "" }

    private func paymentLines(_ date: BusinessDate) -> [String] {
        let header =
            "MAIN_ORDR_NO|MKT_MRCH_ID|MKT_MRCH_NM|TXN_DT|ORDR_NO|ORDR_TPCD|TXNAMT|HDCG|RCNCL_RSLT_STCD|TXN_TP_DSC|"
            + "LSSUBNK_DSC|PY_CRDTP_DSC|PYR_ACCNO|TXN_TM"
        let rows = orders.values.sorted { $0.number < $1.number }.compactMap { order -> String? in
            guard let paidAt = order.paidAt, BusinessDate(of: paidAt) == date, let payee = order.parts.first?.merchant
            else { return nil }
            return [
                order.number, payee, name(payee), date.compact, order.payment, "04", order.amount.yuan,
                order.fee.yuan, "00", "微信支付", "", "", "62220212****0000", String(paidAt.shanghaiCompact.suffix(6)),
            ].joined(separator: "|")
        }
        return [header] + rows
    }

    /// The splits of a day, in the order of their orders.
    private func splits(_ date: BusinessDate) -> [(order: CCBOrder, split: CCBSplit)] {
        orders.values.filter { $0.confirmedAt.map { BusinessDate(of: $0) } == date }
            .sorted { $0.number < $1.number }.flatMap { order in order.splits.map { (order, $0) } }
    }

    private func splitLines(_ date: BusinessDate) -> [String] {
        let header =
            "MAIN_ORDR_NO|SN|PY_ORDR_NO|RCVPYMT_ACCNO|RCVPRT_MKT_MRCH_ID|RCVPRT_MKT_MRCH_NM|CLRGAMT|CLRG_STCD|CLRG_DT|"
            + "HDCG_AMT|SUB_ORDR_NO|SHLD_SUBACC_AMT"
        let cleared = date.advanced(by: 1).compact
        return [header]
            + splits(date).map { order, split in
                [
                    order.number, split.number, order.payment,
                    merchants[split.merchant]?["Clrg_Acc_No"]?.string ?? "6217000010001000000", split.merchant,
                    name(split.merchant), split.amount.yuan, "2", cleared, split.fee.yuan, order.subOrder,
                    split.share.yuan,
                ].joined(separator: "|")
            }
    }

    private func sumLines(_ date: BusinessDate) -> [String] {
        let cleared = date.advanced(by: 1).compact
        var sums: [String: Fen] = [:]
        for (_, split) in splits(date) { sums[split.merchant, default: .zero] += split.amount }
        let rows = sums.sorted { $0.key < $1.key }.enumerated().map { index, sum in
            ["CL\(cleared)\(100_000 + index)", sum.key, name(sum.key), sum.value.yuan, "", "2", cleared]
                .joined(separator: "|")
        }
        return ["CLRG_TXNSRLNO|MKT_MRCH_ID|MKT_MRCH_NM|TO_CLRGAMT|RSP_INF|CLRG_STCD|CLRG_DT"] + rows
    }
}
