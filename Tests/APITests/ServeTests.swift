import CustodyAPI
import CustodyStore
import CustodyWire
import Foundation
import Postgres
import Testing
import TestSupport

/// `custody serve` as the process it is.
@Suite struct ServeTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// A directory that is gone afterwards.
    private static func withDirectory<Value>(_ body: (URL) async throws -> Value) async throws -> Value {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent(
            "custody-serve-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(at: directory) }
        return try await body(directory)
    }

    private static func serve(_ arguments: [String], _ environment: [String: String], log: URL) throws -> Process {
        _ = FileManager.default.createFile(atPath: log.path, contents: nil)
        let process = Process()
        // The test program and the product are built into the same directory.
        let products = URL(fileURLWithPath: CommandLine.arguments.first ?? "").deletingLastPathComponent()
        let beside = products.appendingPathComponent("custody")
        let isBeside = FileManager.default.isExecutableFile(atPath: beside.path)
        process.executableURL = isBeside ? beside : root.appendingPathComponent(".build/debug/custody")
        process.arguments = ["serve"] + arguments
        process.environment = environment
        process.currentDirectoryURL = root
        let output = try FileHandle(forWritingTo: log)
        process.standardOutput = output
        process.standardError = output
        try process.run()
        return process
    }

    private static func exitStatus(_ process: Process) async throws -> Int32 {
        try await eventually("the process ends") { !process.isRunning }
        return process.terminationStatus
    }

    private static func lines(_ log: URL) throws -> [JSON] {
        try String(contentsOf: log, encoding: .utf8).split(separator: "\n").map { try JSON(parsing: String($0)) }
    }

    @Test func `serve is ready within a second, logs JSON, and ends in order when it is told to`() async throws {
        let test = try await TestStore.make()
        let database = try await test.configuration(.superuser)
        try await ServeTests.withDirectory { directory in
            let key = directory.appendingPathComponent("master.key")
            try Data(TestStore.masterKey).write(to: key)
            let settings = directory.appendingPathComponent("custody.yaml")
            // The file says where the database is and a wrong address; the environment and the flag count before it.
            try """
            database_url: "postgres:///\(test.database)?host=\(database.host)&port=\(database.port)"
            listen: 127.0.0.1:1
            operations_listen: 127.0.0.1:1
            """.write(to: settings, atomically: true, encoding: .utf8)
            let log = directory.appendingPathComponent("log")
            let start = ContinuousClock.now
            let process = try ServeTests.serve(
                ["--config", settings.path, "--listen", "127.0.0.1:0", "--master-key-file", key.path],
                ["CUSTODY_OPERATIONS_LISTEN": "127.0.0.1:0", "PATH": "/usr/bin:/bin"], log: log)
            defer { if process.isRunning { process.terminate() } }
            var operations = 0
            try await eventually("it listens") {
                for line in (try? ServeTests.lines(log)) ?? [] where line["listener"] == "operations" {
                    operations = Int(line["port"]?.string ?? "") ?? 0
                }
                return operations > 0
            }
            let bench = APIBench(
                world: try await test.world(), ports: .init(platform: 0, admin: nil, operations: operations), key: "")
            try await eventually("it is ready") {
                try await bench.send("GET", "/readyz", bytes: nil, port: operations).status == 200
            }
            #expect(ContinuousClock.now - start < .seconds(3))
            process.terminate()
            #expect(try await ServeTests.exitStatus(process) == 0)
            for line in try ServeTests.lines(log) {
                #expect(line["time"]?.string?.hasSuffix("Z") == true && line["level"] != nil && line["message"] != nil)
            }
        }
    }

    @Test func `a setting that nobody knows is refused with exit code 2`() async throws {
        try await ServeTests.withDirectory { directory in
            let settings = directory.appendingPathComponent("custody.yaml")
            for text in ["lisen: 127.0.0.1:0", "- a\n- b", "listen: [1, 2]", "a: b: c"] {
                try text.write(to: settings, atomically: true, encoding: .utf8)
                let log = directory.appendingPathComponent("log")
                let process = try ServeTests.serve(["--config", settings.path], [:], log: log)
                #expect(try await ServeTests.exitStatus(process) == 2)
                #expect(try String(contentsOf: log, encoding: .utf8).hasPrefix("custody: "))
            }
        }
    }
}
