import Postgres
import Synchronization
import TestSupport
import Testing

@Suite struct CopyTests {
    private struct Broken: Error {}

    private func lines(_ count: Int, failingAt: Int? = nil) -> AsyncThrowingStream<[UInt8], any Error> {
        let next = Mutex(0)
        return AsyncThrowingStream {
            let start = next.withLock { value in
                defer { value += 1000 }
                return value
            }
            if let failingAt, start >= failingAt { throw Broken() }
            guard start < count else { return nil }
            return (start..<min(count, start + 1000)).flatMap { Array("\($0)\tname \($0)\n".utf8) }
        }
    }

    @Test func `200,000 rows go in and come out while other tasks run`() async throws {
        try await TestCluster.withDatabase { configuration in
            let connection = try await Connection.open(configuration)
            try await connection.script("CREATE TABLE t (id bigint, name text)")
            let ticks = Counter()
            let ticker = Task {
                while !Task.isCancelled {
                    ticks.add(1)
                    try await Task.sleep(for: .milliseconds(1))
                }
            }
            #expect(try await connection.copyIn("COPY t FROM STDIN", lines(200_000)) == 200_000)
            let sum = try await connection.query("SELECT sum(id)::bigint AS sum, count(*) AS n FROM t")
            #expect(try sum[0].get("sum") == 199_999 * 100_000)
            let bytes = Counter()
            let copied = try await connection.copyOut("COPY t TO STDOUT") { chunk in
                bytes.add(chunk.count)
                #expect(chunk.last == UInt8(ascii: "\n"))
            }
            #expect(copied == 200_000)
            let expected = (0..<200_000).reduce(0) { $0 + "\($1)\tname \($1)\n".utf8.count }
            #expect(bytes.value == expected)
            ticker.cancel()
            #expect(ticks.value > 5)
            await connection.close()
        }
    }

    @Test func `a COPY that fails in the middle copies nothing and leaves the connection usable`() async throws {
        try await TestCluster.withDatabase { configuration in
            let connection = try await Connection.open(configuration)
            try await connection.script("CREATE TABLE t (id bigint, name text)")
            let source = await failure {
                _ = try await connection.copyIn("COPY t FROM STDIN", lines(50_000, failingAt: 30_000))
            }
            #expect(source?.kind == .copySourceFailed)
            #expect(source?.underlying is Broken)
            let (bad, feed) = AsyncThrowingStream<[UInt8], any Error>.makeStream()
            for _ in 0..<2000 { feed.yield(Array("not a number\tx\n".utf8)) }
            feed.finish()
            let refused = await failure { _ = try await connection.copyIn("COPY t FROM STDIN", bad) }
            #expect(refused?.sqlState == "22P02")
            let absent = await failure { _ = try await connection.copyIn("COPY nothing FROM STDIN", lines(10)) }
            #expect(absent?.sqlState == "42P01")
            #expect(try await connection.query("SELECT id FROM t").isEmpty)
            await connection.close()
        }
    }

    @Test func `a reader that stops early cancels the COPY, and the connection survives`() async throws {
        try await TestCluster.withDatabase { configuration in
            let connection = try await Connection.open(configuration)
            await #expect(throws: Broken.self) {
                try await connection.copyOut("COPY (SELECT generate_series(1, 5000000)) TO STDOUT") { _ in
                    throw Broken()
                }
            }
            #expect(try await connection.query("SELECT 1").count == 1)
            let error = await failure {
                try await connection.copyOut("COPY (SELECT 10 / (5000 - g) FROM generate_series(1, 9000) g) TO STDOUT")
                {
                    _ in
                }
            }
            #expect(error?.sqlState == "22012")
            #expect(try await connection.query("SELECT 1").count == 1)
            await connection.close()
        }
    }
}
