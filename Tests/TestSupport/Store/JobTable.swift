import CustodyDomain
import CustodyStore
import Postgres

/// The job tables as a test sees them from outside, and what time or others would do to them.
public struct JobTable: Sendable {
    /// How many jobs there are.
    public struct Counts: Hashable, Sendable {
        /// Jobs that nobody holds, now or later.
        public var waiting: Int
        /// Jobs that a worker holds, or held when it died.
        public var held: Int
        /// Jobs in the history.
        public var done: Int
        /// Different jobs among those.
        public var different: Int
        /// Transactions that ended them.
        public var transactions: Int
        /// Jobs that wait for a person.
        public var dead: Int

        /// Makes counts; what is not said is zero.
        public init(
            waiting: Int = 0, held: Int = 0, done: Int = 0, different: Int = 0, transactions: Int = 0, dead: Int = 0
        ) {
            self.waiting = waiting
            self.held = held
            self.done = done
            self.different = different
            self.transactions = transactions
            self.dead = dead
        }
    }

    private let test: TestStore

    /// The tables of a store that nobody else uses.
    public init(_ test: TestStore) { self.test = test }

    /// Counts everything at one instant.
    public func counts() async throws -> Counts {
        let rows = try await superuser(
            """
            SELECT (SELECT count(*) FROM custody.job WHERE lease_until IS NULL)
                   + (SELECT count(*) FROM custody.job_later) AS waiting,
                   (SELECT count(*) FROM custody.job WHERE lease_until IS NOT NULL) AS held,
                   (SELECT count(*) FROM custody.job_dead) AS dead,
                   count(*) AS done, count(DISTINCT (d.tenant_id, d.id)) AS different,
                   count(DISTINCT d.xmin::text) AS transactions
              FROM custody.job_done d
            """)
        guard let row = rows.first else { return Counts() }
        return Counts(
            waiting: try row.get("waiting"), held: try row.get("held"), done: try row.get("done"),
            different: try row.get("different"), transactions: try row.get("transactions"), dead: try row.get("dead"))
    }

    /// Replaces all jobs by so many about one order, of which the custodian knows already: there is nothing to do.
    public func fill(_ count: Int, about order: ID<Order>, of tenant: ID<Tenant>) async throws {
        try await superuser("TRUNCATE custody.job, custody.job_done, custody.job_later")
        try await superuser(
            "UPDATE custody.trade_order SET bank_state = 'synced' WHERE tenant_id = \(tenant) AND id = \(order)")
        try await superuser(
            """
            INSERT INTO custody.job (tenant_id, queue, id, kind, subject)
            SELECT \(tenant), 'instructions', ('018f0000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid,
                   'sync_order', \(order.uuid.text)
              FROM generate_series(1, \(count)) AS n
            """)
    }

    /// Ends all leases, as the time after a worker's death does.
    ///
    /// - Returns: How many jobs were held.
    public func endLeases() async throws -> Int {
        try await superuser(
            "UPDATE custody.job SET lease_until = now() - interval '1 s' WHERE lease_until IS NOT NULL"
        ).affected
    }

    /// Gives all jobs to another worker, as after a pause of their own that was longer than their leases.
    public func takeOver() async throws -> [ClaimedJob] {
        try await superuser(
            """
            UPDATE custody.job SET lease = lease + 1, attempt = 2, lease_until = now() + interval '1 hour'
            RETURNING tenant_id, queue, id, kind, subject, attempt, lease
            """
        ).map(ClaimedJob.init)
    }

    @discardableResult
    private func superuser(_ sql: SQL) async throws -> Rows {
        try await test.withConnection(as: .superuser) { try await $0.query(sql) }
    }
}
