import CustodyStore

/// Runs a job to its end.
///
/// - Throws: `LeaseLost` when another worker has the job now; any other error means: again later.
package typealias JobHandler = @Sendable (ClaimedJob) async throws -> JobEnd

/// What a handler leaves to do of its job.
package enum JobEnd: Hashable, Sendable {
    /// Nothing: the job's end was committed with its effects.
    case recorded
    /// Only its end, for it had no effect: the worker ends it together with others, each with a commit of its own.
    case withoutEffect
}
