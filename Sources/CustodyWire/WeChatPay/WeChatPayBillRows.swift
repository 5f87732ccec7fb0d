import CustodyDomain

/// What WeChat Pay's bills of movements have in common, the fund flow's and the profit sharing's: each row has a time and an
/// amount, all are of one day, and a summary counts and sums them by direction.
struct WeChatPayBillRows {
    /// Rows of one direction.
    struct Side {
        private(set) var count = 0
        private(set) var sum: Int128 = 0

        mutating func add(_ amount: Int64) {
            count += 1
            sum += Int128(amount)
        }
    }

    /// The lines, taken apart.
    var table: BackTickCSV
    /// The day that all rows share.
    private(set) var day = CommonDay()
    /// What came in, or was split.
    var income = Side()
    /// What went out, or was given back.
    var expense = Side()
    private var clock = TextClock()

    init(_ header: StatementHeader, mayBeJoined: Bool = false) {
        table = BackTickCSV(header, mayBeJoined: mayBeJoined)
    }

    /// Begins to count anew, for another file that is joined to this one.
    mutating func beginAnew() {
        table.beginAnew()
        (income, expense) = (Side(), Side())
    }

    /// When a row happened.
    mutating func time(_ place: Int, _ number: Int) throws(StatementDefect) -> Int64 {
        guard let time = clock.wallClock(table.fields[place]) else {
            throw table.header.defect("not a time", number, place)
        }
        day.note(time)
        return time
    }

    /// An amount in fen.
    func fen(_ place: Int, _ number: Int) throws(StatementDefect) -> Int64 {
        guard let amount = table.fields[place].yuan else {
            throw table.header.defect("not an amount in whole fen", number, place)
        }
        return amount
    }

    /// Refuses a row that leaves out what it must say.
    func demand(_ places: [Int], _ number: Int) throws(StatementDefect) {
        for place in places where table.fields[place].isEmpty {
            throw table.header.defect("an empty value", number, place)
        }
    }
}
