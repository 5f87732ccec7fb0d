import CustodyDomain
import CustodyStore
import Metrics
import Synchronization

/// What monitoring learns of jobs: how many came to which end, and how long their handlers took.
final class JobMetrics: Sendable {
    /// How a run ended.
    enum Outcome: String, Sendable {
        case done
        case failed
        case lost
    }

    private struct Key: Hashable {
        let kind: JobKind
        let outcome: Outcome
    }

    /// Made once: to find a series by its labels costs more than to count in it.
    private let counters = Mutex<[Key: Counter]>([:])
    private let timers = Mutex<[JobKind: Timer]>([:])

    /// Counts a run and its time.
    func count(_ job: ClaimedJob, _ outcome: Outcome, since began: ContinuousClock.Instant) {
        time(job, since: began)
        count(job, outcome)
    }

    /// Counts a run.
    func count(_ job: ClaimedJob, _ outcome: Outcome) {
        let kind = job.request.kind
        counters.withLock { counters in
            let key = Key(kind: kind, outcome: outcome)
            if let known = counters[key] { return known }
            let counter = Counter(
                label: "custody_jobs_total", dimensions: [("kind", kind.rawValue), ("outcome", outcome.rawValue)])
            counters[key] = counter
            return counter
        }.increment()
    }

    /// Notes the time that a handler took.
    func time(_ job: ClaimedJob, since began: ContinuousClock.Instant) {
        let kind = job.request.kind
        let time = (ContinuousClock.now - began).components
        timers.withLock { timers in
            if let known = timers[kind] { return known }
            let timer = Timer(label: "custody_job_seconds", dimensions: [("kind", kind.rawValue)])
            timers[kind] = timer
            return timer
        }.recordNanoseconds(time.seconds * 1_000_000_000 + time.attoseconds / 1_000_000_000)
    }
}
