import CustodyDomain
import Glibc

/// A piece of a line in UTF-8: bytes that belong to whoever reads the lines, and are gone with the next line.
///
/// Millions of these are made and none is counted or copied; nothing keeps one beyond its line.
struct TextSlice {
    let start: UnsafePointer<UInt8>
    let count: Int

    @inline(__always)
    init(_ start: UnsafePointer<UInt8>, _ count: Int) {
        self.start = start
        self.count = count
    }

    /// Text of the program, which stays.
    @inline(__always)
    init(_ text: StaticString) {
        start = text.utf8Start
        count = text.utf8CodeUnitCount
    }

    /// No bytes.
    static var empty: TextSlice { TextSlice("") }

    @inline(__always)
    var isEmpty: Bool { count == 0 }

    @inline(__always)
    subscript(index: Int) -> UInt8 { start[index] }

    @inline(__always)
    func part(from first: Int, to end: Int) -> TextSlice { TextSlice(start + first, end - first) }

    /// Where a byte stands first, from a place on; nil when it does not.
    @inline(__always)
    func index(of byte: UInt8, from first: Int = 0) -> Int? {
        guard first < count, let found = memchr(start + first, Int32(byte), count - first) else { return nil }
        return UnsafePointer(found.assumingMemoryBound(to: UInt8.self)) - start
    }

    @inline(__always)
    static func == (slice: TextSlice, text: StaticString) -> Bool {
        slice.count == text.utf8CodeUnitCount && memcmp(slice.start, text.utf8Start, slice.count) == 0
    }

    @inline(__always)
    static func == (lhs: TextSlice, rhs: TextSlice) -> Bool {
        lhs.count == rhs.count && memcmp(lhs.start, rhs.start, lhs.count) == 0
    }

    @inline(__always)
    static func != (slice: TextSlice, text: StaticString) -> Bool { !(slice == text) }

    func hasPrefix(_ text: StaticString) -> Bool {
        count >= text.utf8CodeUnitCount && memcmp(start, text.utf8Start, text.utf8CodeUnitCount) == 0
    }

    /// Without spaces and tabs at either end.
    @inline(__always)
    var trimmed: TextSlice {
        var (first, end) = (0, count)
        while first < end, start[first] == 0x20 || start[first] == 0x09 { first += 1 }
        while end > first, start[end - 1] == 0x20 || start[end - 1] == 0x09 { end -= 1 }
        return TextSlice(start + first, end - first)
    }

    /// A copy that may be kept; bytes were found to be UTF-8 before.
    var text: String { String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self) }
}

/// What fields say, read without a copy.
extension TextSlice {
    /// Digits alone, at least one and at most eighteen; nil for anything else.
    @inline(__always)
    var number: Int64? {
        guard count > 0, count <= 18 else { return nil }
        var result: Int64 = 0
        for index in 0..<count {
            let digit = start[index] &- 48
            guard digit < 10 else { return nil }
            result = result &* 10 &+ Int64(digit)
        }
        return result
    }

    /// Fen as the bank writes them: whole, perhaps with a minus.
    @inline(__always)
    var fen: Int64? {
        guard count > 0, count <= 16 else { return nil }
        if start[0] == 0x2D { return part(from: 1, to: count).number.map { -$0 } }
        return number
    }

    /// Yuan with up to five decimals, in thousandths of a fen; exact.
    @inline(__always)
    var fineYuan: Int64? {
        var index = 0
        guard count > 0 else { return nil }
        let isNegative = start[0] == 0x2D
        if isNegative || start[0] == 0x2B { index = 1 }
        let first = index
        var result: Int64 = 0
        while index < count {
            let digit = start[index] &- 48
            guard digit < 10 else { break }
            result = result &* 10 &+ Int64(digit)
            index += 1
        }
        guard index > first, index - first <= 12 else { return nil }
        var missing = 5
        if index < count {
            guard start[index] == 0x2E else { return nil }
            index += 1
            missing = 5 - (count - index)
            guard missing >= 0, missing < 5 else { return nil }
            while index < count {
                let digit = start[index] &- 48
                guard digit < 10 else { return nil }
                result = result &* 10 &+ Int64(digit)
                index += 1
            }
        }
        while missing > 0 {
            result = result &* 10
            missing -= 1
        }
        return isNegative ? -result : result
    }

