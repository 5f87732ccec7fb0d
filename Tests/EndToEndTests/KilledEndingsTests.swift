import CustodyDomain
import CustodyStore
import Foundation
import Postgres
import TestSupport
import Testing

extension EndToEndTests {
    /// Worker processes that are killed while they end thousands of jobs, many in one round trip.
    @Suite struct KilledEndingsTests {
        private static let jobs = 6000

        /// Jobs about an order of which the bank knows already: the real handler finds nothing to do.
        private func fill(_ world: World) async throws {
            let shop = try await world.activeSubMerchant()
            let order = try await world.order([(shop, Fen(100))])
            try await world.test.withConnection(as: .superuser) { connection in
                try await connection.script("TRUNCATE custody.job, custody.job_done, custody.job_later")
                _ = try await connection.query(
                    """
                    UPDATE custody.trade_order SET bank_state = 'synced' WHERE tenant_id = \(world.tenantID)
                    """)
                _ = try await connection.query(
                    """
                    INSERT INTO custody.job (tenant_id, queue, id, kind, subject)
                    SELECT \(world.tenantID), 'instructions',
                           ('018f0000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'sync_order',
                           \(order.id.uuid.text)
                      FROM generate_series(1, \(KilledEndingsTests.jobs)) AS n
                    """)
            }
        }

        private func counts(_ test: TestStore) async throws -> (waiting: Int, done: Int, different: Int, dead: Int) {
            try await test.withConnection(as: .superuser) { connection in
                let row = try await connection.query(
                    """
                    SELECT (SELECT count(*) FROM custody.job) + (SELECT count(*) FROM custody.job_later) AS waiting,
                           (SELECT count(*) FROM custody.job_done) AS done,
                           (SELECT count(DISTINCT id) FROM custody.job_done WHERE outcome = 'done') AS different,
                           (SELECT count(*) FROM custody.job_dead) AS dead
                    """
                ).first
                return (
                    try row?.get("waiting") ?? -1, try row?.get("done") ?? -1, try row?.get("different") ?? -1,
                    try row?.get("dead") ?? -1
                )
            }
        }

        @Test func `workers killed between claim and end lose nothing and double nothing`() async throws {
            try await TestStore.withFresh { test in
                try await fill(try await test.world())
                let url = CustodyProcess.url(try await test.configuration(.superuser))
                var heldAtDeath = 0
                for round in 1...4 {
                    let worker = try CustodyProcess(["work", "--database-url", url, "--concurrency", "64"])
                    try await eventually("round \(round): it is in the midst of it", within: .seconds(60)) {
                        try await counts(test).done >= round * 500
                    }
                    worker.signal(SIGKILL)
                    #expect(try await worker.end(within: .seconds(5)).status == SIGKILL)
                    // What it held is there still, and no more: each job is either waiting or done.
                    let after = try await counts(test)
                    #expect(after.waiting + after.done == KilledEndingsTests.jobs, "round \(round)")
                    #expect(after.different == after.done, "round \(round)")
                    heldAtDeath += try await test.withConnection(as: .superuser) { connection in
                        // Time passes: the leases of the dead end.
                        try await connection.query(
                            "UPDATE custody.job SET lease_until = now() - interval '1 s' WHERE lease_until IS NOT NULL"
                        ).affected
                    }
                }
                #expect(heldAtDeath > 0, "no worker was killed between claim and end")
                let last = try CustodyProcess(["work", "--database-url", url])
                try await eventually("all is done", within: .seconds(120)) { try await counts(test).waiting == 0 }
                last.signal(SIGTERM)
                #expect(try await last.end(within: .seconds(20)).status == 0)
                let end = try await counts(test)
                #expect(end.done == KilledEndingsTests.jobs)
                #expect(end.different == KilledEndingsTests.jobs)
                #expect(end.dead == 0)
            }
        }
    }
}
