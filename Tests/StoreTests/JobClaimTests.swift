import CustodyDomain
import CustodyStore
import Postgres
import TestSupport
import Testing

@Suite("Claiming jobs", .serialized)
struct JobClaimTests {
    /// Adds jobs straight to the table, thousands at once, each with an id of its own time.
    private func add(_ count: Int, to tenant: ID<Tenant>, _ test: TestStore, startingAt second: Int = 0) async throws {
        try await test.withConnection(as: .superuser) { connection in
            _ = try await connection.query(
                """
                INSERT INTO custody.job (tenant_id, queue, id, kind, subject)
                SELECT \(tenant), 'webhooks', ('018f0000-0000-7000-8000-' || lpad(to_hex(\(second) + n), 12, '0'))::uuid,
                       'settle', n::text
                  FROM generate_series(1, \(count)) AS n
                """
            )
        }
    }

    private func tenants(_ count: Int, _ test: TestStore) async throws -> [ID<Tenant>] {
        try await test.store.withSystem { system in
            var ids: [ID<Tenant>] = []
            for _ in 0..<count { ids.append(try await system.createTenant(name: "M", isSandbox: false).id) }
            return ids
        }
    }

    @Test func `a lone tenant gets the whole batch, its oldest first, each once`() async throws {
        try await TestStore.withFresh { test in
            let tenant = try await tenants(1, test)[0]
            try await add(250, to: tenant, test)
            var cursor = Store.ClaimCursor()
            var subjects: [Int] = []
            for expected in [100, 100, 50, 0] {
                let jobs = try await test.store.claim(.webhooks, batch: 100, lease: .seconds(60), cursor: &cursor)
                #expect(jobs.count == expected)
                subjects += jobs.compactMap { Int($0.request.subject) }.sorted()
            }
            #expect(subjects == Array(1...250))
        }
    }

    @Test(arguments: [1, 7, 20, 100])
    func `a whale does not keep the small ones waiting, whatever the batch`(_ batch: Int) async throws {
        try await TestStore.withFresh { test in
            let all = try await tenants(51, test)
            // The whale has the least id: it is first in every index.
            let (whale, small) = (all.sorted()[0], all.sorted().dropFirst())
            try await add(3000, to: whale, test)
            for tenant in small { try await add(2, to: tenant, test) }
            var cursor = Store.ClaimCursor()
            var taken: [ID<Tenant>: Int] = [:]
            var claimed = 0
            while small.contains(where: { taken[$0, default: 0] < 2 }) {
                let jobs = try await test.store.claim(.webhooks, batch: batch, lease: .seconds(60), cursor: &cursor)
                #expect(!jobs.isEmpty)
                if jobs.isEmpty { break }
                claimed += jobs.count
                for job in jobs { taken[job.tenantID, default: 0] += 1 }
            }
            // Two rounds of all, and a little for what was cut off: not the whale's thousands.
            #expect(claimed <= 4 * 51 + 2 * batch, "\(claimed)")
        }
    }

    @Test func `more tenants than one claim visits are all served, in turn`() async throws {
        try await TestStore.withFresh { test in
            let all = try await tenants(150, test)
            for tenant in all { try await add(3, to: tenant, test) }
            var cursor = Store.ClaimCursor()
            var counts: [ID<Tenant>: Int] = [:]
            for _ in 0..<3 {
                for job in try await test.store.claim(.webhooks, batch: 64, lease: .seconds(60), cursor: &cursor) {
                    counts[job.tenantID, default: 0] += 1
                }
            }
            #expect(counts.count == 150)
            #expect(counts.values.max() ?? 0 <= 2)
        }
    }

    @Test func `a job committed late, with an older id, is found`() async throws {
        try await TestStore.withFresh { test in
            let tenant = try await tenants(1, test)[0]
            try await add(2000, to: tenant, test, startingAt: 1000)
            var cursor = Store.ClaimCursor()
            _ = try await test.store.claim(.webhooks, batch: 10, lease: .seconds(60), cursor: &cursor)
            try await add(1, to: tenant, test)
            var isFound = false
            let deadline = ContinuousClock.now + .seconds(5)
            var isBehindAll = false
            while !isFound, ContinuousClock.now < deadline {
                let jobs = try await test.store.claim(.webhooks, batch: 1, lease: .seconds(60), cursor: &cursor)
                isFound = jobs.contains { $0.id.uuid.low == 0x8000_0000_0000_0001 }
                isBehindAll = jobs.isEmpty
            }
            #expect(isFound)
            #expect(!isBehindAll, "it was found before the 2000 younger ones were done")
        }
    }

    @Test func `a tenant whose jobs come while a whale is served is served soon`() async throws {
        try await TestStore.withFresh { test in
            let both = try await tenants(2, test).sorted()
            try await add(20_000, to: both[0], test)
            var cursor = Store.ClaimCursor()
            _ = try await test.store.claim(.webhooks, batch: 50, lease: .seconds(60), cursor: &cursor)
            try await add(1, to: both[1], test)
            let began = ContinuousClock.now
            var isServed = false
            while !isServed, ContinuousClock.now - began < .seconds(2) {
                isServed = try await test.store.claim(.webhooks, batch: 50, lease: .seconds(60), cursor: &cursor)
                    .contains { $0.tenantID == both[1] }
            }
            #expect(isServed)
        }
    }

    @Test func `workers at once never get the same job`() async throws {
        try await TestStore.withFresh { test in
            let all = try await tenants(3, test)
            for tenant in all { try await add(100, to: tenant, test) }
            let results = await together(6) { _ in
                var cursor = Store.ClaimCursor()
                var mine: [ClaimedJob] = []
                while true {
                    let jobs = try await test.store.claim(.webhooks, batch: 9, lease: .seconds(60), cursor: &cursor)
                    if jobs.isEmpty { return mine }
                    mine += jobs
                }
            }
            let jobs = results.compactMap { try? $0.get() }.flatMap(\.self)
            #expect(jobs.count == 300)
            #expect(Set(jobs.map { "\($0.tenantID.text)\($0.id.text)" }).count == 300)
        }
    }

    @Test func `a paused queue hands out nothing, and its neighbours do`() async throws {
        try await TestStore.withFresh { test in
            let tenant = try await tenants(1, test)[0]
            try await add(5, to: tenant, test)
            try await test.store.withTenant(tenant) { try await $0.enqueue(JobRequest(.settle, "x")) }
            var cursor = Store.ClaimCursor()
            try await test.store.withSystem { try await $0.setPaused(true, queue: .webhooks) }
            #expect(try await test.store.claim(.webhooks, batch: 9, lease: .seconds(60), cursor: &cursor).isEmpty)
            var settlement = Store.ClaimCursor()
            #expect(
                try await test.store.claim(.settlement, batch: 9, lease: .seconds(60), cursor: &settlement).count == 1)
            let status = try await test.store.withSystem { try await $0.queues() }
            #expect(status.first { $0.queue == .webhooks }?.ready == 5)
            #expect(status.first { $0.queue == .webhooks }?.isPaused == true)
            #expect(status.first { $0.queue == .settlement }?.running == 1)
            try await test.store.withSystem { try await $0.setPaused(false, queue: .webhooks) }
            #expect(try await test.store.claim(.webhooks, batch: 9, lease: .seconds(60), cursor: &cursor).count == 5)
        }
    }
}
