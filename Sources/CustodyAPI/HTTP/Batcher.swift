import CustodyDomain
import CustodyStore
import Synchronization

/// Does what arrives together in one transaction: while one is being committed, the next items gather, platform by platform.
///
/// Commits are what PostgreSQL has fewest of. A lone item waits for nobody.
final class Batcher<Item: Sendable, Answer: Sendable>: Sendable {
    /// Stores items of one platform in one transaction, each accepted or refused on its own; answers in their order.
    typealias Work = @Sendable ([Item], ID<Tenant>) async throws -> [Result<Answer, any Error>]

    private struct Waiting {
        let item: Item
        let continuation: CheckedContinuation<Answer, any Error>
    }

    private let capacity: Int
    private let work: Work
    /// What gathers, by platform; an entry stands for as long as a transaction of that platform runs.
    private let gathering = Mutex<[ID<Tenant>: [Waiting]]>([:])

    /// - Parameter capacity: The most items of one transaction.
    init(capacity: Int, work: @escaping Work) {
        self.capacity = capacity
        self.work = work
    }

    /// Does one item, alone or with others.
    func add(_ item: Item, for tenantID: ID<Tenant>) async throws -> Answer {
        try await withCheckedThrowingContinuation { continuation in
            let waiting = Waiting(item: item, continuation: continuation)
            let isFirst = gathering.withLock { gathering in
                guard gathering[tenantID] == nil else {
                    gathering[tenantID]?.append(waiting)
                    return false
                }
                gathering[tenantID] = []
                return true
            }
            if isFirst { Task { await run([waiting], for: tenantID) } }
        }
    }

    /// Does one batch after the other until nothing gathers any more.
    private func run(_ first: [Waiting], for tenantID: ID<Tenant>) async {
        var batch = first
        while !batch.isEmpty {
            await answer(batch, for: tenantID)
            batch = gathering.withLock { gathering in
                let next = Array((gathering[tenantID] ?? []).prefix(capacity))
                if next.isEmpty { gathering[tenantID] = nil } else { gathering[tenantID]?.removeFirst(next.count) }
                return next
            }
        }
    }

    private func answer(_ batch: [Waiting], for tenantID: ID<Tenant>) async {
        do {
            let answers = try await work(batch.map(\.item), tenantID)
            for (waiting, answer) in zip(batch, answers) { waiting.continuation.resume(with: answer) }
        } catch {
            let failure = StoreFailure(error)
            if batch.count == 1 || failure == .unavailable || failure == .outcomeUnknown {
                for waiting in batch { await retry(waiting, for: tenantID, after: error) }
            } else {
                // One of them was the cause: alone, it fails alone.
                for waiting in batch { await answer([waiting], for: tenantID) }
            }
        }
    }

    /// The same thing at the same time on another connection: the second time the first one's is there to be found.
    private func retry(_ waiting: Waiting, for tenantID: ID<Tenant>, after error: any Error) async {
        guard StoreFailure(error) == .duplicate else {
            waiting.continuation.resume(throwing: error)
            return
        }
        do {
            let answers = try await work([waiting.item], tenantID)
            for answer in answers { waiting.continuation.resume(with: answer) }
        } catch {
            waiting.continuation.resume(throwing: error)
        }
    }
}
