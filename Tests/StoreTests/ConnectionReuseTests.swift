import CustodyDomain
import CustodyStore
import Logging
import Postgres
import TestSupport
import Testing

@Suite("A connection that goes on to the next tenant")
struct ConnectionReuseTests {
    private struct Trouble: Error {}

    /// A store with one connection, so that every transaction uses the one before's.
    private func narrow(_ test: TestStore, timeout: Duration = .seconds(30)) async throws -> (Store, Pool) {
        var configuration = try await test.configuration(.app)
        configuration.statementTimeout = timeout
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let pool = Pool(configuration: configuration, size: 1, logger: logger)
        let system = Pool(configuration: try await test.configuration(.system), size: 1, logger: logger)
        return (Store(app: pool, system: system, vault: test.vault, logger: logger), pool)
    }

    private func expectNoTenant(_ pool: Pool) async throws {
        let setting = try await pool.withConnection { connection in
            try await connection.query("SELECT coalesce(current_setting('app.tenant_id', true), '') AS tenant")
                .first?.get("tenant", as: String.self)
        }
        #expect(setting == "")
    }

    @Test func `carries no tenant after a commit, a rejection or an error`() async throws {
        let test = try await TestStore.make()
        let world = try await test.world()
        let (store, pool) = try await narrow(test)
        _ = try await store.withTenant(world.tenantID) { $0.now }
        try await expectNoTenant(pool)
        await #expect(throws: Trouble.self) { try await store.withTenant(world.tenantID) { _ in throw Trouble() } }
        try await expectNoTenant(pool)
        // An error inside a statement aborts the transaction; the ROLLBACK ends it.
        let id = ID<Event>(at: Instant(seconds: 0))
        _ = await failure {
            try await store.withTenant(world.tenantID) { tx in
                for _ in 0..<2 {
                    try await tx.setSettlementTerms(
                        SettlementTerms(
                            schedule: SettlementSchedule(days: 91, calendar: .natural), minimum: Fen(1),
                            withdrawsAutomatically: true))
                }
            }
        }
        try await expectNoTenant(pool)
        let other = try await test.world()
        #expect(try await store.withTenant(other.tenantID) { try await $0.events(after: id, limit: 5) }.isEmpty)
        await store.close()
    }

    @Test func `carries no tenant after a time-out`() async throws {
        let test = try await TestStore.make()
        let world = try await test.world()
        let (order, _) = try await world.paidOrder([(try await world.activeSubMerchant(), Fen(100))])
        let (store, pool) = try await narrow(test, timeout: .milliseconds(200))
        try await world.run { holder in
            _ = try await holder.order(order.id, locked: true)
            let error = await failure {
                _ = try await store.withTenant(world.tenantID) { try await $0.order(order.id, locked: true) }
            }
            #expect(error?.kind == .statementTimeout)
        }
        try await expectNoTenant(pool)
        await store.close()
    }

    @Test func `carries no tenant after its task was cancelled in the middle of a statement`() async throws {
        let test = try await TestStore.make()
        let world = try await test.world()
        let (order, _) = try await world.paidOrder([(try await world.activeSubMerchant(), Fen(100))])
        let (store, pool) = try await narrow(test)
        try await world.run { holder in
            _ = try await holder.order(order.id, locked: true)
            let waiting = Task {
                try await store.withTenant(world.tenantID) { _ = try await $0.order(order.id, locked: true) }
            }
            try await eventually("the statement waits for the lock") {
                try await test.withConnection(as: .superuser) { connection in
                    try await !connection.query(
                        """
                        SELECT FROM pg_stat_activity
                         WHERE datname = \(test.database) AND wait_event_type = 'Lock'
                           AND query LIKE '%trade_order%FOR NO KEY UPDATE%'
                        """
                    ).isEmpty
                }
            }
            waiting.cancel()
            let result = await waiting.result
            #expect(!result.isSuccess)
        }
        try await expectNoTenant(pool)
        await store.close()
    }
}
