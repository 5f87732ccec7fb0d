import CustodyDomain
import CustodyStore
import Logging
import Postgres
import TestSupport
import Testing

@Suite("The vault")
struct VaultTests {
    @Test func `what is sealed reads back, and the row holds no clear text`() async throws {
        let world = try await TestStore.make().world()
        try await world.run { try await $0.setLink(.bank, configuration: Array("the secret 4711".utf8)) }
        #expect(try await world.run { try await $0.link(.bank) } == Array("the secret 4711".utf8))
        let shop = try await world.activeSubMerchant()
        #expect(try await world.run { try await $0.subMerchant(shop).details } == World.details)
        let found = try await world.test.withConnection(as: .superuser) { connection in
            try await connection.query(
                """
                SELECT (SELECT count(*) FROM custody.link l
                         WHERE l.tenant_id = \(world.tenantID) AND position('4711'::bytea IN l.configuration) > 0)
                     + (SELECT count(*) FROM custody.sub_merchant s
                         WHERE s.tenant_id = \(world.tenantID) AND s::text LIKE '%张三%' OR s::text LIKE '%310101199001010000%')
                     + (SELECT count(*) FROM custody.sub_merchant s
                         WHERE s.tenant_id = \(world.tenantID)
                           AND position(convert_to('310101199001010000', 'UTF8') IN s.personal) > 0)
                     + (SELECT count(*) FROM custody.bank_account b
                         WHERE b.tenant_id = \(world.tenantID)
                           AND position(convert_to('6222021001116245702', 'UTF8') IN b.personal) > 0) AS n
                """
            ).first?.get("n", as: Int.self)
        }
        #expect(found == 0)
    }

    @Test func `a sealed value moved to another row is refused`() async throws {
        let world = try await TestStore.make().world()
        let (a, b) = (try await world.activeSubMerchant(), try await world.activeSubMerchant())
        try await world.test.withConnection(as: .superuser) { connection in
            _ = try await connection.query(
                """
                UPDATE custody.sub_merchant SET personal = (
                    SELECT personal FROM custody.sub_merchant WHERE tenant_id = \(world.tenantID) AND id = \(a)
                ) WHERE tenant_id = \(world.tenantID) AND id = \(b)
                """
            )
        }
        await #expect(throws: VaultError.tampered) { _ = try await world.run { try await $0.subMerchant(b) } }
        #expect(try await world.run { try await $0.subMerchant(a).details } == World.details)
    }

    @Test func `a sealed value moved to another column is refused`() async throws {
        let world = try await TestStore.make().world()
        try await world.run { try await $0.setLink(.alipay, configuration: Array("alipay".utf8)) }
        try await world.test.withConnection(as: .superuser) { connection in
            _ = try await connection.query(
                """
                UPDATE custody.link SET configuration = (
                    SELECT configuration FROM custody.link
                     WHERE tenant_id = \(world.tenantID) AND counterparty = 'alipay'
                ) WHERE tenant_id = \(world.tenantID) AND counterparty = 'bank'
                """
            )
        }
        await #expect(throws: VaultError.tampered) { _ = try await world.run { try await $0.link(.bank) } }
    }

    @Test func `a sealed value and its key moved to another tenant are refused`() async throws {
        let test = try await TestStore.make()
        let (world, thief) = (try await test.world(), try await test.world())
        try await world.run { try await $0.setLink(.bank, configuration: Array("theirs".utf8)) }
        try await test.withConnection(as: .superuser) { connection in
            _ = try await connection.query(
                """
                UPDATE custody.tenant SET wrapped_key = (
                    SELECT wrapped_key FROM custody.tenant WHERE id = \(world.tenantID)
                ) WHERE id = \(thief.tenantID)
                """
            )
            _ = try await connection.query(
                """
                UPDATE custody.link SET configuration = (
                    SELECT configuration FROM custody.link
                     WHERE tenant_id = \(world.tenantID) AND counterparty = 'bank'
                ) WHERE tenant_id = \(thief.tenantID) AND counterparty = 'bank'
                """
            )
        }
        await #expect(throws: VaultError.tampered) { _ = try await thief.run { try await $0.link(.bank) } }
    }

    @Test func `one changed bit is refused`() async throws {
        let world = try await TestStore.make().world()
        try await world.test.withConnection(as: .superuser) { connection in
            _ = try await connection.query(
                """
                UPDATE custody.link SET configuration = set_byte(configuration, 14, get_byte(configuration, 14) # 1)
                 WHERE tenant_id = \(world.tenantID) AND counterparty = 'bank'
                """
            )
        }
        await #expect(throws: VaultError.tampered) { _ = try await world.run { try await $0.link(.bank) } }
    }

    @Test func `another deployment's key opens nothing`() async throws {
        let test = try await TestStore.make()
        let world = try await test.world()
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let stranger = Store(
            app: Pool(configuration: try await test.configuration(.app), size: 1, logger: logger),
            system: Pool(configuration: try await test.configuration(.system), size: 1, logger: logger),
            vault: try Vault(master: [UInt8](repeating: 8, count: 32)), logger: logger
        )
        await #expect(throws: VaultError.badKey) {
            _ = try await stranger.withTenant(world.tenantID) { try await $0.link(.bank) }
        }
        let key = try await test.store.withSystem {
            try await $0.createKey(for: world.tenantID, name: "k", scopes: ["read"], expiresAt: nil)
        }
        #expect(try await stranger.withSystem { try await $0.identify(key: key) } == nil)
        await stranger.close()
    }

    @Test(arguments: [0, 16, 31, 33]) func `a key of another length is refused`(_ count: Int) {
        #expect(throws: VaultError.badKey) { _ = try Vault(master: [UInt8](repeating: 1, count: count)) }
    }
}
