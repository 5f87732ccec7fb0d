import ArgumentParser
import CustodyAPI
import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation
import Metrics
import Postgres
import Synchronization

/// Jobs without effect, one commit each, through the product's own worker: against two Python queues, against a plain claim,
/// beside a whale, under a snapshot.
struct BenchJobs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "jobs", abstract: "Jobs without effect, against pgqueuer and procrastinate.",
        discussion: "Needs a superuser's --database-url of a database that may be filled, and scripts/bench.sh's peers."
    )

    @OptionGroup var database: DatabaseOptions
    @Option(help: "The directory of the migration files.") var migrations = "./sql/migrations"
    @Option(help: "The Python with both peers installed.") var python = ".local/venv-bench/bin/python"
    @Option(help: "The script that runs a peer.") var peerScript = "bench/peer_jobs.py"
    @Option(help: "Jobs per measurement.") var jobs = 30_000
    @Option(help: "Measurements of each, alternating.") var runs = 3
    @Option(help: "Jobs at once: what a worker claims in one go, and pgqueuer's batch.") var concurrency = 100
    @Option(help: "For how long a snapshot is held, in seconds.") var snapshotSeconds = 30
    @Flag(help: "Answer in JSON, one object.") var json = false

    func run() async throws {
        MetricsSystem.bootstrap(PrometheusRegistry())
        let address = try database.configuration(role: "postgres")
        let load = try await JobsLoad(address, migrations: migrations, tenants: 51, concurrency: concurrency)
        let isDurable = try await load.isDurableAndGuarded()
        let rates = try await againstPeers(load, address)
        let (lone, fifo) = try await againstFirstInFirstOut(load)
        let whale = try await besideWhale(load)
        let (free, held) = try await underSnapshot(load, rate: lone)
        await load.close()
        let medians = rates.mapValues(median)
        let (ours, best) = (medians["custody"] ?? 0, max(medians["pgqueuer"] ?? 0, medians["procrastinate"] ?? 0))
        let checks: [(String, Bool)] = [
            ("durable_and_row_level_security", isDurable),
            ("faster_than_pgqueuer", ours > medians["pgqueuer"] ?? .infinity),
            ("faster_than_procrastinate", ours > medians["procrastinate"] ?? .infinity),
            ("one_commit_per_job", load.hadOneCommitPerJob),
            ("small_tenants_within_2_s", whale <= 2), ("lone_tenant_at_least_0_9_of_fifo", lone >= 0.9 * fifo),
            ("snapshot_costs_less_than_half", held > 0.5 * free),
        ]
        let members = rates.sorted { $0.key < $1.key }.map { name, rates in
            JSON.Member(name, .array(rates.map { .number(rounded($0, 0)) }))
        }
        let answer: JSON = [
            "name": "jobs", "ratio": .number(rounded(ours / best)), "ours": .number(rounded(ours, 0)),
            "yardstick": .number(rounded(best, 0)), "unit": "jobs/s", "runs": .object(members),
            "lone_tenant": .number(rounded(lone, 0)), "plain_fifo": .number(rounded(fifo, 0)),
            "small_tenants_done_after_s": .number(rounded(whale)), "without_snapshot": .number(rounded(free, 0)),
            "with_snapshot": .number(rounded(held, 0)),
            "checks": .object(checks.map { JSON.Member($0.0, .bool($0.1)) }),
        ]
        print(answer.text)
        guard checks.allSatisfy(\.1) else { throw ExitCode.failure }
    }

    /// Jobs per second of a lone platform.
    private func rate(_ load: JobsLoad, _ order: JobsLoad.Order) async throws -> Double {
        try await load.fill([(load.tenants[0], jobs)])
        let jobs = jobs
        let outcome = try await load.work(order) { _, count in count == jobs }
        guard outcome.done == jobs else { throw ValidationError("Of \(jobs) jobs \(outcome.done) were done.") }
        return Double(jobs) / outcome.seconds
    }

    private func againstPeers(_ load: JobsLoad, _ address: PostgresConfiguration) async throws -> [String: [Double]] {
        var rates: [String: [Double]] = [:]
        for _ in 0..<runs {
            rates["custody", default: []].append(try await rate(load, .lanes))
            rates["pgqueuer", default: []].append(try await peerRate("pgqueuer", address, jobs, batch: concurrency))
            // The slow ones get fewer, so that the run ends.
            rates["procrastinate", default: []].append(
                try await peerRate("procrastinate", address, jobs / 10, batch: concurrency))
            rates["pgqueuer_one_commit_per_job", default: []].append(
                try await peerRate("pgqueuer", address, jobs / 10, batch: 1))
        }
        return rates
    }

    private func peerRate(
        _ peer: String, _ address: PostgresConfiguration, _ count: Int, batch: Int
    ) async throws -> Double {
        let dsn = "postgresql://\(address.user)@/\(address.database)?host=\(address.host)&port=\(address.port)"
        let process = Process()
        process.executableURL = URL(fileURLWithPath: python)
        process.arguments = [peerScript, peer, dsn, String(count), String(batch)]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let bytes = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0,
            let line = String(decoding: bytes, as: UTF8.self).split(separator: "\n").last,
            let answer = try? JSON(parsing: Array(line.utf8)), case .number(let text)? = answer["seconds"],
            let taken = Double(text)
        else { throw ValidationError("\(peer) could not be measured.") }
        return Double(count) / taken
    }

    /// A lone platform, by lanes and by the plain claim, alternating.
    private func againstFirstInFirstOut(_ load: JobsLoad) async throws -> (lone: Double, fifo: Double) {
        var (lone, fifo): ([Double], [Double]) = ([], [])
        for _ in 0..<runs {
            lone.append(try await rate(load, .lanes))
            fifo.append(try await rate(load, .firstInFirstOut))
        }
        return (median(lone), median(fifo))
    }

    /// One platform with 100,000 jobs and 50 with 10 each: when the small ones' last is done.
    private func besideWhale(_ load: JobsLoad) async throws -> Double {
        let whale = load.tenants[0]
        let small = load.tenants.dropFirst()
        var all: [Double] = []
        for _ in 0..<runs {
            try await load.fill([(whale, 100_000)] + small.map { ($0, 10) })
            let began = try await load.now()
            let left = Mutex(small.count * 10)
            _ = try await load.work(.lanes, atMost: .seconds(4)) { job, _ in
                guard job.tenantID != whale else { return false }
                return left.withLock { left in
                    left -= 1
                    return left == 0
                }
            }
            let (count, last) = try await load.lastDone(without: whale, since: began)
            all.append(count == small.count * 10 ? last : .infinity)
        }
        return median(all)
    }

    /// The rate over so many seconds, without and with a snapshot that is held all the while.
    private func underSnapshot(_ load: JobsLoad, rate: Double) async throws -> (free: Double, held: Double) {
        let enough = Int(rate * Double(snapshotSeconds) * 1.5)
        var rates: [Double] = []
        for isHeld in [false, true] {
            try await load.fill([(load.tenants[0], enough)])
            var configuration = try database.configuration(role: "postgres")
            configuration.idleInTransactionTimeout = .zero
            let holder = try await Connection.open(configuration)
            if isHeld {
                try await holder.script("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM custody.queue")
            }
            let outcome = try await load.work(.lanes, atMost: .seconds(snapshotSeconds)) { $1 == enough }
            if isHeld { try await holder.script("COMMIT") }
            await holder.close()
            rates.append(Double(outcome.done) / outcome.seconds)
        }
        return (rates[0], rates[1])
    }
}
