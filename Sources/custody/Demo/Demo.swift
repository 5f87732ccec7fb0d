import ArgumentParser
import AsyncHTTPClient
import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation
import Logging
import Postgres
import UnixSignals

/// Plays the money day on simulators, with every part as a process of its own.
struct Demo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Play the money day: two platforms, three simulators, planted faults, and the books at the end.",
        discussion: "Needs an empty database, and a role that may create roles; `make demo` brings both."
    )

    @OptionGroup var database: DatabaseOptions

    @Flag(help: "Exit when the day is over: 0 when every check passed.") var once = false

    @Flag(help: "Print the outcome as JSON.") var json = false

    @Option(help: "Sub-merchants per platform.") var shops = 20

    @Option(help: "Orders per platform.") var orders = 500

    @Option(help: "The directory of the migration files.") var migrations = "./sql/migrations"

    func run() async throws {
        let started = ContinuousClock.now
        let directory =
            FileManager.default.temporaryDirectory.path + "/custody-demo-\(ProcessInfo.processInfo.processIdentifier)"
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700]
        )
        let keyFile = "\(directory)/master.key"
        let key = Data((0..<32).map { _ in UInt8.random(in: 0...255) })
        try writePrivate(key, to: keyFile)
        let applied = try await withConnection(to: try database.configuration()) { connection in
            try await Migrator(directory: migrations).up(on: connection)
        }
        say("database migrated (\(applied.count) migrations)")
        // The processes are told what this one was told, be it by flag or by the environment.
        var environment = ["CUSTODY_MASTER_KEY_FILE": keyFile, "CUSTODY_MIGRATIONS": migrations]
        if let url = database.databaseURL { environment["CUSTODY_DATABASE_URL"] = url }
        let processes = try DemoProcesses(directory: directory, environment: environment)
        let client = HTTPClient(configuration: .outbound)
        var options = try StoreOptions.parse([])
        options.database = database
        options.masterKeyFile = keyFile
        let store = try options.open(connections: 2, logger: Logger(label: "custody.demo"))
        var status: Int32 = 0
        do {
            let world = try await start(processes, client, store, directory)
            let passed = try await play(world, processes)
            say("the whole day took \(ContinuousClock.now - started)")
            status = passed ? 0 : 1
            if !once { try await stayUp(world, processes) }
        } catch {
            complain("\(error)")
            complain("the logs are in \(directory)")
            status = 1
        }
        processes.stop()
        await store.close()
        try await client.shutdown()
        if status == 0 { try? FileManager.default.removeItem(atPath: directory) }
        if status != 0 { throw ExitCode(status) }
    }

    private func start(
        _ processes: DemoProcesses, _ client: HTTPClient, _ store: Store, _ directory: String
    ) async throws -> DemoWorld {
        let bank = try await processes.startSimulator("bank", ["simulate", "bank"])
        let weChat = try await processes.startSimulator("wechat", ["simulate", "wechat"])
        let alipay = try await processes.startSimulator("alipay", ["simulate", "alipay"])
        let ports = try freePorts(3)
        let api = "http://127.0.0.1:\(ports[0])"
        try processes.start(
            "serve",
            [
                "serve", "--listen", "127.0.0.1:\(ports[0])", "--admin-listen", "127.0.0.1:\(ports[1])",
                "--operations-listen", "127.0.0.1:\(ports[2])",
            ]
        )
        try processes.start("work", ["work", "--callback-base-url", "\(api)/callbacks"])
        let http = DemoClient(client: client)
        try await until("the API is ready") {
            try processes.check()
            return (try? await http.call(.GET, "http://127.0.0.1:\(ports[2])/readyz")) != nil
        }
        say("bank, WeChat Pay, Alipay, API and worker are up; API at \(api)")
        return DemoWorld(
            http: http, api: api, bank: "http://\(bank)", weChat: "http://\(weChat)", alipay: "http://\(alipay)",
            directory: directory, store: store
        )
    }

    private func play(_ world: DemoWorld, _ processes: DemoProcesses) async throws -> Bool {
        let firstDay = BusinessDate(of: try await world.store.withSystem { $0.now }).advanced(by: 1)
        var platforms: [DemoPlatform] = []
        for (index, name) in ["Lantern Market", "River Street"].enumerated() {
            platforms.append(try await DemoPlatform.provision(name, number: index + 1, world, processes))
        }
        say("two platforms provisioned through the CLI")
        let results = try await withThrowingTaskGroup(of: (Int, DemoDay.Result).self) { group in
            for (index, platform) in platforms.enumerated() {
                let day = DemoDay(
                    platform: platform, world: world, shops: shops, orders: orders,
                    say: { say("\(platform.name): \($0)") }, firstDay: firstDay
                )
                group.addTask { (index, try await day.play()) }
            }
            var results: [Int: DemoDay.Result] = [:]
            for try await (index, result) in group { results[index] = result }
            return results
        }
        var outcomes: [JSON] = []
        var passed = true
        for (index, platform) in platforms.enumerated() {
            let books = try await DemoBooks.read(platform, world)
            let result = results[index] ?? DemoDay.Result()
            passed = passed && books.violations.isEmpty && books.differences.isEmpty && result.planted == result.found
            outcomes.append(outcome(platform, books, result))
            say("\(platform.name): the books (yuan)\n\(books.table)")
            say(books.violations.isEmpty ? "    proved: no violation" : "    VIOLATIONS: \(books.violations)")
            say(
                books.differences.isEmpty
                    ? "    agrees with the bank to the fen" : "    DIFFERS FROM THE BANK: \(books.differences)")
        }
        if json { print(JSON(dictionaryLiteral: ("platforms", .array(outcomes))).text) }
        return passed
    }

    private func outcome(_ platform: DemoPlatform, _ books: DemoBooks, _ result: DemoDay.Result) -> JSON {
        [
            "id": .string(platform.tenant), "books_balanced": .bool(books.violations.isEmpty),
            "bank_balanced": .bool(books.differences.isEmpty), "payments": JSON(result.payments),
            "withdrawals": JSON(result.withdrawals), "discrepancies_planted": JSON(result.planted),
            "discrepancies_found": JSON(result.found), "invariant_violations": JSON(books.violations.count),
        ]
    }

    private func stayUp(_ world: DemoWorld, _ processes: DemoProcesses) async throws {
        say("staying up at \(world.api) until interrupted; the contract is at \(world.api)/docs")
        let interrupted = await UnixSignalsSequence(trapping: .sigint, .sigterm)
        for await _ in interrupted { return }
    }

    /// Progress goes to the terminal, the outcome to standard output: with `--json` nothing else is printed there.
    private func say(_ text: String) {
        if json { complain(text) } else { print(text) }
        fflush(nil)
    }
}

private func complain(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }

/// Writes a file that nobody else can read.
func writePrivate(_ data: Data, to file: String) throws {
    let made = FileManager.default.createFile(atPath: file, contents: data, attributes: [.posixPermissions: 0o600])
    guard made else { throw DemoFailure(description: "\(file) cannot be written") }
}

/// Ports that are free now.
func freePorts(_ count: Int) throws -> [Int] {
    var sockets: [Int32] = []
    defer { for socket in sockets { close(socket) } }
    return try (0..<count).map { _ in
        let socket = Foundation.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        sockets.append(socket)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                bind(socket, generic, length) == 0 && getsockname(socket, generic, &length) == 0
            }
        }
        guard bound else { throw DemoFailure(description: "there is no free port") }
        return Int(UInt16(bigEndian: address.sin_port))
    }
}
