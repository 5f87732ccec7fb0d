import CustodyWire
import Foundation

/// The processes of a demo: this same executable, started again in its other roles. They end with this one, however it ends.
final class DemoProcesses {
    private var running: [(name: String, process: Process)] = []
    private let executable: String
    private let directory: String
    private let environment: [String: String]
    /// We hold its other end for as long as we live.
    private let life = Pipe()

    /// - Parameters:
    ///   - directory: Where each process writes its log.
    ///   - environment: Settings that all of them share.
    init(directory: String, environment: [String: String]) throws {
        guard let path = Bundle.main.executablePath else {
            throw DemoFailure(description: "this executable has no path")
        }
        executable = path
        self.directory = directory
        self.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        // Nobody else is to hold it: a child that did would outlive us, and keep its brothers alive.
        _ = fcntl(life.fileHandleForWriting.fileDescriptor, F_SETFD, FD_CLOEXEC)
    }

    /// Starts a role that goes on until ``stop()``, and returns the number of its process.
    @discardableResult
    func start(_ name: String, _ arguments: [String]) throws -> Int32 {
        let log = "\(directory)/\(name).log"
        try writePrivate(Data(), to: log)
        guard let output = FileHandle(forWritingAtPath: log) else {
            throw DemoFailure(description: "\(log) cannot be written")
        }
        let process = make(arguments)
        process.standardOutput = output
        process.standardError = output
        process.standardInput = life.fileHandleForReading
        process.environment = environment.merging([ParentWatch.variable: "true"]) { $1 }
        try process.run()
        running.append((name, process))
        return process.processIdentifier
    }

    /// Starts a simulator and waits for the address it announces.
    func startSimulator(_ name: String, _ arguments: [String]) async throws -> String {
        try start(name, arguments)
        var address: String?
        try await until("\(name) listens") {
            let log = FileManager.default.contents(atPath: "\(directory)/\(name).log") ?? Data()
            for line in log.split(separator: UInt8(ascii: "\n")) {
                if let listening = (try? JSON(parsing: line))?["listening"]?.string { address = listening }
            }
            try check()
            return address != nil
        }
        return address ?? ""
    }

    /// Runs a command of ours to its end and returns what it printed.
    func run(_ arguments: [String]) throws -> String {
        let process = make(arguments)
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw DemoFailure(description: "custody \(arguments.prefix(2).joined(separator: " ")) failed")
        }
        return text
    }

    /// Fails when a process has ended by itself.
    func check() throws {
        for (name, process) in running where !process.isRunning {
            throw DemoFailure(description: "\(name) ended by itself; see \(directory)/\(name).log")
        }
    }

    /// Asks all processes to end, the last started first, and waits until they have.
    func stop() {
        for (_, process) in running.reversed() where process.isRunning { process.terminate() }
        for (_, process) in running.reversed() { process.waitUntilExit() }
        running = []
    }

    private func make(_ arguments: [String]) -> Process {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: executable)
        process.arguments = arguments
        process.environment = environment
        process.standardInput = FileHandle.nullDevice
        return process
    }
}
