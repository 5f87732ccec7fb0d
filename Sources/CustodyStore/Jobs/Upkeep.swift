import CustodyDomain
import Postgres

extension Store {
    /// What one pass of upkeep did.
    public struct Upkeep: Hashable, Sendable {
        /// Jobs whose time had come.
        public let promoted: Int
        /// Jobs whose worker had stopped renewing its lease.
        public let rescued: Int
        /// Jobs that crashed their workers too often.
        public let buried: Int
        /// The queues that got work.
        public let queues: Set<Queue>
    }

    /// For how many days the history of jobs is kept.
    static let historyDays = 30

    /// Hands out jobs whose time has come, and takes back those whose worker died. Any worker may do it, and several at once.
    public func upkeep(batch: Int = 1000) async throws -> Upkeep {
        let (promoted, rescued, buried) = try await system.withConnection { connection in
            try await keepHistory(on: connection)
            let answers = try await connection.pipeline([
                "BEGIN",
                """
                WITH due AS (
                    SELECT tenant_id, queue, id FROM job_later
                     WHERE due_at <= clock_timestamp()
                     ORDER BY due_at
                     LIMIT \(batch)
                       FOR UPDATE SKIP LOCKED
                ), taken AS (
                    DELETE FROM job_later l USING due d
                     WHERE l.tenant_id = d.tenant_id AND l.queue = d.queue AND l.id = d.id
                    RETURNING l.tenant_id, l.queue, l.id, l.kind, l.subject, l.attempt, l.lease
                )
                INSERT INTO job (tenant_id, queue, id, kind, subject, attempt, lease)
                SELECT tenant_id, queue, id, kind, subject, attempt, lease FROM taken
                RETURNING queue
                """,
                """
                WITH lost AS (
                    SELECT tenant_id, queue, id FROM job
                     WHERE lease_until < clock_timestamp() AND attempt >= \(RetryPolicy.attempts)
                       FOR UPDATE SKIP LOCKED
                ), taken AS (
                    DELETE FROM job j USING lost l
                     WHERE j.tenant_id = l.tenant_id AND j.queue = l.queue AND j.id = l.id
                    RETURNING j.tenant_id, j.queue, j.id, j.kind, j.subject, j.attempt, j.lease
                )
                INSERT INTO job_dead (tenant_id, queue, id, kind, subject, attempt, lease, reason, died_at)
                SELECT tenant_id, queue, id, kind, subject, attempt, lease, 'crashed its worker again and again',
                       clock_timestamp()
                  FROM taken
                """,
                """
                WITH lost AS (
                    SELECT tenant_id, queue, id FROM job
                     WHERE lease_until < clock_timestamp() AND attempt < \(RetryPolicy.attempts)
                       FOR UPDATE SKIP LOCKED
                )
                UPDATE job j SET lease_until = NULL
                  FROM lost l
                 WHERE j.tenant_id = l.tenant_id AND j.queue = l.queue AND j.id = l.id
                RETURNING j.queue
                """,
                "COMMIT",
            ])
            return (answers[1], answers[3], answers[2].affected)
        }
        let queues = try (Array(promoted) + Array(rescued)).map { try $0.get("queue", as: Queue.self) }
        if !queues.isEmpty { waker.wake(Set(queues)) }
        return Upkeep(promoted: promoted.count, rescued: rescued.count, buried: buried, queues: Set(queues))
    }

    /// Makes the next days' partitions of the history, and drops the oldest.
    private func keepHistory(on connection: Connection) async throws {
        // Made two days ahead, so that nobody needs to hurry.
        _ = try await connection.query(
            """
            SELECT keep_job_history(\(Store.historyDays)::int)
             WHERE to_regclass(
                       'custody.job_done_' || to_char((now() AT TIME ZONE 'UTC')::date + 1, 'YYYYMMDD')
                   ) IS NULL
            """
        )
    }
}
