import CustodyDomain
import Postgres

/// A job that a worker holds until its lease ends.
public struct ClaimedJob: Hashable, Sendable {
    /// Whose it is.
    public let tenantID: ID<Tenant>
    /// The queue it came from.
    public let queue: Queue
    /// Its id.
    public let id: ID<Job>
    /// What is to be done.
    public let request: JobRequest
    /// How often it was begun, this time included.
    public let attempt: Int
    /// The number under which it is held; whoever holds an older one has lost it.
    public let lease: Int64

    /// Reads a claimed row: `tenant_id`, `queue`, `id`, `kind`, `subject`, `attempt`, `lease`.
    package init(_ row: Row) throws {
        tenantID = try row.get("tenant_id")
        queue = try row.get("queue")
        id = try row.get("id")
        request = JobRequest(try row.get("kind"), try row.get("subject"))
        attempt = try row.get("attempt")
        lease = try row.get("lease")
    }
}

/// What became of a job: the four fates that its handler can choose from.
public enum JobOutcome: Hashable, Sendable {
    /// Done.
    case done
    /// Not yet: again after a time of the tenant's clock, in the queue named, counting from a first attempt.
    case again(after: Duration, in: Queue)
    /// It went wrong: again later, ever later, until it has failed too often.
    case failed(String)
    /// It can never succeed: to the dead letters, for a person.
    case dead(String)
}

/// How failing jobs are tried again.
public enum RetryPolicy {
    /// So often a job may fail or crash its worker before it is dead.
    public static let attempts = 12

    /// The time before the next attempt: 1 s, 2 s, 4 s … up to 10 minutes.
    public static func delay(after attempt: Int) -> Duration { .seconds(min(600, 1 << min(attempt - 1, 10))) }
}
