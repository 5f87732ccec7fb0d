import CustodyDomain
import Glibc

/// A form of statement, while one file of it is read line by line.
protocol StatementFormat: AnyObject {
    /// Whose word it is.
    var source: StatementSource { get }
    /// The form of the file, such as `tradebill_all`, `PAY`.
    var form: String { get }
    /// The fields of the line taken last.
    var fields: StatementFields { get }
    /// Which of them go into a line's details.
    var details: StatementDetails { get }

    /// Takes the next line.
    ///
    /// - Returns: Whether it is one of the statement's lines; then all of `row` is filled in.
    func take(_ line: TextSlice, of reader: LineReader, into row: inout StatementRow) throws(StatementDefect) -> Bool

    /// Verifies what the file says of itself, once its last line was taken.
    ///
    /// - Returns: The account and the day it is about, where it says so.
    func finish(_ reader: LineReader) throws(StatementDefect) -> (account: String?, date: BusinessDate?)
}

/// A number or name that rows share, compared without a copy.
struct CommonText {
    private var bytes: [UInt8] = []
    private var isSet = false
    private(set) var isShared = true

    @inline(__always)
    mutating func note(_ slice: TextSlice) {
        if !isSet {
            isSet = true
            bytes = Array(UnsafeBufferPointer(start: slice.start, count: slice.count))
        } else if isShared {
            isShared =
                bytes.count == slice.count
                && bytes.withUnsafeBufferPointer { bytes in
                    bytes.baseAddress.map { memcmp($0, slice.start, slice.count) == 0 } ?? true
                }
        }
    }

    /// The text; nil when rows differ, or there are none.
    var value: String? { isSet && isShared ? String(decoding: bytes, as: UTF8.self) : nil }
}

/// The day that rows share.
struct CommonDay {
    private var start: Int64 = 0
    private var isSet = false
    private var isShared = true

    /// Notes an instant in microseconds since 1970.
    @inline(__always)
    mutating func note(_ instant: Int64) {
        let offset = instant - start
        if isSet, offset >= 0, offset < 86_400_000_000 { return }
        isShared = !isSet
        isSet = true
        start = BusinessDate(of: Instant(microseconds: instant)).start.microseconds
    }

    /// The day; nil when rows are of several, or there are none.
    var value: BusinessDate? { isSet && isShared ? BusinessDate(of: Instant(microseconds: start)) : nil }
}
