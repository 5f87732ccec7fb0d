import Foundation
import Postgres
import Synchronization

/// A PostgreSQL server of one test's own, which may be stopped, killed and started again at will.
///
/// It lives in a fresh temporary directory, durable as in production (fsync on), reachable by a Unix socket and a free
/// port on 127.0.0.1. A guardian process removes it when this process ends, however it ends.
public actor PrivateCluster {
    /// A server that would not start or stop, with what it wrote.
    public struct Failure: Error, CustomStringConvertible {
        /// What went wrong.
        public let description: String
    }

    /// Where PostgreSQL's programs are.
    public static var binaries: String {
        ProcessInfo.processInfo.environment["CUSTODY_TEST_PGBIN"] ?? "/usr/lib/postgresql/15/bin"
    }

    /// The port on 127.0.0.1, and the number in the socket's name.
    public nonisolated let port: Int
    /// The directory of the Unix socket.
    public nonisolated let socketDirectory: String
    private nonisolated let directory: String
    private nonisolated let settings: [String]
    private let guardian: Guardian
    private var server: Process?

    /// Makes a cluster and starts its server.
    ///
    /// - Parameter settings: Server settings as `name=value`, besides the defaults.
    public init(settings: [String] = []) async throws {
        let directory = NSTemporaryDirectory() + "custody-pg-" + UUID().uuidString.prefix(8).lowercased()
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
        self.directory = directory
        self.settings = settings
        socketDirectory = directory
        port = try Self.freePort()
        guardian = try Guardian(of: directory)
        if getuid() == 0 { try await Self.run(["/usr/bin/chown", "postgres", directory]) }
        try await Self.run(
            Self.asServerUser([
                Self.binaries + "/initdb", "-D", directory + "/data", "-U", "postgres", "--auth=trust", "-E", "UTF8",
                "--locale=C.UTF-8", "--no-sync",
            ]))
        try await start()
    }

    /// How to reach a database of this server as superuser, over the socket, or over TCP.
    public nonisolated func configuration(database: String = "postgres", overTCP: Bool = false) -> PostgresConfiguration
    {
        PostgresConfiguration(
            host: overTCP ? "127.0.0.1" : socketDirectory, port: port, database: database, user: "postgres",
            applicationName: "test", tls: .disable)
    }

    /// Starts the server and waits until it answers.
    public func start() async throws {
        guard server == nil else { return }
        let deadline = ContinuousClock.now + .seconds(60)
        while true {
            let process = try launch()
            while process.isRunning, ContinuousClock.now < deadline {
                do {
                    try await Connection.open(configuration()).close()
                    server = process
                    return
                } catch {
                    try await Task.sleep(for: .milliseconds(20))
                }
            }
            if process.isRunning { process.terminate() }
            // A server just killed may leave its lock or shared memory behind for a moment.
            guard ContinuousClock.now < deadline else { throw Failure(description: "no server: " + log) }
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    /// Stops the server in an orderly way: sessions are told, everything is written (the "fast" mode).
    public func stop() async throws {
        guard let server else { return }
        kill(server.processIdentifier, SIGINT)
        try await waitUntilGone(server)
    }

    /// Kills the server and all its sessions as a power cut would, and waits until they are really gone.
    public func killHard() async throws {
        guard let server else { return }
        kill(server.processIdentifier, SIGKILL)
        for pid in serverProcesses() { kill(pid, SIGKILL) }
        try await waitUntilGone(server)
    }

    /// Stops the server if it runs, and starts it.
    public func restart() async throws {
        try await stop()
        try await start()
    }

    /// Stops the server and removes its files.
    public func remove() async throws {
        try await killHard()
        guardian.dismiss()
    }

    private var log: String {
        let text = (try? String(contentsOfFile: directory + "/log", encoding: .utf8)) ?? ""
        return String(text.suffix(2000))
    }

    private func launch() throws -> Process {
        var command = [Self.binaries + "/postgres", "-D", directory + "/data", "-k", directory, "-p", String(port)]
        let all = ["listen_addresses=127.0.0.1", "max_connections=200", "shared_buffers=64MB"] + settings
        for setting in all { command += ["-c", setting] }
        let wrapped = Self.asServerUser(command)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: wrapped[0])
        process.arguments = Array(wrapped.dropFirst())
        _ = FileManager.default.createFile(atPath: directory + "/log", contents: nil)
        let output = try FileHandle(forWritingTo: URL(fileURLWithPath: directory + "/log"))
        process.standardOutput = output
        process.standardError = output
        process.standardInput = FileHandle.nullDevice
        try process.run()
        return process
    }

    /// A killed server still answers `kill -0` until it is reaped, and its sessions outlive it: only /proc tells the truth.
    private func waitUntilGone(_ process: Process) async throws {
        let deadline = ContinuousClock.now + .seconds(30)
        let path = "/proc/\(process.processIdentifier)"
        while process.isRunning || FileManager.default.fileExists(atPath: path) || !serverProcesses().isEmpty {
            guard ContinuousClock.now < deadline else { throw Failure(description: "the server does not end: " + log) }
            try await Task.sleep(for: .milliseconds(10))
        }
        server = nil
    }

    /// The server's processes: those that live in its data directory.
    private func serverProcesses() -> [pid_t] {
        let data = directory + "/data"
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return entries.compactMap { pid_t($0) }.filter {
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\($0)/cwd")) == data
        }
    }

    /// PostgreSQL refuses to run as root.
    private static func asServerUser(_ command: [String]) -> [String] {
        guard getuid() == 0 else { return command }
        return ["/usr/bin/setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--"] + command
    }

    private static func run(_ command: [String]) async throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: command[0])
        process.arguments = Array(command.dropFirst())
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        let status = try await withCheckedThrowingContinuation { (done: CheckedContinuation<Int32, any Error>) in
            process.terminationHandler = { done.resume(returning: $0.terminationStatus) }
            do { try process.run() } catch { done.resume(throwing: error) }
        }
        guard status == 0 else { throw Failure(description: "\(command[0]) ended with \(status)") }
    }

    private static func freePort() throws -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let found = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard found else { throw Failure(description: "no free port") }
        return Int(UInt16(bigEndian: address.sin_port))
    }
}

/// A process that ends a server and removes its files as soon as our end of a pipe is closed, be it by a crash.
private final class Guardian: Sendable {
    private let descriptor: Int32
    private let isDismissed = Mutex(false)

    init(of directory: String) throws {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { throw PrivateCluster.Failure(description: "no pipe") }
        // Only this process may hold the writing end, or the guardian never sees it close.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        descriptor = ends[1]
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = [
            "-c",
            """
            trap '' INT TERM HUP; read -r line
            pid=$(head -n 1 "$0/data/postmaster.pid" 2>/dev/null) && kill -QUIT "$pid" 2>/dev/null
            n=0; while [ -e "/proc/$pid/exe" ] && [ $n -lt 50 ]; do sleep 0.1; n=$((n+1)); done; rm -rf "$0"
            """, directory,
        ]
        process.standardInput = FileHandle(fileDescriptor: ends[0], closeOnDealloc: true)
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
    }

    deinit { dismiss() }

    func dismiss() {
        let isFirst = isDismissed.withLock { done in
            defer { done = true }
            return !done
        }
        if isFirst { close(descriptor) }
    }
}
