extension Bool: Scalar {
    /// `boolean`.
    public static var type: OID { .bool }
    /// `boolean[]`.
    public static var arrayType: OID { .boolArray }
    /// One byte, 0 or 1.
    public var bind: Bind { Bind(.bool, [self ? 1 : 0]) }
    /// Reads a `boolean`.
    public init(from cell: Cell) throws(PostgresError) {
        let bytes = try cell.bytes(.bool)
        guard bytes.count == 1 else { throw cell.bad }
        self = bytes[0] != 0
    }
}

extension Int64: Scalar {
    /// `bigint`.
    public static var type: OID { .int8 }
    /// `bigint[]`.
    public static var arrayType: OID { .int8Array }
    /// Eight bytes, big-endian.
    public var bind: Bind { Bind(.int8, [UInt8](bigEndian: self)) }
    /// Reads a `bigint`, `integer` or `smallint`.
    public init(from cell: Cell) throws(PostgresError) {
        let bytes = try cell.bytes(.int8, .int4, .int2)
        switch bytes.count {
        case 8: self = bytes.integer(as: Int64.self)
        case 4: self = Int64(bytes.integer(as: Int32.self))
        case 2: self = Int64(bytes.integer(as: Int16.self))
        default: throw cell.bad
        }
    }
}

extension Int: Scalar {
    /// `bigint`.
    public static var type: OID { .int8 }
    /// `bigint[]`.
    public static var arrayType: OID { .int8Array }
    /// Eight bytes, big-endian.
    public var bind: Bind { Int64(self).bind }
    /// Reads a `bigint`, `integer` or `smallint`.
    public init(from cell: Cell) throws(PostgresError) { self = Int(try Int64(from: cell)) }
}

extension Int32: Scalar {
    /// `integer`.
    public static var type: OID { .int4 }
    /// `integer[]`.
    public static var arrayType: OID { .int4Array }
    /// Four bytes, big-endian.
    public var bind: Bind { Bind(.int4, [UInt8](bigEndian: self)) }
    /// Reads an `integer` or `smallint`.
    public init(from cell: Cell) throws(PostgresError) {
        let bytes = try cell.bytes(.int4, .int2)
        switch bytes.count {
        case 4: self = bytes.integer(as: Int32.self)
        case 2: self = Int32(bytes.integer(as: Int16.self))
        default: throw cell.bad
        }
    }
}

extension String: Scalar {
    /// `text`.
    public static var type: OID { .text }
    /// `text[]`.
    public static var arrayType: OID { .textArray }
    /// UTF-8; text with a NUL is refused, for PostgreSQL has none.
    public var bind: Bind {
        let bytes = [UInt8](utf8)
        return bytes.contains(0) ? .invalid(.text) : Bind(.text, bytes)
    }
    /// Reads a `text`, `varchar`, `char(n)`, `name` or `"char"`; an enum or a `json` is cast to `text` in the statement.
    public init(from cell: Cell) throws(PostgresError) {
        self = String(decoding: try cell.bytes(.text, .varchar, .bpchar, .name, .char), as: UTF8.self)
    }
}

/// A `uuid` as two halves, high first.
public struct PGUUID: Scalar, Hashable {
    /// The first eight bytes, big-endian.
    public let high: UInt64
    /// The last eight bytes, big-endian.
    public let low: UInt64
    /// Joins the two halves.
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }
    /// `uuid`.
    public static var type: OID { .uuid }
    /// `uuid[]`.
    public static var arrayType: OID { .uuidArray }
    /// Sixteen bytes.
    public var bind: Bind {
        var bytes = [UInt8](bigEndian: high)
        bytes.append(bigEndian: low)
        return Bind(.uuid, bytes)
    }
    /// Reads a `uuid`.
    public init(from cell: Cell) throws(PostgresError) {
        let bytes = try cell.bytes(.uuid)
        guard bytes.count == 16 else { throw cell.bad }
        self.init(high: bytes.integer(), low: bytes.integer(at: 8))
    }
}

