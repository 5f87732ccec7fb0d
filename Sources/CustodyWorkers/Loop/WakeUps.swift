import CustodyDomain
import Synchronization

/// Lets loops sleep until something may have come for their queue, or until it is time to look anyway.
final class WakeUps: Sendable {
    private struct State {
        var pending: Set<Queue> = []
        var sleepers: [UInt64: (queue: Queue?, continuation: CheckedContinuation<Void, Never>)] = [:]
        var next: UInt64 = 0
        var isStopped = false
    }

    private let state: Mutex<State>

    init(queues: Set<Queue>) { state = Mutex(State(pending: queues)) }

    /// Whether claiming is over.
    var isStopped: Bool { state.withLock(\.isStopped) }

    /// Wakes the loops of these queues; one that is busy looks again when it is done.
    func wake(_ queues: Set<Queue>) {
        resume { state in
            let woken = state.sleepers.filter { _, sleeper in sleeper.queue.map(queues.contains) ?? false }
            state.pending.formUnion(queues.subtracting(woken.values.compactMap(\.queue)))
            return Array(woken.keys)
        }
    }

    /// Ends all waiting, for good.
    func stop() {
        resume { state in
            state.isStopped = true
            return Array(state.sleepers.keys)
        }
    }

    /// Waits until something may have come for a queue.
    func wait(for queue: Queue, atMost limit: Duration) async { await sleep(queue, limit) }

    /// Waits, unless it is time to stop.
    func pause(atMost limit: Duration) async { await sleep(nil, limit) }

    /// Waits until it is time to stop.
    func untilStopped() async {
        while !isStopped { await sleep(nil, .seconds(3600)) }
    }

    private func sleep(_ queue: Queue?, _ limit: Duration) async {
        let id = state.withLock { state in
            state.next += 1
            return state.next
        }
        let timer = Task {
            try? await Task.sleep(for: limit)
            resume { _ in [id] }
        }
        defer { timer.cancel() }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let goesOn = state.withLock { state in
                    if state.isStopped || Task.isCancelled { return true }
                    if let queue, state.pending.remove(queue) != nil { return true }
                    state.sleepers[id] = (queue, continuation)
                    return false
                }
                if goesOn { continuation.resume() }
            }
        } onCancel: {
            resume { _ in [id] }
        }
    }

    private func resume(_ choose: (inout State) -> [UInt64]) {
        let continuations = state.withLock { state in
            choose(&state).compactMap { state.sleepers.removeValue(forKey: $0)?.continuation }
        }
        for continuation in continuations { continuation.resume() }
    }
}
