import CustodyWire
import Foundation
import Postgres
import TestSupport
import Testing

extension EndToEndTests {
    /// Benchmarks that are proofs as well, and what they leave behind.
    @Suite struct BenchTests {
        @Test func `in a storm of callbacks every payment is booked once, and the books balance`() async throws {
            // Roles belong to the whole server: whoever else migrates is done first.
            _ = try await TestStore.templateDatabase()
            try await TestCluster.withDatabase { configuration in
                let outcome = try await CustodyProcess.run(
                    [
                        "bench", "storm", "--json", "--callbacks", "10000", "--migrations", TestStore.migrations,
                        "--database-url", CustodyProcess.url(configuration),
                    ], within: .seconds(240))
                #expect(outcome.status == 0, "\(outcome.errors.suffix(4000))")
                let answer = try JSON(parsing: outcome.output)
                #expect(answer["deliveries"]?.integer == 10_000)
                // Each of them is told three times on average.
                #expect(try #require(answer["payments"]?.integer) > 2500)
                let checks = try #require(answer["checks"]?.members)
                #expect(checks.count == 16)
                for check in checks { #expect(check.value.bool == true, "\(check.name): \(answer.text)") }
            }
        }

        @Test func `a benchmark that is killed leaves no process behind`() async throws {
            _ = try await TestStore.templateDatabase()
            try await TestCluster.withDatabase { configuration in
                let bench = try CustodyProcess(
                    [
                        "bench", "storm", "--migrations", TestStore.migrations, "--database-url",
                        CustodyProcess.url(configuration),
                    ])
                var children: Set<Int32> = []
                try await eventually("serve and work run", within: .seconds(30)) {
                    children = BenchTests.children(of: bench.process.processIdentifier)
                    return children.count == 2
                }
                bench.signal(SIGKILL)
                #expect(try await bench.end(within: .seconds(5)).status == SIGKILL)
                try await eventually("its processes end", within: .seconds(30)) {
                    children.allSatisfy { !BenchTests.isRunning($0) }
                }
            }
        }

        /// Processes that another one started.
        private static func children(of parent: Int32) -> Set<Int32> {
            let all = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
            return Set(all.compactMap { Int32($0) }.filter { status(of: $0)?.parent == parent })
        }

        /// Whether a process is there, and not a dead one that nobody has asked about.
        private static func isRunning(_ process: Int32) -> Bool { status(of: process).map { $0.state != "Z" } ?? false }

        private static func status(of process: Int32) -> (state: Substring, parent: Int32)? {
            guard let bytes = FileManager.default.contents(atPath: "/proc/\(process)/stat") else { return nil }
            let fields = String(decoding: bytes, as: UTF8.self).split(separator: ")").last?.split(separator: " ") ?? []
            guard fields.count > 1, let parent = Int32(fields[1]) else { return nil }
            return (fields[0], parent)
        }
    }
}
