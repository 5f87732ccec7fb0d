import CustodyDomain
import CustodyStore
import Postgres
import TestSupport
import Testing

@Suite("Instructions, callbacks and requests that come again")
struct InstructionTests {
    private func step(_ world: World, _ subject: UUIDv7) async throws -> InstructionStep {
        try await world.run { try await $0.nextStep(.bindAccount, on: subject, with: .bank, deadline: .seconds(60)) }
    }

    private func record(_ step: InstructionStep) -> InstructionRecord {
        switch step {
        case .send(let record), .ask(let record): record
        }
    }

    private func isSend(_ step: InstructionStep) -> Bool { if case .send = step { true } else { false } }

    @Test func `what may have been sent is asked about, and only what surely was not is sent again`() async throws {
        let world = try await TestStore.make().world()
        let subject = UUIDv7(at: Instant(seconds: 0))
        let first = try await step(world, subject)
        #expect(isSend(first))
        let again = try await step(world, subject)
        #expect(!isSend(again))
        #expect(record(again).serial == record(first).serial)
        try await world.run { try await $0.noteDoubt(record(first), "silence", neverSent: false) }
        #expect(!isSend(try await step(world, subject)))
        try await world.run { try await $0.noteDoubt(record(first), "no route", neverSent: true) }
        let resent = try await step(world, subject)
        #expect(isSend(resent))
        #expect(record(resent).serial == record(first).serial)
        try await world.run { try await $0.noteAccepted(record(first), finishBy: nil, bankNumber: "B") }
        // Accepted is beyond doubt: it is never sent again.
        try await world.run { try await $0.noteDoubt(record(first), "no route", neverSent: true) }
        #expect(!isSend(try await step(world, subject)))
    }

    @Test func `an instruction ends once, and the next one has a number of its own`() async throws {
        let world = try await TestStore.make().world()
        let subject = UUIDv7(at: Instant(seconds: 0))
        let first = record(try await step(world, subject))
        let ended = await together(6) { _ in try await world.run { try await $0.end(first) } }
        #expect(ended.filter { (try? $0.get()) == true }.count == 1)
        let second = try await step(world, subject)
        #expect(isSend(second))
        #expect(record(second).serial != first.serial)
        #expect(try await world.run { try await $0.instruction(serial: first.serial, at: .bank)?.state } == .succeeded)
        #expect(try await world.run { try await $0.instruction(serial: first.serial, at: .alipay) } == nil)
        #expect(try await world.run { try await $0.end(record(second), failure: ("E", "no")) })
    }

    @Test func `two workers with the same job send once`() async throws {
        let world = try await TestStore.make().world()
        for _ in 0..<5 {
            let subject = UUIDv7(at: Instant(seconds: 0))
            let results = await together(8) { _ in try await self.step(world, subject) }
            let steps = results.compactMap { try? $0.get() }
            #expect(steps.count == 8, "\(results)")
            #expect(steps.filter(isSend).count == 1)
            #expect(Set(steps.map { record($0).serial }).count == 1)
        }
    }

    @Test func `a callback is stored once with its job`() async throws {
        let world = try await TestStore.make().world()
        let results = await together(8) { _ in
            try await world.run {
                $0.receive([
                    NewCallback(
                        counterparty: .bank, notificationID: "n1", kind: "PAID", headers: "{}", body: Array("body".utf8)
                    )
                ])
            }
        }
        #expect(!results.contains { !$0.isSuccess })
        // The same number from somebody else is another callback.
        try await world.run {
            // Twice in one batch is once.
            let letter = NewCallback(
                counterparty: .alipay, notificationID: "n1", kind: "PAID", headers: "{}", body: [])
            $0.receive([letter, letter])
        }
        let counts = try await world.test.withConnection(as: .superuser) { connection in
            try await connection.query(
                """
                SELECT (SELECT count(*) FROM custody.callback WHERE tenant_id = \(world.tenantID)) AS callbacks,
                       (SELECT count(*) FROM custody.job
                         WHERE tenant_id = \(world.tenantID) AND kind = 'process_callback') AS jobs
                """)
        }
        #expect(try counts[0].get("callbacks", as: Int.self) == 2)
        #expect(try counts[0].get("jobs", as: Int.self) == 2)
    }

