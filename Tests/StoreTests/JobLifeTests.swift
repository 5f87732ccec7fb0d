import CustodyDomain
import CustodyStore
import Postgres
import TestSupport
import Testing

@Suite("The life of a job", .serialized)
struct JobLifeTests {
    private func claimOne(_ test: TestStore, lease: Duration = .seconds(60)) async throws -> ClaimedJob? {
        var cursor = Store.ClaimCursor()
        return try await test.store.claim(.settlement, batch: 1, lease: lease, cursor: &cursor).first
    }

    private func begun(_ test: TestStore, lease: Duration = .seconds(60)) async throws -> (World, ClaimedJob) {
        let world = try await test.world()
        try await world.run { try await $0.enqueue(JobRequest(.settle, "2026-01-01")) }
        return (world, try #require(try await claimOne(test, lease: lease)))
    }

    @Test func `effect and completion are one: both or neither`() async throws {
        try await TestStore.withFresh { test in
            let (world, job) = try await begun(test)
            struct Trouble: Error {}
            await #expect(throws: Trouble.self) {
                try await world.run { tx in
                    try await tx.record("test.effect", about: "x")
                    try await tx.finish(job, .done)
                    throw Trouble()
                }
            }
            #expect(try await world.run { try await $0.events(after: nil, limit: 9) }.isEmpty)
            #expect(try await world.run { try await $0.hasJob(job.request) })
            try await world.run { tx in
                try await tx.record("test.effect", about: "x")
                try await tx.finish(job, .done)
            }
            #expect(try await world.run { try await $0.events(after: nil, limit: 9) }.count == 1)
            #expect(try await !world.run { try await $0.hasJob(job.request) })
            let done = try await wrongSQL(world, "SELECT outcome, attempt FROM job_done")
            #expect(try done.map { try $0.get("outcome", as: String.self) } == ["done"])
        }
    }

