import CustodyWire
import Foundation

/// A Python script beside these tests, run with the software of one environment of `.local/peers`.
///
/// A script prints one JSON value and exits 0. What it takes comes as arguments and, where that is long, on standard input.
struct Peer: Sendable {
    /// Why a script gave no answer.
    enum Failure: Error {
        /// `scripts/setup.sh peers` has not been run.
        case notInstalled(String)
        /// It ended badly, or too late.
        case failed(status: Int32, errors: String)
    }

    private static let tests = URL(filePath: #filePath).deletingLastPathComponent()

    /// The environment's name: the file's in `Peers/`.
    let environment: String

    /// The interpreter that sees the environment's packages.
    var python: URL {
        Peer.tests.deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: ".local/peers/\(environment)/bin/python")
    }

    /// Runs a script of `Scripts/` to its end, and reads what it printed.
    func run(_ script: String, _ arguments: [String] = [], input: String = "") async throws -> JSON {
        let process = try start(script, arguments)
        let deadline = Task {
            try await Task.sleep(for: .seconds(60))
            process.terminate()
        }
        defer { deadline.cancel() }
        async let output = PeerPipe.all(of: process.output)
        async let errors = PeerPipe.all(of: process.errors)
        try process.input.write(contentsOf: Data(input.utf8))
        try process.input.close()
        let status = await process.status()
        let (printed, complaints) = (await output, await errors)
        guard status == 0 else {
            throw Failure.failed(status: status, errors: String(decoding: complaints, as: UTF8.self))
        }
        return try JSON(parsing: Array(printed))
    }

    /// Starts a script that stays, such as a server: it prints what its caller must know, and ends with its input.
    func start(_ script: String, _ arguments: [String] = []) throws -> PeerProcess {
        guard FileManager.default.isExecutableFile(atPath: python.path) else { throw Failure.notInstalled(environment) }
        let file = Peer.tests.appending(path: "Scripts/\(script).py")
        return try PeerProcess(python, [file.path] + arguments)
    }
}
