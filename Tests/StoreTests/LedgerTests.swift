import CustodyDomain
import CustodyStore
import Postgres
import TestSupport
import Testing

@Suite("The ledger")
struct LedgerTests {
    private func entry(
        _ subject: String, _ amount: Fen, debit: Account = .bankCash, credit: Account = .reserve, on date: BusinessDate
    ) -> LedgerEntry {
        var entry = LedgerEntry("test.moved", subject: subject, on: date)
        entry.move(amount, debit: debit, credit: credit)
        return entry
    }

    @Test func `an entry is booked once, however often it is said`() async throws {
        let world = try await TestStore.make().world()
        let first = try await world.run { try await $0.book(entry("a", Fen(500), on: $0.today)) }
        let again = try await world.run { try await $0.book(entry("a", Fen(500), on: $0.today)) }
        #expect(first)
        #expect(!again)
        #expect(try await world.balance(.reserve) == Fen(500))
        #expect(try await world.balance(.bankCash) == Fen(500))
    }

    @Test func `of one batch only what is new is booked`() async throws {
        let world = try await TestStore.make().world()
        _ = try await world.run { try await $0.book(entry("a", Fen(1), on: $0.today)) }
        let booked = try await world.run { tx in
            try await tx.book(["a", "b", "c"].map { entry($0, Fen(10), on: tx.today) })
        }
        #expect(booked == ["b", "c"])
        #expect(try await world.balance(.reserve) == Fen(21))
        #expect(try await world.violations() == [])
    }

    @Test func `one that says the same twice in a batch is booked once`() async throws {
        let world = try await TestStore.make().world()
        _ = try await world.run { tx in try await tx.book(["a", "a"].map { entry($0, Fen(10), on: tx.today) }) }
        #expect(try await world.balance(.reserve) == Fen(10))
        #expect(try await world.violations() == [])
    }

    @Test func `the same fact said sixteen times at once is booked once`() async throws {
        let world = try await TestStore.make().world()
        let results = await together(16) { _ in
            try await world.run { tx in try await tx.book(entry("same", Fen(7), on: tx.today)) }
        }
        #expect(results.filter { (try? $0.get()) == true }.count == 1)
        #expect(try await world.balance(.reserve) == Fen(7))
    }

    @Test func `an entry without movements is not booked at all`() async throws {
        let world = try await TestStore.make().world()
        let booked = try await world.run { tx in
            try await tx.book(LedgerEntry("test.nothing", subject: "x", on: tx.today))
        }
        #expect(!booked)
        #expect(try await world.run { try await $0.balances() }.isEmpty)
    }

    @Test func `a guarded account refuses to go below zero, and nothing of the entry stays`() async throws {
        let world = try await TestStore.make().world()
        _ = try await world.run { try await $0.book(entry("in", Fen(100), on: $0.today)) }
        let refused = try await rejection {
            _ = try await world.run {
                try await $0.book(entry("out", Fen(101), debit: .reserve, credit: .bankCash, on: $0.today))
            }
        }
        #expect(refused?.code == "insufficient_funds")
        #expect(try await world.balance(.reserve) == Fen(100))
        #expect(try await world.balance(.bankCash) == Fen(100))
        _ = try await world.run {
            try await $0.book(entry("out", Fen(100), debit: .reserve, credit: .bankCash, on: $0.today))
        }
        #expect(try await world.balance(.reserve) == .zero)
        #expect(try await world.violations() == [])
    }

    @Test func `an account that is not guarded may stand on either side`() async throws {
        let world = try await TestStore.make().world()
        _ = try await world.run {
            try await $0.book(entry("lost", Fen(30), debit: .writeOff, credit: .clearing(.alipay), on: $0.today))
        }
        #expect(try await world.balance(.clearing(.alipay)) == Fen(-30))
        #expect(try await world.balance(.writeOff) == Fen(-30))
        #expect(try await world.violations() == [])
    }

    @Test func `the balances of any instant are summed from the postings`() async throws {
        let world = try await TestStore.make().world()
        _ = try await world.run { try await $0.book(entry("monday", Fen(100), on: $0.today)) }
        let between = try await world.run { $0.now } + .seconds(86_400)
        try await world.run { try await $0.setClock(to: between + .seconds(60)) }
        _ = try await world.run { try await $0.book(entry("tuesday", Fen(11), on: $0.today)) }
        let (before, after) = try await world.run { tx in
            (try await tx.balances(before: between), try await tx.balances(before: tx.now + .seconds(1)))
        }
        #expect(before.first { $0.kind == "reserve" }?.balance == Fen(100))
        #expect(before.first { $0.kind == "bank_cash" }?.balance == Fen(100))
        #expect(after.first { $0.kind == "reserve" }?.balance == Fen(111))
        #expect(after == (try await world.run { try await $0.balances() }))
    }

    @Test func `folding moves waiting movements into the balances and changes none`() async throws {
        let world = try await TestStore.make().world()
        for n in 1...5 { _ = try await world.run { try await $0.book(entry("\(n)", Fen(10), on: $0.today)) } }
        let before = try await world.run { try await $0.balances() }
        let folded = try await world.run { try await $0.foldBalances() }
        #expect(folded == 10)
        #expect(try await world.run { try await $0.foldBalances() } == 0)
        #expect(try await world.run { try await $0.balances() } == before)
        #expect(try await world.violations() == [])
    }

