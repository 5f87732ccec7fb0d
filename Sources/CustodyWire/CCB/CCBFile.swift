import CustodyDomain

/// The daily files of CCB's 惠市宝: payments (`-chk`), split details (`-det`) and split sums (`-sum`), UTF-8 or GBK.
///
/// None has a trailer; each row's figures must agree with each other where they can.
enum CCBFile {
    /// Which of them, by the column that no other has.
    enum Kind: String, CaseIterable {
        case payments = "CHK"
        case splits = "DET"
        case splitSums = "SUM"

        var mark: String {
            switch self {
            case .payments: "RCNCL_RSLT_STCD"
            case .splits: "SHLD_SUBACC_AMT"
            case .splitSums: "CLRG_TXNSRLNO"
            }
        }
    }

    final class Reading: StatementFormat {
        let source = StatementSource.bank
        let kind: Kind
        var form: String { kind.rawValue }
        let details: StatementDetails
        var fields: StatementFields { table.fields }

        private let table: PipeTable
        private let places: Places
        private var clock = TextClock()
        private var market = CommonText()
        private var day = CommonDay()

        init(_ kind: Kind, _ table: PipeTable) throws(StatementDefect) {
            self.kind = kind
            self.table = table
            places = try Places(kind, table)
            details = StatementDetails(
                table.header, dropping: table.titles(places.dropped), leavesOutZero: false, hasBackslashes: false)
        }

        func take(
            _ line: TextSlice, of reader: LineReader, into row: inout StatementRow
        ) throws(StatementDefect) -> Bool {
            guard try table.takesRow(line, reader) else { return false }
            let number = reader.number
            row.reference = try table.filled(places.reference, number)
            row.parent = places.parent < 0 ? nil : try table.filled(places.parent, number)
            row.counterpart = try table.filled(places.counterpart, number)
            row.amount = try table.yuan(places.amount, number)
            row.fee = places.fee < 0 ? 0 : try table.yuan(places.fee, number)
            row.status = try table.filled(places.status, number)
            guard let date = clock.day(fields[places.date]) else {
                throw table.header.defect("not a date", number, places.date)
            }
            row.occurredAt = date.start.microseconds
            if places.time >= 0 {
                guard let time = clock.compact(fields[places.date], fields[places.time]) else {
                    throw table.header.defect("not a time", number, places.time)
                }
                row.occurredAt = time
            }
            switch kind {
            case .payments: row.kind = .bankReceipt
            case .splits:
                row.kind = .split
                guard try row.amount + row.fee == table.yuan(places.whole, number) else {
                    throw table.header.defect("is not the amount and the fee together", number, places.whole)
                }
            case .splitSums: row.kind = .settlement
            }
            // A merchant's number begins with its market's.
            let merchant = try table.filled(places.merchant, number)
            market.note(merchant.part(from: 0, to: min(14, merchant.count)))
            day.note(row.occurredAt)
            return true
        }

        func finish(_ reader: LineReader) throws(StatementDefect) -> (account: String?, date: BusinessDate?) {
            // Splits are cleared on the day after the one their file is about.
            (market.value, kind == .payments ? day.value : day.value?.advanced(by: -1))
        }
    }

    private struct Places {
        let reference, parent, counterpart, amount, fee, whole, status, date, time, merchant: Int
        /// What a line says in its own fields, and account numbers, which stay out of the books.
        let dropped: [Int]

        init(_ kind: Kind, _ table: PipeTable) throws(StatementDefect) {
            func place(_ title: String) throws(StatementDefect) -> Int { try table.required(title) }
            switch kind {
            case .payments:
                (reference, parent, counterpart) = (try place("MAIN_ORDR_NO"), -1, try place("ORDR_NO"))
                (amount, fee, whole) = (try place("TXNAMT"), try place("HDCG"), -1)
                (status, date, time) = (try place("RCNCL_RSLT_STCD"), try place("TXN_DT"), try place("TXN_TM"))
                merchant = try place("MKT_MRCH_ID")
                dropped = [try place("PYR_ACCNO")]
            case .splits:
                (reference, parent, counterpart) = (
                    try place("SUB_ORDR_NO"), try place("MAIN_ORDR_NO"), try place("SN")
                )
                (amount, fee, whole) = (try place("CLRGAMT"), try place("HDCG_AMT"), try place("SHLD_SUBACC_AMT"))
                (status, date, time) = (try place("CLRG_STCD"), try place("CLRG_DT"), -1)
                merchant = try place("RCVPRT_MKT_MRCH_ID")
                dropped = [try place("RCVPYMT_ACCNO")]
            case .splitSums:
                (reference, parent, counterpart) = (try place("MKT_MRCH_ID"), -1, try place("CLRG_TXNSRLNO"))
                (amount, fee, whole) = (try place("TO_CLRGAMT"), -1, -1)
                (status, date, time) = (try place("CLRG_STCD"), try place("CLRG_DT"), -1)
                merchant = reference
                dropped = []
            }
        }
    }
}
