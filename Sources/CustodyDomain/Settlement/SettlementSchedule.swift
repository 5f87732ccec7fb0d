/// When matched money becomes available: so many days after it was paid, counted in natural or working days.
public struct SettlementSchedule: Hashable, Sendable {
    /// Which days count.
    public enum Calendar: String, CaseIterable, Sendable {
        /// Every day (D+N).
        case natural
        /// Chinese working days, with make-up days (T+N).
        case working
    }

    /// How many days.
    public let days: Int
    /// Which of them count.
    public let calendar: Calendar

    /// Makes a schedule.
    public init(days: Int, calendar: Calendar) {
        self.days = days
        self.calendar = calendar
    }

    /// The last day of payment that is due on a date.
    ///
    /// - Parameter isWorking: Whether a date is a working day.
    public func lastDayDue(on date: BusinessDate, isWorking: (BusinessDate) -> Bool) -> BusinessDate {
        guard calendar == .working else { return date.advanced(by: -days) }
        var day = date
        // On a day off nothing new becomes due: count from the working day before it.
        while !isWorking(day) { day = day.advanced(by: -1) }
        for _ in 0..<days {
            day = day.advanced(by: -1)
            while !isWorking(day) { day = day.advanced(by: -1) }
        }
        // Days off after that working day count with it: they wait as long.
        return day
    }
}
