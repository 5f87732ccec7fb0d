import CustodyDomain
import Testing

/// Entries of the ledger: they sum to zero, whatever is moved in them.
@Suite struct LedgerEntryTests {
    private static let day = BusinessDate(daysSinceEpoch: 20_731)
    private static let shop = Account.Party.subMerchant(ID(UUIDv7(high: 1, low: 2)))
    private static let accounts: [Account] = [
        .clearing(.weChatPay), .clearing(.alipay), .bankCash, .feeReceivable, .held(.platform), .held(shop),
        .pending(.platform), .pending(shop), .available(.platform), .available(shop), .frozen(shop), .withdrawing(shop),
        .refunding, .reserve, .suspense, .writeOff,
    ]

    @Test func `whatever is moved, an entry sums to zero, names each account once and none for nothing`() throws {
        var generator = SeededGenerator(seed: 10)
        for _ in 0..<5_000 {
            var entry = LedgerEntry("test", subject: "s", on: LedgerEntryTests.day)
            var expected: [Account: Int64] = [:]
            for _ in 0..<Int.random(in: 0...20, using: &generator) {
                let amount = Int64.random(in: -5...5, using: &generator)
                let debit = try #require(LedgerEntryTests.accounts.randomElement(using: &generator))
                let credit = try #require(LedgerEntryTests.accounts.randomElement(using: &generator))
                entry.move(Fen(amount), debit: debit, credit: credit)
                expected[debit, default: 0] += amount
                expected[credit, default: 0] -= amount
            }
            #expect(entry.lines.map(\.amount).sum() == .zero)
            #expect(Set(entry.lines.map(\.account)).count == entry.lines.count)
            #expect(entry.lines.allSatisfy { $0.amount != .zero })
            let moved = Dictionary(uniqueKeysWithValues: entry.lines.map { ($0.account, $0.amount.value) })
            #expect(moved == expected.filter { $0.value != 0 })
        }
    }

    @Test func `a move and its way back are nothing, and an entry knows its movements`() {
        var entry = LedgerEntry("test", subject: "s", on: LedgerEntryTests.day)
        let empty = entry
        entry.move(Fen(5), debit: .bankCash, credit: .reserve)
        #expect(entry != empty)
        entry.move(Fen(-5), debit: .bankCash, credit: .reserve)
        #expect(entry == empty && entry.lines.isEmpty)
        entry.move(Fen(5), debit: .reserve, credit: .reserve)
        #expect(entry.lines.isEmpty)
        #expect(empty != LedgerEntry("test", subject: "t", on: LedgerEntryTests.day))
        #expect(empty != LedgerEntry("test", subject: "s", on: LedgerEntryTests.day.advanced(by: 1)))
    }

    @Test func `no two accounts are stored as one, and what must not go below zero is owed to somebody`() {
        let accounts = LedgerEntryTests.accounts
        #expect(Set(accounts.map { "\($0.kind)/\($0.owner)" }).count == accounts.count)
        for account in accounts where account.isGuarded { #expect(!account.isDebitNormal, "\(account)") }
    }
}
