import CustodyDomain
import Postgres

/// A queue as an operator sees it.
public struct QueueStatus: Hashable, Sendable {
    /// Which.
    public let queue: Queue
    /// Whether it hands out nothing.
    public let isPaused: Bool
    /// Jobs that could be done now.
    public let ready: Int
    /// Jobs being done.
    public let running: Int
    /// Jobs whose time has not come.
    public let later: Int
    /// Jobs that wait for a person.
    public let dead: Int
}

extension SystemTransaction {
    /// All queues with their counts.
    public func queues() async throws -> [QueueStatus] {
        try await rows(
            """
            SELECT q.name, q.is_paused,
                   (SELECT count(*) FROM job j WHERE j.queue = q.name AND j.lease_until IS NULL) AS ready,
                   (SELECT count(*) FROM job j WHERE j.queue = q.name AND j.lease_until IS NOT NULL) AS running,
                   (SELECT count(*) FROM job_later l WHERE l.queue = q.name) AS later,
                   (SELECT count(*) FROM job_dead d WHERE d.queue = q.name) AS dead
              FROM queue q ORDER BY q.name
            """
        ).map { row in
            QueueStatus(
                queue: try row.get("name"), isPaused: try row.get("is_paused"), ready: try row.get("ready"),
                running: try row.get("running"), later: try row.get("later"), dead: try row.get("dead")
            )
        }
    }

    /// Pauses a queue, or lets it go on. What runs already runs to its end, so a paused queue drains.
    public func setPaused(_ isPaused: Bool, queue: Queue) async throws {
        try await run("UPDATE queue SET is_paused = \(isPaused) WHERE name = \(queue.rawValue)")
    }

    /// Puts a dead job back into its queue, with its attempts forgotten.
    ///
    /// - Throws: ``Rejection/notFound``.
    public func retryDeadJob(_ id: ID<Job>) async throws {
        let moved = try await run(
            """
            WITH raised AS (
                DELETE FROM job_dead WHERE id = \(id) RETURNING tenant_id, queue, id, kind, subject, lease
            )
            INSERT INTO job (tenant_id, queue, id, kind, subject, lease)
            SELECT tenant_id, queue, id, kind, subject, lease FROM raised
            """
        )
        if moved == 0 { throw Rejection.notFound }
    }

    /// Discards a dead job; its history says so.
    ///
    /// - Throws: ``Rejection/notFound``.
    public func discardDeadJob(_ id: ID<Job>) async throws {
        let moved = try await run(
            """
            WITH gone AS (
                DELETE FROM job_dead WHERE id = \(id) RETURNING tenant_id, queue, id, kind, subject, attempt
            )
            INSERT INTO job_done (tenant_id, queue, id, kind, subject, attempt, outcome, finished_at)
            SELECT tenant_id, queue, id, kind, subject, attempt, 'discarded', \(now) FROM gone
            """
        )
        if moved == 0 { throw Rejection.notFound }
    }

    /// The dead jobs, the youngest first.
    public func deadJobs(limit: Int = 100) async throws -> [DeadJob] {
        try await rows(
            """
            SELECT tenant_id, queue, id, kind, subject, attempt, reason, died_at
              FROM job_dead ORDER BY died_at DESC LIMIT \(limit)
            """
        ).map(DeadJob.init)
    }
}

/// A job that waits for a person.
public struct DeadJob: Hashable, Sendable {
    /// Whose it is.
    public let tenantID: ID<Tenant>
    /// Its queue.
    public let queue: Queue
    /// Its id.
    public let id: ID<Job>
    /// What was to be done.
    public let request: JobRequest
    /// How often it was tried.
    public let attempt: Int
    /// Why it is here.
    public let reason: String
    /// Since when.
    public let diedAt: Instant

    init(_ row: Row) throws {
        tenantID = try row.get("tenant_id")
        queue = try row.get("queue")
        id = try row.get("id")
        request = JobRequest(try row.get("kind"), try row.get("subject"))
        attempt = try row.get("attempt")
        reason = try row.get("reason")
        diedAt = try row.get("died_at")
    }
}
