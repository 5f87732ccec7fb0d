import CustodyDomain

/// A day's files of CCB's 惠市宝 for one market, `{Mkt_Id}-{yyyyMMdd}`: payments, split details, split sums, one beside the other.
///
/// None has a trailer, so what each says is held against the others.
public struct CCBPackage: Sendable {
    /// The files.
    public enum Part: String, CaseIterable, Hashable, Sendable {
        /// Payments.
        case payments = "chk"
        /// Split details.
        case splits = "det"
        /// Split sums.
        case splitSums = "sum"
    }

    /// What the payments file says, verified.
    public let payments: VerifiedStatement
    /// What the split details say, verified.
    public let splits: VerifiedStatement
    /// What the split sums say, verified.
    public let splitSums: VerifiedStatement

    /// So many orders are held in memory at once; a longer file is read several times.
    private static let ordersAtOnce = 500_000

    /// The name of a day's package.
    public static func name(market: String, date: BusinessDate) -> String { "\(market)-\(date.compact)" }

    /// The name of a file of a day's package.
    public static func fileName(_ part: Part, market: String, date: BusinessDate) -> String {
        "\(name(market: market, date: date))-\(part.rawValue).txt"
    }

    /// Reads a package's files to their ends: each by itself, then whether they agree.
    ///
    /// Counts and totals come first, then each row: what merchants were paid is what their orders' splits come to; and no
    /// order is split for more than was paid, nor bears a higher fee. An order may be split on a later day than it was paid
    /// on, or for less, after a refund.
    ///
    /// - Throws: A `StatementDefect` that names file, line and column.
    public init(payments: StatementFile, splits: StatementFile, splitSums: StatementFile) throws(StatementDefect) {
        self.payments = try CCBPackage.verified(payments, .payments)
        self.splits = try CCBPackage.verified(splits, .splits)
        self.splitSums = try CCBPackage.verified(splitSums, .splitSums)
        try checkOrigin()
        try checkSums()
        try checkOrders()
    }

    private static func verified(_ file: StatementFile, _ part: Part) throws(StatementDefect) -> VerifiedStatement {
        let statement = try VerifiedStatement(verifying: file, from: .bank)
        guard statement.summary.form == part.rawValue.uppercased() else {
            throw StatementDefect("is a file of \(statement.summary.form), not of \(part.rawValue)", file: file.name)
        }
        return statement
    }

    /// All files that have rows are of one market and one day.
    private func checkOrigin() throws(StatementDefect) {
        let filled = [payments, splits, splitSums].filter { $0.summary.lineCount > 0 }
        guard let first = filled.first else { return }
        for other in filled.dropFirst() {
            guard other.summary.account == first.summary.account else {
                throw StatementDefect(
                    "is of another market than \(first.file.name ?? "the other file")", file: other.file.name)
            }
            guard other.summary.date == first.summary.date else {
                throw StatementDefect(
                    "is of another day than \(first.file.name ?? "the other file")", file: other.file.name)
            }
        }
    }

    /// Split sums against split details: as many merchants, as much money, then merchant by merchant.
    private func checkSums() throws(StatementDefect) {
        var paid: [String: Int64] = [:]
        var firstLines: [String: Int] = [:]
        try CCBPackage.rows(splits.file, ["RCVPRT_MKT_MRCH_ID", "CLRGAMT", "CLRG_STCD"]) {
            row throws(StatementDefect) in
            guard row[2] == "2" else { return }
            let merchant = row[0].text
            paid[merchant, default: 0] += try row.yuan(1)
            firstLines[merchant] = firstLines[merchant] ?? row.line
        }
        var sums: [(merchant: String, amount: Int64, line: Int)] = []
        try CCBPackage.rows(splitSums.file, ["MKT_MRCH_ID", "TO_CLRGAMT", "CLRG_STCD"]) {
            row throws(StatementDefect) in
            guard row[2] == "2" else { return }
            sums.append((row[0].text, try row.yuan(1), row.line))
        }
        let name = splitSums.file.name
        let named = Set(sums.map(\.merchant))
        let unnamed = firstLines.filter { !named.contains($0.key) }
        guard unnamed.isEmpty else {
            throw StatementDefect(
                "a merchant's splits have no sum in \(name ?? "the sums")", file: splits.file.name,
                line: unnamed.values.min(), column: "RCVPRT_MKT_MRCH_ID")
        }
        // A merchant may be paid in several sums.
        for sum in sums {
            guard paid[sum.merchant] != nil else {
                throw StatementDefect(
                    "a merchant without splits in \(splits.file.name ?? "the details")", file: name, line: sum.line,
                    column: "MKT_MRCH_ID")
            }
            paid[sum.merchant, default: 0] -= sum.amount
        }
        for sum in sums where paid[sum.merchant] != 0 {
            throw StatementDefect(
                "is not what the merchant's splits in \(splits.file.name ?? "the details") come to", file: name,
                line: sum.line, column: "TO_CLRGAMT")
        }
    }

