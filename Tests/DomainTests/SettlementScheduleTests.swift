import CustodyDomain
import Testing

/// When money becomes available, held against a count of days by hand.
@Suite struct SettlementScheduleTests {
    private static func isWeekday(_ date: BusinessDate) -> Bool { date.weekday <= 5 }

    private static func last(
        _ days: Int, _ calendar: SettlementSchedule.Calendar, on date: String
    ) throws -> String {
        try SettlementSchedule(days: days, calendar: calendar)
            .lastDayDue(on: #require(BusinessDate(date)), isWorking: isWeekday).iso
    }

    @Test(arguments: [
        // 2026-10-09 is a Friday; over the year's end 2027-01-01 is one.
        (1, "2026-10-09", "2026-10-08"), (1, "2026-10-12", "2026-10-09"), (1, "2026-10-13", "2026-10-12"),
        // On a day off nothing becomes due that was not due on Friday.
        (1, "2026-10-10", "2026-10-08"), (1, "2026-10-11", "2026-10-08"), (0, "2026-10-11", "2026-10-09"),
        (0, "2026-10-12", "2026-10-12"), (3, "2026-10-12", "2026-10-07"), (1, "2027-01-04", "2027-01-01"),
        (2, "2027-01-01", "2026-12-30"),
    ])
    func `working days pass over weekends and year ends`(days: Int, date: String, expected: String) throws {
        #expect(try SettlementScheduleTests.last(days, .working, on: date) == expected)
    }

    @Test func `natural days count every day`() throws {
        #expect(try SettlementScheduleTests.last(1, .natural, on: "2027-01-01") == "2026-12-31")
        #expect(try SettlementScheduleTests.last(0, .natural, on: "2026-10-11") == "2026-10-11")
        #expect(try SettlementScheduleTests.last(366, .natural, on: "2029-02-28") == "2028-02-28")
    }

    /// The day on which a payment is due, counted forward: N working days after the first working day from its own on.
    private func due(_ paid: BusinessDate, _ days: Int, _ isWorking: (BusinessDate) -> Bool) -> BusinessDate {
        var day = paid
        while !isWorking(day) { day = day.advanced(by: 1) }
        for _ in 0..<days {
            day = day.advanced(by: 1)
            while !isWorking(day) { day = day.advanced(by: 1) }
        }
        return day
    }

    @Test func `counted back it is what counting forward says, whatever the holidays`() throws {
        var generator = SeededGenerator(seed: 7)
        let first = try #require(BusinessDate("2026-09-01"))
        for _ in 0..<300 {
            // Holidays and make-up days anywhere, long ones too.
            var off: Set<BusinessDate> = []
            for _ in 0..<6 {
                let start = first.advanced(by: Int.random(in: 0..<120, using: &generator))
                for day in 0..<Int.random(in: 1...9, using: &generator) { off.insert(start.advanced(by: day)) }
            }
            let madeUp = Set((0..<8).map { _ in first.advanced(by: Int.random(in: 0..<120, using: &generator)) })
            let isWorking = { (day: BusinessDate) in
                madeUp.contains(day) || (day.weekday <= 5 && !off.contains(day))
            }
            let days = Int.random(in: 0...5, using: &generator)
            let schedule = SettlementSchedule(days: days, calendar: .working)
            for offset in 40..<90 {
                let date = first.advanced(by: offset)
                let last = schedule.lastDayDue(on: date, isWorking: isWorking)
                #expect(due(last, days, isWorking) <= date, "\(date.iso) \(days)")
                #expect(due(last.advanced(by: 1), days, isWorking) > date, "\(date.iso) \(days)")
            }
        }
    }
}
