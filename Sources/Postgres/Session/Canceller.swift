import CLibpq
import Dispatch
import Synchronization

/// Asks the server, from a thread of its own, to stop what a connection is doing.
///
/// Why unchecked: a PGcancel does not change after it is made, and libpq allows PQcancel from any thread; it blocks,
/// hence the thread. The rest is behind a mutex.
final class Canceller: @unchecked Sendable {
    private struct State {
        var isActive = false
        var isRequested = false
        var underway = 0
    }

    private static let queue = DispatchQueue(label: "postgres.cancel", attributes: .concurrent)
    private let handle: OpaquePointer?
    private let state = Mutex(State())

    init(_ connection: OpaquePointer) { handle = PQgetCancel(connection) }

    deinit { PQfreeCancel(handle) }

    /// True once the running statement was asked to stop.
    var isRequested: Bool { state.withLock { $0.isRequested } }

    /// A statement begins: from now on a request is meant for it.
    func begin() {
        state.withLock {
            $0.isActive = true
            $0.isRequested = false
        }
    }

    /// Asks the running statement to stop; does nothing when none runs.
    func request() {
        let send = state.withLock { state in
            guard state.isActive, !state.isRequested else { return false }
            state.isRequested = true
            state.underway += 1
            return true
        }
        guard send else { return }
        Self.queue.async { [self] in
            withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
                _ = PQcancel(handle, buffer.baseAddress, 256)
            }
            state.withLock { $0.underway -= 1 }
        }
    }

    /// The statement has ended; waits until a request on its way has arrived, lest it stops the next statement.
    ///
    /// - Returns: False when the request is still on its way after two seconds: the connection must not be used again.
    func end() -> Bool {
        state.withLock { $0.isActive = false }
        let deadline = ContinuousClock.now + .seconds(2)
        while state.withLock({ $0.underway }) > 0 {
            if ContinuousClock.now > deadline { return false }
            waitOnSocket(-1, for: 0, milliseconds: 5)
        }
        return true
    }
}
