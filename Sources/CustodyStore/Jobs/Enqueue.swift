import CustodyDomain
import Postgres

extension TenantTransaction {
    /// Adds jobs, to be done as soon as this transaction commits.
    public func enqueue(_ requests: [JobRequest]) async throws {
        guard !requests.isEmpty else { return }
        let ids = requests.map { _ in ID<Job>(at: now) }
        try await run(
            """
            INSERT INTO job (tenant_id, queue, id, kind, subject)
            SELECT \(tenantID), r.queue, r.id, r.kind, r.subject
              FROM unnest(
                  \(requests.map(\.kind.queue.rawValue)), \(ids), \(requests.map(\.kind.rawValue)),
                  \(requests.map(\.subject))
              ) AS r (queue, id, kind, subject)
            """
        )
        queuesToWake.formUnion(requests.map(\.kind.queue))
    }

    /// Adds a job, to be done as soon as this transaction commits.
    public func enqueue(_ request: JobRequest) async throws { try await enqueue([request]) }

    /// Adds a job to be done at a time of the tenant's clock.
    public func enqueue(_ request: JobRequest, at instant: Instant, in queue: Queue? = nil) async throws {
        let offset = try await steadyClockOffset()
        try await run(
            """
            INSERT INTO job_later (tenant_id, queue, id, kind, subject, run_at, due_at)
            VALUES (
                \(tenantID), \((queue ?? request.kind.queue).rawValue), \(ID<Job>(at: now)), \(request.kind.rawValue),
                \(request.subject), \(instant), \(instant - offset)
            )
            """
        )
    }

    /// Sees to it that a job runs soon: one that waits for its time is brought forward; only when none waits is one added.
    ///
    /// So a reminder that comes again and again stays one. A job that runs just now does not count: it may have looked already.
    public func hasten(_ request: JobRequest) async throws {
        let moved = try await rows(
            """
            WITH waiting AS (
                DELETE FROM job_later
                 WHERE tenant_id = \(tenantID) AND kind = \(request.kind.rawValue) AND subject = \(request.subject)
                RETURNING tenant_id, queue, id, kind, subject, attempt, lease, due_at
            )
            INSERT INTO job (tenant_id, queue, id, kind, subject, attempt, lease)
            SELECT tenant_id, queue, id, kind, subject, attempt, lease FROM waiting ORDER BY due_at, id LIMIT 1
            RETURNING queue
            """
        )
        if let row = moved.first {
            queuesToWake.insert(try row.get("queue"))
            return
        }
        let ready = try await row(
            """
            SELECT FROM job
             WHERE tenant_id = \(tenantID) AND queue = ANY (\([request.kind.queue.rawValue, Queue.queries.rawValue]))
               AND kind = \(request.kind.rawValue) AND subject = \(request.subject) AND lease_until IS NULL
             LIMIT 1
            """
        )
        if ready == nil { try await enqueue(request) }
    }

    /// How far the tenant's clock runs ahead now, and until this transaction ends.
    ///
    /// Why not the offset it began with: a sandbox's clock may have been set forward since, and a delayed job that this
    /// transaction adds afterwards would sleep through the days in between.
    func steadyClockOffset() async throws -> Duration {
        guard isSandbox else { return clockOffset }
        let row = try await row(
            "SELECT now() AS real_now, now() + clock_offset AS now FROM tenant WHERE id = \(tenantID) FOR SHARE")
        guard let row else { throw Rejection.notFound }
        return try row.get("now", as: Instant.self) - (try row.get("real_now", as: Instant.self))
    }

    /// Whether a job of this kind about this subject is waiting or running.
    public func hasJob(_ request: JobRequest) async throws -> Bool {
        try await row(
            """
            SELECT FROM job_later
             WHERE tenant_id = \(tenantID) AND kind = \(request.kind.rawValue) AND subject = \(request.subject)
            UNION ALL
            SELECT FROM job
             WHERE tenant_id = \(tenantID) AND kind = \(request.kind.rawValue) AND subject = \(request.subject)
             LIMIT 1
            """
        ) != nil
    }

    /// How many of the tenant's jobs are ready, running, or due within a time.
    public func jobsDue(within time: Duration) async throws -> Int {
        try await row(
            """
            SELECT (SELECT count(*) FROM job WHERE tenant_id = \(tenantID))
                 + (SELECT count(*) FROM job_later
                     WHERE tenant_id = \(tenantID) AND due_at <= \(now - clockOffset + time)) AS due
            """
        )?.get("due") ?? 0
    }
}
