import Postgres
import TestSupport
import Testing

@Suite struct PoolTests {
    @Test func `a pool never opens more than its size, and serves all who wait`() async throws {
        try await TestCluster.withDatabase { configuration in
            let pool = Pool(configuration: configuration, size: 3, logger: quiet)
            #expect(pool.statistics == .init(open: 0, idle: 0, waiting: 0))
            let inside = Counter()
            let most = Counter()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<60 {
                    group.addTask {
                        try await pool.withConnection { connection in
                            most.raise(to: inside.add(1))
                            _ = try await connection.query("SELECT pg_sleep(0.005)")
                            inside.add(-1)
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(most.value == 3)
            #expect(pool.statistics == .init(open: 3, idle: 3, waiting: 0))
            await pool.close()
            #expect(pool.statistics == .init(open: 0, idle: 0, waiting: 0))
            #expect(await failure { try await pool.withConnection { _ in } }?.kind == .poolClosed)
        }
    }

    @Test func `who waits too long is told, who is cancelled leaves the queue`() async throws {
        try await TestCluster.withDatabase { configuration in
            let pool = Pool(configuration: configuration, size: 1, acquireTimeout: .milliseconds(200), logger: quiet)
            try await pool.withConnection { _ in
                #expect(await failure { try await pool.withConnection { _ in } }?.kind == .poolTimeout)
                let task = Task { await failure { try await pool.withConnection { _ in } } }
                task.cancel()
                #expect(await task.value?.kind == .cancelled)
                #expect(pool.statistics.waiting == 0)
            }
            #expect(try await pool.withConnection { try await $0.query("SELECT 1").count } == 1)
            await pool.close()
        }
    }

    @Test func `a transaction left open is rolled back, be it by forgetting, error or cancellation`() async throws {
        try await TestCluster.withDatabase { configuration in
            let pool = Pool(configuration: configuration, size: 1, logger: quiet)
            try await pool.withConnection { try await $0.script("CREATE TABLE t (id int)") }
            try await pool.withConnection { _ = try await $0.pipeline(["BEGIN", "INSERT INTO t VALUES (1)"]) }
            _ = await failure {
                try await pool.withConnection {
                    _ = try await $0.pipeline(["BEGIN", "INSERT INTO t VALUES (1)", "SELECT 1 / 0", "COMMIT"])
                }
            }
            let task = Task {
                try? await pool.withConnection { connection in
                    _ = try await connection.pipeline(["BEGIN", "INSERT INTO t VALUES (1)"])
                    withUnsafeCurrentTask { $0?.cancel() }
                    _ = try await connection.query("COMMIT")
                }
            }
            await task.value
            let count = try await pool.withConnection { try await $0.query("SELECT 1 FROM t").count }
            #expect(count == 0)
            #expect(pool.statistics == .init(open: 1, idle: 1, waiting: 0))
            await pool.close()
        }
    }

    @Test func `a connection that the server ended while idle is replaced unnoticed`() async throws {
        try await TestCluster.withDatabase { configuration in
            let pool = Pool(configuration: configuration, size: 1, logger: quiet)
            let watcher = try await Connection.open(configuration)
            for _ in 0..<3 {
                let pid = Int(await (try pool.withConnection { $0 }).backendPID)
                _ = try await watcher.query("SELECT pg_terminate_backend((\(pid))::int, 5000)")
                #expect(try await pool.withConnection { try await $0.query("SELECT 1").count } == 1)
            }
            await watcher.close()
            await pool.close()
        }
    }
}
