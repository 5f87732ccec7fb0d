import CustodyDomain

/// A statement's line before anything of it is copied: what it says lies in the line that is being read.
struct StatementRow {
    var lineNumber = 0
    var kind = StatementLineKind.payment
    var reference = TextSlice.empty
    /// Our number of the payment that a refund belongs to; nil where there is none.
    var parent: TextSlice?
    var counterpart = TextSlice.empty
    var amount: Int64 = 0
    var fee: Int64 = 0
    var status = TextSlice.empty
    /// Microseconds since 1970.
    var occurredAt: Int64 = 0
}

/// Which columns of a file go into a line's details, under their titles as the file writes them.
final class StatementDetails {
    /// A column, with its title as a JSON string and a colon.
    struct Column {
        let index: Int
        let key: TextSlice
    }

    /// The columns in the file's order.
    let columns: UnsafeBufferPointer<Column>
    /// Whether `0` and `0.00` say nothing, as in the channels' bills, whose every row has every column.
    let leavesOutZero: Bool
    /// Whether a backslash stands before a comma or line end that was replaced.
    let hasBackslashes: Bool
    private let keys: UnsafeMutablePointer<UInt8>

    /// - Parameter dropped: Columns that a line says in its own fields, or that stay out of the books.
    init(_ header: StatementHeader, dropping dropped: Set<String>, leavesOutZero: Bool, hasBackslashes: Bool) {
        self.leavesOutZero = leavesOutZero
        self.hasBackslashes = hasBackslashes
        let kept = header.titles.enumerated().filter { !dropped.contains($0.element) }
        let texts = kept.map { Array((JSON.string($0.element).text + ":").utf8) }
        keys = .allocate(capacity: max(1, texts.map(\.count).reduce(0, +)))
        let columns = UnsafeMutableBufferPointer<Column>.allocate(capacity: kept.count)
        var end = 0
        for (place, text) in texts.enumerated() {
            (keys + end).initialize(from: text, count: text.count)
            columns.initializeElement(
                at: place, to: Column(index: kept[place].offset, key: TextSlice(keys + end, text.count)))
            end += text.count
        }
        self.columns = UnsafeBufferPointer(columns)
    }

    /// Of a file whose header was not read yet.
    static var none: StatementDetails {
        StatementDetails(StatementHeader(), dropping: [], leavesOutZero: false, hasBackslashes: false)
    }

    deinit {
        keys.deallocate()
        columns.deallocate()
    }

    /// Whether a value says anything.
    @inline(__always)
    func says(_ value: TextSlice) -> Bool {
        guard value.count > 0 else { return false }
        guard leavesOutZero, value[0] == 0x30 else { return true }
        return !(value.count == 1 || (value.count == 4 && value == "0.00"))
    }

    /// The bytes of all keys, with what stands around them.
    var keyLength: Int { columns.reduce(2) { $0 + $1.key.count + 3 } }
}

extension StatementRow {
    /// The row in the form that outlives its line.
    func line(_ fields: StatementFields, _ details: StatementDetails) -> StatementLine {
        var members: [String: String] = [:]
        for column in details.columns where details.says(fields[column.index]) {
            let key = (try? JSON(parsing: Array(column.key.text.dropLast().utf8)))?.string ?? ""
            let value = fields[column.index].text
            members[key] = details.hasBackslashes ? BackTickCSV.unescaped(value) : value
        }
        return StatementLine(
            lineNumber: lineNumber, kind: kind, reference: reference.text, parentReference: parent?.text,
            counterpartNumber: counterpart.text, amount: Fen(amount), fee: Fen(fee), status: status.text,
            occurredAt: Instant(microseconds: occurredAt), details: members)
    }
}
