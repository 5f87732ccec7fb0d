import CustodyDomain
import CustodyStore
import CustodyWire
import CustodyWorkers
import Foundation
import Postgres
import TestSupport
import Testing

/// Real bills and bank files, imported as an operator does, matched against receipts made from the same files.
@Suite struct ReconciliationTests {
    @Test func `the folder holds bills of both channels, and a bank's files`() {
        #expect(Bill.names.contains { $0.hasPrefix("wechat_") } && Bill.names.contains { $0.hasPrefix("alipay_") })
        #expect(!Bill.bankNames.isEmpty)
    }

    @Test(arguments: Bill.names)
    func `a bill matches receipts made from it without a difference`(_ name: String) async throws {
        let day = try await ReconciledDay.make(from: Bill(named: name))
        #expect(try await day.keep(day.bill.bytes, day.bill.subject, named: name))
        #expect(try await day.keep(day.bill.bytes, day.bill.subject, named: name) == false)
        try await day.keepBankFile()
        #expect(try await day.reconcile() == [])
        try await day.expectClearing()
        #expect(try await day.world.balance(.suspense) == .zero)
    }

    @Test(arguments: Bill.names)
    func `a bill written again says the same`(_ name: String) throws {
        let bill = try Bill(named: name)
        let again = try bill.subject.read(bill.rewritten(bill.content.lines))
        #expect(again.lines.withoutPlaces == bill.content.lines.withoutPlaces)
    }

    @Test(arguments: Bill.names)
    func `exactly what a changed copy plants is found, and a corrected file takes it back`(_ name: String) async throws
    {
        let day = try await ReconciledDay.make(from: Bill(named: name))
        let lines = day.bill.content.lines
        let (changed, planted) = Planted.change(lines, by: Fen(1))
        #expect(planted.count >= 3)
        try await day.keepBill(of: changed, named: "changed")
        try await day.keepBankFile()
        #expect(try await day.reconcile() == planted)
        try await day.expectClearing()

        // The correction takes everything back.
        try await day.keep(day.bill.bytes, day.bill.subject, named: name)
        #expect(try await day.reconcile() == [])
        try await day.expectClearing()
        #expect(try await day.world.balance(.suspense) == .zero)

        // A third file brings the same places back with other amounts.
        let (worse, plantedAgain) = Planted.change(lines, by: Fen(2))
        try await day.keepBill(of: worse, named: "worse")
        #expect(try await day.reconcile() == plantedAgain)
        try await day.expectClearing()
    }

    @Test(arguments: Bill.names)
    func `a corrected file that changes an open difference books only the change`(_ name: String) async throws {
        let day = try await ReconciledDay.make(from: Bill(named: name))
        try await day.keepBankFile()
        // The first copy comes again after the second: the last word counts.
        for step in [Fen(1), Fen(2), Fen(1)] {
            let (changed, planted) = Planted.change(day.bill.content.lines, by: step)
            try await day.keepBill(of: changed, named: "changed by \(step.value)")
            #expect(try await day.reconcile() == planted)
            try await day.expectClearing()
        }
    }

