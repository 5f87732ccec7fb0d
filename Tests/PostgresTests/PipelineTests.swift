import Postgres
import TestSupport
import Testing

@Suite struct PipelineTests {
    @Test func `a transaction is one pipeline, and its rows come in order`() async throws {
        try await TestCluster.withDatabase { configuration in
            let connection = try await Connection.open(configuration)
            try await connection.script("CREATE TABLE t (id bigint PRIMARY KEY, name text)")
            let rows = try await connection.pipeline([
                "BEGIN ISOLATION LEVEL SERIALIZABLE", "SELECT set_config('app.tenant', \("42"), true) AS t",
                "INSERT INTO t SELECT n, 'x' || n FROM unnest(\(Array(1...10))) AS n",
                "SELECT id, name, current_setting('app.tenant') AS tenant FROM t ORDER BY id", "COMMIT",
            ])
            #expect(rows.map(\.count) == [0, 1, 0, 10, 0])
            #expect(rows[2].affected == 10)
            #expect(try rows[3].map { try $0.get("id", as: Int.self) } == Array(1...10))
            #expect(try rows[3][9].get("name") == "x10")
            #expect(try rows[3][9].get("tenant") == "42")
            #expect(try await connection.pipeline([]).isEmpty)
            await connection.close()
        }
    }

    @Test func `a pipeline larger than every buffer neither blocks nor loses anything`() async throws {
        try await TestCluster.withDatabase { configuration in
            let connection = try await Connection.open(configuration)
            let big = String(repeating: "x", count: 2_000_000)
            let rows = try await connection.pipeline(
                (0..<20).map { n -> SQL in "SELECT \(n) AS n, \(big) || repeat('y', 1000000) AS big" })
            for (n, answer) in rows.enumerated() {
                #expect(try answer[0].get("n") == n)
                #expect(try answer[0].get("big", as: String.self).utf8.count == 3_000_000)
            }
            await connection.close()
        }
    }

    @Test func `an error in the middle names its statement, undoes all, and leaves the connection usable`() async throws
    {
        try await TestCluster.withDatabase { configuration in
            let connection = try await Connection.open(configuration)
            try await connection.script("CREATE TABLE t (id bigint)")
            for _ in 0..<3 {
                let error = await failure {
                    _ = try await connection.pipeline([
                        "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (\(2) / \(0))", "INSERT INTO t VALUES (3)",
                    ])
                }
                #expect(error?.sqlState == "22012")
                #expect(error?.statementIndex == 1)
                #expect(error?.isRetriable == false)
                let syntax = await failure {
                    _ = try await connection.pipeline(["INSERT INTO t VALUES (1)", "SELEKT 1", "SELECT 1"])
                }
                #expect(syntax?.sqlState == "42601")
                #expect(syntax?.statementIndex == 1)
                #expect(try await connection.query("SELECT id FROM t").isEmpty)
            }
            await connection.close()
        }
    }

    @Test func `after an error inside BEGIN the session stays in the failed transaction until ROLLBACK`() async throws {
        try await TestCluster.withDatabase { configuration in
            let connection = try await Connection.open(configuration)
            try await connection.script("CREATE TABLE t (id bigint)")
            _ = await failure { _ = try await connection.pipeline(["BEGIN", "SELECT 1 / 0", "COMMIT"]) }
            #expect(await failure { _ = try await connection.query("SELECT 1") }?.kind == .transactionFailed)
            let commit = await failure { _ = try await connection.query("COMMIT") }
            #expect(commit?.kind == .transactionFailed)
            #expect(commit?.isRetriable == false)
            #expect(try await connection.query("SELECT 1 AS one")[0].get("one") == Int32(1))
            await connection.close()
        }
    }

    @Test func `a constraint that is checked at the commit fails the commit`() async throws {
        try await TestCluster.withDatabase { configuration in
            let connection = try await Connection.open(configuration)
            try await connection.script(
                "CREATE TABLE t (id bigint CONSTRAINT late UNIQUE DEFERRABLE INITIALLY DEFERRED)")
            let explicit = await failure {
                _ = try await connection.pipeline(["BEGIN", "INSERT INTO t VALUES (1), (1)", "COMMIT"])
            }
            #expect(explicit?.kind == .uniqueViolation("late"))
            #expect(explicit?.statementIndex == 2)
            let implicit = await failure { _ = try await connection.query("INSERT INTO t VALUES (2), (2)") }
            #expect(implicit?.kind == .uniqueViolation("late"))
            #expect(try await connection.query("SELECT id FROM t").isEmpty)
            await connection.close()
        }
    }

