import CustodyDomain
import CustodyStore
import CustodyWorkers
import Foundation
import Logging
import Postgres
import ServiceLifecycle
import Synchronization

/// A database full of jobs, and a worker that gets through them: the product's own, with a handler that does nothing.
final class JobsLoad: Sendable {
    /// Who claims.
    enum Order {
        /// The product's: lanes in turn.
        case lanes
        /// The yardstick's: the oldest first, whosever they are.
        case firstInFirstOut
    }

    /// A job was done twice, or not at all.
    struct Miscounted: Error {}

    /// What a worker came to.
    struct Outcome {
        /// Jobs that were done.
        let done: Int
        /// In how many seconds.
        let seconds: Double
    }

    let tenants: [ID<Tenant>]
    private let store: Store
    private let yardstick: Pool
    private let superuser: Connection
    private let concurrency: Int
    /// Jobs that were done in all, and the transactions that ended them.
    private let commits = Mutex((jobs: 0, transactions: 0))
    private let logger = Logger(label: "bench") { StreamLogHandler.standardError(label: $0) }

    /// Migrates the database, and provisions platforms.
    ///
    /// - Parameter concurrency: Jobs done at once, and so claimed at once.
    init(
        _ configuration: PostgresConfiguration, migrations: String, tenants count: Int, concurrency: Int
    ) async throws {
        self.concurrency = concurrency
        superuser = try await Connection.open(configuration)
        _ = try await Migrator(directory: migrations).up(on: superuser)
        let logger = logger
        func pool(_ role: String, _ size: Int) -> Pool {
            var configuration = configuration
            configuration.user = role
            return Pool(configuration: configuration, size: size, logger: logger)
        }
        yardstick = pool("custody_system", 1)
        let store = Store(
            app: pool("custody_app", 2), system: pool("custody_system", 6),
            vault: try Vault(master: [UInt8](repeating: 1, count: 32)), logger: logger)
        self.store = store
        tenants = try await store.withSystem { system in
            var ids: [ID<Tenant>] = []
            for _ in 0..<count { ids.append(try await system.createTenant(name: "Bench", isSandbox: false).id) }
            return ids
        }.sorted()
    }

    /// Empties the queues, and adds so many jobs to each tenant.
    func fill(_ counts: [(tenant: ID<Tenant>, count: Int)]) async throws {
        try await superuser.script("TRUNCATE custody.job, custody.job_done")
        for (tenant, count) in counts {
            _ = try await superuser.query(
                """
                INSERT INTO custody.job (tenant_id, queue, id, kind, subject)
                SELECT \(tenant), 'callbacks', ('018f0000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
                       'process_callback', n::text
                  FROM generate_series(1, \(count)) AS n
                """)
        }
        try await superuser.script("VACUUM ANALYZE custody.job")
        try await superuser.script("CHECKPOINT")
    }

    /// Runs a worker until its handler has said that it is enough, and everything it did is committed.
    ///
    /// - Parameters:
    ///   - limit: When it is enough, if the handler never says so.
    ///   - isEnough: Called by the handler with each job, and how many there were so far.
    func work(
        _ order: Order, atMost limit: Duration = .seconds(300),
        until isEnough: @escaping @Sendable (ClaimedJob, Int) -> Bool
    ) async throws -> Outcome {
        let (enough, stop) = AsyncStream.makeStream(of: Void.self)
        let tally = Tally()
        let group = ServiceGroup(
            services: [
                worker(order) { job in
                    if isEnough(job, tally.next()) { stop.finish() }
                    return .withoutEffect
                }
            ], logger: logger)
        let began = ContinuousClock.now
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            let timer = Task {
                try await Task.sleep(for: limit)
                stop.finish()
            }
            for await _ in enough {}
            timer.cancel()
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
        let time = seconds(since: began)
        let (done, left, transactions) = try await history()
        guard done == tally.value, left == 0 else { throw Miscounted() }
        commits.withLock { $0 = ($0.jobs + done, $0.transactions + transactions) }
        return Outcome(done: done, seconds: time)
    }

