import CustodyDomain

extension WeChatPayTradeBill {
    /// A bill while it is read: columns are found by their titles, and count and sums verified against the summary.
    ///
    /// The amount of a payment is 订单金额 (coupons included), of a refund 申请退款金额; fees are rounded per row.
    final class Reading: StatementFormat {
        let source = StatementSource.weChatPay
        let form: String
        let details: StatementDetails

        private let places: Places
        private var table: BackTickCSV
        private var sums = Sums()
        private var clock = TextClock()
        private var mchid = CommonText()
        private var day = CommonDay()

        var fields: StatementFields { table.fields }

        init(_ header: StatementHeader) throws(StatementDefect) {
            places = try Places(header)
            table = BackTickCSV(header)
            let form: Form = places.refundAppliedAt >= 0 ? .refund : places.outRefundNo >= 0 ? .all : .success
            self.form = form.rawValue
            // What a line says in its own fields, and the buyer's id, which stays out of the books.
            let dropped: [Column] = [
                .time, .appid, .mchid, .transactionID, .outTradeNo, .payer, .tradeState, .currency, .refundAppliedAt,
                .refundID, .outRefundNo, .refund, .refundState, .total, .refundApplied,
            ]
            details = StatementDetails(
                header, dropping: Set(dropped.map(\.rawValue)), leavesOutZero: true, hasBackslashes: true)
        }

        func take(
            _ line: TextSlice, of reader: LineReader, into row: inout StatementRow
        ) throws(StatementDefect) -> Bool {
            let number = reader.number
            guard try table.takesRow(line, number) else { return false }
            let (places, fields) = (places, table.fields)
            try sums.add(fields, places, table.header, number)
            guard fields[places.currency] == "CNY" else {
                throw table.header.defect("a currency other than CNY", number, places.currency)
            }
            let state = fields[places.tradeState]
            if state == "SUCCESS" {
                row.kind = .payment
                row.reference = try filled(places.outTradeNo, number)
                row.parent = nil
                row.counterpart = try filled(places.transactionID, number)
                row.amount = try fen(places.total, number)
                row.status = state
                row.occurredAt = try time(places.time, number)
            } else if state == "REFUND" || state == "REVOKED", places.outRefundNo >= 0 {
                try takeRefund(into: &row, number)
            } else {
                throw table.header.defect("an unknown state", number, places.tradeState)
            }
            row.fee = rounded(sums.lastFee)
            mchid.note(fields[places.mchid])
            day.note(row.occurredAt)
            return true
        }

        private func takeRefund(into row: inout StatementRow, _ number: Int) throws(StatementDefect) {
            row.kind = .refund
            row.reference = try filled(places.outRefundNo, number)
            guard row.reference != "0" else {
                throw table.header.defect("a refund without a number", number, places.outRefundNo)
            }
            row.parent = try filled(places.outTradeNo, number)
            row.counterpart = try filled(places.refundID, number)
            row.amount = try fen(places.refundApplied >= 0 ? places.refundApplied : places.refund, number)
            row.status = try filled(places.refundState, number)
            row.occurredAt = try time(places.refundAppliedAt >= 0 ? places.refundAppliedAt : places.time, number)
        }

        func finish(_ reader: LineReader) throws(StatementDefect) -> (account: String?, date: BusinessDate?) {
            try table.finish(reader.number)
            for total in Total.allCases { try verify(total) }
            return (mchid.value, day.value)
        }

        /// The summary first says how many rows there are, then what they add up to.
        private func verify(_ total: Total) throws(StatementDefect) {
            let title = total.rawValue
            if total == .count { return try table.verify(title, count: table.rowCount) }
            guard let stated = try table.total(title, \.fineYuan) else {
                if total == .fee { throw table.defect("the summary lacks a total", title) }
                return
            }
            // A total written in whole fen of fees written in five decimals was rounded, at most once per row.
            let decimals = table.summary[title]?.split(separator: ".").dropFirst().last?.utf8.count ?? 0
            let tolerance = total == .fee && decimals < 5 ? 1000 * Int128(max(table.rowCount, 1)) : 0
            let difference = Int128(stated) - sums.sum(of: total)
            guard difference.magnitude <= tolerance.magnitude else {
                throw table.defect("the rows do not add up to the summary", title)
            }
        }

