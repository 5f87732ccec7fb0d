import CustodyDomain
import Postgres

/// What wakes a worker that has nothing to do.
public enum JobSignal: Hashable, Sendable {
    /// A queue got work.
    case work(in: Queue)
    /// Signals may have been missed: look at every queue.
    case lookEverywhere
}

extension Store {
    /// Signals about new jobs, from any process, until the reader stops. Polling is the guarantee; these make it prompt.
    ///
    /// - Parameter listener: Of the role `custody_system`, connected to the server itself: LISTEN does not pass a pooler.
    public static func jobSignals(from listener: Listener) -> AsyncStream<JobSignal> {
        AsyncStream { continuation in
            let task = Task {
                for await notification in listener.notifications(on: [Waker.channel]) {
                    switch notification {
                    case .received(_, let payload):
                        if let queue = Queue(rawValue: payload) { continuation.yield(.work(in: queue)) }
                    case .reconnected: continuation.yield(.lookEverywhere)
                    }
                }
                continuation.finish()
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }
}
