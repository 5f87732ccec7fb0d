import ArgumentParser
import AsyncHTTPClient
import CustodyDomain
import CustodyStore
import Foundation
import Logging
import Postgres

/// A deployment that one benchmark has to itself: a migrated database, API and worker as processes of their own.
final class BenchDeployment {
    /// The store, for what the benchmark prepares and counts.
    let store: Store
    /// The port of the platforms' listener.
    let port: Int
    /// The API's process.
    let api: Int32
    /// The worker's process.
    let worker: Int32
    /// Seconds from the API's start until it was ready.
    let coldStart: Double

    private let database: DatabaseOptions
    private let directory: String
    private let processes: DemoProcesses

    /// Starts everything.
    ///
    /// - Parameters:
    ///   - database: A superuser's address of a database that may be filled.
    ///   - working: The queues whose jobs are done; the others' wait, since their counterparties are not what is measured.
    init(database: DatabaseOptions, migrations: String, working: Set<Queue> = []) async throws {
        self.database = database
        directory =
            FileManager.default.temporaryDirectory.path + "/custody-bench-\(ProcessInfo.processInfo.processIdentifier)"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700]
        )
        let keyFile = "\(directory)/master.key"
        try writePrivate(Data((0..<32).map { _ in UInt8.random(in: 0...255) }), to: keyFile)
        _ = try await withConnection(to: try database.configuration()) {
            try await Migrator(directory: migrations).up(on: $0)
        }
        var options = try StoreOptions.parse([])
        options.database = database
        options.masterKeyFile = keyFile
        store = try options.open(connections: 4, logger: Logger(label: "custody.bench"))
        try await store.withSystem { system in
            for queue in Queue.allCases where !working.contains(queue) {
                try await system.setPaused(true, queue: queue)
            }
        }
        var environment = ["CUSTODY_MASTER_KEY_FILE": keyFile, "CUSTODY_MIGRATIONS": migrations]
        if let url = database.databaseURL { environment["CUSTODY_DATABASE_URL"] = url }
        processes = try DemoProcesses(directory: directory, environment: environment)
        let ports = try freePorts(2)
        port = ports[0]
        let started = ContinuousClock.now
        api = try processes.start(
            "serve",
            [
                "serve", "--listen", "127.0.0.1:\(ports[0])", "--operations-listen", "127.0.0.1:\(ports[1])",
                "--admin-listen", "127.0.0.1:0",
            ]
        )
        coldStart = try await BenchDeployment.ready(ports[1], since: started)
        worker = try processes.start("work", ["work"])
    }

    /// Makes the database one that has run for a while, so that neither side is measured on plans for empty tables, nor waits
    /// for new files of the log to be written full of zeros and to reach the disk: a server soon writes into old ones again.
    func settle() async throws {
        try await withConnection(to: try database.configuration()) { connection in
            _ = try await connection.query("ANALYZE")
            for _ in 0..<BenchDeployment.logFiles {
                _ = try await connection.query("SELECT pg_logical_emit_message(false, 'bench', 'x'), pg_switch_wal()")
            }
            _ = try await connection.query("CHECKPOINT")
        }
    }

    /// A gigabyte of log, more than a benchmark writes.
    private static let logFiles = 64

    /// Runs a command of ours to its end and returns what it printed.
    ///
    /// - Throws: When it fails.
    func run(_ arguments: [String]) throws -> String { try processes.run(arguments) }

    /// Ends the processes.
    func stop() async {
        processes.stop()
        await store.close()
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// Runs a script of pgbench as `custody_app`: transactions per second, and with a pace how long each took from when it
    /// was due, in seconds.
    ///
    /// Counted, not timed: a child of this process inherits a mask that keeps pgbench's own alarm from it.
    func pgbench(
        _ script: String, programs: String, clients: Int, transactions: Int, variables: [String: String],
        pace: Double? = nil
    ) throws -> (rate: Double, latencies: [Double]) {
        let address = try database.configuration(role: "custody_app")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "\(programs)/pgbench")
        process.arguments =
            [
                "--no-vacuum", "--protocol=prepared", "--client=\(clients)", "--jobs=2",
                "--transactions=\(transactions / clients)", "--file=\(script)", "-h", address.host, "-p",
                String(address.port), "-U", "custody_app",
            ] + (pace.map { ["--rate=\($0)", "--log", "--log-prefix=\(directory)/pgbench"] } ?? [])
            + variables.sorted { $0.key < $1.key }.flatMap { ["-D", "\($0.key)=\($0.value)"] } + [address.database]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard let match = text.firstMatch(of: #/tps = ([0-9.]+)/#), let rate = Double(match.1) else {
            throw DemoFailure(description: "pgbench could not be measured")
        }
        return (rate, try takeLatencies())
    }

    /// The third field of each line that pgbench logged, in microseconds there; the files are gone then.
    private func takeLatencies() throws -> [Double] {
        var latencies: [Double] = []
        for name in try FileManager.default.contentsOfDirectory(atPath: directory) where name.hasPrefix("pgbench.") {
            let file = "\(directory)/\(name)"
            let bytes = FileManager.default.contents(atPath: file) ?? Data()
            latencies += bytes.split(separator: UInt8(ascii: "\n")).compactMap { line in
                let fields = line.split(separator: UInt8(ascii: " "))
                return fields.count > 2 ? Double(String(decoding: fields[2], as: UTF8.self)).map { $0 / 1e6 } : nil
            }
            try FileManager.default.removeItem(atPath: file)
        }
        return latencies
    }

    private static func ready(_ port: Int, since began: ContinuousClock.Instant) async throws -> Double {
        let http = DemoClient(client: .shared)
        while seconds(since: began) < 20 {
            if (try? await http.call(.GET, "http://127.0.0.1:\(port)/readyz")) != nil { return seconds(since: began) }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw DemoFailure(description: "the API never became ready")
    }
}

/// The value below which such a share of sorted values lies.
func percentile(_ sorted: [Double], _ share: Double) -> Double {
    sorted.isEmpty ? 0 : sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]
}

/// The processor time a process has used.
func cpuSeconds(of process: Int32) -> Double {
    let text = String(decoding: FileManager.default.contents(atPath: "/proc/\(process)/stat") ?? Data(), as: UTF8.self)
    let fields = text.split(separator: ")").last?.split(separator: " ") ?? []
    guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else { return 0 }
    return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
}

/// The memory of a process that is in RAM.
func residentMiB(of process: Int32) -> Double {
    let text = String(
        decoding: FileManager.default.contents(atPath: "/proc/\(process)/status") ?? Data(), as: UTF8.self)
    let line = text.split(separator: "\n").first { $0.hasPrefix("VmRSS:") } ?? ""
    return (Double(line.filter(\.isNumber)) ?? 0) / 1024
}
