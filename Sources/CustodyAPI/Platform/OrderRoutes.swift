import CustodyDomain
import CustodyStore
import CustodyWire
import HTTPTypes

/// Orders and what is done with them (订单信息同步), and the splits of what they hold.
struct OrderRoutes {
    let store: Store
    private let batcher: OrderBatcher

    init(store: Store) {
        self.store = store
        batcher = OrderBatcher(store: store)
    }

    /// The most bytes of a body with many orders: 4 MiB.
    private static let batchLimit = 4 << 20

    var routes: [Route] {
        let (read, write) = (Route.Access.platform(scope: "read"), Route.Access.platform(scope: "write"))
        return [
            Route(.post, "/v1/orders", write, create),
            Route(.get, "/v1/orders", read, list),
            Route(.post, "/v1/orders/batch", write, bodyLimit: OrderRoutes.batchLimit, createMany),
            Route(.get, "/v1/orders/{id}", read, show),
            Route(.post, "/v1/orders/{id}/close", write, close),
            Route(.post, "/v1/orders/{id}/splits", write, split),
            Route(.get, "/v1/orders/{id}/splits", read, splits),
        ]
    }

    @Sendable private func create(_ call: Call) async throws -> Reply {
        try await batcher.create(
            OrderRequest(call.json(), at: "", claim: call.claim()), for: call.tenantID)
    }

    @Sendable private func createMany(_ call: Call) async throws -> Reply {
        // Each is accepted or refused on its own, so one that cannot even be read refuses only itself.
        let requests = try call.read { fields throws(Rejection) in
            try fields.elements("orders", 1...500) { json, place throws(Rejection) -> Result<OrderRequest, Rejection> in
                do throws(Rejection) { return .success(try OrderRequest(json, at: place, claim: nil)) } catch {
                    return .failure(error)
                }
            }
        }
        return try await store.perform(call) { tx in
            var results: [JSON?] = []
            var orders: [(index: Int, order: NewOrder, answer: JSON)] = []
            for (index, request) in requests.enumerated() {
                do {
                    let (order, answer) = try request.get().order(at: tx.now)
                    orders.append((index, order, answer))
                    results.append(nil)
                } catch {
                    results.append(OrderRoutes.refused(error, call))
                }
            }
            let outcomes = orders.isEmpty ? [] : try await tx.createOrders(orders.map(\.order))
            for (item, outcome) in zip(orders, outcomes) {
                switch outcome {
                case .created: results[item.index] = ["status": "created", "order": item.answer]
                case .existed(let record): results[item.index] = ["status": "existing", "order": record.json]
                case .replayed: results[item.index] = ["status": "existing", "order": item.answer]
                case .refused(let rejection): results[item.index] = OrderRoutes.refused(rejection, call)
                }
            }
            return Outcome(.ok, ["results": .array(results.compactMap(\.self))])
        }
    }

    private static func refused(_ error: any Error, _ call: Call) -> JSON {
        ["status": "refused", "error": Problem(error).json(requestID: call.requestID)]
    }

    @Sendable private func list(_ call: Call) async throws -> Reply {
        var query = try Query(call)
        let number = try query.text("out_order_no")
        let state: OrderState? = try query.word("state")
        let page = try query.page(of: Order.self)
        try query.end()
        let found = try await store.look(call) {
            try await $0.orders(state: state, outOrderNo: number, before: page.cursor, limit: page.fetched)
        }
        return page.reply(found, id: \.id, \.json)
    }

    @Sendable private func show(_ call: Call) async throws -> Reply {
        let id: ID<Order> = try call.id()
        return Reply(.ok, try await store.look(call) { try await $0.order(id) }.json)
    }

    @Sendable private func close(_ call: Call) async throws -> Reply {
        let id: ID<Order> = try call.id()
        try call.readNothing()
        return try await store.perform(call) { tx in Outcome(.ok, try await tx.closeOrder(id).json) }
    }

    @Sendable private func split(_ call: Call) async throws -> Reply {
        let id: ID<Order> = try call.id()
        let (number, parts) = try call.read { fields throws(Rejection) in
            (try fields.number("out_split_no"), try fields.optionalParts())
        }
        return try await store.perform(call) { tx in
            Outcome(.accepted, try await tx.createSplit(of: id, outSplitNo: number, items: parts).json)
        }
    }

    @Sendable private func splits(_ call: Call) async throws -> Reply {
        let id: ID<Order> = try call.id()
        let found = try await store.look(call) { tx in
            _ = try await tx.order(id)
            return try await tx.splits(of: id)
        }
        return Reply(.ok, ["data": .array(found.map(\.json)), "has_more": false, "next_cursor": nil])
    }
}

extension Fields {
    /// Who gives or gets how much, by the number of the order's part; nil when it is absent or null.
    mutating func optionalParts() throws(Rejection) -> [(number: Int, amount: Fen)]? {
        let parts = try optionalElements("parts", 1...100) { element, place throws(Rejection) in
            var part = try Fields(element, at: place)
            let item = (number: Int(try part.integer("number", 1...100)), amount: try part.amount())
            try part.end()
            return item
        }
        if let parts, Set(parts.map(\.number)).count != parts.count {
            throw refusal("parts", "must name each part once")
        }
        return parts
    }
}
