import Foundation
import Synchronization

/// One running process of other people's software.
final class PeerProcess: Sendable {
    private let process = Process()
    private let ended: AsyncStream<Int32>
    /// What it reads; closing it asks a server to end.
    let input: FileHandle
    /// What it prints.
    let output: FileHandle
    /// What it complains about.
    let errors: FileHandle

    /// Starts a program.
    init(_ program: URL, _ arguments: [String]) throws {
        let (input, output, errors) = (Pipe(), Pipe(), Pipe())
        (self.input, self.output, self.errors) = (
            input.fileHandleForWriting, output.fileHandleForReading, errors.fileHandleForReading
        )
        process.executableURL = program
        process.arguments = arguments
        process.standardInput = input
        process.standardOutput = output
        process.standardError = errors
        let (stream, continuation) = AsyncStream<Int32>.makeStream()
        ended = stream
        process.terminationHandler = {
            continuation.yield($0.terminationStatus)
            continuation.finish()
        }
        try process.run()
    }

    deinit { terminate() }

    /// Ends it.
    func terminate() {
        if process.isRunning { process.terminate() }
    }

    /// How it ended, once it has.
    func status() async -> Int32 {
        for await status in ended { return status }
        return process.terminationStatus
    }

    /// The next line it prints; nil when it prints no more.
    func line() async -> String? {
        await PeerPipe.line(of: output)
    }
}

/// Reading a pipe on a thread of its own, since that blocks.
enum PeerPipe {
    static func all(of handle: FileHandle) async -> Data {
        await reading { (try? handle.readToEnd()) ?? Data() }
    }

    static func line(of handle: FileHandle) async -> String? {
        await reading {
            var bytes: [UInt8] = []
            while let byte = try? handle.read(upToCount: 1)?.first {
                if byte == UInt8(ascii: "\n") { return String(decoding: bytes, as: UTF8.self) }
                bytes.append(byte)
            }
            return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
        }
    }

    private static func reading<Value: Sendable>(_ read: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread { continuation.resume(returning: read()) }
        }
    }
}
