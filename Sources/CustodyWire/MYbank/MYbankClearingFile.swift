import CustodyDomain

/// A clearing file in MYbank's form (`merchant_trade_detail`): receipts and refunds of a channel, one row each, whose
/// amount is what settles and the channel's fee together.
enum MYbankClearingFile {
    /// A column that no other file has.
    static let mark = "MYBANK_ORDER_NO"

    final class Reading: StatementFormat {
        let source = StatementSource.bank
        let form = "CLEARING"
        let details: StatementDetails
        var fields: StatementFields { table.fields }

        private let table: PipeTable
        private let places: Places
        private var clock = TextClock()
        private var date: BusinessDate?

        init(_ table: PipeTable) throws(StatementDefect) {
            self.table = table
            places = try Places(table)
            details = StatementDetails(
                table.header, dropping: table.titles([places.user]), leavesOutZero: false, hasBackslashes: false)
        }

        func take(
            _ line: TextSlice, of reader: LineReader, into row: inout StatementRow
        ) throws(StatementDefect) -> Bool {
            guard try table.takesRow(line, reader) else { return false }
            let number = reader.number
            let type = fields[places.type]
            let isRefund = type == "REFUND"
            guard isRefund || type == "SINGLE_PAY" else {
                throw table.header.defect("neither SINGLE_PAY nor REFUND", number, places.type)
            }
            guard fields[places.currency] == "156" else {
                throw table.header.defect("a currency other than 156", number, places.currency)
            }
            let payment = try table.filled(places.payment, number)
            row.kind = isRefund ? .bankRefund : .bankReceipt
            row.reference = isRefund ? try table.filled(places.refund, number) : payment
            row.parent = isRefund ? payment : nil
            row.counterpart = try table.filled(places.order, number)
            row.amount = try table.yuan(places.amount, number)
            // Amounts are positive both ways; a refund gives its fee back.
            let fee = try table.yuan(places.fee, number)
            row.fee = isRefund ? -fee : fee
            guard try table.yuan(places.actual, number) + fee == row.amount else {
                throw table.header.defect("is not the settled amount and the fee together", number, places.amount)
            }
            row.status = try table.filled(places.status, number)
            guard let time = clock.compact(fields[places.time]) else {
                throw table.header.defect("not a time", number, places.time)
            }
            row.occurredAt = time
            guard let day = clock.day(fields[places.date]) else {
                throw table.header.defect("not a date", number, places.date)
            }
            guard date == nil || date == day else {
                throw table.header.defect("another day than the rows before", number, places.date)
            }
            date = day
            return true
        }

        func finish(_ reader: LineReader) throws(StatementDefect) -> (account: String?, date: BusinessDate?) {
            (nil, date)
        }
    }

    private struct Places {
        let type, payment, refund, order, amount, actual, fee, currency, status, time, date, user: Int

        init(_ table: PipeTable) throws(StatementDefect) {
            func place(_ title: String) throws(StatementDefect) -> Int { try table.required(title) }
            type = try place("TRADE_TYPE")
            payment = try place("OUT_TRADE_NO")
            refund = try place("OUT_REFUND_NO")
            order = try place(mark)
            amount = try place("TRADE_AMOUNT")
            actual = try place("ACTUAL_AMOUNT")
            fee = try place("CHANNEL_FEE_AMOUNT")
            currency = try place("CCY")
            status = try place("STATUS")
            time = try place("TRADE_TIME")
            date = try place("RECON_DT")
            user = try place("USER_ID")
        }
    }
}
