import CustodyDomain
import CustodyStore
import Postgres
import TestSupport
import Testing

@Suite("What the database itself forbids the books")
struct LedgerGuardTests {
    private func booked() async throws -> World {
        let world = try await TestStore.make().world()
        _ = try await world.run { tx in
            var entry = LedgerEntry("test.in", subject: "1", on: tx.today)
            entry.move(Fen(100), debit: .bankCash, credit: .reserve)
            return try await tx.book(entry)
        }
        return world
    }

    private static let changes: [SQL] = [
        "UPDATE posting SET amount_fen = 1",
        "DELETE FROM posting",
        "TRUNCATE posting CASCADE",
        "UPDATE ledger_transaction SET event = 'x'",
        "DELETE FROM ledger_transaction",
        "TRUNCATE ledger_transaction CASCADE",
        "UPDATE ledger_account SET balance_fen = 1000000",
        "DELETE FROM ledger_account",
        "INSERT INTO balance_delta (tenant_id, account_id, transaction_id, amount_fen) VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 5)",
        "UPDATE balance_delta SET amount_fen = 1000000",
        "DELETE FROM balance_delta",
        "ALTER TABLE posting DISABLE TRIGGER ALL",
        "DROP TRIGGER posting_append_only ON posting",
    ]

    @Test(arguments: changes.indices)
    func `the app role cannot change what is booked`(_ index: Int) async throws {
        let world = try await booked()
        let error = await failure { _ = try await wrongSQL(world, Self.changes[index]) }
        #expect(error?.kind == .insufficientPrivilege, "\(Self.changes[index].text)")
        #expect(try await world.violations() == [])
    }

    @Test(arguments: ["posting", "ledger_transaction"])
    func `not even the superuser changes or removes what is booked`(_ table: String) async throws {
        let world = try await booked()
        let statements: [SQL] =
            table == "posting"
            ? [
                "UPDATE custody.posting SET line = line WHERE tenant_id = \(world.tenantID)",
                "DELETE FROM custody.posting WHERE tenant_id = \(world.tenantID)",
            ]
            : [
                "UPDATE custody.ledger_transaction SET event = event WHERE tenant_id = \(world.tenantID)",
                "DELETE FROM custody.ledger_transaction WHERE tenant_id = \(world.tenantID)",
            ]
        for statement in statements {
            let error = await failure {
                _ = try await world.test.withConnection(as: .superuser) { try await $0.query(statement) }
            }
            #expect(error?.kind == .raised("CU002"), "\(statement.text)")
        }
    }

    @Test func `postings that do not sum to zero are refused`() async throws {
        let world = try await booked()
        let error = await failure {
            _ = try await wrongSQL(
                world,
                """
                WITH t AS (
                    INSERT INTO ledger_transaction (tenant_id, id, event, subject, business_date, booked_at)
                    VALUES (\(world.tenantID), gen_random_uuid(), 'wrong', 'wrong', current_date, now())
                    RETURNING tenant_id, id
                )
                INSERT INTO posting (tenant_id, transaction_id, line, account_id, amount_fen, booked_at)
                SELECT t.tenant_id, t.id, row_number() OVER (), a.id, 10, now()
                  FROM t JOIN ledger_account a ON a.tenant_id = \(world.tenantID)
                """
            )
        }
        #expect(error?.kind == .raised("CU001"))
        #expect(try await world.violations() == [])
    }

    @Test func `half a transaction is refused, even when its other half would follow`() async throws {
        let world = try await booked()
        let error = await failure {
            _ = try await wrongSQL(
                world,
                """
                INSERT INTO posting (tenant_id, transaction_id, line, account_id, amount_fen, booked_at)
                SELECT a.tenant_id, t.id, 9, a.id, -100, now()
                  FROM ledger_account a, ledger_transaction t
                 WHERE a.tenant_id = \(world.tenantID) AND a.kind = 'reserve' AND t.tenant_id = \(world.tenantID)
                """
            )
        }
        #expect(error?.kind == .raised("CU001"))
    }