    @Test func `a violation is told: a balance that its postings do not explain`() async throws {
        let world = try await TestStore.make().world()
        _ = try await world.run { try await $0.book(entry("a", Fen(100), on: $0.today)) }
        try await world.test.withConnection(as: .superuser) { connection in
            _ = try await connection.query(
                """
                UPDATE custody.ledger_account SET balance_fen = balance_fen + 1
                 WHERE tenant_id = \(world.tenantID) AND kind = 'reserve'
                """)
        }
        #expect(try await world.violations().map(\.description) == ["reserve/ keeps 101 fen, its postings say 100"])
    }

    @Test func `a violation is told: suspense without a discrepancy, and held money without an order`() async throws {
        let world = try await TestStore.make().world()
        _ = try await world.run { tx in
            try await tx.book([
                entry("s", Fen(5), debit: .clearing(.alipay), credit: .suspense, on: tx.today),
                entry("h", Fen(6), debit: .clearing(.alipay), credit: .held(.platform), on: tx.today),
            ])
        }
        #expect(
            try await world.violations().map(\.description) == [
                "suspense is 5 fen, open discrepancies hold 0", "held is 6 fen, orders say 0",
            ])
    }
}

@Suite("The ledger under concurrency")
struct LedgerConcurrencyTests {
    @Test func `sixteen at once never take more from a guarded account than it has`() async throws {
        let world = try await TestStore.make().world()
        _ = try await world.run { tx in
            var entry = LedgerEntry("test.in", subject: "1", on: tx.today)
            entry.move(Fen(1000), debit: .bankCash, credit: .reserve)
            return try await tx.book(entry)
        }
        let results = await together(16) { index in
            try await world.run { tx in
                var entry = LedgerEntry("test.out", subject: "\(index)", on: tx.today)
                entry.move(Fen(90), debit: .reserve, credit: .bankCash)
                return try await tx.book(entry)
            }
        }
        #expect(results.filter(\.isSuccess).count == 11)
        #expect(results.compactMap(\.rejection).map(\.code) == Array(repeating: "insufficient_funds", count: 5))
        #expect(try await world.balance(.reserve) == Fen(10))
        #expect(try await world.violations() == [])
    }

    @Test func `credits, debits and folding at once lose nothing`() async throws {
        let world = try await TestStore.make().world()
        _ = try await world.run { tx in
            var entry = LedgerEntry("test.in", subject: "first", on: tx.today)
            entry.move(Fen(1_000), debit: .bankCash, credit: .reserve)
            return try await tx.book(entry)
        }
        let results = await together(60) { index in
            try await world.run { tx in
                if index % 3 == 2 {
                    _ = try await tx.foldBalances()
                    return
                }
                var entry = LedgerEntry("test.move", subject: "\(index)", on: tx.today)
                if index % 3 == 0 {
                    entry.move(Fen(10), debit: .bankCash, credit: .reserve)
                } else {
                    entry.move(Fen(3), debit: .reserve, credit: .bankCash)
                }
                try await tx.book(entry)
            }
        }
        #expect(results.filter { !$0.isSuccess }.isEmpty)
        #expect(try await world.balance(.reserve) == Fen(1_000 + 20 * 10 - 20 * 3))
        #expect(try await world.violations() == [])
    }

    @Test func `money coming in waits for nobody: two open transactions credit one account`() async throws {
        let world = try await TestStore.make().world()
        func credit(_ tx: TenantTransaction, _ subject: String) async throws {
            var entry = LedgerEntry("test.in", subject: subject, on: tx.today)
            entry.move(Fen(10), debit: .clearing(.weChatPay), credit: .held(.platform))
            try await tx.book(entry)
        }
        try await world.run { try await credit($0, "opens the accounts") }
        let world2 = world
        // The second transaction begins, books and commits while the first, which booked too, is still open.
        try await world.run { first in
            try await credit(first, "first")
            try await world2.run { try await credit($0, "second") }
            try await credit(first, "third")
        }
        #expect(try await world.balance(.held(.platform)) == Fen(40))
    }

    @Test func `who takes from a guarded account does not wait for those who add to it`() async throws {
        let world = try await TestStore.make().world()
        _ = try await world.run { tx in
            var entry = LedgerEntry("test.in", subject: "1", on: tx.today)
            entry.move(Fen(100), debit: .bankCash, credit: .reserve)
            return try await tx.book(entry)
        }
        try await world.run { adding in
            var entry = LedgerEntry("test.in", subject: "2", on: adding.today)
            entry.move(Fen(50), debit: .bankCash, credit: .reserve)
            try await adding.book(entry)
            // What is not committed cannot be spent.
            let refused = try await rejection {
                try await world.run { taking in
                    var entry = LedgerEntry("test.out", subject: "too much", on: taking.today)
                    entry.move(Fen(120), debit: .reserve, credit: .bankCash)
                    try await taking.book(entry)
                }
            }
            #expect(refused?.code == "insufficient_funds")
            try await world.run { taking in
                var entry = LedgerEntry("test.out", subject: "enough", on: taking.today)
                entry.move(Fen(80), debit: .reserve, credit: .bankCash)
                try await taking.book(entry)
            }
        }
        #expect(try await world.balance(.reserve) == Fen(70))
        #expect(try await world.violations() == [])
    }
}
