import Postgres
import TestSupport
import Testing

@Suite struct OutageTests {
    @Test func `a server killed under load loses no answered commit, and the pool recovers by itself`() async throws {
        let cluster = try await PrivateCluster()
        let pool = Pool(configuration: cluster.configuration(), size: 4, logger: quiet)
        try await pool.withConnection { try await $0.script("CREATE TABLE t (id bigint PRIMARY KEY)") }
        let next = Counter()
        let load = Task {
            await withTaskGroup(of: (acked: [Int], unknown: [Int], refused: [Int]).self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        var seen: (acked: [Int], unknown: [Int], refused: [Int]) = ([], [], [])
                        while !Task.isCancelled {
                            let id = next.add(1)
                            do {
                                try await pool.withConnection { connection in
                                    _ = try await connection.pipeline([
                                        "BEGIN", "INSERT INTO t VALUES (\(id))", "COMMIT",
                                    ])
                                }
                                seen.acked.append(id)
                            } catch let error as PostgresError {
                                // Cancelled tasks may have been stopped anywhere.
                                if error.kind == .outcomeUnknown || Task.isCancelled {
                                    seen.unknown.append(id)
                                } else {
                                    #expect(error.isRetriable, "\(error)")
                                    seen.refused.append(id)
                                    try? await Task.sleep(for: .milliseconds(5))
                                }
                            } catch { Issue.record("\(error)") }
                        }
                        return seen
                    }
                }
                return await group.reduce(into: (acked: [Int](), unknown: [Int](), refused: [Int]())) {
                    $0.acked += $1.acked
                    $0.unknown += $1.unknown
                    $0.refused += $1.refused
                }
            }
        }
        for _ in 0..<2 {
            let before = next.value
            try await eventually("there is load") { next.value > before + 500 }
            try await cluster.killHard()
            try await cluster.start()
        }
        let before = next.value
        try await eventually("it recovers") { next.value > before + 500 }
        load.cancel()
        let seen = await load.value
        let rows = try await pool.withConnection { try await $0.query("SELECT id FROM t") }
        let stored = Set(try rows.map { try $0.get("id", as: Int.self) })
        #expect(stored.isSuperset(of: seen.acked))
        #expect(stored.isDisjoint(with: seen.refused))
        #expect(stored.isSubset(of: Set(seen.acked + seen.unknown)))
        #expect(seen.acked.count > 500)
        #expect(pool.statistics.open <= 4)
        await pool.close()
        try await cluster.remove()
    }

    @Test func `a line cut between COMMIT and its answer leaves the outcome unknown`() async throws {
        let cluster = try await PrivateCluster()
        let proxy = try CutProxy(to: cluster.port)
        var configuration = cluster.configuration(overTCP: true)
        configuration.port = proxy.port
        let direct = try await Connection.open(cluster.configuration())
        try await direct.script("CREATE TABLE t (id int)")

        let connection = try await Connection.open(configuration)
        proxy.set(.cutAfterAnswer(to: "INSERT INTO t"))
        let error = await failure {
            _ = try await connection.pipeline(["BEGIN", "INSERT INTO t VALUES (1)", "COMMIT"])
        }
        #expect(error?.kind == .outcomeUnknown)
        #expect(error?.isRetriable == false)
        #expect(try await direct.query("SELECT id FROM t").count == 1)
        #expect(await failure { _ = try await connection.query("SELECT 1") }?.kind == .connectionLost)

        proxy.set(.none)
        let implicit = try await Connection.open(configuration)
        proxy.set(.cutAfterAnswer(to: "INSERT INTO t"))
        #expect(await failure { _ = try await implicit.query("INSERT INTO t VALUES (2)") }?.kind == .outcomeUnknown)

        proxy.set(.none)
        let open = try await Connection.open(configuration)
        proxy.set(.cutAfterAnswer(to: "INSERT INTO t"))
        let harmless = await failure { _ = try await open.pipeline(["BEGIN", "INSERT INTO t VALUES (3)"]) }
        #expect(harmless?.kind == .connectionLost)
        #expect(harmless?.isRetriable == true)
        #expect(try await direct.query("SELECT id FROM t").count == 2)

        proxy.set(.none)
        configuration.statementTimeout = .milliseconds(200)
        let silent = try await Connection.open(configuration)
        proxy.set(.silence(after: "INSERT INTO t"))
        let start = ContinuousClock.now
        #expect(await failure { _ = try await silent.query("INSERT INTO t VALUES (4)") }?.kind == .outcomeUnknown)
        #expect(ContinuousClock.now - start < .seconds(9))
        proxy.close()
        try await cluster.remove()
    }

    @Test func `a session ended by an administrator in the middle of a pipeline has committed nothing`() async throws {
        try await TestCluster.withDatabase { configuration in
            let connection = try await Connection.open(configuration)
            let other = try await Connection.open(configuration)
            try await other.script("CREATE TABLE t (id int)")
            let pid = Int(await connection.backendPID)
            async let error = failure {
                _ = try await connection.pipeline([
                    "BEGIN", "INSERT INTO t VALUES (1)", "SELECT pg_sleep(60)", "COMMIT",
                ])
            }
            try await eventually("the pipeline starts") {
                try await other.query("SELECT 1 FROM pg_stat_activity WHERE pid = \(pid) AND wait_event = 'PgSleep'")
                    .count
                    == 1
            }
            _ = try await other.query("SELECT pg_terminate_backend((\(pid))::int)")
            let seen = await error
            #expect(seen?.kind == .serverShutdown)
            #expect(seen?.statementIndex == 2)
            #expect(seen?.isRetriable == true)
            #expect(try await other.query("SELECT id FROM t").isEmpty)
            #expect(await failure { _ = try await connection.query("SELECT 1") }?.kind == .connectionLost)
            await other.close()
        }
    }

    @Test func `a listener hears, and connects again after an outage`() async throws {
        let cluster = try await PrivateCluster()
        let listener = Listener(configuration: cluster.configuration(), logger: quiet)
        var heard = listener.notifications(on: ["jobs", "other"]).makeAsyncIterator()
        for round in 0..<2 {
            #expect(await heard.next() == .reconnected)
            let speaker = try await Connection.open(cluster.configuration())
            _ = try await speaker.query("SELECT pg_notify('jobs', \("round \(round)"))")
            _ = try await speaker.query("SELECT pg_notify('nobody', 'x'), pg_notify('other', '')")
            #expect(await heard.next() == .received(channel: "jobs", payload: "round \(round)"))
            #expect(await heard.next() == .received(channel: "other", payload: ""))
            await speaker.close()
            if round == 0 { try await cluster.restart() }
        }
        try await cluster.remove()
    }
}
