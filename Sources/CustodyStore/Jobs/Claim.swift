import CustodyDomain
import Postgres

extension Store {
    /// Claims up to so many jobs of one queue, in equal shares from the tenants that have any.
    ///
    /// Why fair: the tenants with ready jobs take turns, and each gives its oldest jobs, up to its share; so one tenant's
    /// million jobs delay another's single one by one round. A lone tenant gets the whole batch.
    ///
    /// - Parameters:
    ///   - batch: How many at most.
    ///   - lease: For how long they are held; renewed with ``renew(_:for:)``.
    ///   - cursor: Kept by the worker between its claims of this queue.
    public func claim(
        _ queue: Queue, batch: Int, lease: Duration, cursor: inout ClaimCursor
    ) async throws -> [ClaimedJob] {
        if let gaps = cursor.gapsToSearch() {
            cursor.note(found: try await tenantsWithJobs(in: queue, between: gaps))
        }
        var lanes = cursor.nextLanes()
        var jobs = try await claim(queue, from: lanes, batch: batch, lease: lease)
        cursor.note(claimed: jobs, from: lanes, batch: batch)
        if jobs.isEmpty, !lanes.isEmpty {
            // What was known has run dry: look for the rest at once, from the beginning.
            cursor.note(found: try await tenantsWithJobs(in: queue, between: cursor.gapsFromTheBeginning()))
            lanes = cursor.nextLanes()
            jobs = try await claim(queue, from: lanes, batch: batch, lease: lease)
            cursor.note(claimed: jobs, from: lanes, batch: batch)
        }
        return jobs
    }

    /// Tenants with ready jobs that lie in the gaps between those already known: one step through an index for each.
    private func tenantsWithJobs(
        in queue: Queue, between gaps: [(low: UUIDv7, high: UUIDv7)]
    ) async throws -> [UUIDv7] {
        try await system.withConnection { connection in
            try await connection.query(
                """
                WITH RECURSIVE gap AS (
                    SELECT * FROM unnest(\(gaps.map(\.low)), \(gaps.map(\.high))) AS g (low, high)
                ), found (tenant_id, high) AS (
                    SELECT (
                               SELECT j.tenant_id FROM job j
                                WHERE j.queue = \(queue.rawValue) AND j.lease_until IS NULL
                                  AND j.tenant_id > g.low AND j.tenant_id < g.high
                                ORDER BY j.tenant_id LIMIT 1
                           ), g.high
                      FROM gap g
                    UNION ALL
                    SELECT (
                               SELECT j.tenant_id FROM job j
                                WHERE j.queue = \(queue.rawValue) AND j.lease_until IS NULL
                                  AND j.tenant_id > f.tenant_id AND j.tenant_id < f.high
                                ORDER BY j.tenant_id LIMIT 1
                           ), f.high
                      FROM found f
                     WHERE f.tenant_id IS NOT NULL
                )
                SELECT tenant_id FROM found WHERE tenant_id IS NOT NULL
                """
            ).map { try $0.get("tenant_id") }
        }
    }

    private func claim(
        _ queue: Queue, from lanes: [(tenant: UUIDv7, after: UUIDv7)], batch: Int, lease: Duration
    ) async throws -> [ClaimedJob] {
        guard !lanes.isEmpty else { return [] }
        let share = max(1, batch / lanes.count)
        let rows = try await system.withConnection { connection in
            try await connection.query(
                """
                WITH picked AS (
                    SELECT j.tenant_id, j.id
                      FROM unnest(\(lanes.map(\.tenant)), \(lanes.map(\.after)))
                           WITH ORDINALITY AS l (tenant_id, after, turn)
                     CROSS JOIN LATERAL (
                          SELECT r.tenant_id, r.id FROM job r
                           WHERE r.queue = \(queue.rawValue) AND r.tenant_id = l.tenant_id AND r.lease_until IS NULL
                             -- While versions are mixed, a kind that this one does not know is left for one that does.
                             AND r.id > l.after AND r.kind = ANY (\(JobKind.allCases.map(\.rawValue)))
                           ORDER BY r.id
                           LIMIT \(share)
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
        return try rows.map(ClaimedJob.init)
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
