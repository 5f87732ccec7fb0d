import CustodyDomain
import Foundation
import Synchronization

/// The virtual time of a simulated counterparty, one per merchant (market), and what falls due on it.
///
/// A merchant's clock runs with real time plus an offset. ``set(_:to:)`` moves it; everything due in between runs in
/// time order first, and reads the time at which it was due. ``run()`` executes what falls due as real time passes.
public final class SimulatorClock: Sendable {
    /// Something that happens at its time; it may schedule more.
    public typealias Event = @Sendable (_ at: Instant) async -> Void

    private struct Scheduled {
        let at: Instant
        let sequence: Int
        let event: Event
    }

    private struct State {
        var offsets: [String: Duration] = [:]
        /// The time read while an event runs.
        var frozen: [String: Instant] = [:]
        var queues: [String: [Scheduled]] = [:]
        var busy: Set<String> = []
        var waiters: [String: [CheckedContinuation<Void, Never>]] = [:]
        var sequence = 0
    }

    private let state = Mutex(State())

    /// Makes a clock on which every merchant's time is real time.
    public init() {}

    /// Real time, as signatures need it.
    public static func realNow() -> Instant {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Instant(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
    }

    /// A merchant's time now.
    public func now(of merchant: String) -> Instant {
        state.withLock { $0.frozen[merchant] ?? (SimulatorClock.realNow() + $0.offsets[merchant, default: .zero]) }
    }

    /// Schedules an event; one whose time has come runs with the next turn of ``run()`` or ``set(_:to:)``.
    public func schedule(_ merchant: String, at: Instant, _ event: @escaping Event) {
        state.withLock { state in
            state.sequence += 1
            // Every order waits for its last day: the place is searched by halves, and the queue is changed where it is.
            var place = 0
            var end = state.queues[merchant]?.count ?? 0
            while place < end {
                let middle = (place + end) / 2
                if let other = state.queues[merchant]?[middle].at, other > at {
                    end = middle
                } else {
                    place = middle + 1
                }
            }
            state.queues[merchant, default: []].insert(
                Scheduled(at: at, sequence: state.sequence, event: event), at: place)
        }
    }

    /// Sets a merchant's clock; all that falls due until then runs, in time order, before this returns.
    public func set(_ merchant: String, to target: Instant) async {
        await acquire(merchant)
        await runDue(merchant, until: target)
        state.withLock { state in
            state.offsets[merchant] = target - SimulatorClock.realNow()
            state.frozen[merchant] = nil
        }
        release(merchant)
    }

    /// How many events of a merchant wait.
    public func pendingCount(of merchant: String) -> Int { state.withLock { $0.queues[merchant]?.count ?? 0 } }

    /// Executes what falls due as real time passes, until cancelled; merchants do not wait for each other.
    public func run() async {
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled {
                for merchant in takeMerchantsWithDueEvents() {
                    group.addTask {
                        await self.runDue(merchant, until: nil)
                        self.release(merchant)
                    }
                }
                do { try await Task.sleep(for: .milliseconds(20)) } catch { break }
            }
        }
    }

    private func takeMerchantsWithDueEvents() -> [String] {
        state.withLock { state in
            let real = SimulatorClock.realNow()
            return state.queues.compactMap { merchant, queue in
                guard let first = queue.first, !state.busy.contains(merchant),
                    first.at <= real + state.offsets[merchant, default: .zero]
                else { return nil }
                state.busy.insert(merchant)
                return merchant
            }
        }
    }

    /// Runs events of a merchant that is held, until a time, or until its own now.
    private func runDue(_ merchant: String, until target: Instant?) async {
        while !Task.isCancelled {
            let next = state.withLock { state -> Scheduled? in
                let limit = target ?? (SimulatorClock.realNow() + state.offsets[merchant, default: .zero])
                guard let first = state.queues[merchant]?.first, first.at <= limit else { return nil }
                state.queues[merchant]?.removeFirst()
                // Only a clock that is being set reads the past; otherwise time simply goes on.
                if target != nil { state.frozen[merchant] = first.at }
                return first
            }
            guard let next else { return }
            await next.event(next.at)
        }
    }

    private func acquire(_ merchant: String) async {
        await withCheckedContinuation { continuation in
            let isFree = state.withLock { state in
                if state.busy.insert(merchant).inserted { return true }
                state.waiters[merchant, default: []].append(continuation)
                return false
            }
            if isFree { continuation.resume() }
        }
    }

    private func release(_ merchant: String) {
        let next = state.withLock { state -> CheckedContinuation<Void, Never>? in
            guard var waiters = state.waiters[merchant], !waiters.isEmpty else {
                state.busy.remove(merchant)
                return nil
            }
            let first = waiters.removeFirst()
            state.waiters[merchant] = waiters
            return first
        }
        next?.resume()
    }
}
