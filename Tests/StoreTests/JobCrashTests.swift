import CustodyDomain
import CustodyStore
import Logging
import Postgres
import TestSupport
import Testing

@Suite("Jobs when the server crashes", .serialized)
struct JobCrashTests {
    private func pool(_ cluster: PrivateCluster, _ role: String) -> Pool {
        var configuration = cluster.configuration()
        configuration.user = role
        return Pool(
            configuration: configuration, size: 2, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    @Test(arguments: [false, true])
    func `what was said to have ended has ended, though the server loses its power at once`(
        _ endsWithLostOne: Bool
    ) async throws {
        // Nothing but a commit that waits brings the log to the disk.
        let cluster = try await PrivateCluster(settings: ["wal_writer_delay=10s"])
        let connection = try await Connection.open(cluster.configuration())
        _ = try await Migrator(directory: TestStore.migrations).up(on: connection)
        await connection.close()
        let store = Store(
            app: pool(cluster, "custody_app"), system: pool(cluster, "custody_system"),
            vault: try Vault(master: TestStore.masterKey),
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        let tenant = try await store.withSystem { try await $0.createTenant(name: "M", isSandbox: false).id }
        for round in 1...3 {
            try await store.withTenant(tenant) { tx in
                try await tx.enqueue((1...100).map { JobRequest(.settle, "\(round)/\($0)") })
            }
            var cursor = Store.ClaimCursor()
            var jobs = try await store.claim(.settlement, batch: 100, lease: .seconds(60), cursor: &cursor)
            #expect(jobs.count == 100)
            let ours = jobs
            if endsWithLostOne {
                // The last transaction then writes nothing by itself.
                _ = try await store.retire([jobs[0]])
                jobs = Array(jobs.dropFirst()) + [jobs[0]]
                #expect(try await store.retire(jobs).count == 99)
            } else {
                #expect(try await store.retire(jobs) == jobs)
            }
            try await cluster.killHard()
            try await cluster.start()
            let after = try await Connection.open(cluster.configuration())
            let row = try #require(
                try await after.query(
                    """
                    SELECT (SELECT count(*) FROM custody.job) AS left, (SELECT count(*) FROM custody.job_done) AS done
                    """
                ).first)
            #expect(try row.get("left", as: Int.self) == 0, "\(ours.count) jobs were ended in round \(round)")
            #expect(try row.get("done", as: Int.self) == 100 * round)
            await after.close()
        }
        await store.close()
        try await cluster.remove()
    }
}
