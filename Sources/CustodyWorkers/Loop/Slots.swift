import Synchronization

/// How many jobs of a queue may run at once.
final class Slots: Sendable {
    private struct State {
        var free: Int
        var waiter: (enough: Int, continuation: CheckedContinuation<Void, Never>)?
        /// Counts the waits, so that what belongs to an earlier one does not disturb a later.
        var turn = 0
        var isPatienceOver = false
    }

    /// How long a claim of few waits for more to be free: jobs that end at once are claimed many at a time.
    private static let patience = Duration.milliseconds(2)

    private let state: Mutex<State>
    private let half: Int

    init(_ count: Int) {
        state = Mutex(State(free: count))
        half = max(1, count / 2)
    }

    /// Waits until half are free, or at least one is and a moment has passed; says how many are. One loop waits at a time.
    func waitForFree() async -> Int {
        let turn = state.withLock { state in
            state.turn += 1
            state.isPatienceOver = false
            return state.turn
        }
        await wait(for: 1)
        if state.withLock({ $0.free < half }) {
            let patience = Task {
                try? await Task.sleep(for: Slots.patience)
                endPatience(turn)
            }
            await wait(for: half)
            patience.cancel()
        }
        return state.withLock(\.free)
    }

    func take(_ count: Int) { state.withLock { $0.free -= count } }

    func release() {
        resume { state in
            state.free += 1
            return state.free >= state.waiter?.enough ?? .max
        }
    }

    private func wait(for enough: Int) async {
        await withCheckedContinuation { continuation in
            let goesOn = state.withLock { state in
                let goesOn = state.free >= enough || state.isPatienceOver
                if !goesOn { state.waiter = (enough, continuation) }
                return goesOn
            }
            if goesOn { continuation.resume() }
        }
    }

    private func endPatience(_ turn: Int) {
        resume { state in
            if state.turn == turn { state.isPatienceOver = true }
            return state.turn == turn
        }
    }

    private func resume(_ isTime: (inout State) -> Bool) {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard isTime(&state) else { return nil }
            defer { state.waiter = nil }
            return state.waiter?.continuation
        }
        waiter?.resume()
    }
}
