import CustodyDomain
import CustodyStore
import CustodyWire
import HTTPTypes
import Synchronization

/// Stores orders that arrive together in one transaction: while one is being committed, the next ones gather.
///
/// Commits are what PostgreSQL has fewest of. A lone order waits for nobody.
final class OrderBatcher: Sendable {
    /// The most orders of one transaction.
    private static let capacity = 16

    private struct Waiting {
        let request: OrderRequest
        let continuation: CheckedContinuation<Reply, any Error>
    }

    private let store: Store
    /// What gathers, by platform; an entry stands for as long as a transaction of that platform runs.
    private let gathering = Mutex<[ID<Tenant>: [Waiting]]>([:])

    init(store: Store) { self.store = store }

    /// Stores an order, alone or with others.
    func create(_ request: OrderRequest, for tenantID: ID<Tenant>) async throws -> Reply {
        try await withCheckedThrowingContinuation { continuation in
            let waiting = Waiting(request: request, continuation: continuation)
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

    /// Stores one batch after the other until nothing gathers any more.
    private func run(_ first: [Waiting], for tenantID: ID<Tenant>) async {
        var batch = first
        while !batch.isEmpty {
            await answer(batch, for: tenantID)
            batch = gathering.withLock { gathering in
                let next = Array((gathering[tenantID] ?? []).prefix(OrderBatcher.capacity))
                if next.isEmpty { gathering[tenantID] = nil } else { gathering[tenantID]?.removeFirst(next.count) }
                return next
            }
        }
    }

    private func answer(_ batch: [Waiting], for tenantID: ID<Tenant>) async {
        do {
            let replies = try await store(batch.map(\.request), for: tenantID)
            for (waiting, reply) in zip(batch, replies) { waiting.continuation.resume(with: reply) }
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

    /// The same order at the same time on another connection: the second time the first one's is there to be found.
    private func retry(_ waiting: Waiting, for tenantID: ID<Tenant>, after error: any Error) async {
        guard StoreFailure(error) == .duplicate else {
            waiting.continuation.resume(throwing: error)
            return
        }
        do {
            let replies = try await store([waiting.request], for: tenantID)
            for reply in replies { waiting.continuation.resume(with: reply) }
        } catch {
            waiting.continuation.resume(throwing: error)
        }
    }

    private func store(
        _ requests: [OrderRequest], for tenantID: ID<Tenant>
    ) async throws -> [Result<Reply, any Error>] {
        try await store.withTenant(tenantID) { tx in
            var results: [Result<Reply, any Error>?] = []
            var orders: [(index: Int, order: NewOrder, answer: JSON)] = []
            for (index, request) in requests.enumerated() {
                do {
                    let (order, answer) = try request.order(at: tx.now)
                    orders.append((index, order, answer))
                    results.append(nil)
                } catch {
                    results.append(.failure(error))
                }
            }
            guard !orders.isEmpty else { return results.compactMap(\.self) }
            for (item, outcome) in zip(orders, try await tx.createOrders(orders.map(\.order))) {
                results[item.index] = try await OrderBatcher.result(of: item, outcome, in: tx)
            }
            return results.compactMap(\.self)
        }
    }

    private static func result(
        of item: (index: Int, order: NewOrder, answer: JSON), _ outcome: OrderOutcome, in tx: TenantTransaction
    ) async throws -> Result<Reply, any Error> {
        switch outcome {
        case .created:
            let body = item.order.idempotency?.response.body ?? item.answer.bytes
            return .success(Reply(status: .created, contentType: Reply.json, body: body))
        case .existed(let record):
            let body = record.json.bytes
            if let claim = item.order.idempotency?.claim {
                try await tx.remember(StoredResponse(status: 200, body: body), for: claim)
            }
            var reply = Reply(status: .ok, contentType: Reply.json, body: body)
            reply.headers[.idempotentReplayed] = "true"
            return .success(reply)
        case .replayed(let stored): return .success(Reply(replaying: stored))
        case .refused(let rejection): return .failure(rejection)
        }
    }
}