    @Test func `a correction that changes what a proposal is about opens it anew, and keeps the proposal on record`()
        async throws
    {
        let day = try await ReconciledDay.make(from: Bill(named: try #require(Bill.names.first)))
        try await day.keepBankFile()
        var lines = day.bill.content.lines
        let index = try #require(lines.firstIndex { $0.kind == .payment })
        func open() async throws -> DiscrepancyRecord {
            let all = try await day.world.run {
                try await $0.discrepancies(state: .open, on: nil, before: nil, limit: 1000)
            }
            return try #require(all.first { $0.kind == "fee" && $0.reference == lines[index].reference })
        }
        lines[index].fee += Fen(1)
        try await day.keepBill(of: lines, named: "a fen")
        _ = try await day.reconcile()
        let old = try await open()
        let proposal = try await day.world.run {
            try await $0.propose(.writeOff, for: old.id, note: "a fen", by: "alice")
        }
        lines[index].fee += Fen(1)
        try await day.keepBill(of: lines, named: "two fen")
        _ = try await day.reconcile()
        try await day.expectClearing()

        // The old one and its proposal are history; nobody can approve the old figure any more.
        let withdrawn = try await day.world.run { try await $0.discrepancy(old.id) }
        #expect(withdrawn.state == .resolved && withdrawn.suspense == old.suspense)
        let moot = try await day.world.run { try await $0.resolutions(of: old.id) }
        #expect(moot.map(\.state) == ["rejected"] && moot.first?.checker == "custody")
        let refused = try await rejection {
            _ = try await day.world.run { try await $0.decide(proposal.id, approve: true, by: "bob") }
        }
        #expect(refused == .discrepancyState(state: "rejected", action: "decided again"))
        // The new one carries the new amount, and is proposed and approved as any other.
        let new = try await open()
        #expect(new.id != old.id && new.suspense == old.suspense - Fen(1))
        let again = try await day.world.run {
            try await $0.propose(.writeOff, for: new.id, note: "two fen", by: "alice")
        }
        _ = try await day.world.run { try await $0.decide(again.id, approve: true, by: "bob") }
        #expect(try await day.world.balance(.writeOff) == new.suspense)
        #expect(try await day.world.violations() == [])
    }

    @Test(arguments: Bill.names)
    func `fees that a correction takes back first pay what the platform owes`(_ name: String) async throws {
        let bill = try Bill(named: name)
        guard let dropped = bill.content.lines.last(where: { $0.kind == .payment }) else { return }
        let day = try await ReconciledDay.make(from: bill, reserve: .zero)
        let fees = bill.content.lines.map(\.fee).sum()
        try await day.keep(bill.bytes, bill.subject, named: name)
        try await day.keepBankFile()
        #expect(try await day.reconcile() == [])
        #expect(try await day.world.balance(.feeReceivable) == fees)
        try await day.keepBill(of: bill.content.lines.filter { $0 != dropped }, named: "without one")
        _ = try await day.reconcile()
        #expect(try await day.world.balance(.feeReceivable) == fees - dropped.fee)
        #expect(try await day.world.balance(.reserve) == .zero)
        try await day.expectClearing()
    }

    @Test(arguments: Bill.names)
    func `what a channel reports a day late clears itself`(_ name: String) async throws {
        let bill = try Bill(named: name)
        guard let late = bill.content.lines.last(where: { $0.kind == .payment && $0.status != "FAIL" }),
            !bill.content.lines.contains(where: { $0.parentReference == late.reference })
        else { return }
        let day = try await ReconciledDay.make(from: bill)
        // The lump of the day lacks it too.
        try await day.credit("C1-late", -[late].net)
        try await day.keepBill(of: bill.content.lines.filter { $0.reference != late.reference }, named: "without it")
        try await day.keepBankFile(of: bill.content.lines.filter { $0.reference != late.reference })
        let shortage = Planted(kind: "shortage", reference: late.reference, suspense: -late.amount)
        #expect(try await day.reconcile() == [shortage])

        let next = bill.date.advanced(by: 1)
        var line = late
        line.occurredAt = next.start + .seconds(60)
        try await day.keepBill(of: [line], on: next, named: "with it")
        try await day.keepBankFile(of: [line], on: next)
        try await day.credit("C2", [line].net, for: next)
        #expect(try await day.reconcile(next) == [])
        #expect(try await day.world.balance(.suspense) == .zero)
        try await day.expectClearing()
        // The day before stays as it is, however often it is matched.
        #expect(try await day.reconcile() == [])
        #expect(try await day.world.balance(.suspense) == .zero)
    }

    @Test func `whoever proposes a resolution does not approve it, says the verb and says the database`() async throws {
        let day = try await ReconciledDay.make(from: Bill(named: try #require(Bill.names.first)))
        let (changed, planted) = Planted.change(day.bill.content.lines, by: Fen(1))
        try await day.keepBill(of: changed, named: "changed")
        try await day.keepBankFile()
        #expect(try await day.reconcile() == planted)
        let open = try await day.world.run {
            try await $0.discrepancies(state: .open, on: nil, before: nil, limit: 1000)
        }
        let discrepancy = try #require(open.first { $0.suspense != .zero })
        let proposal = try await day.world.run {
            try await $0.propose(.writeOff, for: discrepancy.id, note: "a fen", by: "alice")
        }
        #expect(try await day.world.violations() == [])
        let refused = try await rejection {
            _ = try await day.world.run { try await $0.decide(proposal.id, approve: true, by: "alice") }
        }
        #expect(refused == .fourEyes)
        await #expect {
            try await day.world.approveByItsMaker(proposal.id)
        } throws: { ($0 as? PostgresError)?.sqlState == "23514" }

        let writtenOff = try await day.world.balance(.writeOff)
        _ = try await day.world.run { try await $0.decide(proposal.id, approve: true, by: "bob") }
        #expect(try await day.world.balance(.writeOff) == writtenOff + discrepancy.suspense)
        #expect(try await day.world.violations() == [])
        // Matching again leaves what people decided as it is.
        #expect(
            try await day.reconcile()
                == planted.filter { $0.reference != discrepancy.reference || $0.kind != discrepancy.kind })
    }
}
