import CustodyDomain
import CustodyStore
import Postgres
import TestSupport
import Testing

@Suite("Syncing orders")
struct CreateOrdersTests {
    private func word(_ outcome: OrderOutcome) -> String {
        switch outcome {
        case .created: "created"
        case .existed: "existed"
        case .replayed(let response): "replayed \(response.status)"
        case .refused(let rejection): rejection.code
        }
    }

    private func sync(_ world: World, _ orders: [NewOrder]) async throws -> [String] {
        try await world.run { try await $0.createOrders(orders) }.map(word)
    }

    private func claim(_ key: String, body: UInt8 = 1) -> (claim: IdempotencyClaim, response: StoredResponse) {
        (
            IdempotencyClaim(key: key, route: "POST /v1/orders", bodyHash: [UInt8](repeating: body, count: 32)),
            StoredResponse(status: 201, body: Array("{\"n\":\(body)}".utf8))
        )
    }

    @Test func `a batch is judged order by order: a refused one touches no neighbour`() async throws {
        let test = try await TestStore.make()
        let (world, other) = (try await test.world(), try await test.world())
        let (shop, submitted) = (try await world.activeSubMerchant(), try await world.submittedSubMerchant())
        let foreign = try await other.activeSubMerchant()
        let orders = [
            try await world.newOrder([(shop, Fen(10)), (nil, Fen(1))]),
            try await world.newOrder([(shop, Fen(10)), (foreign, Fen(1))]),
            try await world.newOrder([(submitted, Fen(10))]),
            try await world.newOrder([(nil, Fen(3))]),
        ]
        #expect(
            try await sync(world, orders) == [
                "created", "sub_merchant_not_active", "sub_merchant_not_active", "created",
            ])
        let stored = try await world.run { try await $0.orders(state: nil, outOrderNo: nil, before: nil, limit: 10) }
        #expect(Set(stored.map(\.id)) == [orders[0].id, orders[3].id])
        #expect(try await world.run { try await $0.order(orders[0].id).parts.map(\.amount) } == [Fen(10), Fen(1)])
        // Each created one, and none else, has its job.
        for (order, hasJob) in zip(orders, [true, false, false, true]) {
            #expect(try await world.run { try await $0.hasJob(JobRequest(.syncOrder, order.id)) } == hasJob)
        }
    }

    @Test func `a refusal names the sub-merchant that is in the way, with its own state`() async throws {
        let world = try await TestStore.make().world()
        let shops = [try await world.submittedSubMerchant(), try await world.submittedSubMerchant()].sorted()
        _ = try await world.run { try await $0.noteReview(of: shops[1], .rejected) }
        let order = try await world.newOrder([(shops[1], Fen(1)), (shops[0], Fen(1))])
        let outcome = try await world.run { try await $0.createOrders([order]) }[0]
        guard case .refused(let rejection) = outcome else {
            Issue.record("not refused")
            return
        }
        #expect(rejection == .subMerchantNotActive(id: shops[1].text, state: "rejected"))
    }

    @Test func `a frozen sub-merchant still receives`() async throws {
        let world = try await TestStore.make().world()
        let shop = try await world.activeSubMerchant()
        _ = try await world.run { try await $0.setFrozen(true, shop) }
        #expect(try await sync(world, [try await world.newOrder([(shop, Fen(1))])]) == ["created"])
    }

    @Test func `the same order under the same number is the one stored before, another is refused`() async throws {
        let world = try await TestStore.make().world()
        let shop = try await world.activeSubMerchant()
        let first = try await world.newOrder([(shop, Fen(10))], outOrderNo: "A")
        #expect(try await sync(world, [first]) == ["created"])
        let outcomes = try await world.run { tx in
            try await tx.createOrders([
                world.newOrder([(shop, Fen(10))], outOrderNo: "A"), world.newOrder([(shop, Fen(11))], outOrderNo: "A"),
                world.newOrder([(nil, Fen(10))], outOrderNo: "A"), world.newOrder([(shop, Fen(10))], outOrderNo: "B"),
            ])
        }
        #expect(outcomes.map(word) == ["existed", "number_reused", "number_reused", "created"])
        if case .existed(let record) = outcomes[0] { #expect(record.id == first.id) }
    }

    @Test func `what was stored is found again although its sub-merchant was closed since`() async throws {
        let world = try await TestStore.make().world()
        let shop = try await world.activeSubMerchant()
        let order = try await world.newOrder([(shop, Fen(10))], outOrderNo: "A", idempotency: claim("k"))
        #expect(try await sync(world, [order]) == ["created"])
        _ = try await world.run { try await $0.closeOrder(order.id) }
        _ = try await world.run { try await $0.closeSubMerchant(shop) }
        #expect(try await sync(world, [order]) == ["replayed 201"])
        #expect(try await sync(world, [try await world.newOrder([(shop, Fen(10))], outOrderNo: "A")]) == ["existed"])
        #expect(try await sync(world, [try await world.newOrder([(shop, Fen(10))])]) == ["sub_merchant_not_active"])
    }

    @Test func `two equal numbers in one batch are one order`() async throws {
        let world = try await TestStore.make().world()
        let orders = [
            try await world.newOrder([(nil, Fen(10))], outOrderNo: "A"),
            try await world.newOrder([(nil, Fen(10))], outOrderNo: "A"),
            try await world.newOrder([(nil, Fen(12))], outOrderNo: "A"),
        ]
        #expect(try await sync(world, orders) == ["created", "existed", "number_reused"])
        let stored = try await world.run { try await $0.orders(state: nil, outOrderNo: nil, before: nil, limit: 10) }
        #expect(stored.map(\.id) == [orders[0].id])
        #expect(stored[0].parts.count == 1)
    }

    @Test func `two equal idempotency keys in one batch: the first counts, and no neighbour suffers`() async throws {
        let world = try await TestStore.make().world()
        let orders = [
            try await world.newOrder([(nil, Fen(10))], outOrderNo: "A", idempotency: claim("k")),
            try await world.newOrder([(nil, Fen(10))], outOrderNo: "A", idempotency: claim("k")),
            try await world.newOrder([(nil, Fen(10))], idempotency: claim("k", body: 2)),
            try await world.newOrder([(nil, Fen(10))], idempotency: claim("other")),
        ]
        #expect(try await sync(world, orders) == ["created", "replayed 201", "idempotency_key_reused", "created"])
    }

    @Test func `an idempotency key answers as it did before, and refuses another body`() async throws {
        let world = try await TestStore.make().world()
        let order = try await world.newOrder([(nil, Fen(10))], idempotency: claim("k"))
        #expect(try await sync(world, [order]) == ["created"])
        let again = try await world.newOrder([(nil, Fen(10))], outOrderNo: order.outOrderNo, idempotency: claim("k"))
        let outcome = try await world.run { try await $0.createOrders([again]) }[0]
        if case .replayed(let response) = outcome {
            #expect(response == claim("k").response)
        } else {
            Issue.record("\(outcome)")
        }
        let another = try await world.newOrder([(nil, Fen(10))], idempotency: claim("k", body: 2))
        #expect(try await sync(world, [another]) == ["idempotency_key_reused"])
    }

    @Test func `the same key with different orders at once: one is created, the other learns why not`() async throws {
        let world = try await TestStore.make().world()
        for round in 0..<10 {
            let orders = try await withThrowingTaskGroup(of: NewOrder.self) { group in
                for n in 0..<2 {
                    group.addTask {
                        try await world.newOrder([(nil, Fen(10))], idempotency: self.claim("k\(round)", body: UInt8(n)))
                    }
                }
                return try await group.reduce(into: [NewOrder]()) { $0.append($1) }
            }
            let results = await together(2) { index in try await self.sync(world, [orders[index]])[0] }
            let words = results.compactMap { try? $0.get() }
            #expect(words.count == 2, "\(results)")
            #expect(words.filter { $0 == "created" }.count == 1)
            #expect(words.contains("idempotency_key_reused") || words.contains("idempotency_key_in_use"))
        }
    }

    @Test func `the same order sixteen times at once is stored once`() async throws {
        let world = try await TestStore.make().world()
        let order = try await world.newOrder([(nil, Fen(10))], outOrderNo: "A")
        let orders = try await world.run { tx in
            (0..<16).map { _ in
                NewOrder(
                    id: ID(at: tx.now), outOrderNo: "A", amount: order.amount, description: order.description,
                    payer: order.payer, metadata: "{}", splitMode: order.splitMode, expiresAt: order.expiresAt,
                    parts: order.parts, idempotency: nil)
            }
        }
        let results = await together(16) { try await self.sync(world, [orders[$0]])[0] }
        let words = results.compactMap { try? $0.get() }
        #expect(words.filter { $0 == "created" }.count == 1)
        #expect(words.filter { $0 == "existed" }.count == 15)
    }

    @Test func `an open order closes, a closed one stays closed, a paid one refuses`() async throws {
        let world = try await TestStore.make().world()
        let order = try await world.order([(nil, Fen(10))])
        #expect(try await world.run { try await $0.closeOrder(order.id).state } == .closed)
        #expect(try await world.run { try await $0.closeOrder(order.id).state } == .closed)
        let events = try await world.run { try await $0.events(after: nil, limit: 100) }
        #expect(events.filter { $0.type == "order.closed" }.count == 1)
        let paid = try await world.paidOrder([(nil, Fen(10))]).order
        #expect(
            try await rejection { _ = try await world.run { try await $0.closeOrder(paid.id) } }
                == .orderState(state: "paid", action: "closed"))
    }

    @Test func `the custodian's knowledge of an order only grows`() async throws {
        let world = try await TestStore.make().world()
        let order = try await world.order([(nil, Fen(10))])
        var seen: [String] = []
        for state in ["synced", "registered", "synced", "failed"] {
            try await world.run { try await $0.noteOrderAtBank(order.id, state) }
            seen.append(try await world.run { try await $0.order(order.id).bankState })
        }
        #expect(seen == ["synced", "registered", "registered", "registered"])
    }
}
