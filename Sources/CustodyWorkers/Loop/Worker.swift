import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation
import Logging
import ServiceLifecycle

/// A worker process: polls the job tables, wakes when told, and does everything slow.
///
/// Each queue is polled by a loop of its own, so that a slow queue delays no other. SIGTERM stops the claiming; what runs is
/// finished.
public struct Worker: Service {
    /// How it works.
    public struct Configuration: Sendable {
        /// The queues it serves.
        public var queues: Set<Queue> = Set(Queue.allCases)
        /// Jobs done at once, per queue.
        public var concurrency = 16
        /// Connections at once that end jobs without effect.
        public var endingLanes = 4
        /// For how long a job is held; renewed while it runs.
        public var lease = Duration.seconds(30)
        /// How often tables are polled when nothing wakes it.
        public var pollInterval = Duration.milliseconds(250)
        /// Where fetched files lie while they are read.
        public var spool = Spool(directory: "\(NSTemporaryDirectory())/custody-spool-\(getuid())")

        /// The defaults.
        public init() {}
    }

    /// Hands out up to so many jobs of a queue, as ``Store/claim(_:batch:lease:cursor:)`` does.
    package typealias Claim = @Sendable (Queue, Int, Duration, inout Store.ClaimCursor) async throws -> [ClaimedJob]

    private let store: Store
    private let signals: @Sendable () -> AsyncStream<JobSignal>
    private let configuration: Configuration
    private let claim: Claim
    private let handler: JobHandler
    private let logger: Logger
    private let held = HeldJobs()
    private let endings: Endings
    private let metrics = JobMetrics()

    /// Makes a worker that does everything.
    ///
    /// - Parameter signals: What wakes it, such as ``Store/jobSignals(from:)``.
    public init(
        store: Store, signals: @escaping @Sendable () -> AsyncStream<JobSignal>, counterparties: Counterparties,
        configuration: Configuration, logger: Logger
    ) {
        let dispatcher = Dispatcher(
            subMerchants: SubMerchantJobs(store: store, counterparties: counterparties),
            orders: OrderJobs(store: store, counterparties: counterparties),
            payments: PaymentJobs(store: store, counterparties: counterparties),
            callbacks: CallbackJobs(store: store, counterparties: counterparties),
            days: DayJobs(store: store, counterparties: counterparties),
            statements: StatementJobs(store: store, counterparties: counterparties, spool: configuration.spool),
            certificates: CertificateJobs(store: store, counterparties: counterparties), store: store
        )
        self.init(
            store: store, signals: signals, configuration: configuration, logger: logger,
            handler: { job in try await dispatcher.run(job) })
    }

    /// Makes a worker that hands all jobs to one handler.
    ///
    /// - Parameters:
    ///   - signals: What wakes it.
    ///   - claim: Whose jobs come next; nil means the store's lanes.
    ///   - handler: Runs a job.
    package init(
        store: Store, signals: @escaping @Sendable () -> AsyncStream<JobSignal>, configuration: Configuration,
        logger: Logger, claim: Claim? = nil, handler: @escaping JobHandler
    ) {
        self.store = store
        self.signals = signals
        self.configuration = configuration
        self.logger = logger
        self.handler = handler
        self.claim =
            claim ?? { queue, batch, lease, cursor in
                try await store.claim(queue, batch: batch, lease: lease, cursor: &cursor)
            }
        endings = Endings(store: store, lanes: configuration.endingLanes, logger: logger)
    }