    @Test func `an account cannot be opened with money on it`() async throws {
        let world = try await booked()
        let error = await failure {
            _ = try await wrongSQL(
                world,
                """
                INSERT INTO ledger_account (tenant_id, id, kind, owner, normal_side, is_guarded, balance_fen, created_at)
                VALUES (\(world.tenantID), gen_random_uuid(), 'available', 'thief', 'credit', true, 1000000, now())
                """
            )
        }
        #expect(error?.kind == .insufficientPrivilege)
        #expect(try await world.violations() == [])
    }

    @Test func `a posting of nothing is refused`() async throws {
        let world = try await booked()
        let error = await failure {
            _ = try await wrongSQL(
                world,
                """
                INSERT INTO posting (tenant_id, transaction_id, line, account_id, amount_fen, booked_at)
                SELECT a.tenant_id, t.id, 9, a.id, 0, now()
                  FROM ledger_account a, ledger_transaction t
                 WHERE a.tenant_id = \(world.tenantID) AND a.kind = 'reserve' AND t.tenant_id = \(world.tenantID)
                """
            )
        }
        #expect(error?.kind == .checkViolation("posting_amount_fen_check"))
    }

    @Test func `one tenant cannot fold another's balances`() async throws {
        let world = try await booked()
        let other = try await booked()
        let folded = try await wrongSQL(world, "SELECT fold_balances(\(other.tenantID)) AS n")
        #expect(try folded.first?.get("n", as: Int.self) == 0)
        #expect(try await other.run { try await $0.foldBalances() } == 2)
    }

    @Test func `who takes more than there is gets told how much there is`() async throws {
        let world = try await booked()
        // 40 more wait to be folded in: they are there as well.
        try await world.run { tx in
            var entry = LedgerEntry("test.in", subject: "2", on: tx.today)
            entry.move(Fen(40), debit: .bankCash, credit: .reserve)
            try await tx.book(entry)
        }
        await #expect(throws: Rejection.insufficientFunds(account: "reserve", available: Fen(140), requested: Fen(141)))
        {
            try await world.run { tx in
                var entry = LedgerEntry("test.out", subject: "1", on: tx.today)
                entry.move(Fen(141), debit: .reserve, credit: .bankCash)
                try await tx.book(entry)
            }
        }
        #expect(try await world.balance(.reserve) == Fen(140))
        #expect(try await world.violations() == [])
    }

    @Test func `of two who take the same money at once, the second is told what the first left`() async throws {
        let world = try await booked()
        let (taken, left) = (AsyncStream<Void>.makeStream(), AsyncStream<Void>.makeStream())
        async let first: Void = world.run { tx in
            var entry = LedgerEntry("test.out", subject: "first", on: tx.today)
            entry.move(Fen(70), debit: .reserve, credit: .bankCash)
            try await tx.book(entry)
            taken.continuation.finish()
            // Not committed before the other one waits for the account.
            for await _ in left.stream {}
        }
        for await _ in taken.stream {}
        async let second: Void = world.run { tx in
            var entry = LedgerEntry("test.out", subject: "second", on: tx.today)
            entry.move(Fen(50), debit: .reserve, credit: .bankCash)
            try await tx.book(entry)
        }
        try await eventually("the second waits") {
            try await world.test.withConnection(as: .superuser) { connection in
                try await connection.query(
                    """
                    SELECT FROM pg_stat_activity
                     WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%INSERT INTO posting%'
                    """
                ).count == 1
            }
        }
        left.continuation.finish()
        try await first
        do {
            try await second
            Issue.record("the money was taken twice")
        } catch {
            #expect(
                error as? Rejection
                    == .insufficientFunds(account: "reserve", available: Fen(30), requested: Fen(50)))
        }
        #expect(try await world.violations() == [])
    }
}
