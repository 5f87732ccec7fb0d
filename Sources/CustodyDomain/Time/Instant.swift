/// A point in time, in microseconds since 1970-01-01T00:00:00Z: PostgreSQL's own resolution.
///
/// Nothing in this target reads a clock: instants come from the transaction (`tx.now`).
public struct Instant: Hashable, Comparable, Sendable {
    /// Microseconds since the Unix epoch.
    public let microseconds: Int64

    /// Makes the instant so many microseconds after the Unix epoch.
    public init(microseconds: Int64) { self.microseconds = microseconds }

    /// Makes the instant so many seconds after the Unix epoch.
    public init(seconds: Int64) { self.microseconds = seconds * 1_000_000 }

    /// Whole seconds since the Unix epoch, rounded down.
    public var seconds: Int64 { microseconds.flooredDivision(by: 1_000_000) }

    /// Orders instants in time.
    public static func < (lhs: Instant, rhs: Instant) -> Bool { lhs.microseconds < rhs.microseconds }
    /// The instant a duration later.
    public static func + (lhs: Instant, rhs: Duration) -> Instant {
        let parts = rhs.components
        return Instant(
            microseconds: lhs.microseconds + parts.seconds * 1_000_000 + parts.attoseconds / 1_000_000_000_000)
    }
    /// The instant a duration earlier.
    public static func - (lhs: Instant, rhs: Duration) -> Instant { lhs + (.zero - rhs) }
    /// The time between two instants.
    public static func - (lhs: Instant, rhs: Instant) -> Duration {
        .microseconds(lhs.microseconds - rhs.microseconds)
    }
}

extension Int64 {
    /// Division that rounds towards minus infinity, as calendars need.
    func flooredDivision(by divisor: Int64) -> Int64 {
        let quotient = self / divisor
        return self % divisor < 0 ? quotient - 1 : quotient
    }
}
