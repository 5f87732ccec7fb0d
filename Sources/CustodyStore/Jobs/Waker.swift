import CustodyDomain
import Logging
import Postgres
import Synchronization

/// Tells workers in other processes that a queue has work, a little later and never twice in a row.
///
/// Why apart from the transaction: every commit that carries a NOTIFY takes a lock on the whole database, and polling is
/// the guarantee anyway; this only makes it prompt.
final class Waker: Sendable {
    /// The channel that workers listen on; the payload is a queue's name.
    static let channel = "custody_jobs"

    private struct State {
        var waiting: Set<Queue> = []
        var isScheduled = false
    }

    private let pool: Pool
    private let logger: Logger
    private let state = Mutex(State())

    init(pool: Pool, logger: Logger) {
        self.pool = pool
        self.logger = logger
    }

    /// Wakes the workers of these queues within 20 ms.
    func wake(_ queues: Set<Queue>) {
        let schedules = state.withLock { state in
            state.waiting.formUnion(queues)
            defer { state.isScheduled = true }
            return !state.isScheduled
        }
        guard schedules else { return }
        Task {
            try? await Task.sleep(for: .milliseconds(20))
            let queues = state.withLock { state in
                defer { state = State() }
                return state.waiting
            }
            do {
                _ = try await pool.withConnection { connection in
                    try await connection.query(
                        "SELECT pg_notify(\(Waker.channel), q) FROM unnest(\(queues.map(\.rawValue))) AS q"
                    )
                }
            } catch {
                logger.debug("workers could not be woken; they will poll", metadata: ["error": "\(error)"])
            }
        }
    }
}