    /// Yuan in whole fen; more than two decimals only where they are nought, since rounding would lose money.
    @inline(__always)
    var yuan: Int64? {
        guard let fine = fineYuan, fine % 1000 == 0 else { return nil }
        return fine / 1000
    }
}

/// Reads times and dates; remembers the last day, since the rows of a bill share it.
struct TextClock {
    private var key: Int64 = -1
    private var midnight: Int64 = 0

    /// `20261005`, as days since 1970.
    @inline(__always)
    mutating func day(_ slice: TextSlice) -> BusinessDate? {
        guard slice.count == 8, let number = slice.number, let start = start(of: number) else { return nil }
        return BusinessDate(daysSinceEpoch: start / 86_400)
    }

    /// `2026-10-05 12:00:00` on a Shanghai wall clock, in microseconds since 1970.
    @inline(__always)
    mutating func wallClock(_ slice: TextSlice) -> Int64? {
        guard slice.count == 19, slice[4] == 0x2D, slice[7] == 0x2D, slice[10] == 0x20, slice[13] == 0x3A,
            slice[16] == 0x3A
        else { return nil }
        let (century, year) = (TextClock.pair(slice, 0), TextClock.pair(slice, 2))
        let (month, day) = (TextClock.pair(slice, 5), TextClock.pair(slice, 8))
        guard century | year | month | day >= 0,
            let start = start(of: ((century * 100 + year) * 100 + month) * 100 + day)
        else { return nil }
        return TextClock.instant(
            start, TextClock.pair(slice, 11), TextClock.pair(slice, 14), TextClock.pair(slice, 17))
    }

    /// `20261005120000` on a Shanghai wall clock, in microseconds since 1970.
    @inline(__always)
    mutating func compact(_ slice: TextSlice) -> Int64? {
        guard slice.count == 14, let number = slice.number, let start = start(of: number / 1_000_000) else {
            return nil
        }
        return TextClock.instant(start, number / 10_000 % 100, number / 100 % 100, number % 100)
    }

    /// A day and a time of six digits.
    @inline(__always)
    mutating func compact(_ date: TextSlice, _ time: TextSlice) -> Int64? {
        guard date.count == 8, time.count == 6, let date = date.number, let time = time.number,
            let start = start(of: date)
        else { return nil }
        return TextClock.instant(start, time / 10_000, time / 100 % 100, time % 100)
    }

    /// Seconds from 1970 to the midnight of a day's beginning, both by the Shanghai wall clock.
    @inline(__always)
    private mutating func start(of number: Int64) -> Int64? {
        if number == key { return midnight }
        guard
            let date = BusinessDate(year: Int(number / 10_000), month: Int(number / 100 % 100), day: Int(number % 100))
        else { return nil }
        key = number
        midnight = date.daysSinceEpoch * 86_400
        return midnight
    }

    @inline(__always)
    private static func pair(_ slice: TextSlice, _ index: Int) -> Int64 {
        let (tens, ones) = (slice[index] &- 48, slice[index + 1] &- 48)
        return tens < 10 && ones < 10 ? Int64(tens * 10 + ones) : -1
    }

    @inline(__always)
    private static func instant(_ start: Int64, _ hour: Int64, _ minute: Int64, _ second: Int64) -> Int64? {
        guard (0..<24).contains(hour), (0..<60).contains(minute), (0..<60).contains(second) else { return nil }
        return (start + hour * 3600 + minute * 60 + second - 8 * 3600) * 1_000_000
    }
}