/// A `timestamptz` in microseconds since 1970-01-01T00:00:00Z.
public struct PGTimestamp: Scalar, Hashable {
    /// Microseconds since the Unix epoch.
    public let microseconds: Int64
    /// Makes the timestamp so many microseconds after the Unix epoch.
    public init(microseconds: Int64) { self.microseconds = microseconds }
    /// PostgreSQL counts from 2000-01-01.
    private static let epoch: Int64 = 946_684_800_000_000
    /// The first instant PostgreSQL can hold (4714-11-24 BC), counted from 2000-01-01.
    private static let first: Int64 = -211_813_488_000_000_000
    /// The first instant after those PostgreSQL can hold (294277-01-01), counted from 2000-01-01.
    private static let end: Int64 = 9_223_371_331_200_000_000
    /// `timestamptz`.
    public static var type: OID { .timestamptz }
    /// `timestamptz[]`.
    public static var arrayType: OID { .timestamptzArray }
    /// Eight bytes; out of PostgreSQL's range is refused.
    public var bind: Bind {
        let (value, overflow) = microseconds.subtractingReportingOverflow(Self.epoch)
        guard !overflow, value >= Self.first, value < Self.end else { return .invalid(.timestamptz) }
        return Bind(.timestamptz, [UInt8](bigEndian: value))
    }
    /// Reads a `timestamptz`; an infinite one is no point in time, and refused.
    public init(from cell: Cell) throws(PostgresError) {
        let bytes = try cell.bytes(.timestamptz)
        guard bytes.count == 8 else { throw cell.bad }
        let value: Int64 = bytes.integer()
        let (sum, overflow) = value.addingReportingOverflow(Self.epoch)
        guard !overflow, value != .min else { throw cell.bad }
        microseconds = sum
    }
}

/// A `date` in days since 1970-01-01.
public struct PGDate: Scalar, Hashable {
    /// Days since the Unix epoch.
    public let daysSinceUnixEpoch: Int64
    /// Makes the date so many days after the Unix epoch.
    public init(daysSinceUnixEpoch: Int64) { self.daysSinceUnixEpoch = daysSinceUnixEpoch }
    /// PostgreSQL counts from 2000-01-01.
    private static let epoch: Int64 = 10_957
    /// The first day PostgreSQL can hold (4714-11-24 BC), counted from 2000-01-01.
    private static let first: Int64 = -2_451_545
    /// The first day after those PostgreSQL can hold, counted from 2000-01-01.
    private static let end: Int64 = 2_145_031_949
    /// `date`.
    public static var type: OID { .date }
    /// `date[]`.
    public static var arrayType: OID { .dateArray }
    /// Four bytes; out of PostgreSQL's range is refused.
    public var bind: Bind {
        let (value, overflow) = daysSinceUnixEpoch.subtractingReportingOverflow(Self.epoch)
        guard !overflow, value >= Self.first, value < Self.end else { return .invalid(.date) }
        return Bind(.date, [UInt8](bigEndian: Int32(value)))
    }
    /// Reads a `date`; an infinite one is no day, and refused.
    public init(from cell: Cell) throws(PostgresError) {
        let bytes = try cell.bytes(.date)
        guard bytes.count == 4 else { throw cell.bad }
        let value: Int32 = bytes.integer()
        guard value != .min, value != .max else { throw cell.bad }
        daysSinceUnixEpoch = Int64(value) + Self.epoch
    }
}

/// A `jsonb` as the text it is written in.
public struct PGJSON: Scalar, Hashable {
    /// The JSON text; read back it is PostgreSQL's own spelling of the same value.
    public let text: String
    /// Takes JSON text; the server refuses what is no JSON.
    public init(text: String) { self.text = text }
    /// `jsonb`.
    public static var type: OID { .jsonb }
    /// `jsonb[]`.
    public static var arrayType: OID { .jsonbArray }
    /// A version byte, then UTF-8.
    public var bind: Bind {
        let bytes = [UInt8](text.utf8)
        return bytes.contains(0) ? .invalid(.jsonb) : Bind(.jsonb, [1] + bytes)
    }
    /// Reads a `jsonb` or `json`.
    public init(from cell: Cell) throws(PostgresError) {
        let bytes = try cell.bytes(.jsonb, .json)
        guard cell.type == .jsonb else {
            text = String(decoding: bytes, as: UTF8.self)
            return
        }
        guard bytes.first == 1 else { throw cell.bad }
        text = String(decoding: bytes.dropFirst(), as: UTF8.self)
    }
}
