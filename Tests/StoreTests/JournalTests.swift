import CustodyDomain
import CustodyStore
import Foundation
import Postgres
import TestSupport
import Testing

@Suite("The journal that another program reads")
struct JournalTests {
    private func wholeJournal(_ world: World, pages: Int) async throws -> String {
        try await world.run { tx in
            var text = JournalEntry.preamble
            var last: ID<LedgerTransaction>?
            while true {
                let entries = try await tx.journal(after: last, limit: pages)
                guard let id = entries.last?.id else { return text }
                text += entries.map(\.text).joined()
                last = id
            }
        }
    }

    private func hledger(_ journal: String, _ arguments: [String]) throws -> (status: Int32, output: String) {
        let file = NSTemporaryDirectory() + "journal-\(UUID().uuidString)"
        try Data(journal.utf8).write(to: URL(fileURLWithPath: file))
        defer { try? FileManager.default.removeItem(atPath: file) }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/hledger")
        process.arguments = ["-f", file] + arguments
        process.environment = ["LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"]
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return (process.terminationStatus, text)
    }

    /// A tenant on whose books every kind of movement stands.
    private func busyWorld() async throws -> World {
        let world = try await TestStore.make().world()
        let shop = try await world.activeSubMerchant()
        try await world.settledIncome(Fen(123_456), of: shop)
        for amount: Int64 in [300, 5] {
            let withdrawal = try await world.run {
                try await $0.createWithdrawal(of: shop, outWithdrawalNo: "w\(amount)", amount: Fen(amount))
            }
            try await world.run { try await $0.succeedWithdrawal(withdrawal.id, bankNumber: nil) }
            if amount == 5 {
                try await world.run { try await $0.returnWithdrawal(withdrawal.id, number: "r", reason: "x") }
            }
        }
        let (_, payment) = try await world.paidOrder([(shop, Fen(900)), (nil, Fen(101))], channel: .alipay)
        let refund = try await world.run {
            try await $0.createRefund(of: payment.id, outRefundNo: "r", amount: Fen(77), parts: nil, reason: nil)
        }
        try await world.run { try await $0.succeedRefund(refund.id, refundNumber: nil, at: $0.now) }
        return world
    }

    @Test func `hledger agrees on every account's balance, to the fen`() async throws {
        let world = try await busyWorld()
        let (status, output) = try hledger(
            try await wholeJournal(world, pages: 3), ["balance", "--flat", "--no-total", "--empty", "-O", "csv"])
        #expect(status == 0, "\(output)")
        var theirs: [String: Fen] = [:]
        for line in output.split(separator: "\n").dropFirst() {
            let fields = line.split(separator: ",").map { $0.filter { $0 != "\"" } }
            let amount = fields[1].replacing("CNY", with: "").filter { $0 != " " }
            theirs[fields[0]] = amount == "0" ? .zero : try #require(Fen(yuan: amount), "\(line)")
        }
        let ours = try await world.run { try await $0.balances() }
        #expect(ours.count >= 9)
        for account in ours {
            let balance = account.isDebitNormal ? account.balance : -account.balance
            #expect(theirs.removeValue(forKey: account.journalName) == balance, "\(account.journalName)")
        }
        #expect(theirs.isEmpty)
    }

    @Test func `hledger refuses a journal in which a fen is missing`() async throws {
        let world = try await busyWorld()
        let journal = try await wholeJournal(world, pages: 1000)
        #expect(try hledger(journal, ["check"]).status == 0)
        let range = try #require(journal.range(of: "CNY 1234.56"))
        #expect(try hledger(journal.replacingCharacters(in: range, with: "CNY 1234.55"), ["check"]).status != 0)
    }

    @Test func `a journal holds one tenant's entries only`() async throws {
        let test = try await TestStore.make()
        let (world, other) = (try await test.world(), try await test.world())
        _ = try await world.paidOrder([(nil, Fen(10))])
        #expect(try await other.run { try await $0.journal(after: nil, limit: 10) }.isEmpty)
        #expect(try await world.run { try await $0.journal(after: nil, limit: 10) }.count == 1)
    }

    @Test func `an export is of one instant, whatever is booked while it is read`() async throws {
        let world = try await busyWorld()
        let numbers = AsyncStream.makeStream(of: Void.self)
        /// Books something by another connection.
        @Sendable func post(_ number: String) async throws {
            try await world.run { tx in
                var entry = LedgerEntry("test.meanwhile", subject: number, on: tx.today)
                entry.move(Fen(7), debit: .bankCash, credit: .reserve)
                try await tx.book(entry)
            }
        }
        let writer = Task {
            var count = 0
            while !Task.isCancelled {
                // Ended in the middle of one it ends as well.
                guard (try? await post("writer \(count)")) != nil else { break }
                count += 1
                numbers.continuation.yield()
            }
            return count
        }
        // The writer is at work before the first export begins.
        for await _ in numbers.stream { break }
        var lengths: [Int] = []
        for export in 0..<5 {
            let (exported, balances, count) = try await world.store.withSnapshot(of: world.tenantID) { tx in
                var exported: [String: Int64] = [:]
                var last: ID<LedgerTransaction>?
                var count = 0
                while true {
                    let entries = try await tx.journal(after: last, limit: 4)
                    guard let id = entries.last?.id else { break }
                    if last == nil { try await post("between the pages of \(export)") }
                    for line in entries.flatMap(\.lines) { exported[line.account, default: 0] += line.amount.value }
                    count += entries.count
                    last = id
                }
                let balances = try await tx.balances().map { balance in
                    (balance.journalName, balance.isDebitNormal ? balance.balance.value : -balance.balance.value)
                }
                return (exported, Dictionary(uniqueKeysWithValues: balances).filter { $0.value != 0 }, count)
            }
            #expect(exported.values.reduce(0, +) == 0)
            #expect(exported.filter { $0.value != 0 } == balances)
            lengths.append(count)
        }
        writer.cancel()
        #expect(await writer.value > 0)
        // Each export saw what was booked between the pages of the one before.
        #expect(zip(lengths, lengths.dropFirst()).allSatisfy { $0 < $1 })
        #expect(try await world.violations() == [])
    }

    @Test func `nothing is written through a snapshot`() async throws {
        let world = try await TestStore.make().world()
        await #expect {
            try await world.store.withSnapshot(of: world.tenantID) { try await $0.startDays() }
        } throws: { ($0 as? PostgresError)?.sqlState == "25006" }
    }
}
