import CustodyDomain
import CustodyStore
import CustodyWire
import HTTPTypes

/// Stores orders that arrive together in one transaction.
struct OrderBatcher: Sendable {
    private let batcher: Batcher<OrderRequest, Reply>

    init(store: Store) {
        batcher = Batcher(capacity: 16) { try await OrderBatcher.store($0, for: $1, in: store) }
    }

    /// Stores an order, alone or with others.
    func create(_ request: OrderRequest, for tenantID: ID<Tenant>) async throws -> Reply {
        try await batcher.add(request, for: tenantID)
    }

    private static func store(
        _ requests: [OrderRequest], for tenantID: ID<Tenant>, in store: Store
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
