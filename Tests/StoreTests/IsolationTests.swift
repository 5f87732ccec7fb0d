import CustodyDomain
import CustodyStore
import Postgres
import TestSupport
import Testing

@Suite("Tenants are strangers to each other")
struct IsolationTests {
    /// Every verb that takes an id of a row, asked with another tenant's.
    @Test func `another tenant's ids are not found by any verb`() async throws {
        let test = try await TestStore.make()
        let (world, other) = (try await test.world(), try await test.world())
        let shop = try await world.activeSubMerchant()
        let account = try await world.run { try await $0.bankAccounts(of: shop)[0].id }
        let (order, payment) = try await world.paidOrder([(shop, Fen(500))])
        let refund = try await world.run {
            try await $0.createRefund(of: payment.id, outRefundNo: "r", amount: Fen(1), parts: nil, reason: nil).id
        }
        let split = try await world.run { try await $0.createSplit(of: order.id, outSplitNo: "s", items: nil).id }
        try await world.settledIncome(Fen(100), of: shop)
        let withdrawal = try await world.run {
            try await $0.createWithdrawal(of: shop, outWithdrawalNo: "w", amount: Fen(10)).id
        }
        let verbs: [(String, (TenantTransaction) async throws -> Void)] = [
            ("order", { _ = try await $0.order(order.id) }),
            ("order locked", { _ = try await $0.order(order.id, locked: true) }),
            ("closeOrder", { _ = try await $0.closeOrder(order.id) }),
            ("payment", { _ = try await $0.payment(payment.id) }),
            (
                "createPayment",
                {
                    _ = try await $0.createPayment(of: order.id, channel: .alipay, method: .page, payerID: nil)
                }
            ),
            (
                "succeed",
                {
                    _ = try await $0.succeed(payment.id, transactionNumber: "x", paidAt: $0.now, payerID: nil)
                }
            ),
            ("refund", { _ = try await $0.refund(refund) }),
            (
                "createRefund",
                {
                    _ = try await $0.createRefund(
                        of: payment.id, outRefundNo: "theirs", amount: Fen(1), parts: nil, reason: nil)
                }
            ),
            ("succeedRefund", { try await $0.succeedRefund(refund, refundNumber: nil, at: $0.now) }),
            ("failRefund", { try await $0.failRefund(refund, code: "X", message: "x") }),
            ("split", { _ = try await $0.split(split) }),
            ("createSplit", { _ = try await $0.createSplit(of: order.id, outSplitNo: "theirs", items: nil) }),
            ("succeedSplit", { try await $0.succeedSplit(split) }),
            ("failSplit", { try await $0.failSplit(split, code: "X", message: "x") }),
            ("subMerchant", { _ = try await $0.subMerchant(shop) }),
            ("noteReview", { _ = try await $0.noteReview(of: shop, .frozen) }),
            ("setFrozen", { _ = try await $0.setFrozen(true, shop) }),
            ("closeSubMerchant", { _ = try await $0.closeSubMerchant(shop) }),
            ("subAccounts", { _ = try await $0.subAccounts(of: [shop]) }),
            (
                "bindAccount",
                {
                    _ = try await $0.bindAccount(
                        to: shop, details: BankAccountDetails(accountNumber: "123456", accountName: "x", mobile: "1"),
                        bankName: "x", isCorporate: false, verification: .smsCode)
                }
            ),
            (
                "verifyAccount",
                {
                    _ = try await $0.verifyAccount(of: shop, proof: AccountProofDetails(smsCode: "1"))
                }
            ),
            ("bankAccount", { _ = try await $0.bankAccount(account) }),
            ("noteBinding", { try await $0.noteBinding(account, .replaced) }),
            (
                "createWithdrawal",
                {
                    _ = try await $0.createWithdrawal(of: shop, outWithdrawalNo: "theirs", amount: Fen(1))
                }
            ),
            ("withdrawal", { _ = try await $0.withdrawal(withdrawal) }),
            ("succeedWithdrawal", { try await $0.succeedWithdrawal(withdrawal, bankNumber: nil) }),
            ("failWithdrawal", { try await $0.failWithdrawal(withdrawal, code: "X", message: "x") }),
            ("returnWithdrawal", { try await $0.returnWithdrawal(withdrawal, number: "1", reason: "x") }),
            ("callback", { _ = try await $0.callback(ID<Callback>(at: $0.now)) }),
        ]
        for (name, verb) in verbs {
            let refused = try await rejection { try await other.run(verb) }
            #expect(refused == .notFound, "\(name)")
        }
        try await expectUntouched(world, other, shop: shop, order: order, payment: payment)
    }

