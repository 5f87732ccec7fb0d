import Glibc

/// The latest moment at which a wait gives up.
struct Deadline {
    let limit: Duration?
    var moment: ContinuousClock.Instant?

    /// A deadline so far from now; `nil` never comes.
    init(_ limit: Duration?) {
        self.limit = limit
        moment = limit.map { ContinuousClock.now + $0 }
    }

    var isPast: Bool { moment.map { ContinuousClock.now >= $0 } ?? false }

    /// Starts again, because the peer showed a sign of life.
    mutating func renew() { moment = limit.map { ContinuousClock.now + $0 } }

    /// How long poll(2) may sleep: never past the deadline, and never long, so that a cancelled task is noticed.
    var milliseconds: Int32 {
        guard let moment else { return 200 }
        return Int32(clamping: min(200, max(0, (moment - ContinuousClock.now).milliseconds)))
    }
}

/// Sleeps in poll(2) until the socket is ready or the time is over.
///
/// - Returns: What the socket is ready for; errors and hang-ups count as readable, because reading tells what happened.
@discardableResult
func waitOnSocket(_ socket: Int32, for events: Int16, milliseconds: Int32) -> Int16 {
    var descriptor = pollfd(fd: socket, events: events, revents: 0)
    guard poll(&descriptor, socket < 0 ? 0 : 1, milliseconds) > 0 else { return 0 }
    let trouble = Int16(POLLERR | POLLHUP | POLLNVAL)
    return descriptor.revents & trouble != 0 ? descriptor.revents | Int16(POLLIN) : descriptor.revents
}

let readable = Int16(POLLIN)
let writable = Int16(POLLOUT)
