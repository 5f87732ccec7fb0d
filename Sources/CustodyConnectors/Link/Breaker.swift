import Synchronization

/// Keeps calls from a line that is down: after some in a row found nobody, nobody is called for a while, and then one is tried.
///
/// What it refuses was surely not sent.
final class Breaker: Sendable {
    private enum State {
        /// Calls pass; so many in a row have failed.
        case closed(failures: Int)
        /// No call passes before a time.
        case open(until: ContinuousClock.Instant, pause: Duration)
        /// One call is out to see.
        case trying(pause: Duration)
    }

    /// The longest time between two trials.
    private static let longestPause = Duration.seconds(60)

    private let failures: Int
    private let pause: Duration
    private let state = Mutex(State.closed(failures: 0))

    /// - Parameters:
    ///   - failures: So many in a row open it.
    ///   - pause: How long it stays open at first.
    init(failures: Int, pause: Duration) {
        self.failures = failures
        self.pause = pause
    }

    /// Whether a call may go out now; if so, ``record(reached:at:)`` follows.
    func lets(at now: ContinuousClock.Instant) -> Bool {
        state.withLock { state in
            switch state {
            case .closed: return true
            case .trying: return false
            case .open(let until, let pause):
                guard now >= until else { return false }
                state = .trying(pause: pause)
                return true
            }
        }
    }

    /// Notes whether somebody was there. True when this opened it.
    @discardableResult
    func record(reached: Bool, at now: ContinuousClock.Instant) -> Bool {
        state.withLock { state in
            switch (state, reached) {
            case (_, true):
                state = .closed(failures: 0)
                return false
            case (.closed(let count), false) where count + 1 < failures:
                state = .closed(failures: count + 1)
                return false
            case (.closed, false):
                state = .open(until: now + pause, pause: pause)
                return true
            case (.trying(let last), false):
                let next = min(last * 2, Breaker.longestPause)
                state = .open(until: now + next, pause: next)
                return true
            case (.open, false): return false
            }
        }
    }
}
