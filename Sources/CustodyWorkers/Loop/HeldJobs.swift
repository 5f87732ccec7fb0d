import CustodyDomain
import CustodyStore
import Synchronization

/// The jobs that a worker holds: their leases are renewed together, in one statement, until each has ended.
final class HeldJobs: Sendable {
    private struct Held {
        let job: ClaimedJob
        var renewedAt: ContinuousClock.Instant
    }

    private let state = Mutex<[ClaimedJob: Held]>([:])

    /// Holds jobs that were claimed just now.
    func hold(_ jobs: [ClaimedJob]) {
        let now = ContinuousClock.now
        state.withLock { state in for job in jobs { state[job] = Held(job: job, renewedAt: now) } }
    }

    /// Lets go of jobs that have ended, or were lost.
    func release(_ jobs: [ClaimedJob]) {
        state.withLock { state in for job in jobs { state[job] = nil } }
    }

    /// Renews the leases that are a third through, until the task is cancelled.
    ///
    /// A lease that cannot be renewed needs nothing done: whoever lost it is told when it tries to end the job.
    func renew(in store: Store, lease: Duration) async {
        while !Task.isCancelled {
            try? await Task.sleep(for: lease / 6)
            let now = ContinuousClock.now
            let due = state.withLock { state in state.values.filter { now - $0.renewedAt >= lease / 3 }.map(\.job) }
            guard !due.isEmpty, (try? await store.renew(due, for: lease)) != nil else { continue }
            state.withLock { state in for job in due { state[job]?.renewedAt = now } }
        }
    }
}