    /// Works until told to stop.
    public func run() async throws {
        let wakeUps = WakeUps(queues: configuration.queues)
        await withTaskCancellationOrGracefulShutdownHandler {
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await held.renew(in: store, lease: configuration.lease) }
                await withTaskGroup(of: Void.self) { group in
                    group.addTask { await endings.run(ended) }
                    await serveAll(wakeUps)
                    endings.close()
                }
                group.cancelAll()
            }
        } onCancelOrGracefulShutdown: {
            wakeUps.stop()
        }
    }

    private func serveAll(_ wakeUps: WakeUps) async {
        await withTaskGroup(of: Void.self) { group in
            for queue in configuration.queues { group.addTask { await serve(queue, wakeUps) } }
            group.addTask { await keepUp(wakeUps) }
            group.addTask { await listen(wakeUps) }
        }
    }

    /// Claims and runs one queue's jobs until told to stop.
    private func serve(_ queue: Queue, _ wakeUps: WakeUps) async {
        var cursor = Store.ClaimCursor()
        await withDiscardingTaskGroup { group in
            let slots = Slots(configuration.concurrency)
            while !wakeUps.isStopped {
                let free = await slots.waitForFree()
                do {
                    let jobs = try await claim(queue, free, configuration.lease, &cursor)
                    held.hold(jobs)
                    slots.take(jobs.count)
                    for job in jobs {
                        group.addTask {
                            await run(job)
                            slots.release()
                        }
                    }
                    if jobs.isEmpty { await wakeUps.wait(for: queue, atMost: configuration.pollInterval) }
                } catch {
                    logger.warning(
                        "jobs could not be claimed", metadata: ["queue": "\(queue.rawValue)", "error": "\(error)"])
                    await wakeUps.wait(for: queue, atMost: .seconds(1))
                }
            }
        }
    }

    /// Runs one job, whose lease is renewed meanwhile; a thrown error is unexpected, and tried again later.
    private func run(_ job: ClaimedJob) async {
        let began = ContinuousClock.now
        do {
            switch try await handler(job) {
            case .recorded: metrics.count(job, .done, since: began)
            case .withoutEffect:
                metrics.time(job, since: began)
                return await endings.add(job)
            }
        } catch is LeaseLost {
            metrics.count(job, .lost, since: began)
            logger.notice("the job was taken over by another worker", metadata: Worker.metadata(of: job))
        } catch {
            metrics.count(job, .failed, since: began)
            await record(error, of: job)
        }
        held.release([job])
    }

    private func record(_ failure: any Error, of job: ClaimedJob) async {
        var metadata = Worker.metadata(of: job)
        metadata["error"] = "\(failure)"
        metadata["attempt"] = "\(job.attempt)"
        logger.warning("the job failed", metadata: metadata)
        do {
            try await store.withTenant(job.tenantID) { tx in
                try await tx.finish(job, .failed(Worker.reason(failure)))
            }
        } catch {
            // Its lease ends by itself, and another worker takes it.
            metadata["error"] = "\(error)"
            logger.warning("the failure could not be recorded", metadata: metadata)
        }
    }

    /// Notes that jobs without effect have ended, or are not ours any more.
    private func ended(_ jobs: [ClaimedJob], _ wereOurs: Bool) {
        held.release(jobs)
        for job in jobs {
            metrics.count(job, wereOurs ? .done : .lost)
            if !wereOurs {
                logger.notice("the job was taken over by another worker", metadata: Worker.metadata(of: job))
            }
        }
    }

    private static func metadata(of job: ClaimedJob) -> Logger.Metadata {
        [
            "job": "\(job.request.kind.rawValue)", "subject": "\(job.request.subject)",
            "tenant": "\(job.tenantID.text)",
        ]
    }

    /// A sentence for the dead letter: stable words, no data.
    private static func reason(_ error: any Error) -> String {
        if let rejection = error as? Rejection { return rejection.code }
        return String(describing: type(of: error))
    }

    /// Hands out delayed jobs and takes back lost ones, several times a second.
    private func keepUp(_ wakeUps: WakeUps) async {
        while !wakeUps.isStopped {
            do {
                let done = try await store.upkeep()
                wakeUps.wake(done.queues)
                if done.promoted > 0 { continue }
            } catch {
                logger.warning("upkeep failed", metadata: ["error": "\(error)"])
            }
            await wakeUps.pause(atMost: configuration.pollInterval)
        }
    }

    private func listen(_ wakeUps: WakeUps) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for await signal in signals() {
                    switch signal {
                    case .work(let queue): wakeUps.wake([queue])
                    case .lookEverywhere: wakeUps.wake(configuration.queues)
                    }
                }
            }
            group.addTask { await wakeUps.untilStopped() }
            await group.next()
            group.cancelAll()
        }
    }
}
