import CustodyDomain
import Postgres

extension Store {
    /// Where a worker's claims have got to in each tenant's lane of one queue.
    ///
    /// Finished jobs leave dead index entries behind, which a long-running snapshot keeps from being cleaned. A claim that
    /// starts after the last one it made does not walk over them; every ``fullScanEvery`` claims it starts from the beginning
    /// and finds what was committed late.
    public struct ClaimCursor: Sendable {
        var lastTenant: UUIDv7?
        var positions: [UUIDv7: UUIDv7] = [:]
        var claims = 0

        /// Starts at the beginning.
        public init() {}
    }

    private static let fullScanEvery = 16
    private static let lanesPerClaim = 64

    /// Claims up to so many jobs of one queue, in equal shares from the tenants that have any.
    ///
    /// Why fair: tenants with ready jobs are visited in turn, and each gives its oldest jobs, up to its share; so one
    /// tenant's million jobs delay another's single one by one round. A lone tenant gets the whole batch.
    ///
    /// - Parameters:
    ///   - batch: How many at most.
    ///   - lease: For how long they are held; renewed with ``renew(_:for:)``.
    ///   - cursor: Kept by the worker between its claims of this queue.
    public func claim(
        _ queue: Queue, batch: Int, lease: Duration, cursor: inout ClaimCursor
    ) async throws -> [ClaimedJob] {
        cursor.claims += 1
        if cursor.claims % Store.fullScanEvery == 0 { cursor.positions = [:] }
        let positions = cursor.positions
        let after = cursor.lastTenant ?? UUIDv7(high: 0, low: 0)
        let rows = try await system.withConnection { connection in
            try await connection.query(
                """
                WITH RECURSIVE seen (tenant_id, job_id) AS (
                    SELECT * FROM unnest(\(Array(positions.keys)), \(Array(positions.values)))
                ), turn (tenant_id, visited) AS (
                    SELECT \(after), 0
                    UNION ALL
                    SELECT (
                               SELECT j.tenant_id FROM job j
                                WHERE j.queue = \(queue.rawValue) AND j.lease_until IS NULL AND j.tenant_id > t.tenant_id
                                ORDER BY j.tenant_id LIMIT 1
                           ), t.visited + 1
                      FROM turn t
                     WHERE t.visited < \(Store.lanesPerClaim) AND t.tenant_id IS NOT NULL
                ), lanes AS (
                    SELECT tenant_id FROM turn WHERE visited > 0 AND tenant_id IS NOT NULL
                ), share AS (
                    SELECT greatest(1, \(batch) / greatest(1, count(*))) AS size FROM lanes
                ), picked AS (
                    SELECT j.tenant_id, j.id
                      FROM lanes l
                      LEFT JOIN seen s ON s.tenant_id = l.tenant_id
                     CROSS JOIN share
                     CROSS JOIN LATERAL (
                          SELECT r.tenant_id, r.id FROM job r
                           WHERE r.queue = \(queue.rawValue) AND r.tenant_id = l.tenant_id AND r.lease_until IS NULL
                             AND r.id > coalesce(s.job_id, '00000000-0000-0000-0000-000000000000'::uuid)
                           ORDER BY r.id
                           LIMIT share.size
                             FOR UPDATE SKIP LOCKED
                     ) j
                     WHERE NOT EXISTS (SELECT FROM queue q WHERE q.name = \(queue.rawValue) AND q.is_paused)
                     LIMIT \(batch)
                )
                UPDATE job j
                   SET lease = j.lease + 1, lease_until = clock_timestamp() + make_interval(secs => \(lease.wholeSeconds)),
                       attempt = j.attempt + 1
                  FROM picked p
                 WHERE j.queue = \(queue.rawValue) AND j.tenant_id = p.tenant_id AND j.id = p.id
                RETURNING j.tenant_id, j.queue, j.id, j.kind, j.subject, j.attempt, j.lease
                """
            )
        }
        let jobs = try rows.map(ClaimedJob.init)
        if jobs.isEmpty, cursor.lastTenant != nil || !positions.isEmpty {
            // Nothing beyond the cursor: what is there stands before it.
            cursor.lastTenant = nil
            cursor.positions = [:]
            return try await claim(queue, batch: batch, lease: lease, cursor: &cursor)
        }
        for job in jobs {
            let tenant = job.tenantID.uuid
            cursor.positions[tenant] = max(cursor.positions[tenant] ?? job.id.uuid, job.id.uuid)
            cursor.lastTenant = max(cursor.lastTenant ?? tenant, tenant)
        }
        // Fewer lanes than one claim visits: the next begins with the first again, so that all are seen every time.
        if Set(jobs.map(\.tenantID)).count < Store.lanesPerClaim { cursor.lastTenant = nil }
        return jobs
    }

    /// Extends the leases of jobs that are still being worked on, in one statement.
    ///
    /// - Returns: The ids of those that are still held; the others were lost.
    public func renew(_ jobs: [ClaimedJob], for lease: Duration) async throws -> Set<ID<Job>> {
        let rows = try await system.withConnection { connection in
            try await connection.query(
                """
                UPDATE job j
                   SET lease_until = clock_timestamp() + make_interval(secs => \(lease.wholeSeconds))
                  FROM unnest(
                      \(jobs.map(\.queue.rawValue)), \(jobs.map(\.tenantID)), \(jobs.map(\.id)), \(jobs.map(\.lease))
                  ) AS h (queue, tenant_id, id, lease)
                 WHERE j.queue = h.queue AND j.tenant_id = h.tenant_id AND j.id = h.id AND j.lease = h.lease
                RETURNING j.id
                """
            )
        }
        return Set(try rows.map { try $0.get("id") })
    }
}

extension Duration {
    /// Seconds as PostgreSQL's `make_interval` takes them.
    var wholeSeconds: Int { Int(components.seconds) }
}
