import CustodyDomain

/// What a CWP/1 file's `.ok` says of it.
struct CWP1FileOK {
    private let records: Int64?
    private let amount: Int64?

    /// Compares length and digest with the file before anything of it is read.
    init(_ bytes: [UInt8], of file: StatementFile) throws(StatementDefect) {
        let said: JSON
        do { said = try JSON(parsing: bytes) } catch { throw StatementDefect("its .ok is not JSON") }
        guard said["bytes"]?.integer == Int64(file.size) else {
            throw StatementDefect("its .ok says another length", column: "bytes")
        }
        guard said["sha256"]?.string == hexadecimal(try file.sha256()) else {
            throw StatementDefect("its .ok says another digest", column: "sha256")
        }
        records = said["records"]?.integer
        amount = said["amountFen"]?.integer
    }

    /// Compares count and sum with the trailer's, which were compared with the rows.
    func verify(count: Int, sum: Int128) throws(StatementDefect) {
        guard records == Int64(count) else {
            throw StatementDefect("its .ok says another number of records", column: "records")
        }
        guard amount.map({ Int128($0) }) == sum else {
            throw StatementDefect("its .ok says another amount", column: "amountFen")
        }
    }
}

extension CWP1File {
    /// A file while it is read: header, columns found by their names, rows, and a trailer that must agree with them.
    final class Reading: StatementFormat {
        let source = StatementSource.bank
        let kind: CWP1FileKind
        var form: String { kind.rawValue }
        let fields = StatementFields()
        private(set) var details = StatementDetails.none

        private let marketID: String
        private let date: BusinessDate
        private let ok: CWP1FileOK?
        private var places: CWP1Places?
        private var clock = TextClock()
        private var count = 0
        private var sum: Int128 = 0
        private var balance: Int64?
        private var hasTrailer = false

        /// - Parameter line: The file's first.
        init(_ line: TextSlice, of reader: LineReader, ok: CWP1FileOK?) throws(StatementDefect) {
            guard !reader.hasByteOrderMark else { throw StatementDefect("begins with a byte-order mark", line: 1) }
            guard !reader.hasCarriageReturn else { throw StatementDefect("carriage return", line: 1) }
            guard !reader.isUnfinished else { throw StatementDefect("fewer than three lines: truncated", line: 1) }
            let cells = line.text.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
            guard cells.count == 7, cells[0] == "H", cells[1] == "CWP1" else {
                throw StatementDefect("no CWP1 header", line: 1)
            }
            guard let kind = CWP1FileKind(rawValue: cells[2]) else {
                throw StatementDefect("unknown type of file", line: 1, column: "type")
            }
            guard cells[5].utf8.count == 8, let date = BusinessDate(cells[5]) else {
                throw StatementDefect("not a date", line: 1, column: "date")
            }
            guard let sequence = Int(cells[6]), sequence > 0 else {
                throw StatementDefect("not a sequence number", line: 1, column: "seq")
            }
            self.kind = kind
            self.date = date
            self.ok = ok
            marketID = cells[4]
        }

        func take(
            _ line: TextSlice, of reader: LineReader, into row: inout StatementRow
        ) throws(StatementDefect) -> Bool {
            let number = reader.number
            guard !reader.hasCarriageReturn else { throw StatementDefect("carriage return", line: number) }
            guard !reader.isUnfinished else {
                throw StatementDefect("does not end with a line feed: truncated", line: number)
            }
            guard !hasTrailer else { throw StatementDefect("something follows the trailer", line: number) }
            fields.split(line, at: 0x7C)
            guard let places else {
                try takeColumns(number)
                return false
            }
            if fields[0] == "T" {
                try takeTrailer(number)
                return false
            }
            guard fields[0] == "D" else { throw StatementDefect("not a detail line", line: number) }
            guard fields.count == places.header.titles.count else {
                throw StatementDefect(
                    "has \(fields.count - 1) cells, not \(places.header.titles.count - 1)", line: number)
            }
            try take(places, number, into: &row)
            count += 1
            // Movements are signed in our books; the trailer sums what moved, either way.
            sum += Int128(kind == .masterMovements ? abs(row.amount) : row.amount)
            return true
        }

