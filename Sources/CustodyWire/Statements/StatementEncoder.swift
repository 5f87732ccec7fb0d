import CustodyDomain

/// Writes rows as PostgreSQL's binary COPY format takes them: big-endian lengths and numbers, text as it is.
///
/// Columns: line_number int4, kind text, reference text, parent_reference text, counterpart_number text, amount_fen int8,
/// fee_fen int8, status text, occurred_at timestamptz, details jsonb.
struct StatementEncoder {
    /// How much is collected before it is handed over.
    private static let chunk = 128 << 10
    /// From 1970 to 2000, where PostgreSQL counts from, in microseconds.
    private static let epoch: Int64 = 946_684_800_000_000

    private var buffer = UnsafeMutableRawPointer.allocate(byteCount: 2 * StatementEncoder.chunk, alignment: 8)
    private var capacity = 2 * StatementEncoder.chunk
    private var count = 0

    /// Whether enough is collected.
    var isFull: Bool { count >= StatementEncoder.chunk }

    /// Begins with COPY's signature.
    init() {
        for byte in "PGCOPY\n".utf8 + [0xFF, 0x0D, 0x0A, 0x00] + [UInt8](repeating: 0, count: 8) { put(byte) }
    }

    func deallocate() { buffer.deallocate() }

    /// What was collected.
    mutating func take() -> [UInt8] {
        defer { count = 0 }
        return Array(UnsafeRawBufferPointer(start: buffer, count: count))
    }

    /// Writes COPY's trailer.
    mutating func end() { put(Int16(-1)) }

    /// Writes a row.
    mutating func append(_ row: borrowing StatementRow, _ fields: StatementFields, _ details: StatementDetails) {
        reserve(row, fields, details)
        put(Int16(10))
        put(Int32(4))
        put(Int32(truncatingIfNeeded: row.lineNumber))
        put(row.kind.column)
        put(row.reference)
        if let parent = row.parent { put(parent) } else { put(Int32(-1)) }
        put(row.counterpart)
        put(Int32(8))
        put(row.amount)
        put(Int32(8))
        put(row.fee)
        put(row.status)
        put(Int32(8))
        put(row.occurredAt - StatementEncoder.epoch)
        append(details, of: fields)
    }

    /// A JSON object behind the version that jsonb begins with.
    @inline(__always)
    private mutating func append(_ details: StatementDetails, of fields: StatementFields) {
        let start = count
        count += 4
        put(UInt8(1))
        put(UInt8(ascii: "{"))
        var isFirst = true
        for column in details.columns {
            let value = fields[column.index]
            guard details.says(value) else { continue }
            if !isFirst { put(UInt8(ascii: ",")) }
            isFirst = false
            copy(column.key)
            put(UInt8(ascii: "\""))
            append(value, hasBackslashes: details.hasBackslashes)
            put(UInt8(ascii: "\""))
        }
        put(UInt8(ascii: "}"))
        buffer.storeBytes(of: Int32(count - start - 4).bigEndian, toByteOffset: start, as: Int32.self)
    }

    /// A value inside a JSON string; most need no escape and are copied.
    @inline(__always)
    private mutating func append(_ value: TextSlice, hasBackslashes: Bool) {
        for index in 0..<value.count {
            let byte = value[index]
            if byte < 0x20 || byte == 0x22 || byte == 0x5C {
                appendEscaped(value, hasBackslashes: hasBackslashes)
                return
            }
        }
        copy(value)
    }

    private mutating func appendEscaped(_ value: TextSlice, hasBackslashes: Bool) {
        var index = 0
        while index < value.count {
            let byte = value[index]
            index += 1
            switch byte {
            case 0x5C where hasBackslashes && index < value.count && (value[index] == 0x20 || value[index] == 0x6E):
                // As bills write a comma and a line end in text.
                if value[index] == 0x20 { put(UInt8(ascii: ",")) } else { copy("\\n") }
                index += 1
            case 0x22, 0x5C:
                put(UInt8(ascii: "\\"))
                put(byte)
            case 0..<0x20:
                copy("\\u00")
                for digit in [byte >> 4, byte & 15] { put(digit < 10 ? digit + 48 : digit + 87) }
            default: put(byte)
            }
        }
    }

    /// Makes room for the longest that a row can become.
    @inline(__always)
    private mutating func reserve(_ row: borrowing StatementRow, _ fields: StatementFields, _ details: StatementDetails)
    {
        var most = 256 + details.keyLength + row.reference.count + row.counterpart.count + row.status.count
        most += row.parent?.count ?? 0
        for column in details.columns { most += 6 * fields[column.index].count }
        guard count + most > capacity else { return }
        let larger = UnsafeMutableRawPointer.allocate(byteCount: 2 * (count + most), alignment: 8)
        larger.copyMemory(from: buffer, byteCount: count)
        buffer.deallocate()
        buffer = larger
        capacity = 2 * (count + most)
    }

    @inline(__always)
    private mutating func put(_ text: TextSlice) {
        put(Int32(text.count))
        copy(text)
    }

    @inline(__always)
    private mutating func copy(_ text: TextSlice) {
        (buffer + count).copyMemory(from: text.start, byteCount: text.count)
        count += text.count
    }

    private mutating func copy(_ text: StaticString) { copy(TextSlice(text)) }

    @inline(__always)
    private mutating func put(_ number: some FixedWidthInteger) {
        buffer.storeBytes(of: number.bigEndian, toByteOffset: count, as: type(of: number).self)
        count += number.bitWidth / 8
    }
}

extension StatementLineKind {
    /// Its raw value, without making a string.
    fileprivate var column: TextSlice {
        switch self {
        case .payment: TextSlice("payment")
        case .refund: TextSlice("refund")
        case .bankReceipt: TextSlice("bank_receipt")
        case .bankRefund: TextSlice("bank_refund")
        case .withdrawal: TextSlice("withdrawal")
        case .withdrawalReturn: TextSlice("withdrawal_return")
        case .balance: TextSlice("balance")
        case .movement: TextSlice("movement")
        case .split: TextSlice("split")
        case .settlement: TextSlice("settlement")
        case .bankFee: TextSlice("bank_fee")
        case .card: TextSlice("card")
        case .stock: TextSlice("stock")
        }
    }
}