        @inline(__always)
        private func filled(_ place: Int, _ number: Int) throws(StatementDefect) -> TextSlice {
            guard place >= 0, !table.fields[place].isEmpty else {
                throw table.header.defect("an empty value", number, place)
            }
            return table.fields[place]
        }

        @inline(__always)
        private func fen(_ place: Int, _ number: Int) throws(StatementDefect) -> Int64 {
            guard let amount = table.fields[place].yuan, amount >= 0 else {
                throw table.header.defect("not an amount in whole fen", number, place)
            }
            return amount
        }

        @inline(__always)
        private func time(_ place: Int, _ number: Int) throws(StatementDefect) -> Int64 {
            guard let time = clock.wallClock(table.fields[place]) else {
                throw table.header.defect("not a time", number, place)
            }
            return time
        }

        /// Whole fen, half away from zero.
        @inline(__always)
        private func rounded(_ fine: Int64) -> Int64 { (fine + (fine < 0 ? -500 : 500)) / 1000 }
    }

    /// Where the columns of a bill stand; -1 for those it lacks.
    private struct Places {
        let time, mchid, transactionID, outTradeNo, tradeState, currency, fee, total: Int
        let refundAppliedAt, refundID, outRefundNo, refund, couponRefund, refundState, refundApplied: Int
        let settlementTotal: Int

        init(_ header: StatementHeader) throws(StatementDefect) {
            func required(_ column: Column) throws(StatementDefect) -> Int { try header.required(column.rawValue) }
            func optional(_ column: Column) -> Int { header.optional(column.rawValue) }
            time = try required(.time)
            mchid = try required(.mchid)
            transactionID = try required(.transactionID)
            outTradeNo = try required(.outTradeNo)
            tradeState = try required(.tradeState)
            currency = try required(.currency)
            fee = try required(.fee)
            total = try required(.total)
            refundAppliedAt = optional(.refundAppliedAt)
            outRefundNo = optional(.outRefundNo)
            couponRefund = optional(.couponRefund)
            refundApplied = optional(.refundApplied)
            settlementTotal = optional(.settlementTotal)
            // A bill that lists refunds says which, how much and how they stand.
            refundID = outRefundNo >= 0 ? try required(.refundID) : -1
            refund = outRefundNo >= 0 ? try required(.refund) : -1
            refundState = outRefundNo >= 0 ? try required(.refundState) : -1
        }
    }

    /// What the rows add up to, in thousandths of a fen.
    private struct Sums {
        private var settlementTotal: Int128 = 0
        private var refund: Int128 = 0
        private var couponRefund: Int128 = 0
        private var fee: Int128 = 0
        private var total: Int128 = 0
        private var refundApplied: Int128 = 0
        /// The fee of the row added last.
        private(set) var lastFee: Int64 = 0

        @inline(__always)
        mutating func add(
            _ fields: StatementFields, _ places: Places, _ header: StatementHeader, _ number: Int
        ) throws(StatementDefect) {
            @inline(__always)
            func amount(_ place: Int) throws(StatementDefect) -> Int64 {
                guard place >= 0 else { return 0 }
                guard let amount = fields[place].fineYuan else {
                    throw header.defect("not an amount", number, place)
                }
                return amount
            }
            settlementTotal += Int128(try amount(places.settlementTotal))
            refund += Int128(try amount(places.refund))
            couponRefund += Int128(try amount(places.couponRefund))
            lastFee = try amount(places.fee)
            fee += Int128(lastFee)
            total += Int128(try amount(places.total))
            refundApplied += Int128(try amount(places.refundApplied))
        }

        func sum(of total: Total) -> Int128 {
            switch total {
            case .count: 0
            case .settlementTotal: settlementTotal
            case .refund: refund
            case .couponRefund: couponRefund
            case .fee: fee
            case .total: self.total
            case .refundApplied: refundApplied
            }
        }
    }
}