    /// What a stranger's notes and lists did: nothing, and nothing.
    private func expectUntouched(
        _ world: World, _ other: World, shop: ID<SubMerchant>, order: OrderRecord, payment: PaymentRecord
    ) async throws {
        let before = try await world.run { (try await $0.order(order.id), try await $0.payment(payment.id)) }
        try await other.run { tx in
            try await tx.noteOrderAtBank(order.id, "failed")
            try await tx.notePrompt(payment.id, "{}")
            try await tx.failPayment(payment.id, code: "X", message: "x")
            try await tx.closePayment(payment.id)
            #expect(try await tx.payment(serial: payment.serial) == nil)
            #expect(try await tx.orders(ids: [order.id]).isEmpty)
            #expect(try await tx.payments(ids: [payment.id]).isEmpty)
            #expect(try await tx.orders(state: nil, outOrderNo: order.outOrderNo, before: nil, limit: 9).isEmpty)
            #expect(try await tx.payments(order: order.id, state: nil, before: nil, limit: 9).isEmpty)
            #expect(try await tx.refunds(payment: payment.id, before: nil, limit: 9).isEmpty)
            #expect(try await tx.splits(of: order.id).isEmpty)
            #expect(try await tx.withdrawals(subMerchant: shop, before: nil, limit: 9).isEmpty)
            #expect(try await tx.bankAccounts(of: shop).isEmpty)
            #expect(try await tx.subMerchants(before: nil, limit: 9).isEmpty)
            #expect(try await tx.settlementRuns(before: nil, limit: 9).isEmpty)
            #expect(try await tx.balances().isEmpty)
        }
        let after = try await world.run { (try await $0.order(order.id), try await $0.payment(payment.id)) }
        #expect(before == after)
        #expect(try await other.run { try await $0.events(after: nil, limit: 9) }.isEmpty)
        #expect(try await world.violations() == [])
    }

    @Test func `a tenant that does not exist is not found`() async throws {
        let test = try await TestStore.make()
        let nobody = ID<Tenant>(at: Instant(seconds: 1))
        #expect(try await rejection { _ = try await test.store.withTenant(nobody) { $0.now } } == .notFound)
        // And the connection goes on serving others.
        let world = try await test.world()
        #expect(try await world.run { $0.tenantID } == world.tenantID)
    }

    @Test func `SQL that forgot its tenant predicate sees and changes only the tenant's own rows`() async throws {
        let test = try await TestStore.make()
        let (world, other) = (try await test.world(), try await test.world())
        let (shop, theirs) = (try await world.activeSubMerchant(), try await other.activeSubMerchant())
        _ = try await other.paidOrder([(theirs, Fen(5))])
        let (order, _) = try await world.paidOrder([(shop, Fen(5))])
        let rows = try await wrongSQL(world, "SELECT id FROM trade_order")
        #expect(try rows.map { try $0.get("id", as: ID<Order>.self) } == [order.id])
        for table in try await tenantTables(test) {
            let count = try await test.withConnection(as: .app) { connection in
                try await connection.script("BEGIN; SET LOCAL app.tenant_id = '\(world.tenantID.uuid.text)'")
                try await connection.script("CREATE TEMP TABLE seen ON COMMIT DROP AS SELECT tenant_id FROM \(table)")
                return try await connection.query(
                    "SELECT count(*) AS n FROM seen WHERE tenant_id <> \(world.tenantID)"
                ).first?.get("n", as: Int.self)
            }
            #expect(count == 0, "\(table)")
        }
        let changed = try await wrongSQL(world, "UPDATE trade_order SET description = 'mine'")
        #expect(changed.affected == 1)
        #expect(try await wrongSQL(world, "SELECT FROM trade_order WHERE tenant_id = \(other.tenantID)").isEmpty)
    }

