import CustodyDomain
import Postgres

/// The lease of a job was lost: another worker has it now, and this one's effects must not be committed.
public struct LeaseLost: Error, Sendable {
    /// Makes the error.
    public init() {}
}

extension TenantTransaction {
    /// Ends this run of a job, in the transaction of its effects.
    ///
    /// - Throws: ``LeaseLost`` when the lease is not the newest any more, which rolls the effects back.
    public func finish(_ job: ClaimedJob, _ outcome: JobOutcome) async throws {
        switch outcome {
        case .done: try await retire(job)
        case .again(let delay, let queue): try await postpone(job, by: delay, to: queue, attempt: 0)
        case .failed(let reason) where job.attempt >= RetryPolicy.attempts:
            try await bury(job, reason: "failed \(job.attempt) times: \(reason)")
        case .failed:
            try await postpone(job, by: RetryPolicy.delay(after: job.attempt), to: job.queue, attempt: job.attempt)
        case .dead(let reason): try await bury(job, reason: reason)
        }
    }

    private func retire(_ job: ClaimedJob) async throws {
        let moved = try await run(
            """
            WITH ended AS (
                DELETE FROM job
                 WHERE tenant_id = \(tenantID) AND queue = \(job.queue.rawValue) AND id = \(job.id)
                   AND lease = \(job.lease)
                RETURNING tenant_id, queue, id, kind, subject, attempt
            )
            INSERT INTO job_done (tenant_id, queue, id, kind, subject, attempt, outcome, finished_at)
            SELECT tenant_id, queue, id, kind, subject, attempt, 'done', clock_timestamp() FROM ended
            """
        )
        guard moved == 1 else { throw LeaseLost() }
    }

    private func postpone(_ job: ClaimedJob, by delay: Duration, to queue: Queue, attempt: Int) async throws {
        let offset = try await steadyClockOffset()
        let moved = try await run(
            """
            WITH ended AS (
                DELETE FROM job
                 WHERE tenant_id = \(tenantID) AND queue = \(job.queue.rawValue) AND id = \(job.id)
                   AND lease = \(job.lease)
                RETURNING tenant_id, id, kind, subject, lease
            )
            INSERT INTO job_later (tenant_id, queue, id, kind, subject, attempt, lease, run_at, due_at)
            SELECT tenant_id, \(queue.rawValue), id, kind, subject, \(attempt), lease,
                   \(now + delay), \(now + delay - offset)
              FROM ended
            """
        )
        guard moved == 1 else { throw LeaseLost() }
    }

    private func bury(_ job: ClaimedJob, reason: String) async throws {
        let moved = try await run(
            """
            WITH ended AS (
                DELETE FROM job
                 WHERE tenant_id = \(tenantID) AND queue = \(job.queue.rawValue) AND id = \(job.id)
                   AND lease = \(job.lease)
                RETURNING tenant_id, queue, id, kind, subject, attempt, lease
            )
            INSERT INTO job_dead (tenant_id, queue, id, kind, subject, attempt, lease, reason, died_at)
            SELECT tenant_id, queue, id, kind, subject, attempt, lease, \(reason), \(now) FROM ended
            """
        )
        guard moved == 1 else { throw LeaseLost() }
    }
}

extension Store {
    /// Ends jobs that turned out to have nothing to do: each with a commit of its own, all in one round trip.
    ///
    /// A job with effects is ended in their transaction instead, by ``TenantTransaction/finish(_:_:)``. After an error some
    /// may have ended and some not; ending all of them again is harmless.
    ///
    /// - Returns: Those that ended; the others' leases were lost, and nothing was done to them.
    public func retire(_ jobs: [ClaimedJob]) async throws -> [ClaimedJob] {
        guard !jobs.isEmpty else { return [] }
        let answer = try await system.withConnection { connection in
            try await connection.query(
                """
                CALL retire_jobs(
                    \(jobs.map(\.tenantID)), \(jobs.map(\.queue.rawValue)), \(jobs.map(\.id)), \(jobs.map(\.lease)),
                    ARRAY[]::bigint[]
                )
                """
            )
        }
        let ended: [Int64] = try answer.first?.get("p_ended") ?? []
        return ended.map { jobs[Int($0) - 1] }
    }
}