    /// What an order may still be split for, and bear of fees.
    private struct Room {
        var amount: Int64
        var fee: Int64
    }

    /// Split details against payments, as many orders at once as memory is meant for.
    private func checkOrders() throws(StatementDefect) {
        let turns = 1 + payments.summary.lineCount / CCBPackage.ordersAtOnce
        for turn in 0..<turns {
            var rooms: [String: Room] = [:]
            try CCBPackage.rows(payments.file, ["MAIN_ORDR_NO", "TXNAMT", "HDCG"]) { row throws(StatementDefect) in
                guard row[0].turn(of: turns) == turn else { return }
                let room = Room(amount: try row.yuan(1), fee: try row.yuan(2))
                guard rooms.updateValue(room, forKey: row[0].text) == nil else {
                    throw row.defect("the order is there twice", 0)
                }
            }
            try CCBPackage.rows(splits.file, ["MAIN_ORDR_NO", "SHLD_SUBACC_AMT", "HDCG_AMT"]) {
                row throws(StatementDefect) in
                guard row[0].turn(of: turns) == turn else { return }
                let order = row[0].text
                guard var room = rooms[order] else { return }
                room.amount -= try row.yuan(1)
                room.fee -= try row.yuan(2)
                let name = payments.file.name ?? "the payments"
                guard room.amount >= 0 else { throw row.defect("more is split than \(name) says was paid", 1) }
                guard room.fee >= 0 else { throw row.defect("more fees than \(name) says", 2) }
                rooms[order] = room
            }
        }
    }

    /// One row's values of the columns asked for.
    private struct Row {
        let table: PipeTable
        let places: [Int]
        let line: Int

        subscript(index: Int) -> TextSlice { table.fields[places[index]] }

        func yuan(_ index: Int) throws(StatementDefect) -> Int64 { try table.yuan(places[index], line) }

        func defect(_ reason: String, _ index: Int) -> StatementDefect {
            table.header.defect(reason, line, places[index])
        }
    }

    private static func rows(
        _ file: StatementFile, _ columns: [String], _ body: (Row) throws(StatementDefect) -> Void
    ) throws(StatementDefect) {
        do throws(StatementDefect) {
            let lines = LineReader(FileWindow(file), name: file.name, encoding: try .detected(in: file))
            let table = try PipeTable(try lines.next() ?? .empty, of: lines)
            var places: [Int] = []
            for column in columns { places.append(try table.required(column)) }
            while let line = try lines.next() {
                guard try table.takesRow(line, lines) else { continue }
                try body(Row(table: table, places: places, line: lines.number))
            }
        } catch {
            var error = error
            if error.file == nil { error.file = file.name }
            throw error
        }
    }
}

extension TextSlice {
    /// In which of so many turns it is looked at: by its bytes alone.
    fileprivate func turn(of turns: Int) -> Int {
        guard turns > 1 else { return 0 }
        var sum: UInt64 = 14_695_981_039_346_656_037
        for index in 0..<count { sum = (sum ^ UInt64(self[index])) &* 1_099_511_628_211 }
        return Int(sum % UInt64(turns))
    }
}
