import CustodyDomain
import CustodyStore
import Logging
import Synchronization

/// Ends jobs without effect: each with a commit of its own, many in one round trip, over several connections at once.
///
/// Several, because commits that happen at once share one write to the disk.
final class Endings: Sendable {
    private struct State {
        var waiting: [ClaimedJob] = []
        /// Lanes with nothing to do.
        var idle: [CheckedContinuation<[ClaimedJob], Never>] = []
        /// Those who must wait before they may add.
        var blocked: [CheckedContinuation<Void, Never>] = []
        var isClosed = false
    }

    /// The most that one lane ends in one round trip.
    private static let batch = 32
    /// So often a lane tries; then the leases end by themselves, and the jobs run again.
    private static let attempts = 5

    private let store: Store
    private let lanes: Int
    private let logger: Logger
    private let state = Mutex(State())

    init(store: Store, lanes: Int, logger: Logger) {
        self.store = store
        self.lanes = lanes
        self.logger = logger
    }

    /// Takes a job over; waits while the lanes are far behind.
    func add(_ job: ClaimedJob) async {
        let granted = state.withLock { state -> (CheckedContinuation<[ClaimedJob], Never>, [ClaimedJob])? in
            state.waiting.append(job)
            guard let lane = state.idle.popLast() else { return nil }
            return (lane, Endings.share(of: &state))
        }
        if let (lane, jobs) = granted { lane.resume(returning: jobs) }
        await withCheckedContinuation { continuation in
            let goesOn = state.withLock { state in
                let goesOn = state.waiting.count <= 2 * lanes * Endings.batch
                if !goesOn { state.blocked.append(continuation) }
                return goesOn
            }
            if goesOn { continuation.resume() }
        }
    }

    /// No more will be added: what is left is ended, then ``run(_:)`` returns.
    func close() {
        let idle = state.withLock { state in
            state.isClosed = true
            defer { state.idle = [] }
            return state.idle
        }
        for lane in idle { lane.resume(returning: []) }
    }

    /// Ends what is added until closed.
    ///
    /// - Parameter ended: Called with jobs that are off our hands, and whether their leases were still ours.
    func run(_ ended: @escaping @Sendable ([ClaimedJob], _ wereOurs: Bool) -> Void) async {
        await withDiscardingTaskGroup { group in
            for _ in 0..<lanes {
                group.addTask {
                    while true {
                        let jobs = await self.next()
                        if jobs.isEmpty { return }
                        await self.end(jobs, ended)
                    }
                }
            }
        }
    }

    private func end(_ jobs: [ClaimedJob], _ ended: @Sendable ([ClaimedJob], Bool) -> Void) async {
        for attempt in 1...Endings.attempts {
            do {
                let ours = try await store.retire(jobs)
                ended(ours, true)
                if ours.count < jobs.count {
                    let all = Set(ours)
                    ended(jobs.filter { !all.contains($0) }, false)
                }
                return
            } catch {
                logger.warning(
                    "jobs could not be ended", metadata: ["jobs": "\(jobs.count)", "error": "\(error)"])
                if attempt < Endings.attempts { try? await Task.sleep(for: .milliseconds(200)) }
            }
        }
        ended(jobs, false)
    }

    /// The next jobs for a lane; none when all is done.
    private func next() async -> [ClaimedJob] {
        await withCheckedContinuation { continuation in
            let (jobs, freed) = state.withLock { state -> ([ClaimedJob]?, [CheckedContinuation<Void, Never>]) in
                if state.waiting.isEmpty, !state.isClosed {
                    state.idle.append(continuation)
                    return (nil, [])
                }
                let jobs = Endings.share(of: &state)
                guard state.waiting.count <= lanes * Endings.batch else { return (jobs, []) }
                defer { state.blocked = [] }
                return (jobs, state.blocked)
            }
            for adder in freed { adder.resume() }
            if let jobs { continuation.resume(returning: jobs) }
        }
    }

    /// What one lane takes: an equal part of what waits, so that the idle ones have something to do too.
    private static func share(of state: inout State) -> [ClaimedJob] {
        let count = min(batch, (state.waiting.count + state.idle.count) / (state.idle.count + 1))
        defer { state.waiting.removeFirst(count) }
        return Array(state.waiting.prefix(count))
    }
}