    @Test func `statements are prepared once, and their number stays bounded`() async throws {
        try await TestCluster.withDatabase { configuration in
            let connection = try await Connection.open(configuration)
            for n in 0..<10 {
                let rows = try await connection.pipeline(["SELECT \(n) AS n", "SELECT \(n) AS n"])
                #expect(try rows[1][0].get("n") == n)
            }
            #expect(await connection.preparedStatementCount == 1)
            let known = try await connection.query(
                "SELECT count(*) AS n FROM pg_prepared_statements WHERE NOT from_sql")
            #expect(try known[0].get("n") == 2)
            for round in 0..<2 {
                for width in 1...400 {
                    let rows = try await connection.pipeline([
                        "BEGIN ISOLATION LEVEL SERIALIZABLE", statement(width: width), "COMMIT",
                    ])
                    #expect(rows[1].count == 1, "round \(round)")
                }
            }
            #expect(await connection.preparedStatementCount <= 256)
            let now = try await connection.query("SELECT count(*) AS n FROM pg_prepared_statements")
            #expect(try now[0].get("n", as: Int.self) <= 257)
            await connection.close()
        }
    }

    /// As many different texts as there are widths, made by interpolation alone.
    private func statement(width: Int) -> SQL {
        var interpolation = SQL.StringInterpolation(literalCapacity: 0, interpolationCount: width)
        interpolation.appendLiteral("SELECT ")
        for n in 0..<width {
            if n > 0 { interpolation.appendLiteral(", ") }
            interpolation.appendInterpolation(n)
        }
        return SQL(stringInterpolation: interpolation)
    }

    @Test func `a plan that a migration has made stale is told as such, and a new connection runs it`() async throws {
        try await TestCluster.withDatabase { configuration in
            let pool = Pool(configuration: configuration, size: 1, logger: quiet)
            try await pool.withConnection { connection in
                try await connection.script("CREATE TABLE t (id int); INSERT INTO t VALUES (1)")
                _ = try await connection.query("SELECT * FROM t")
            }
            let other = try await Connection.open(configuration)
            try await other.script("ALTER TABLE t ALTER id TYPE bigint")
            let error = await failure { try await pool.withConnection { _ = try await $0.query("SELECT * FROM t") } }
            #expect(error?.kind == .stalePlan)
            #expect(error?.isRetriable == true)
            let id = try await pool.withConnection { try await $0.query("SELECT * FROM t")[0].get("id", as: Int.self) }
            #expect(id == 1)
            await other.close()
            await pool.close()
        }
    }

    @Test func `without preparing, nothing is prepared and everything works`() async throws {
        try await TestCluster.withDatabase { configuration in
            var configuration = configuration
            configuration.preparesStatements = false
            let connection = try await Connection.open(configuration)
            for n in 0..<3 {
                let rows = try await connection.pipeline(["BEGIN", "SELECT \(n) AS n, \("x") AS x", "COMMIT"])
                #expect(try rows[1][0].get("n") == n)
            }
            let known = try await connection.query("SELECT count(*) AS n FROM pg_prepared_statements")
            #expect(try known[0].get("n") == 0)
            await connection.close()
        }
    }

    @Test func `a second task on the same connection is refused, not interleaved`() async throws {
        try await TestCluster.withDatabase { configuration in
            let connection = try await Connection.open(configuration)
            try await connection.script("CREATE TABLE t (id bigint)")
            let (stream, source) = AsyncThrowingStream<[UInt8], any Error>.makeStream()
            async let copied = connection.copyIn("COPY t FROM STDIN", stream)
            let watcher = try await Connection.open(configuration)
            try await eventually("the COPY starts") {
                try await watcher.query("SELECT 1 FROM pg_stat_progress_copy").count == 1
            }
            #expect(await failure { _ = try await connection.query("SELECT 1") }?.kind == .misuse)
            source.yield(Array("1\n".utf8))
            source.finish()
            #expect(try await copied == 1)
            await connection.close()
        }
    }
}
