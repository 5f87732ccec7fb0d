import ArgumentParser
import AsyncHTTPClient
import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation
import Logging
import Postgres

/// Orders over HTTP against `pgbench` writing the same rows as one pipelined transaction.
struct BenchOrders: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "orders", abstract: "POST /v1/orders, against pgbench writing the same rows.",
        discussion: "Needs a superuser's --database-url of a database that may be filled."
    )

    @OptionGroup var database: DatabaseOptions
    @Option(help: "The directory of the migration files.") var migrations = "./sql/migrations"
    @Option(help: "The yardstick's script.") var script = "bench/orders.pgbench.sql"
    @Option(help: "The directory of pgbench.") var programs = "/usr/lib/postgresql/15/bin"
    @Option(help: "Connections of the load.") var clients = 32
    @Option(name: .customLong("seconds"), help: "Seconds of each measurement.") var length = 10
    @Option(help: "Measurements of each, alternating.") var runs = 3
    @Flag(help: "Answer in JSON, one object.") var json = false

    private struct Market {
        let tenant: ID<Tenant>
        let key: String
        let payees: [ID<SubMerchant>]
    }

    func run() async throws {
        let directory =
            FileManager.default.temporaryDirectory.path + "/custody-bench-\(ProcessInfo.processInfo.processIdentifier)"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700]
        )
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let keyFile = "\(directory)/master.key"
        try writePrivate(Data((0..<32).map { _ in UInt8.random(in: 0...255) }), to: keyFile)
        _ = try await withConnection(to: try database.configuration()) {
            try await Migrator(directory: migrations).up(on: $0)
        }
        var options = try StoreOptions.parse([])
        options.database = database
        options.masterKeyFile = keyFile
        let store = try options.open(connections: 2, logger: Logger(label: "custody.bench"))
        let market = try await prepare(store)
        var environment = ["CUSTODY_MASTER_KEY_FILE": keyFile, "CUSTODY_MIGRATIONS": migrations]
        if let url = database.databaseURL { environment["CUSTODY_DATABASE_URL"] = url }
        let processes = try DemoProcesses(directory: directory, environment: environment)
        defer { processes.stop() }
        let ports = try freePorts(2)
        let started = ContinuousClock.now
        let api = try processes.start(
            "serve",
            [
                "serve", "--listen", "127.0.0.1:\(ports[0])", "--operations-listen", "127.0.0.1:\(ports[1])",
                "--admin-listen", "127.0.0.1:0",
            ]
        )
        let cold = try await coldStart(ports[1], since: started)
        let worker = try processes.start("work", ["work"])
        let load = OrdersLoad(port: ports[0], key: market.key, payees: market.payees.map(\.text))
        _ = load.run(connections: clients, seconds: 2, label: "warm")
        // What autovacuum does within a minute, so that neither side is measured on plans for empty tables.
        _ = try await withConnection(to: try database.configuration()) { try await $0.query("ANALYZE") }
        try await measure(load, market, api: api, worker: worker, coldStart: cold)
        await store.close()
    }

    private func measure(
        _ load: OrdersLoad, _ market: Market, api: Int32, worker: Int32, coldStart: Double
    ) async throws {
        var (ours, yardstick, latencies): ([Double], [Double], [Double]) = ([], [], [])
        var (accepted, refused, cpu) = (0, 0, 0.0)
        for run in 0..<runs {
            let before = cpuSeconds(of: api)
            let outcome = load.run(connections: clients, seconds: Double(length), label: "run\(run)")
            cpu += cpuSeconds(of: api) - before
            ours.append(Double(outcome.accepted) / Double(length))
            accepted += outcome.accepted
            refused += outcome.refused
            latencies += outcome.latencies
            yardstick.append(try pgbench(market, run: run + 1))
        }
        latencies.sort()
        let (rate, reference) = (median(ours), median(yardstick))
        let (apiMemory, workerMemory) = (residentMiB(of: api), residentMiB(of: worker))
        let checks: [(String, Bool)] = [
            ("ratio_at_least_0_7", rate >= 0.7 * reference), ("none_refused", refused == 0),
            ("api_within_150_mib", apiMemory <= 150), ("worker_within_150_mib", workerMemory <= 150),
            ("cold_start_within_1_s", coldStart < 1),
        ]
        let answer: JSON = [
            "name": "orders", "ratio": .number(rounded(rate / reference)), "ours": .number(rounded(rate, 0)),
            "yardstick": .number(rounded(reference, 0)), "unit": "orders/s",
            "p50_ms": .number(rounded(percentile(latencies, 0.5) * 1000)),
            "p99_ms": .number(rounded(percentile(latencies, 0.99) * 1000)), "api_mib": .number(rounded(apiMemory, 0)),
            "worker_mib": .number(rounded(workerMemory, 0)), "cold_start_s": .number(rounded(coldStart)),
            "api_cpu_seconds_per_1000_orders": .number(rounded(cpu / Double(max(1, accepted)) * 1000)),
            "checks": .object(checks.map { JSON.Member($0.0, .bool($0.1)) }),
        ]
        print(answer.text)
        guard checks.allSatisfy(\.1) else { throw ExitCode.failure }
    }

    /// A platform with a key and two active sub-merchants; its bank jobs wait, for there is no bank.
    private func prepare(_ store: Store) async throws -> Market {
        let (tenant, key) = try await store.withSystem { system in
            for queue in Queue.allCases { try await system.setPaused(true, queue: queue) }
            let tenant = try await system.createTenant(name: "bench", isSandbox: false).id
            return (
                tenant,
                try await system.createKey(for: tenant, name: "bench", scopes: ["read", "write"], expiresAt: nil)
            )
        }
        let payees = try await store.withTenant(tenant) { tx in
            try await tx.setLink(.bank, configuration: Array("{}".utf8))
            var ids: [ID<SubMerchant>] = []
            for number in 1...2 {
                let details = SubMerchantDetails(
                    name: "bench", certificateNumber: "C\(number)", legalPersonName: "n", legalPersonIDNumber: "1",
                    contactName: "n", contactMobile: "1"
                )
                let id = try await tx.openSubMerchant(
                    outSubMerchantNo: "s\(number)", kind: .company, displayName: "bench", details: details
                ).id
                try await tx.noteReview(of: id, .active, subAccount: "A\(number)")
                ids.append(id)
            }
            return ids
        }
        return Market(tenant: tenant, key: key, payees: payees)
    }

    private func coldStart(_ port: Int, since began: ContinuousClock.Instant) async throws -> Double {
        let http = DemoClient(client: .shared)
        while seconds(since: began) < 20 {
            if (try? await http.call(.GET, "http://127.0.0.1:\(port)/readyz")) != nil { return seconds(since: began) }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw DemoFailure(description: "the API never became ready")
    }

    /// Counted, not timed: a child of this process inherits a mask that keeps pgbench's own alarm from it.
    private func pgbench(_ market: Market, run: Int) throws -> Double {
        let address = try database.configuration(role: "custody_app")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "\(programs)/pgbench")
        process.arguments = [
            "--no-vacuum", "--protocol=prepared", "--client=\(clients)", "--jobs=2", "--transactions=\(length * 100)",
            "--file=\(script)", "-D", "tenant=\(market.tenant.uuid.text)", "-D", "s1=\(market.payees[0].uuid.text)",
            "-D", "run=\(run)", "-D", "n=0", "-D",
            "s2=\(market.payees[1].uuid.text)", "-h", address.host, "-p", String(address.port), "-U", "custody_app",
            address.database,
        ]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard let match = text.firstMatch(of: #/tps = ([0-9.]+)/#), let rate = Double(match.1) else {
            throw ValidationError("pgbench could not be measured.")
        }
        return rate
    }
}

/// The value below which such a share of sorted values lies.
private func percentile(_ sorted: [Double], _ share: Double) -> Double {
    sorted.isEmpty ? 0 : sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]
}

/// The processor time a process has used.
private func cpuSeconds(of process: Int32) -> Double {
    let text = String(decoding: FileManager.default.contents(atPath: "/proc/\(process)/stat") ?? Data(), as: UTF8.self)
    let fields = text.split(separator: ")").last?.split(separator: " ") ?? []
    guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else { return 0 }
    return (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
}

/// The memory of a process that is in RAM.
private func residentMiB(of process: Int32) -> Double {
    let text = String(
        decoding: FileManager.default.contents(atPath: "/proc/\(process)/status") ?? Data(), as: UTF8.self)
    let line = text.split(separator: "\n").first { $0.hasPrefix("VmRSS:") } ?? ""
    return (Double(line.filter(\.isNumber)) ?? 0) / 1024
}
