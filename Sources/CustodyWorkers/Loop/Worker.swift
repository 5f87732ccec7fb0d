import CustodyDomain
import CustodyStore
import Logging
import Metrics
import ServiceLifecycle
import Synchronization

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
        /// For how long a job is held; renewed while it runs.
        public var lease = Duration.seconds(30)
        /// How often tables are polled when nothing wakes it.
        public var pollInterval = Duration.milliseconds(250)
        /// Where channels call back: `<base>/<channel>/<token>`.
        public var callbackBaseURL = "http://127.0.0.1:8080/callbacks"

        /// The defaults.
        public init() {}
    }

    private let store: Store
    private let signals: @Sendable () -> AsyncStream<JobSignal>
    private let configuration: Configuration
    private let dispatcher: Dispatcher
    private let logger: Logger

    /// Makes a worker.
    ///
    /// - Parameter signals: What wakes it, such as ``Store/jobSignals(from:)``.
    public init(
        store: Store, signals: @escaping @Sendable () -> AsyncStream<JobSignal>, counterparties: Counterparties,
        configuration: Configuration, logger: Logger
    ) {
        self.store = store
        self.signals = signals
        self.configuration = configuration
        self.logger = logger
        let base = configuration.callbackBaseURL
        let tokens = CallbackTokens(store: store)
        dispatcher = Dispatcher(
            subMerchants: SubMerchantJobs(store: store, counterparties: counterparties),
            orders: OrderJobs(store: store, counterparties: counterparties),
            payments: PaymentJobs(
                store: store, counterparties: counterparties,
                callbackURL: { channel, tenant in "\(base)/\(channel.rawValue)/\(try await tokens.token(of: tenant))" }
            ),
            callbacks: CallbackJobs(store: store, counterparties: counterparties),
            days: DayJobs(store: store, counterparties: counterparties), store: store
        )
    }

    /// Works until told to stop.
    public func run() async throws {
        let wakeUps = WakeUps(queues: configuration.queues)
        await withGracefulShutdownHandler {
            await withTaskGroup(of: Void.self) { group in
                for queue in configuration.queues { group.addTask { await serve(queue, wakeUps) } }
                group.addTask { await keepUp(wakeUps) }
                group.addTask { await listen(wakeUps) }
                await group.waitForAll()
            }
        } onGracefulShutdown: {
            wakeUps.stop()
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
                    let jobs = try await store.claim(queue, batch: free, lease: configuration.lease, cursor: &cursor)
                    for job in jobs {
                        slots.take()
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

    /// Runs one job while its lease is renewed; a thrown error is unexpected, and tried again later.
    private func run(_ job: ClaimedJob) async {
        var logger = logger
        logger[metadataKey: "job"] = "\(job.request.kind.rawValue)"
        logger[metadataKey: "subject"] = "\(job.request.subject)"
        logger[metadataKey: "tenant"] = "\(job.tenantID.text)"
        let began = ContinuousClock.now
        do {
            try await withRenewal(of: job) { try await dispatcher.run(job) }
            Worker.count(job, "done", since: began)
        } catch is LeaseLost {
            Worker.count(job, "lost", since: began)
            logger.notice("the job was taken over by another worker")
        } catch {
            Worker.count(job, "failed", since: began)
            logger.warning("the job failed", metadata: ["error": "\(error)", "attempt": "\(job.attempt)"])
            do {
                try await store.withTenant(job.tenantID) { tx in try await tx.finish(job, .failed(Worker.reason(error)))
                }
            } catch {
                // Its lease ends by itself, and another worker takes it.
                logger.warning("the failure could not be recorded", metadata: ["error": "\(error)"])
            }
        }
    }

    private static func count(_ job: ClaimedJob, _ outcome: String, since began: ContinuousClock.Instant) {
        let kind = ("kind", job.request.kind.rawValue)
        Counter(label: "custody_jobs_total", dimensions: [kind, ("outcome", outcome)]).increment()
        let time = (ContinuousClock.now - began).components
        Timer(label: "custody_job_seconds", dimensions: [kind])
            .recordNanoseconds(time.seconds * 1_000_000_000 + time.attoseconds / 1_000_000_000)
    }

    /// A sentence for the dead letter: stable words, no data.
    private static func reason(_ error: any Error) -> String {
        if let rejection = error as? Rejection { return rejection.code }
        return String(describing: type(of: error))
    }

    private func withRenewal(of job: ClaimedJob, _ body: @Sendable () async throws -> Void) async throws {
        let lease = configuration.lease
        let renewal = Task {
            while !Task.isCancelled {
                try await Task.sleep(for: lease / 3)
                _ = try? await store.renew([job], for: lease)
            }
        }
        defer { renewal.cancel() }
        try await body()
    }

    /// Hands out delayed jobs and takes back lost ones, several times a second; turns the history's pages every hour.
    private func keepUp(_ wakeUps: WakeUps) async {
        var nextTurn = ContinuousClock.now
        while !wakeUps.isStopped {
            do {
                if ContinuousClock.now >= nextTurn {
                    try await store.turnHistory()
                    nextTurn = ContinuousClock.now + .seconds(3600)
                }
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

/// The secret part of a tenant's callback addresses, remembered: it never changes.
private actor CallbackTokens {
    private let store: Store
    private var known: [ID<Tenant>: String] = [:]

    init(store: Store) { self.store = store }

    func token(of id: ID<Tenant>) async throws -> String {
        if let token = known[id] { return token }
        let tenants = try await store.withSystem { tx in try await tx.tenants() }
        for tenant in tenants { known[tenant.id] = tenant.callbackToken }
        guard let token = known[id] else { throw Rejection.notFound }
        return token
    }
}
