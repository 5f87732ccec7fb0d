import CustodyDomain
import CustodyStore
import Postgres
import TestSupport
import Testing

@Suite("Platforms, their keys, links and clocks")
struct TenantTests {
    @Test func `a key tells whose it is until it is revoked or expires`() async throws {
        let test = try await TestStore.make()
        let tenant = try await test.freshTenant()
        let (key, expired) = try await test.store.withSystem { system in
            (
                try await system.createKey(for: tenant, name: "a", scopes: ["write", "read"], expiresAt: nil),
                try await system.createKey(for: tenant, name: "b", scopes: [], expiresAt: system.now - .seconds(1))
            )
        }
        #expect(key.hasPrefix("ck_test_"))
        let identity = try #require(try await test.store.withSystem { try await $0.identify(key: key) })
        #expect(identity.tenantID == tenant)
        #expect(identity.scopes == ["read", "write"])
        for wrong in [
            expired, key + "x", String(key.dropLast()) + "!", key.replacing("test", with: "live") + "_", "", "ck__a_b",
        ] {
            #expect(try await test.store.withSystem { try await $0.identify(key: wrong) } == nil, "\(wrong)")
        }
        let owner = try await test.store.withSystem { try await $0.revokeKey(identity.keyID) }
        #expect(owner == identity.tenantID)
        #expect(try await test.store.withSystem { try await $0.identify(key: key) } == nil)
        #expect(
            try await rejection { _ = try await test.store.withSystem { try await $0.revokeKey(identity.keyID) } }
                == .notFound)
        let nobody = ID<Tenant>(at: Instant(seconds: 1))
        #expect(
            try await rejection {
                _ = try await test.store.withSystem {
                    try await $0.createKey(for: nobody, name: "x", scopes: [], expiresAt: nil)
                }
            } == .notFound)
    }

    @Test func `the database holds no key that would open anything`() async throws {
        let test = try await TestStore.make()
        let tenant = try await test.freshTenant(sandbox: false)
        let key = try await test.store.withSystem {
            try await $0.createKey(for: tenant, name: "a", scopes: [], expiresAt: nil)
        }
        #expect(key.hasPrefix("ck_live_"))
        let secret = String(key.suffix(40))
        let found = try await test.withConnection(as: .superuser) { connection in
            try await connection.query("SELECT FROM custody.api_key k WHERE position(\(secret) IN k::text) > 0").count
        }
        #expect(found == 0)
    }

    @Test func `a callback's address leads to its platform alone`() async throws {
        let test = try await TestStore.make()
        let tenant = try await test.store.withSystem { try await $0.createTenant(name: "M", isSandbox: false) }
        #expect(!tenant.isSandbox)
        #expect(
            try await test.store.withSystem { try await $0.tenant(callbackToken: tenant.callbackToken) } == tenant.id)
        #expect(try await test.store.withSystem { try await $0.tenant(callbackToken: "x") } == nil)
        #expect(try await test.store.withSystem { try await $0.tenants() }.contains(tenant))
    }

    @Test func `a link is replaced by the next, and a missing one is named`() async throws {
        let test = try await TestStore.make()
        let world = World(test: test, tenantID: try await test.freshTenant())
        #expect(
            try await rejection { _ = try await world.run { try await $0.link(.bank) } }
                == .linkMissing(counterparty: "bank"))
        for text in ["first", "second"] {
            try await world.run { try await $0.setLink(.bank, configuration: Array(text.utf8)) }
        }
        #expect(try await world.run { try await $0.link(.bank) } == Array("second".utf8))
        #expect(try await world.run { try await $0.linkedCounterparties() } == [.bank])
    }

    @Test func `a sandbox's clock moves forward only, and a live platform has none`() async throws {
        let test = try await TestStore.make()
        let (world, live) = (
            try await test.world(), World(test: test, tenantID: try await test.freshTenant(sandbox: false))
        )
        let before = try await world.run { $0.now }
        try await world.run { try await $0.setClock(to: before + .seconds(1_000_000)) }
        let after = try await world.run { $0.now }
        #expect(after >= before + .seconds(1_000_000))
        #expect(
            try await rejection { try await world.run { try await $0.setClock(to: before) } } == .clockMovesBackward)
        #expect(try await rejection { try await live.run { try await $0.setClock(to: after) } } == .sandboxOnly)
        // Others' clocks do not follow.
        #expect(try await live.run { $0.now } < before + .seconds(1000))
    }

    @Test func `settlement terms are kept as they were set`() async throws {
        let world = try await TestStore.make().world()
        let terms = SettlementTerms(
            schedule: SettlementSchedule(days: 3, calendar: .working), minimum: Fen(500), withdrawsAutomatically: false)
        try await world.run { try await $0.setSettlementTerms(terms) }
        #expect(try await world.run { try await $0.settlementSchedule() } == terms)
    }
}
