import CustodyDomain
import Foundation
import Testing

/// Days and times, held against the system's own calendar.
@Suite struct BusinessDateTests {
    private static let shanghai: Calendar = {
        var calendar = Calendar(identifier: .gregorian)
        // Without the daylight saving that Shanghai had until 1991.
        calendar.timeZone = TimeZone(secondsFromGMT: 8 * 3600) ?? .gmt
        return calendar
    }()

    @Test func `every day of two centuries is the calendar's own, with its weekday`() throws {
        let calendar = BusinessDateTests.shanghai
        var date = try #require(BusinessDate("1900-01-01"))
        let end = try #require(BusinessDate("2101-01-01"))
        while date < end {
            let noon = Date(timeIntervalSince1970: Double(date.start.seconds + 12 * 3600))
            let expected = calendar.dateComponents([.year, .month, .day, .weekday], from: noon)
            let (year, month, day) = date.components
            #expect(expected.year == year && expected.month == month && expected.day == day, "\(date.iso)")
            // Theirs begins on Sunday with 1, ours on Monday.
            #expect(((expected.weekday ?? 0) + 5) % 7 + 1 == date.weekday, "\(date.iso)")
            #expect(BusinessDate(date.iso) == date && BusinessDate(date.compact) == date)
            #expect(BusinessDate(of: date.start) == date)
            #expect(BusinessDate(of: date.start - .microseconds(1)) == date.advanced(by: -1))
            date = date.advanced(by: 1)
        }
    }

    @Test(arguments: [
        ("2026-12-31T15:59:59.999999Z", "2026-12-31"), ("2026-12-31T16:00:00Z", "2027-01-01"),
        ("2028-02-28T16:00:00Z", "2028-02-29"), ("2028-02-29T16:00:00Z", "2028-03-01"),
        ("2027-02-28T16:00:00Z", "2027-03-01"), ("1969-12-31T15:59:59Z", "1969-12-31"),
    ])
    func `the day turns at midnight in Shanghai, at year ends and leap days too`(time: String, day: String) throws {
        #expect(BusinessDate(of: try #require(Instant(text: time))).iso == day)
    }

    @Test(arguments: [
        "2026-02-29", "2100-02-29", "2026-04-31", "2026-13-01", "2026-00-10", "2026-01-00", "2026-1-1", "20260229",
        "2026/01/01", "26-01-01", "2026-01-01 ", "", "0000-01-01", "2026-0a-01", "２026-01-01",
    ])
    func `a day that never was is none`(text: String) { #expect(BusinessDate(text) == nil) }

    @Test func `instants are read back from every form that they are written in`() throws {
        var generator = SeededGenerator(seed: 6)
        for _ in 0..<20_000 {
            let instant = Instant(microseconds: Int64.random(in: 0...4_102_444_800_000_000, using: &generator))
            let (second, milli) = (
                Instant(seconds: instant.seconds), Instant(microseconds: instant.microseconds / 1000 * 1000)
            )
            #expect(Instant(text: instant.rfc3339) == instant, "\(instant.rfc3339)")
            #expect(Instant(text: instant.rfc3339Shanghai) == second)
            #expect(Instant(text: instant.shanghaiWallClock) == second)
            #expect(Instant(text: instant.shanghaiCompact) == second)
            #expect(Instant(text: instant.shanghaiCompactMilliseconds) == milli)
            let theirs = Date(timeIntervalSince1970: Double(second.seconds)).ISO8601Format()
            #expect(second.rfc3339 == theirs)
        }
    }

    @Test(arguments: [
        "2026-10-05T24:00:00Z", "2026-10-05T12:60:00Z", "2026-10-05T12:00:60Z", "2026-10-05T12:00:00+24:00",
        "2026-10-05T12:00:00 08:00", "2026-10-05T12:00Z", "2026-10-05T12:00:00.Z", "2026-10-05T12:00:00.1234567890Z",
        "20261005126000", "2026100512000", "2026-10-05", "2026-10-05T1:00:00Z", "2026-10-05T12:00:00ZZ", "",
    ])
    func `a time that never was is none`(text: String) { #expect(Instant(text: text) == nil) }
}
