import CustodyDomain
import CustodyStore
import Foundation
import TestSupport
import Testing

extension EndToEndTests {
    /// Worker processes that are killed while they end thousands of jobs, many in one round trip.
    @Suite struct KilledEndingsTests {
        private static let jobs = 6000

        @Test func `workers killed between claim and end lose nothing and double nothing`() async throws {
            try await TestStore.withFresh { test in
                let (world, table) = (try await test.world(), JobTable(test))
                let shop = try await world.activeSubMerchant()
                let order = try await world.order([(shop, Fen(100))])
                try await table.fill(KilledEndingsTests.jobs, about: order.id, of: world.tenantID)
                let url = CustodyProcess.url(try await test.configuration(.superuser))
                var heldAtDeath = 0
                for round in 1...4 {
                    let worker = try CustodyProcess(["work", "--database-url", url, "--concurrency", "64"])
                    try await eventually("round \(round): it is in the midst of it", within: .seconds(60)) {
                        try await table.counts().done >= round * 500
                    }
                    worker.signal(SIGKILL)
                    #expect(try await worker.end(within: .seconds(5)).status == SIGKILL)
                    // What it held is there still, and no more: each job is either waiting or done.
                    let after = try await table.counts()
                    #expect(after.waiting + after.held + after.done == KilledEndingsTests.jobs, "round \(round)")
                    #expect(after.different == after.done, "round \(round)")
                    // Time passes: the leases of the dead end.
                    heldAtDeath += try await table.endLeases()
                }
                #expect(heldAtDeath > 0, "no worker was killed between claim and end")
                let last = try CustodyProcess(["work", "--database-url", url])
                try await eventually("all is done", within: .seconds(120)) {
                    try await table.counts().done == KilledEndingsTests.jobs
                }
                last.signal(SIGTERM)
                #expect(try await last.end(within: .seconds(20)).status == 0)
                let count = KilledEndingsTests.jobs
                #expect(
                    try await table.counts() == .init(done: count, different: count, transactions: count))
            }
        }
    }
}