        private func takeColumns(_ number: Int) throws(StatementDefect) {
            guard fields[0] == "C", fields.count <= StatementFields.limit else {
                throw StatementDefect("no column line", line: number)
            }
            // The line's own letter is the first column: no title of a bank's is one letter.
            let header = try StatementHeader((0..<fields.count).map { fields[$0].text }, line: number)
            places = try CWP1Places(kind, header)
            details = StatementDetails(header, dropping: ["C"], leavesOutZero: false, hasBackslashes: false)
        }

        private func takeTrailer(_ number: Int) throws(StatementDefect) {
            guard fields.count == 3 else { throw StatementDefect("no trailer: truncated", line: number) }
            guard fields[1].number == Int64(count) else {
                throw StatementDefect(
                    "the trailer counts other rows than there are", line: number, column: "count")
            }
            guard fields[2].fen.map({ Int128($0) }) == sum else {
                throw StatementDefect(
                    "the trailer's sum is not the sum of the rows", line: number, column: "sumFen")
            }
            hasTrailer = true
        }

        func finish(_ reader: LineReader) throws(StatementDefect) -> (account: String?, date: BusinessDate?) {
            guard hasTrailer else { throw StatementDefect("no trailer: truncated", line: reader.number + 1) }
            try ok?.verify(count: count, sum: sum)
            return (marketID, date)
        }

        private func take(
            _ places: CWP1Places, _ number: Int, into row: inout StatementRow
        ) throws(StatementDefect) {
            for place in places.filled where fields[place].isEmpty {
                throw places.header.defect("empty", number, place)
            }
            row.kind = places.lineKind
            row.reference = fields[places.reference]
            if row.reference.isEmpty { row.reference = fields[places.counterpart] }
            row.parent = places.parent < 0 ? nil : fields[places.parent]
            row.counterpart = fields[places.counterpart]
            row.status = places.status < 0 ? (kind == .returns ? TextSlice("RETURNED") : .empty) : fields[places.status]
            row.amount = places.amount < 0 ? 0 : try fen(places, places.amount, number, signed: kind == .balances)
            row.fee = places.fee < 0 ? 0 : try fen(places, places.fee, number, signed: kind == .refunds)
            row.occurredAt = try occurredAt(places, number)
            switch kind {
            case .balances: try checkParts(places, row.amount, number)
            case .masterMovements: try follow(places, number, &row)
            case .splits: _ = try isOut(places, number)
            case .splitSums:
                guard fields[places.count].number != nil else {
                    throw places.header.defect("not a count", number, places.count)
                }
            default: break
            }
        }

        private func occurredAt(_ places: CWP1Places, _ number: Int) throws(StatementDefect) -> Int64 {
            var day = date
            if places.day >= 0 {
                guard let stated = clock.day(fields[places.day]) else {
                    throw places.header.defect("not a date", number, places.day)
                }
                day = stated
            }
            guard places.time >= 0 else {
                // A balance is the day's last word.
                return (kind == .returns ? day.start : date.advanced(by: 1).start).microseconds
            }
            guard let time = clock.compact(fields[places.time]) else {
                throw places.header.defect("not a time", number, places.time)
            }
            return time
        }

        private func fen(
            _ places: CWP1Places, _ place: Int, _ number: Int, signed: Bool
        ) throws(StatementDefect) -> Int64 {
            guard let amount = fields[place].fen else {
                throw places.header.defect("not an amount in fen", number, place)
            }
            guard signed || amount >= 0 else { throw places.header.defect("negative amount", number, place) }
            return amount
        }

        private func checkParts(_ places: CWP1Places, _ total: Int64, _ number: Int) throws(StatementDefect) {
            var parts: Int64 = 0
            for place in places.parts { parts += try fen(places, place, number, signed: true) }
            _ = try fen(places, places.inTransit, number, signed: true)
            if fields[places.accountType] == "MERCHANT", parts != total {
                throw places.header.defect(
                    "pending, withdrawable and frozen do not sum to the total", number, places.amount)
            }
        }

