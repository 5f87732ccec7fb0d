import ArgumentParser
import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation

/// Looks after the queues.
struct JobCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "job", abstract: "Look after the queues.",
        subcommands: [JobQueues.self, JobPause.self, JobResume.self, JobDead.self, JobRetry.self, JobDiscard.self]
    )
}

struct JobQueues: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "queues", abstract: "Count what every queue holds.")

    @OptionGroup var options: StoreOptions

    @Flag(help: "Answer in JSON, one array.") var json = false

    func run() async throws {
        let queues = try await withStore(options) { store in try await store.withSystem { try await $0.queues() } }
        if json {
            let list = queues.map { queue in
                JSON(
                    dictionaryLiteral: ("queue", .string(queue.queue.rawValue)), ("paused", .bool(queue.isPaused)),
                    ("ready", JSON(queue.ready)), ("running", JSON(queue.running)), ("later", JSON(queue.later)),
                    ("dead", JSON(queue.dead))
                )
            }
            print(JSON.array(list).text)
        } else {
            for queue in queues {
                let name = queue.queue.rawValue.padding(toLength: 15, withPad: " ", startingAt: 0)
                print(
                    "\(name) ready \(queue.ready)  running \(queue.running)  later \(queue.later)  dead \(queue.dead)"
                        + (queue.isPaused ? "  PAUSED" : "")
                )
            }
        }
    }
}

struct JobPause: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pause", abstract: "Hand out nothing of a queue; what runs is finished, so it drains."
    )

    @OptionGroup var options: StoreOptions

    @Argument(help: "The queue.") var queue: String

    func run() async throws { try await setPaused(true, queue, options) }
}

struct JobResume: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "resume", abstract: "Let a paused queue go on.")

    @OptionGroup var options: StoreOptions

    @Argument(help: "The queue.") var queue: String

    func run() async throws { try await setPaused(false, queue, options) }
}

private func setPaused(_ isPaused: Bool, _ name: String, _ options: StoreOptions) async throws {
    guard let queue = Queue(rawValue: name) else {
        throw ValidationError("A queue is one of \(Queue.allCases.map(\.rawValue).joined(separator: ", ")).")
    }
    try await withStore(options) { store in
        try await store.withSystem { tx in
            try await tx.setPaused(isPaused, queue: queue)
            try await tx.audit(
                isPaused ? "queue.pause" : "queue.resume", on: queue.rawValue, of: nil, by: .commandLine)
        }
    }
    print("\(queue.rawValue) is \(isPaused ? "paused" : "running")")
}

struct JobDead: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "dead", abstract: "List jobs that wait for a person.")

    @OptionGroup var options: StoreOptions

    func run() async throws {
        let jobs = try await withStore(options) { store in try await store.withSystem { try await $0.deadJobs() } }
        for job in jobs {
            print(
                "\(job.id.text)  \(job.request.kind.rawValue) \(job.request.subject)  \(job.tenantID.text)  \(job.reason)"
            )
        }
    }
}

struct JobRetry: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry", abstract: "Put a dead job back into its queue.")

    @OptionGroup var options: StoreOptions

    @Argument(help: "The job's id.") var id: String

    func run() async throws {
        guard let id = ID<Job>(id) else { throw ValidationError("That is no job's id.") }
        try await withStore(options) { store in
            try await store.withSystem { tx in
                try await tx.retryDeadJob(id)
                try await tx.audit("job.retry", on: id.text, of: nil, by: .commandLine)
            }
        }
    }
}

struct JobDiscard: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "discard", abstract: "Give a dead job up.")

    @OptionGroup var options: StoreOptions

    @Argument(help: "The job's id.") var id: String

    func run() async throws {
        guard let id = ID<Job>(id) else { throw ValidationError("That is no job's id.") }
        try await withStore(options) { store in
            try await store.withSystem { tx in
                try await tx.discardDeadJob(id)
                try await tx.audit("job.discard", on: id.text, of: nil, by: .commandLine)
            }
        }
    }
}