    @Test func `a row of another tenant cannot be written`() async throws {
        let test = try await TestStore.make()
        let (world, other) = (try await test.world(), try await test.world())
        let error = await failure {
            _ = try await wrongSQL(
                world,
                """
                INSERT INTO event (tenant_id, id, type, subject, data, created_at)
                VALUES (\(other.tenantID), gen_random_uuid(), 'x', 'x', '{}', now())
                """)
        }
        #expect(error?.kind == .insufficientPrivilege)
        let mine = try await world.activeSubMerchant()
        let moved = await failure {
            _ = try await wrongSQL(world, "UPDATE sub_merchant SET tenant_id = \(other.tenantID) WHERE id = \(mine)")
        }
        #expect(moved?.kind == .insufficientPrivilege)
    }

    /// Every table with a `tenant_id` that the app role may read, by the catalog.
    private func tenantTables(_ test: TestStore) async throws -> [String] {
        try await test.withConnection(as: .superuser) { connection in
            try await connection.query(
                """
                SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
                 WHERE c.relnamespace = 'custody'::regnamespace AND c.relkind IN ('r', 'p') AND a.attname = 'tenant_id'
                   AND has_table_privilege('custody_app', c.oid, 'SELECT')
                """
            ).map { try $0.get("name", as: String.self) }
        }
    }

    @Test func `to forget the tenant is an error, on every table, before and after another's transaction`() async throws
    {
        let test = try await TestStore.make()
        let world = try await test.world()
        let shop = try await world.activeSubMerchant()
        _ = try await world.settledIncome(Fen(50), of: shop)
        for isUsed in [false, true] {
            try await test.withConnection(as: .app) { connection in
                if isUsed {
                    _ = try await connection.pipeline([
                        "BEGIN", "SELECT set_config('app.tenant_id', \(world.tenantID.uuid.text), true)",
                        "SELECT id FROM trade_order", "COMMIT",
                    ])
                }
                for statement: SQL in [
                    "SELECT FROM trade_order", "SELECT FROM ledger_account", "SELECT FROM event", "SELECT FROM job",
                    "UPDATE trade_order SET description = 'x'", "SELECT FROM tenant", "SELECT FROM link",
                ] {
                    let error = await failure { _ = try await connection.query(statement) }
                    #expect(["42704", "22P02"].contains(error?.sqlState), "\(statement.text) used: \(isUsed)")
                }
            }
        }
    }

    @Test func `the app role reads no keys, and nobody's tenant row but its own`() async throws {
        let test = try await TestStore.make()
        let (world, _) = (try await test.world(), try await test.world())
        for statement: SQL in [
            "SELECT FROM api_key", "UPDATE tenant SET mode = 'live'", "UPDATE tenant SET wrapped_key = ''",
            "INSERT INTO tenant (id, name, mode, callback_token, wrapped_key, created_at) VALUES (gen_random_uuid(), 'x', 'live', repeat('x', 40), '', now())",
            "DELETE FROM tenant", "UPDATE queue SET is_paused = true", "SET ROLE custody_owner",
            "SET ROLE custody_system", "SELECT FROM job_callbacks", "SELECT FROM job_done_default",
            "DELETE FROM job_done", "DELETE FROM trade_order", "DELETE FROM event", "UPDATE event SET type = 'x'",
            "CREATE TABLE custody.mine (a int)",
        ] {
            let error = await failure { _ = try await wrongSQL(world, statement) }
            #expect(error?.kind == .insufficientPrivilege, "\(statement.text)")
        }
        #expect(try await wrongSQL(world, "SELECT FROM tenant").count == 1)
    }

    @Test func `the system role sees no money and no people`() async throws {
        let test = try await TestStore.make()
        let readable = try await test.withConnection(as: .superuser) { connection in
            try await connection.query(
                """
                SELECT c.oid::regclass::text AS name FROM pg_class c
                 WHERE c.relnamespace = 'custody'::regnamespace AND c.relkind IN ('r', 'p')
                   AND has_any_column_privilege('custody_system', c.oid, 'SELECT, INSERT, UPDATE')
                 ORDER BY 1
                """
            ).map { try $0.get("name", as: String.self).replacing("custody.", with: "") }
        }
        #expect(
            readable == [
                "admin_request", "api_key", "audit_entry", "calendar_day", "job", "job_dead", "job_done", "job_later",
                "queue", "tenant",
            ])
        for statement: SQL in [
            "SELECT FROM trade_order", "SELECT FROM sub_merchant", "SELECT FROM posting", "SELECT FROM link",
        ] {
            let error = await failure {
                _ = try await test.withConnection(as: .system) { try await $0.query(statement) }
            }
            #expect(error?.kind == .insufficientPrivilege, "\(statement.text)")
        }
    }
}