    @Test func `a zombie's effects are rolled back: who lost its lease cannot finish`() async throws {
        try await TestStore.withFresh { test in
            let (world, zombie) = try await begun(test, lease: .zero)
            let upkeep = try await test.store.upkeep()
            #expect(upkeep.rescued == 1)
            #expect(upkeep.queues == [.settlement])
            let second = try #require(try await claimOne(test))
            #expect(second.lease > zombie.lease)
            #expect(second.attempt == 2)
            for outcome: JobOutcome in [.done, .again(after: .zero, in: .queries), .failed("x"), .dead("x")] {
                await #expect(throws: LeaseLost.self) {
                    try await world.run { tx in
                        try await tx.record("test.zombie", about: "x")
                        try await tx.finish(zombie, outcome)
                    }
                }
            }
            #expect(try await world.run { try await $0.events(after: nil, limit: 9) }.isEmpty)
            #expect(try await test.store.renew([zombie, second], for: .seconds(60)) == [second.id])
            try await world.run { try await $0.finish(second, .done) }
            // And nobody finishes twice.
            await #expect(throws: LeaseLost.self) { try await world.run { try await $0.finish(second, .done) } }
            #expect(try await test.store.renew([second], for: .seconds(60)).isEmpty)
        }
    }

    @Test func `jobs without effect are ended together, but not those whose lease was lost`() async throws {
        try await TestStore.withFresh { test in
            let world = try await test.world()
            for n in 0..<5 { try await world.run { try await $0.enqueue(JobRequest(.settle, "\(n)")) } }
            var cursor = Store.ClaimCursor()
            let lost = try await test.store.claim(.settlement, batch: 2, lease: .zero, cursor: &cursor)
            #expect(try await test.store.upkeep().rescued == 2)
            var fresh = Store.ClaimCursor()
            let mine = try await test.store.claim(.settlement, batch: 9, lease: .seconds(60), cursor: &fresh)
            #expect(mine.count == 5)
            #expect(try await test.store.retire(lost).isEmpty)
            #expect(try await test.store.retire(lost + mine + lost) == mine)
            #expect(try await test.store.retire(mine).isEmpty)
            #expect(try await test.store.retire([]).isEmpty)
            #expect(try await wrongSQL(world, "SELECT FROM job_done").count == 5)
            #expect(try await wrongSQL(world, "SELECT FROM job").isEmpty)
        }
    }

    @Test func `history has a partition a day, and upkeep makes the next and drops the old`() async throws {
        try await TestStore.withFresh { test in
            func partitions() async throws -> [String] {
                try await test.withConnection(as: .superuser) { connection in
                    try await connection.query(
                        """
                        SELECT c.relname::text AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                         WHERE i.inhparent = 'custody.job_done'::regclass AND c.relname <> 'job_done_default' ORDER BY 1
                        """
                    ).map { try $0.get("name", as: String.self) }
                }
            }
            let made = try await partitions()
            #expect(made.count == 3)
            try await test.withConnection(as: .superuser) { connection in
                for name in made.dropFirst() { try await connection.script("DROP TABLE custody.\(name)") }
                try await connection.script(
                    """
                    SET ROLE custody_owner;
                    CREATE TABLE custody.job_done_20200102 PARTITION OF custody.job_done
                        FOR VALUES FROM ('2020-01-02 00:00:00+00') TO ('2020-01-03 00:00:00+00')
                    """)
            }
            let results = await together(4) { _ in _ = try await test.store.upkeep() }
            #expect(!results.contains { !$0.isSuccess }, "\(results)")
            #expect(try await partitions() == made)
            let (world, job) = try await begun(test)
            try await world.run { try await $0.finish(job, .done) }
            let rows = try await test.withConnection(as: .superuser) { connection in
                try await connection.query("SELECT tableoid::regclass::text AS name FROM custody.job_done")
            }
            #expect(try rows.map { try $0.get("name", as: String.self) } == ["custody.\(made[0])"])
        }
    }

    @Test func `a lease that is renewed is not taken`() async throws {
        try await TestStore.withFresh { test in
            let (_, job) = try await begun(test, lease: .zero)
            #expect(try await test.store.renew([job], for: .seconds(600)) == [job.id])
            #expect(try await test.store.upkeep().rescued == 0)
        }
    }

    @Test func `one tenant cannot finish another's job`() async throws {
        try await TestStore.withFresh { test in
            let (world, job) = try await begun(test)
            let other = try await test.world()
            await #expect(throws: LeaseLost.self) { try await other.run { try await $0.finish(job, .done) } }
            #expect(try await world.run { try await $0.hasJob(job.request) })
        }
    }

    @Test func `a job that failed waits ever longer, and is dead after the last attempt`() async throws {
        try await TestStore.withFresh { test in
            let (world, first) = try await begun(test)
            var job = first
            for attempt in 1...RetryPolicy.attempts {
                #expect(job.attempt == attempt)
                let failing = job
                let before = try await test.store.withSystem { $0.now }
                try await world.run { try await $0.finish(failing, .failed("reason \(attempt)")) }
                let after = try await test.store.withSystem { $0.now }
                guard attempt < RetryPolicy.attempts else { break }
                #expect(try await claimOne(test) == nil)
                let due = try #require(try await world.dueTimes(.settle).first).dueAt
                let delay = Duration.seconds(min(600, 1 << (attempt - 1)))
                #expect((before + delay...after + delay).contains(due), "\(attempt): \(due.rfc3339)")
                try await world.run { try await $0.setClock(to: $0.now + .seconds(700)) }
                #expect(try await test.store.upkeep().promoted == 1)
                job = try #require(try await claimOne(test))
            }
            let dead = try await test.store.withSystem { try await $0.deadJobs() }
            #expect(dead.map(\.reason) == ["failed 12 times: reason 12"])
            #expect(dead[0].request == first.request)
            try await test.store.withSystem { try await $0.retryDeadJob(dead[0].id) }
            let again = try #require(try await claimOne(test))
            #expect(again.attempt == 1)
            #expect(again.lease > job.lease)
            try await world.run { try await $0.finish(again, .dead("hopeless")) }
            try await test.store.withSystem { try await $0.discardDeadJob(again.id) }
            #expect(try await test.store.withSystem { try await $0.deadJobs() }.isEmpty)
            let outcomes = try await wrongSQL(world, "SELECT outcome FROM job_done")
            #expect(try outcomes.map { try $0.get("outcome", as: String.self) } == ["discarded"])
            for verb: (SystemTransaction) async throws -> Void in [
                { try await $0.retryDeadJob(again.id) }, { try await $0.discardDeadJob(again.id) },
            ] {
                #expect(try await rejection { try await test.store.withSystem(verb) } == .notFound)
            }
        }
    }

    @Test func `a job that crashes its workers again and again is dead`() async throws {
        try await TestStore.withFresh { test in
            let (_, first) = try await begun(test, lease: .zero)
            for attempt in 2...RetryPolicy.attempts {
                #expect(try await test.store.upkeep().rescued == 1)
                #expect(try await claimOne(test, lease: .zero)?.attempt == attempt)
            }
            let last = try await test.store.upkeep()
            #expect(last.rescued == 0)
            #expect(last.buried == 1)
            #expect(try await test.store.withSystem { try await $0.deadJobs() }.map(\.id) == [first.id])
        }
    }

    @Test func `again counts from the first attempt, in the queue that is named, at its time`() async throws {
        try await TestStore.withFresh { test in
            let (world, job) = try await begun(test)
            let before = try await test.store.withSystem { $0.now }
            try await world.run { try await $0.finish(job, .again(after: .seconds(3600), in: .queries)) }
            let after = try await test.store.withSystem { $0.now }
            #expect(try await test.store.upkeep().promoted == 0)
            let due = try #require(try await world.dueTimes(.settle).first).dueAt
            #expect((before + .seconds(3600)...after + .seconds(3600)).contains(due))
            try await world.run { try await $0.setClock(to: $0.now + .seconds(3600)) }
            let upkeep = try await test.store.upkeep()
            #expect(upkeep.promoted == 1)
            #expect(upkeep.queues == [.queries])
            var cursor = Store.ClaimCursor()
            let again = try await test.store.claim(.queries, batch: 9, lease: .seconds(60), cursor: &cursor)
            #expect(again.map(\.attempt) == [1])
            #expect(again.map(\.id) == [job.id])
            #expect(try await world.dueTimes(.settle).isEmpty)
        }
    }

    @Test func `a delayed job of a moved clock does not wait through the days it skipped`() async throws {
        try await TestStore.withFresh { test in
            let world = try await test.world()
            // A transaction that began before the clock was set, and adds its job afterwards.
            try await world.run { tx in
                try await world.run { try await $0.setClock(to: $0.now + .seconds(86_400)) }
                try await tx.enqueue(JobRequest(.settle, "x"), at: tx.now + .seconds(3600))
            }
            #expect(try await test.store.upkeep().promoted == 1)
        }
    }

    @Test func `a job that is hastened stays one: what waits comes forward, and only without it one is added`()
        async throws
    {
        try await TestStore.withFresh { test in
            let world = try await test.world()
            let request = JobRequest(.watchWithdrawal, "x")
            func waiting() async throws -> (ready: Int, running: Int, later: Int) {
                let queues = try await test.store.withSystem { try await $0.queues() }
                return (
                    queues.map(\.ready).reduce(0, +), queues.map(\.running).reduce(0, +),
                    queues.map(\.later).reduce(0, +)
                )
            }
            for _ in 1...3 { try await world.run { try await $0.hasten(request) } }
            #expect(try await waiting() == (1, 0, 0))
            var cursor = Store.ClaimCursor()
            let first = try #require(
                try await test.store.claim(.queries, batch: 9, lease: .seconds(60), cursor: &cursor).first)
            // What runs may have looked already.
            for _ in 1...3 { try await world.run { try await $0.hasten(request) } }
            #expect(try await waiting() == (1, 1, 0))
            let second = try #require(
                try await test.store.claim(.queries, batch: 9, lease: .seconds(60), cursor: &cursor).first)
            for job in [first, second] {
                try await world.run { try await $0.finish(job, .again(after: .seconds(86_400), in: .queries)) }
            }
            #expect(try await waiting() == (0, 0, 2))
            try await world.run { try await $0.hasten(JobRequest(.watchWithdrawal, "y")) }
            #expect(try await waiting() == (1, 0, 2))
            try await world.run { try await $0.hasten(request) }
            #expect(try await waiting() == (2, 0, 0))
        }
    }

    @Test func `many workers promote and rescue at once, each job once`() async throws {
        try await TestStore.withFresh { test in
            let world = try await test.world()
            for n in 0..<60 {
                try await world.run { try await $0.enqueue(JobRequest(.settle, "\(n)"), at: $0.now) }
            }
            let results = await together(6) { _ in try await test.store.upkeep(batch: 10).promoted }
            let first = results.compactMap { try? $0.get() }.reduce(0, +)
            #expect(!results.contains { !$0.isSuccess })
            var rest = 0
            while true {
                let promoted = try await test.store.upkeep(batch: 10).promoted
                if promoted == 0 { break }
                rest += promoted
            }
            #expect(first + rest == 60)
        }
    }
}
