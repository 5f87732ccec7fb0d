import CustodyDomain
import CustodyStore
import CustodyWorkers
import Logging
import ServiceLifecycle
import Synchronization
import TestSupport
import Testing

/// The worker's loop by itself: handlers of the tests' own, the real queue.
@Suite(.serialized) struct WorkerLoopTests {
    private struct Trouble: Error {}

    /// Adds jobs that are about their number.
    private func add(_ count: Int, to tenant: ID<Tenant>, _ test: TestStore) async throws {
        try await test.store.withTenant(tenant) { tx in
            try await tx.enqueue((1...count).map { JobRequest(.settle, "\($0)") })
        }
    }

    /// Runs a worker beside a body, and stops it when the body returns; then all it took up has ended.
    private func working(
        _ test: TestStore, lease: Duration = .seconds(30), concurrency: Int = 16, handler: @escaping JobHandler,
        _ body: () async throws -> Void
    ) async throws {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        var configuration = Worker.Configuration()
        configuration.lease = lease
        configuration.concurrency = concurrency
        // A test's store has two connections for all: the loops of empty queues would wait for them too.
        configuration.queues = [.settlement]
        configuration.pollInterval = .milliseconds(20)
        let worker = Worker(
            store: test.store, signals: { AsyncStream { _ in } }, configuration: configuration, logger: logger,
            handler: handler)
        let group = ServiceGroup(services: [worker], logger: logger)
        let working = Task { try await group.run() }
        do {
            try await body()
        } catch {
            await group.triggerGracefulShutdown()
            try? await working.value
            throw error
        }
        await group.triggerGracefulShutdown()
        try await working.value
    }

    @Test(arguments: [1, 3, 100])
    func `jobs without effect end once each, in a transaction each, however many run at once`(
        _ concurrency: Int
    ) async throws {
        try await TestStore.withFresh { test in
            for _ in 0..<3 { try await add(50, to: try await test.freshTenant(), test) }
            let handled = Mutex<[ClaimedJob]>([])
            try await working(test, concurrency: concurrency) { job in
                handled.withLock { $0.append(job) }
                return .withoutEffect
            } _: {
                try await eventually("all are handled") { handled.withLock(\.count) >= 150 }
            }
            #expect(handled.withLock { Set($0).count } == 150)
            #expect(handled.withLock(\.count) == 150)
            #expect(try await JobTable(test).counts() == .init(done: 150, different: 150, transactions: 150))
        }
    }

    @Test func `a worker that is told to stop ends what it has handled, and leaves the rest to others`() async throws {
        try await TestStore.withFresh { test in
            // At 20 ms each they last for seconds: more than the signal to stop takes on a busy machine.
            try await add(2000, to: try await test.freshTenant(), test)
            let handled = Mutex(0)
            try await working(test, concurrency: 7) { _ in
                handled.withLock { $0 += 1 }
                try await Task.sleep(for: .milliseconds(20))
                return .withoutEffect
            } _: {
                try await eventually("some are handled") { handled.withLock(\.self) >= 20 }
            }
            let done = handled.withLock(\.self)
            #expect(done < 2000)
            #expect(
                try await JobTable(test).counts()
                    == .init(waiting: 2000 - done, done: done, different: done, transactions: done))
        }
    }

    @Test func `jobs that take longer than their lease are not taken away: all are renewed`() async throws {
        try await TestStore.withFresh { test in
            try await add(20, to: try await test.freshTenant(), test)
            let attempts = Mutex<[Int]>([])
            // Renewed every third of the lease: a stall of four seconds is forgiven.
            try await working(test, lease: .seconds(6), concurrency: 20) { job in
                attempts.withLock { $0.append(job.attempt) }
                try await Task.sleep(for: .seconds(9))
                return .withoutEffect
            } _: {
                try await eventually("all are done") { try await JobTable(test).counts().done == 20 }
            }
            #expect(attempts.withLock(\.self) == [Int](repeating: 1, count: 20))
        }
    }

    @Test func `a job that was taken over meanwhile is not ended by the one that lost it`() async throws {
        try await TestStore.withFresh { test in
            try await add(10, to: try await test.freshTenant(), test)
            let handled = Mutex(0)
            let taken = Mutex<[ClaimedJob]>([])
            try await working(test, concurrency: 10) { job in
                handled.withLock { $0 += 1 }
                try await eventually("another worker has it") { taken.withLock(\.count) == 10 }
                return .withoutEffect
            } _: {
                try await eventually("all are begun") { handled.withLock(\.self) == 10 }
                let others = try await JobTable(test).takeOver()
                taken.withLock { $0 = others }
            }
            #expect(try await JobTable(test).counts() == .init(held: 10))
            #expect(try await test.store.retire(taken.withLock(\.self)).count == 10)
            #expect(try await JobTable(test).counts() == .init(done: 10, different: 10, transactions: 10))
        }
    }

    @Test func `a handler that fails is tried again later, and one that ended its job itself is left alone`()
        async throws
    {
        try await TestStore.withFresh { test in
            let tenant = try await test.freshTenant()
            try await add(6, to: tenant, test)
            let calls = Mutex<[String: Int]>([:])
            try await working(test) { job in
                let count = calls.withLock { calls in
                    calls[job.request.subject, default: 0] += 1
                    return calls[job.request.subject, default: 0]
                }
                switch Int(job.request.subject) {
                case 1, 2:
                    if count == 1 { throw Trouble() }
                    return .withoutEffect
                case 3, 4:
                    try await test.store.withTenant(job.tenantID) { tx in
                        try await tx.record("test.effect", about: job.request.subject)
                        try await tx.finish(job, .done)
                    }
                    return .recorded
                default: return .withoutEffect
                }
            } _: {
                try await eventually("all are done") { try await JobTable(test).counts().done == 6 }
            }
            #expect(calls.withLock { $0 } == ["1": 2, "2": 2, "3": 1, "4": 1, "5": 1, "6": 1])
            #expect(try await JobTable(test).counts() == .init(done: 6, different: 6, transactions: 6))
            #expect(try await test.store.withTenant(tenant) { try await $0.events(after: nil, limit: 9) }.count == 2)
        }
    }

    @Test func `a worker whose task is cancelled returns, and its jobs go to others when their leases end`()
        async throws
    {
        try await TestStore.withFresh { test in
            try await add(50, to: try await test.freshTenant(), test)
            let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            var configuration = Worker.Configuration()
            configuration.lease = .seconds(1)
            configuration.queues = [.settlement]
            let handled = Mutex(0)
            let worker = Worker(
                store: test.store, signals: { AsyncStream { _ in } }, configuration: configuration, logger: logger
            ) { _ in
                handled.withLock { $0 += 1 }
                try await Task.sleep(for: .seconds(60))
                return .withoutEffect
            }
            let running = Task { try await worker.run() }
            try await eventually("some are begun") { handled.withLock(\.self) > 0 }
            running.cancel()
            try await running.value
            try await working(test) { _ in
                .withoutEffect
            } _: {
                try await eventually("all are done") { try await JobTable(test).counts().done == 50 }
            }
            #expect(try await JobTable(test).counts() == .init(done: 50, different: 50, transactions: 50))
        }
    }
}
