import CustodyDomain
import CustodyStore
import Foundation
import Logging
import Postgres

/// A database full of jobs without effect, and the workers that get through them: each job claimed, and finished with a
/// transaction and a commit of its own, as the real worker does.
struct JobsLoad {
    /// Who claims.
    enum Claim {
        /// The product's: lanes in turn.
        case lanes
        /// The yardstick's: the oldest first, whosever they are.
        case firstInFirstOut
    }

    /// How a job without effect is ended.
    enum Ending {
        /// As many in one round trip, each with its commit.
        case pipelined
        /// In a tenant's transaction, as a job with effects is.
        case ownTransaction
    }

    /// A job was taken from under the bench, which nobody else works on.
    struct Lost: Error {}

    let store: Store
    let app: Pool
    let system: Pool
    let superuser: Connection
    let tenants: [ID<Tenant>]

    private static let claimers = 2
    private static let finishers = 8
    private static let batch = 128

    /// Migrates the database, and provisions platforms.
    init(_ configuration: PostgresConfiguration, migrations: String, tenants count: Int) async throws {
        superuser = try await Connection.open(configuration)
        _ = try await Migrator(directory: migrations).up(on: superuser)
        let logger = Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() }
        func pool(_ role: String, _ size: Int) -> Pool {
            var configuration = configuration
            configuration.user = role
            return Pool(configuration: configuration, size: size, logger: logger)
        }
        app = pool("custody_app", JobsLoad.claimers * JobsLoad.finishers)
        system = pool("custody_system", JobsLoad.claimers * JobsLoad.finishers)
        let store = Store(
            app: app, system: system, vault: try Vault(master: [UInt8](repeating: 1, count: 32)), logger: logger)
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

    /// Works until nothing is left, or until a moment.
    ///
    /// - Parameter watched: Called with every batch that is done.
    /// - Returns: How many jobs were done.
    func work(
        _ claim: Claim, _ ending: Ending = .pipelined, until end: ContinuousClock.Instant? = nil,
        watched: @escaping @Sendable ([ClaimedJob]) -> Void = { _ in }
    ) async throws -> Int {
        try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<JobsLoad.claimers {
                group.addTask {
                    var cursor = Store.ClaimCursor()
                    var done = 0
                    while end.map({ ContinuousClock.now < $0 }) ?? true {
                        let jobs =
                            switch claim {
                            case .lanes:
                                try await self.store.claim(
                                    .callbacks, batch: JobsLoad.batch, lease: .seconds(60), cursor: &cursor)
                            case .firstInFirstOut: try await self.claimOldest()
                            }
                        if jobs.isEmpty { break }
                        try await self.finish(jobs, ending)
                        done += jobs.count
                        watched(jobs)
                    }
                    return done
                }
            }
            return try await group.reduce(0, +)
        }
    }

    /// Every job in its own transaction; so many at once as there are connections.
    private func finish(_ jobs: [ClaimedJob], _ ending: Ending) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for offset in 0..<JobsLoad.finishers {
                let mine = stride(from: offset, to: jobs.count, by: JobsLoad.finishers).map { jobs[$0] }
                if mine.isEmpty { break }
                group.addTask {
                    switch ending {
                    case .pipelined:
                        let ended = try await self.store.retire(mine)
                        guard ended.count == mine.count else { throw Lost() }
                    case .ownTransaction:
                        for job in mine {
                            try await self.store.withTenant(job.tenantID) { try await $0.finish(job, .done) }
                        }
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    private func claimOldest() async throws -> [ClaimedJob] {
        try await system.withConnection { connection in
            try await connection.query(
                """
                WITH picked AS (
                    SELECT tenant_id, id FROM job WHERE queue = 'callbacks' AND lease_until IS NULL
                     ORDER BY tenant_id, id LIMIT \(JobsLoad.batch) FOR UPDATE SKIP LOCKED
                )
                UPDATE job j SET lease = j.lease + 1, lease_until = clock_timestamp() + interval '60 s', attempt = j.attempt + 1
                  FROM picked p
                 WHERE j.queue = 'callbacks' AND j.tenant_id = p.tenant_id AND j.id = p.id
                RETURNING j.tenant_id, j.queue, j.id, j.kind, j.subject, j.attempt, j.lease
                """
            ).map(ClaimedJob.init)
        }
    }

    /// Closes all connections.
    func close() async {
        await store.close()
        await superuser.close()
    }
}