    private func worker(_ order: Order, _ handler: @escaping JobHandler) -> Worker {
        var configuration = Worker.Configuration()
        configuration.queues = [.callbacks]
        configuration.concurrency = concurrency
        let yardstick = yardstick
        let oldestFirst: Worker.Claim = { _, batch, lease, _ in
            try await JobsLoad.claimOldest(batch, lease, yardstick)
        }
        return Worker(
            store: store, signals: { AsyncStream { _ in } }, configuration: configuration, logger: logger,
            claim: order == .lanes ? nil : oldestFirst, handler: handler)
    }

    private final class Tally: Sendable {
        private let count = Atomic(0)
        var value: Int { count.load(ordering: .relaxed) }
        func next() -> Int { count.add(1, ordering: .relaxed).newValue }
    }

    /// How many jobs are in the history, how many were begun and have not ended, and how many transactions ended them.
    private func history() async throws -> (done: Int, left: Int, transactions: Int) {
        let row = try await superuser.query(
            """
            SELECT count(*) AS done, (SELECT count(*) FROM custody.job WHERE attempt > 0) AS left,
                   count(DISTINCT d.xmin::text) AS transactions
              FROM custody.job_done d
            """
        ).first
        return (try row?.get("done") ?? -1, try row?.get("left") ?? -1, try row?.get("transactions") ?? -1)
    }

    /// Whether every job so far was ended by a transaction of its own.
    var hadOneCommitPerJob: Bool { commits.withLock { $0.jobs > 0 && $0.jobs == $0.transactions } }

    /// Whether the server waits for its disk at every commit, and row-level security guards the jobs.
    func isDurableAndGuarded() async throws -> Bool {
        try await superuser.query(
            """
            SELECT current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on'
                   AND current_setting('synchronous_commit') = 'on'
                   AND (SELECT bool_and(relrowsecurity AND relforcerowsecurity) FROM pg_class
                         WHERE oid IN ('custody.job'::regclass, 'custody.job_done'::regclass)) AS yes
            """
        ).first?.get("yes") ?? false
    }

    /// When the last job of anyone but one tenant was done, in seconds after a moment of the database's clock.
    func lastDone(without tenant: ID<Tenant>, since began: Instant) async throws -> (count: Int, seconds: Double) {
        let row = try await superuser.query(
            """
            SELECT count(*) AS n, (extract(epoch FROM max(finished_at) - \(began)) * 1000)::bigint AS ms
              FROM custody.job_done WHERE tenant_id <> \(tenant)
            """
        ).first
        return (try row?.get("n") ?? 0, Double(try row?.get("ms", as: Int64?.self) ?? .max) / 1000)
    }

    /// The database's time.
    func now() async throws -> Instant {
        try await superuser.query("SELECT clock_timestamp() AS now").first?.get("now") ?? Instant(microseconds: 0)
    }

    private static func claimOldest(_ batch: Int, _ lease: Duration, _ pool: Pool) async throws -> [ClaimedJob] {
        let rows = try await pool.withConnection { connection in
            try await connection.query(
                """
                WITH picked AS (
                    SELECT tenant_id, id FROM job WHERE queue = 'callbacks' AND lease_until IS NULL
                     ORDER BY tenant_id, id LIMIT \(batch) FOR UPDATE SKIP LOCKED
                )
                UPDATE job j
                   SET lease = j.lease + 1, lease_until = clock_timestamp() + make_interval(secs => \(lease.components.seconds)),
                       attempt = j.attempt + 1
                  FROM picked p
                 WHERE j.queue = 'callbacks' AND j.tenant_id = p.tenant_id AND j.id = p.id
                RETURNING j.tenant_id, j.queue, j.id, j.kind, j.subject, j.attempt, j.lease
                """
            )
        }
        return try rows.map(ClaimedJob.init)
    }

    /// Closes all connections.
    func close() async {
        await store.close()
        await yardstick.close()
        await superuser.close()
    }
}
