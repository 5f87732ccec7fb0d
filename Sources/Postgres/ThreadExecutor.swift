import Dispatch
import Glibc
import Synchronization

/// Runs an actor's jobs, one after the other, on a thread of their own.
final class ThreadExecutor: SerialExecutor {
    private let mailbox = Mailbox()

    init() {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(mailbox)
        let status = pthread_create(
            &thread, nil,
            { context in
                guard let context else { return nil }
                Unmanaged<Mailbox>.fromOpaque(context).takeRetainedValue().work()
                return nil
            }, context.toOpaque())
        precondition(status == 0, "no thread for a connection")
        pthread_detach(thread)
    }

    deinit { mailbox.put(nil) }

    func enqueue(_ job: consuming ExecutorJob) { mailbox.put((UnownedJob(job), self)) }

    func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

    /// What the thread has to do; it outlives the executor, and ends with it.
    private final class Mailbox: Sendable {
        private let jobs = Mutex<[(UnownedJob, ThreadExecutor)?]>([])
        private let filled = DispatchSemaphore(value: 0)

        func put(_ job: (UnownedJob, ThreadExecutor)?) {
            jobs.withLock { $0.append(job) }
            filled.signal()
        }

        func work() {
            while true {
                filled.wait()
                guard let (job, executor) = jobs.withLock({ $0.removeFirst() }) else { return }
                job.runSynchronously(on: executor.asUnownedSerialExecutor())
            }
        }
    }
}
