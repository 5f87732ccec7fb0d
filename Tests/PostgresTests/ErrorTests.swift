import Postgres
import TestSupport
import Testing

@Suite struct ErrorTests {
    @Test func `constraint violations carry the constraint's name and never the row`() async throws {
        try await TestCluster.withDatabase { configuration in
            let connection = try await Connection.open(configuration)
            try await connection.script(
                """
                CREATE TABLE parent (id bigint CONSTRAINT parent_key PRIMARY KEY);
                CREATE TABLE child (id bigint CONSTRAINT child_parent REFERENCES parent,
                    amount bigint NOT NULL CONSTRAINT amount_positive CHECK (amount > 0), card text UNIQUE);
                INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1, 1, '6222020200112233445');
                CREATE FUNCTION refuse() RETURNS void LANGUAGE plpgsql AS
                    $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = 'CU001'; END $$;
                CREATE ROLE nobody_\(configuration.database); GRANT USAGE ON SCHEMA public TO nobody_\(configuration.database);
                """)
            let expected: [(SQL, PostgresError.Kind)] = [
                ("INSERT INTO parent VALUES (1)", .uniqueViolation("parent_key")),
                ("INSERT INTO child VALUES (9, 1)", .foreignKeyViolation("child_parent")),
                ("INSERT INTO child VALUES (1, 0)", .checkViolation("amount_positive")),
                ("INSERT INTO child VALUES (1, NULL)", .notNullViolation),
                ("SELECT refuse()", .raised("CU001")),
                ("INSERT INTO child VALUES (1, 1, \("6222020200112233445"))", .uniqueViolation("child_card_key")),
                ("SELECT \("6222020200112233445!")::text::bigint", .other),
                ("SELECT no_such_column", .other),
            ]
            for (statement, kind) in expected {
                let error = await failure { _ = try await connection.query(statement) }
                #expect(error?.kind == kind)
                #expect(error.map { "\($0) \($0.message)".contains("6222020") } == false)
            }
            try await connection.script("SET ROLE nobody_\(configuration.database)")
            let denied = await failure { _ = try await connection.query("SELECT * FROM parent") }
            #expect(denied?.kind == .insufficientPrivilege)
            try await connection.script(
                "RESET ROLE; DROP OWNED BY nobody_\(configuration.database); DROP ROLE nobody_\(configuration.database)"
            )
            await connection.close()
        }
    }

    @Test func `a lost serialisable race and a deadlock are told, and may be retried`() async throws {
        try await TestCluster.withDatabase { configuration in
            let one = try await Connection.open(configuration)
            let two = try await Connection.open(configuration)
            try await one.script("CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 0), (2, 0)")
            _ = try await one.pipeline(["BEGIN ISOLATION LEVEL REPEATABLE READ", "SELECT n FROM t"])
            _ = try await two.query("UPDATE t SET n = n + 1 WHERE id = 1")
            let race = await failure { _ = try await one.pipeline(["UPDATE t SET n = n + 1 WHERE id = 1", "COMMIT"]) }
            #expect(race?.kind == .serialization)
            #expect(race?.isRetriable == true)
            try await one.script("ROLLBACK")

            _ = try await one.pipeline(["BEGIN", "UPDATE t SET n = 1 WHERE id = 1"])
            _ = try await two.pipeline(["BEGIN", "UPDATE t SET n = 2 WHERE id = 2"])
            async let first = result { _ = try await one.query("UPDATE t SET n = 1 WHERE id = 2") }
            async let second = result { _ = try await two.query("UPDATE t SET n = 2 WHERE id = 1") }
            let losers = await [first, second].compactMap { $0 }
            #expect(losers.map(\.kind) == [.deadlock])
            await one.close()
            await two.close()
        }
    }

    private func result(_ body: () async throws -> Void) async -> PostgresError? {
        do { try await body() } catch { return error as? PostgresError }
        return nil
    }

    @Test func `limits on locks and statements are kept, and the connection survives`() async throws {
        try await TestCluster.withDatabase { configuration in
            var limited = configuration
            limited.lockTimeout = .milliseconds(100)
            limited.statementTimeout = .milliseconds(300)
            let holder = try await Connection.open(configuration)
            let waiter = try await Connection.open(limited)
            try await holder.script("CREATE TABLE t (id int)")
            _ = try await holder.pipeline(["BEGIN", "LOCK t"])
            let locked = await failure { _ = try await waiter.query("SELECT * FROM t") }
            #expect(locked?.kind == .lockTimeout)
            let slow = await failure { _ = try await waiter.query("SELECT pg_sleep(60)") }
            #expect(slow?.kind == .statementTimeout)
            #expect(try await waiter.query("SELECT 1 AS one").count == 1)
            await holder.close()
            await waiter.close()
        }
    }

    @Test func `a cancelled task cancels its statement, and the connection survives`() async throws {
        try await TestCluster.withDatabase { configuration in
            let connection = try await Connection.open(configuration)
            let watcher = try await Connection.open(configuration)
            let pid = Int(await connection.backendPID)
            for _ in 0..<5 {
                let task = Task {
                    await failure { _ = try await connection.pipeline(["BEGIN", "SELECT pg_sleep(60)", "COMMIT"]) }
                }
                try await eventually("the statement starts") {
                    try await watcher.query(
                        "SELECT 1 FROM pg_stat_activity WHERE pid = \(pid) AND wait_event = 'PgSleep'"
                    )
                    .count == 1
                }
                let start = ContinuousClock.now
                task.cancel()
                #expect(await task.value?.kind == .cancelled)
                #expect(ContinuousClock.now - start < .seconds(5))
                try await connection.script("ROLLBACK")
                #expect(try await connection.query("SELECT 1").count == 1)
            }
            let before = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                return await failure { _ = try await connection.query("SELECT 1") }
            }
            #expect(await before.value?.kind == .cancelled)
            await connection.close()
            await watcher.close()
        }
    }

    @Test func `connecting to nobody, or to a database that is not there, fails in time`() async throws {
        var nowhere = try await TestCluster.configuration()
        nowhere.host = "127.0.0.1"
        nowhere.port = 1
        #expect(await failure { _ = try await Connection.open(nowhere) }?.kind == .connectFailed)
        let absent = try await TestCluster.configuration(database: "no_such_database")
        let error = await failure { _ = try await Connection.open(absent) }
        #expect(error?.kind == .connectFailed)
        #expect(error?.sqlState == "3D000")
    }
}
