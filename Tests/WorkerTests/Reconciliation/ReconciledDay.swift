import CustodyDomain
import CustodyStore
import CustodyWire
import CustodyWorkers
import TestSupport
import Testing

/// A platform whose receipts were made from a bill, and the days of that bill.
struct ReconciledDay: Sendable {
    let world: World
    let bill: Bill

    /// Makes a payment or refund for every line of a bill, and books the lump that the channel sends for it.
    static func make(from bill: Bill, reserve: Fen = Fen(100_000_000)) async throws -> ReconciledDay {
        let day = ReconciledDay(world: try await TestStore.make().world(), bill: bill)
        if reserve > .zero {
            try await day.world.run { tx in
                _ = try await tx.bookDeposit(number: "D1", amount: reserve, bankDate: bill.date)
            }
        }
        try await day.makeReceipts()
        try await day.credit("C1", bill.content.lines.net)
        return day
    }

    private func makeReceipts() async throws {
        let shop = try await world.activeSubMerchant(bindsAccount: false)
        var payments: [String: ID<Payment>] = [:]
        for line in bill.content.lines where line.kind == .payment {
            payments[line.reference] = try await pay(shop, line)
        }
        for line in bill.content.lines where line.kind == .refund {
            let parent = try #require(line.parentReference)
            // A bill of refunds alone refunds what was paid the day before.
            if payments[parent] == nil {
                var earlier = line
                (earlier.reference, earlier.counterpartNumber) = (parent, "4200\(parent)")
                earlier.occurredAt = bill.date.start - .seconds(3600)
                earlier.amount = bill.content.lines.filter { $0.parentReference == parent }.map(\.amount).sum()
                payments[parent] = try await pay(shop, earlier)
            }
            try await refund(try #require(payments[parent]), line)
        }
    }

    private func pay(_ shop: ID<SubMerchant>, _ line: StatementLine) async throws -> ID<Payment> {
        let order = try await world.order([(shop, line.amount)])
        let payment = try await world.payingPayment(of: order.id, channel: bill.channel)
        // Serials are ours to give; the bill's were given by whoever made it.
        try await world.setSerial(line.reference, of: payment.id)
        let success = try await world.run { tx in
            try await tx.succeed(
                payment.id, transactionNumber: line.counterpartNumber, paidAt: line.occurredAt, payerID: nil)
        }
        #expect(success == .booked)
        return payment.id
    }

    private func refund(_ payment: ID<Payment>, _ line: StatementLine) async throws {
        let id = try await world.run { tx in
            try await tx.createRefund(
                of: payment, outRefundNo: line.reference, amount: line.amount, parts: nil, reason: nil
            ).id
        }
        try await world.setSerial(line.reference, of: id)
        try await world.run { tx in
            switch line.status {
            case "SUCCESS", "退款": try await tx.succeedRefund(id, refundNumber: nil, at: line.occurredAt)
            case "FAIL": try await tx.failRefund(id, code: "failed", message: "")
            default: try await tx.noteRefundProcessing(id, refundNumber: line.counterpartNumber)
            }
        }
    }

    /// Books a lump of the channel's.
    func credit(_ number: String, _ amount: Fen, for date: BusinessDate? = nil) async throws {
        let date = date ?? bill.date
        try await world.run { tx in
            _ = try await tx.bookCredit(
                number: number, channel: bill.channel, businessDate: date, amount: amount,
                bankDate: date.advanced(by: 1))
        }
    }

    /// Brings in a file the way `custody statement import` does.
    @discardableResult
    func keep(_ bytes: [UInt8], _ subject: StatementSubject, named name: String) async throws -> Bool {
        let statement = try subject.verified(StatementFile(bytes, name: name))
        return try await world.run { tx in
            try await tx.keep(statement, subject: subject, fileName: name).isNew
        }
    }

    /// Brings in a bill of these lines.
    func keepBill(of lines: [StatementLine], on date: BusinessDate? = nil, named name: String) async throws {
        let subject = StatementSubject(source: bill.source, form: "trade", date: date ?? bill.date)
        #expect(try await keep(bill.rewritten(lines, on: date), subject, named: name))
    }

    /// Brings in the bank's file.
    func keepBankFile(of lines: [StatementLine]? = nil, on date: BusinessDate? = nil) async throws {
        let subject = StatementSubject(source: .bank, form: "PAY", date: date ?? bill.date)
        #expect(try await keep(bill.bankFile(lines, on: date), subject, named: "PAY.txt"))
    }

    /// Matches a day, twice; both must come to the same, and the books must prove right.
    ///
    /// - Returns: The day's open discrepancies.
    func reconcile(_ date: BusinessDate? = nil) async throws -> [Planted] {
        let first = try await once(date ?? bill.date)
        let postings = try await world.postingCount()
        let second = try await once(date ?? bill.date)
        #expect(first == second)
        #expect(try await world.postingCount() == postings, "running again booked something")
        #expect(try await world.violations() == [])
        let suspense = try await world.balance(.suspense)
        let open = try await world.run { try await $0.discrepancies(state: .open, on: nil, before: nil, limit: 1000) }
        #expect(suspense == open.map(\.suspense).sum())
        return first
    }

    private func once(_ date: BusinessDate) async throws -> [Planted] {
        let outcome = try await world.run { tx in
            try await tx.reconcile(bill.channel, on: date, feeBasisPoints: 60, withoutCreditAfter: date.start)
        }
        guard case .done(let record) = outcome else {
            Issue.record("still waiting: \(outcome)")
            return []
        }
        #expect(record.channel == bill.channel && record.businessDate == date)
        return try await world.run { tx in
            try await tx.discrepancies(state: .open, on: date, before: nil, limit: 1000)
                .map { Planted(kind: $0.kind, reference: $0.reference, suspense: $0.suspense) }
        }.sorted()
    }

    /// What the channel still owes: nothing, but for refunds that are listed and not finished yet, and for what was paid
    /// the day before, which this bill does not list.
    func expectClearing() async throws {
        let payments = Set(bill.content.lines.filter { $0.kind == .payment }.map(\.reference))
        let refunds = bill.content.lines.filter { $0.kind == .refund }
        let pending = refunds.filter { !["SUCCESS", "退款", "FAIL"].contains($0.status) }.map(\.amount).sum()
        let earlier = refunds.filter { !payments.contains($0.parentReference ?? "") }.map(\.amount).sum()
        #expect(try await world.balance(.clearing(bill.channel)) == pending + earlier)
    }
}