    @Test func `a request that comes again is answered as it was, another under its key is refused`() async throws {
        let world = try await TestStore.make().world()
        let claim = IdempotencyClaim(key: "k", route: "POST /v1/refunds", bodyHash: [UInt8](repeating: 1, count: 32))
        let response = StoredResponse(status: 201, body: Array("done".utf8))
        #expect(try await world.run { try await $0.replay(claim) } == nil)
        try await world.run { try await $0.remember(response, for: claim) }
        #expect(try await world.run { try await $0.replay(claim) } == response)
        for other in [
            IdempotencyClaim(key: "k", route: claim.route, bodyHash: [UInt8](repeating: 2, count: 32)),
            IdempotencyClaim(key: "k", route: "POST /v1/splits", bodyHash: claim.bodyHash),
        ] {
            #expect(
                try await rejection { _ = try await world.run { try await $0.replay(other) } } == .idempotencyKeyReused)
        }
        // The same key of another tenant is another key.
        let stranger = try await world.test.world()
        #expect(try await stranger.run { try await $0.replay(claim) } == nil)
    }

    @Test func `the answer to an admin is forgotten after 30 days of real time`() async throws {
        try await TestStore.withFresh { test in
            let world = try await test.world()
            func claim(_ key: String) -> IdempotencyClaim {
                IdempotencyClaim(key: key, route: "POST /admin/x", bodyHash: [1])
            }
            let response = StoredResponse(status: 200, body: [1])
            for key in ["old 1", "old 2", "old 3", "young"] {
                try await test.store.withSystem { try await $0.remember(response, for: claim(key)) }
            }
            // A platform's test clock has no say in it.
            try await world.run { try await $0.setClock(to: $0.now + .seconds(90 * 86_400)) }
            #expect(try await !test.store.withSystem { try await $0.forgetOldAdminRequests() })
            #expect(try await test.store.withSystem { try await $0.replay(claim("old 1")) } == response)
            for key in ["old 1", "old 2", "old 3"] {
                try await world.ageAdminAnswer(key, by: .seconds(30 * 86_400 + 1))
            }
            try await world.ageAdminAnswer("young", by: .seconds(30 * 86_400 - 600))
            // In batches, until none is left.
            #expect(try await test.store.withSystem { try await $0.forgetOldAdminRequests(batch: 2) })
            #expect(try await !test.store.withSystem { try await $0.forgetOldAdminRequests(batch: 2) })
            for key in ["old 1", "old 2", "old 3"] {
                #expect(try await test.store.withSystem { try await $0.replay(claim(key)) } == nil)
            }
            #expect(try await test.store.withSystem { try await $0.replay(claim("young")) } == response)
        }
    }

    @Test func `a key is forgotten after 30 days, and an order's own number never`() async throws {
        let world = try await TestStore.make().world()
        let shop = try await world.activeSubMerchant()
        let order = try await world.newOrder([(shop, Fen(100))])
        let first = try await world.run { try await $0.createOrders([order]) }
        func claim(_ key: String) -> IdempotencyClaim { IdempotencyClaim(key: key, route: "POST /v1/x", bodyHash: [1]) }
        let response = StoredResponse(status: 200, body: [1])
        for number in 1...3 { try await world.run { try await $0.remember(response, for: claim("old \(number)")) } }
        try await world.run { try await $0.setClock(to: $0.now + .seconds(29 * 86_400)) }
        try await world.run { try await $0.remember(response, for: claim("young")) }
        #expect(try await !world.run { try await $0.forgetOldIdempotencyKeys() })
        #expect(try await world.run { try await $0.replay(claim("old 1")) } == response)
        try await world.run { try await $0.setClock(to: $0.now + .seconds(86_401)) }
        // In batches, until none is left.
        #expect(try await world.run { try await $0.forgetOldIdempotencyKeys(batch: 2) })
        #expect(try await !world.run { try await $0.forgetOldIdempotencyKeys(batch: 2) })
        for number in 1...3 {
            #expect(try await world.run { try await $0.replay(claim("old \(number)")) } == nil)
        }
        #expect(try await world.run { try await $0.replay(claim("young")) } == response)
        // Without its key the order is found by its number.
        let again = try await world.run { try await $0.createOrders([order]) }
        guard case .created? = first.first, case .existed(let found)? = again.first else {
            Issue.record("\(first), then \(again)")
            return
        }
        #expect(found.id == order.id)
    }

    @Test func `of two equal requests at once one is done, and the other is told that it runs`() async throws {
        let world = try await TestStore.make().world()
        let claim = IdempotencyClaim(key: "k", route: "POST /v1/x", bodyHash: [1])
        try await world.run { first in
            #expect(try await first.replay(claim) == nil)
            #expect(
                try await rejection { _ = try await world.run { try await $0.replay(claim) } } == .idempotencyKeyInUse)
            try await first.remember(StoredResponse(status: 200, body: []), for: claim)
        }
        #expect(
            try await rejection {
                try await world.run { try await $0.remember(StoredResponse(status: 200, body: []), for: claim) }
            } == .idempotencyKeyInUse)
    }

    @Test func `events are listed from where the reader was, with whatever text they hold`() async throws {
        let world = try await TestStore.make().world()
        try await world.run { tx in
            try await tx.record(
                "test.one", about: "a", ["text": .text("\"quoted\" \\ 中文\n\u{1}"), "fen": .fen(Fen(5))])
            try await tx.record("test.two", about: "b")
        }
        let all = try await world.run { try await $0.events(after: nil, limit: 10) }.sorted { $0.type < $1.type }
        #expect(all.map(\.type) == ["test.one", "test.two"])
        #expect(all[0].data.contains(#""fen": 5"#))
        let first = try #require(all.map(\.id).min())
        #expect(try await world.run { try await $0.events(after: first, limit: 10) }.count == 1)
    }
}