        /// The master account's balance follows from the one before, row by row.
        private func follow(
            _ places: CWP1Places, _ number: Int, _ row: inout StatementRow
        ) throws(StatementDefect) {
            if try isOut(places, number) { row.amount = -row.amount }
            let after = try fen(places, places.balance, number, signed: true)
            if let balance, balance + row.amount != after {
                throw places.header.defect("the balance does not follow from the one before", number, places.balance)
            }
            balance = after
        }

        private func isOut(_ places: CWP1Places, _ number: Int) throws(StatementDefect) -> Bool {
            let direction = fields[places.direction]
            guard direction == "IN" || direction == "OUT" else {
                throw places.header.defect("neither IN nor OUT", number, places.direction)
            }
            return direction == "OUT"
        }
    }
}

/// Where the columns of a CWP/1 file stand that its type needs; -1 for those the type does not have.
private struct CWP1Places {
    let header: StatementHeader
    let lineKind: StatementLineKind
    let reference, parent, counterpart, amount, fee, status, day, time: Int
    let direction, balance, accountType, inTransit, count: Int
    let parts: [Int]
    /// Columns that must not be empty.
    let filled: [Int]

    init(_ kind: CWP1FileKind, _ header: StatementHeader) throws(StatementDefect) {
        self.header = header
        var filled: [Int] = []
        for column in kind.columns {
            let place = try header.required(column)
            if !kind.optionalColumns.contains(column) { filled.append(place) }
        }
        self.filled = filled
        let names = CWP1Names(kind)
        lineKind = names.kind
        reference = header.optional(names.reference)
        counterpart = header.optional(names.counterpart)
        parent = names.parent.map { header.optional($0) } ?? -1
        amount = kind.amountColumn.map { header.optional($0) } ?? -1
        // A file may have more columns than its type: what they say is kept, and nothing is read into it.
        func own(_ title: String) -> Int { kind.columns.contains(title) ? header.optional(title) : -1 }
        fee = own("feeFen")
        status = own("status")
        day = kind == .returns ? own("returnDate") : own("bankDate")
        time = own("finishTime")
        direction = own("direction")
        balance = own("balanceFen")
        accountType = own("acctType")
        inTransit = own("inTransitFen")
        count = own("count")
        parts = kind == .balances ? [own("pendingFen"), own("withdrawableFen"), own("frozenFen")] : []
    }
}

/// Which column of a type says what a statement line says.
private struct CWP1Names {
    let kind: StatementLineKind
    let reference: String
    let counterpart: String
    let parent: String?

    init(_ kind: CWP1FileKind) {
        switch kind {
        case .receipts: self.init(.bankReceipt, "mainOrderNo", "bankSeqNo")
        case .refunds: self.init(.bankRefund, "refundNo", "bankSeqNo", "mainOrderNo")
        case .withdrawals: self.init(.withdrawal, "reqSeqNo", "bankSeqNo")
        case .returns: self.init(.withdrawalReturn, "origReqSeqNo", "returnSeqNo")
        case .balances: self.init(.balance, "subAcct", "subAcct")
        case .splits: self.init(.split, "splitNo", "bankSeqNo", "subOrderNo")
        case .splitSums: self.init(.settlement, "subAcct", "subAcct")
        case .charges: self.init(.bankFee, "reqSeqNo", "bankSeqNo")
        case .masterMovements: self.init(.movement, "reqSeqNo", "bankSeqNo")
        case .cards: self.init(.card, "bindNo", "bankSeqNo")
        case .stock: self.init(.stock, "merchantNo", "rowNo")
        }
    }

    private init(_ kind: StatementLineKind, _ reference: String, _ counterpart: String, _ parent: String? = nil) {
        self.kind = kind
        self.reference = reference
        self.counterpart = counterpart
        self.parent = parent
    }
}
