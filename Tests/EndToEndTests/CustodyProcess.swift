import CustodyWire
import Foundation
import Postgres
import TestSupport
import Testing

/// The built `custody` executable, run as a process of its own.
final class CustodyProcess: Sendable {
    /// What a process that ended left behind.
    struct Outcome: Sendable {
        let status: Int32
        let output: [UInt8]
        let errors: String
    }

    struct NotBuilt: Error {}

    /// The executable that `make test` built for release; by hand, the one that is built beside the tests.
    static func executable() throws -> URL {
        if let path = ProcessInfo.processInfo.environment["CUSTODY_TEST_EXECUTABLE"] { return URL(filePath: path) }
        var folder = URL(filePath: CommandLine.arguments[0])
        let candidates = [
            Bundle.main.bundleURL, URL(filePath: Bundle.main.executablePath ?? ""), folder,
            URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent().appending(path: ".build/debug/x"),
        ]
        for candidate in candidates {
            folder = candidate
            while folder.path != "/", !folder.path.isEmpty {
                let file = folder.appending(path: "custody")
                var isDirectory: ObjCBool = false
                if FileManager.default.fileExists(atPath: file.path, isDirectory: &isDirectory), !isDirectory.boolValue,
                    FileManager.default.isExecutableFile(atPath: file.path)
                {
                    return file
                }
                folder.deleteLastPathComponent()
            }
        }
        throw NotBuilt()
    }

    /// A database's address as `--database-url` takes it.
    static func url(_ configuration: PostgresConfiguration, user: String? = nil) -> String {
        let host = configuration.host
        let name = user ?? configuration.user
        return host.hasPrefix("/")
            ? "postgres://\(name)@localhost/\(configuration.database)?host=\(host)&port=\(configuration.port)"
            : "postgres://\(name)@\(host):\(configuration.port)/\(configuration.database)"
    }

    let process: Process
    private let directory: URL

    /// Starts a process that has the key of test stores; its output goes to files.
    init(_ arguments: [String], environment: [String: String] = [:]) throws {
        directory = FileManager.default.temporaryDirectory.appending(path: "custody-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        func file(_ name: String) throws -> FileHandle {
            let url = directory.appending(path: name)
            _ = FileManager.default.createFile(atPath: url.path, contents: nil)
            return try FileHandle(forWritingTo: url)
        }
        // The key of test stores, where nobody else can read it.
        let key = directory.appending(path: "master.key")
        _ = FileManager.default.createFile(
            atPath: key.path, contents: Data(TestStore.masterKey), attributes: [.posixPermissions: 0o600])
        process = Process()
        process.executableURL = try CustodyProcess.executable()
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment
            .merging(["CUSTODY_MASTER_KEY_FILE": key.path, "CUSTODY_MIGRATIONS": TestStore.migrations]) { $1 }
            .merging(environment) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = try file("output")
        process.standardError = try file("errors")
        try process.run()
    }

    deinit {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
        try? FileManager.default.removeItem(at: directory)
    }

    /// What it printed so far.
    var output: [UInt8] { Array((try? Data(contentsOf: directory.appending(path: "output"))) ?? Data()) }

    /// What it wrote to standard error so far.
    var errors: String {
        String(decoding: (try? Data(contentsOf: directory.appending(path: "errors"))) ?? Data(), as: UTF8.self)
    }

    /// Sends a signal.
    func signal(_ number: Int32) { kill(process.processIdentifier, number) }

    /// Waits until it has ended.
    func end(within limit: Duration) async throws -> Outcome {
        let deadline = ContinuousClock.now + limit
        while process.isRunning {
            guard ContinuousClock.now < deadline else {
                signal(SIGKILL)
                throw NeverHappened(description: "the process ends; it wrote: \(errors.suffix(2000))")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
        return Outcome(status: process.terminationStatus, output: output, errors: errors)
    }

    /// Runs a command to its end.
    static func run(
        _ arguments: [String], environment: [String: String] = [:], within limit: Duration = .seconds(60)
    ) async throws -> Outcome {
        try await CustodyProcess(arguments, environment: environment).end(within: limit)
    }
}
