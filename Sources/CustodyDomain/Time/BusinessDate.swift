/// A day of the books (账务日): a calendar date in Asia/Shanghai, which is UTC+8 without daylight saving.
public struct BusinessDate: Hashable, Comparable, Sendable {
    /// Days since 1970-01-01.
    public let daysSinceEpoch: Int64

    /// Makes the date so many days after 1970-01-01.
    public init(daysSinceEpoch: Int64) { self.daysSinceEpoch = daysSinceEpoch }

    /// The date in Shanghai at an instant.
    public init(of instant: Instant) {
        daysSinceEpoch = (instant.seconds + 8 * 3600).flooredDivision(by: 86_400)
    }

    /// Makes a date of the proleptic Gregorian calendar; nil when there is no such day.
    public init?(year: Int, month: Int, day: Int) {
        guard (1...9999).contains(year), (1...12).contains(month), (1...31).contains(day) else { return nil }
        // Days from civil, H. Hinnant's algorithm: years start in March so that the leap day is the last.
        let shifted = Int64(month <= 2 ? year - 1 : year)
        let era = shifted.flooredDivision(by: 400)
        let yearOfEra = shifted - era * 400
        let dayOfYear = Int64((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1)
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        self.init(daysSinceEpoch: era * 146_097 + dayOfEra - 719_468)
        guard components == (year, month, day) else { return nil }
    }

    /// Reads `2026-10-05`, or `20261005` as bank files write it.
    public init?(_ text: some StringProtocol) {
        let bytes = Array(text.utf8)
        let digits: [UInt8]
        switch bytes.count {
        case 8: digits = bytes
        case 10 where bytes[4] == UInt8(ascii: "-") && bytes[7] == UInt8(ascii: "-"):
            digits = Array(bytes[0..<4] + bytes[5..<7] + bytes[8..<10])
        default: return nil
        }
        var numbers: [Int] = []
        for byte in digits {
            guard (48...57).contains(byte) else { return nil }
            numbers.append(Int(byte) - 48)
        }
        self.init(
            year: numbers[0] * 1000 + numbers[1] * 100 + numbers[2] * 10 + numbers[3],
            month: numbers[4] * 10 + numbers[5],
            day: numbers[6] * 10 + numbers[7]
        )
    }

    /// Year, month and day.
    public var components: (year: Int, month: Int, day: Int) {
        let shifted = daysSinceEpoch + 719_468
        let era = shifted.flooredDivision(by: 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (
            Int(yearOfEra + era * 400 + (month <= 2 ? 1 : 0)), Int(month),
            Int(dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
        )
    }

    /// `2026-10-05`.
    public var iso: String {
        let (year, month, day) = components
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(day, 2))"
    }

    /// `20261005`.
    public var compact: String {
        let (year, month, day) = components
        return padded(year, 4) + padded(month, 2) + padded(day, 2)
    }

    /// Midnight in Shanghai, when the date begins.
    public var start: Instant { Instant(seconds: daysSinceEpoch * 86_400 - 8 * 3600) }

    /// The date so many days later, or earlier when negative.
    public func advanced(by days: Int) -> BusinessDate { BusinessDate(daysSinceEpoch: daysSinceEpoch + Int64(days)) }

    /// 1 for Monday … 7 for Sunday.
    public var weekday: Int { Int((daysSinceEpoch + 3) - (daysSinceEpoch + 3).flooredDivision(by: 7) * 7) + 1 }

    /// Orders dates in time.
    public static func < (lhs: BusinessDate, rhs: BusinessDate) -> Bool { lhs.daysSinceEpoch < rhs.daysSinceEpoch }
}

/// A number in decimal with leading zeros up to a width.
func padded(_ number: Int, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
}
