import CustodyWire
import Synchronization

/// Keeps us within a counterparty's limits: calls over them wait for their turn, or are told when it is too far away.
final class RateLimiter: Sendable {
    /// The latest calls under a rule, as many as it allows within its period.
    private struct Window {
        let rule: Transport.RateRule
        var times: [ContinuousClock.Instant] = []
        /// Where the oldest of them is, once there are so many.
        var oldest = 0

        /// When the next call may go.
        func next(from now: ContinuousClock.Instant) -> ContinuousClock.Instant {
            times.count < rule.calls ? now : max(now, times[oldest] + rule.period)
        }

        mutating func book(_ time: ContinuousClock.Instant) {
            guard times.count == rule.calls else {
                times.append(time)
                return
            }
            times[oldest] = time
            oldest = (oldest + 1) % rule.calls
        }
    }

    private let windows: Mutex<[Window]>

    init(_ rules: [Transport.RateRule]) {
        windows = Mutex(rules.map { Window(rule: $0) })
    }

    /// Books the next free turn of an operation and says how long it is until then; nil, and nothing booked, when that is
    /// longer than the caller waits.
    func turn(of operation: String, at now: ContinuousClock.Instant, within patience: Duration) -> Duration? {
        windows.withLock { windows in
            let concerned = windows.indices.filter { operation.hasPrefix(windows[$0].rule.operation) }
            let turn = concerned.map { windows[$0].next(from: now) }.max() ?? now
            guard turn - now <= patience else { return nil }
            for index in concerned { windows[index].book(turn) }
            return turn - now
        }
    }
}
