import CustodyDomain
import CustodyStore
import CustodyWire
import TestSupport
import Testing

@Suite struct ReconciliationDayRouteTests {
    @Test func `a day shows what came with hash and revision, and why something did not`() async throws {
        try await APIBench.run { bench async throws in
            let date = try #require(BusinessDate("2026-10-05"))
            let empty = VerifiedStatement(emptyDay: date, from: .weChatPay, form: "trade")
            let rows = try empty.rows()
            try await bench.world.run { tx in
                _ = try await tx.storeStatement(
                    rows, of: empty.summary, form: "trade", on: date, fileName: "bill.csv",
                    sha256: [UInt8](repeating: 0xAB, count: 32)
                ) { _ in nil }
                try await tx.noteRefused(
                    .bank, form: "PAY", on: date, reason: "100999: no such file", dueAt: date.start)
                _ = try await tx.noteMissing(
                    .weChatPay, form: "fund_flow", on: date, reason: "not_ready: the file is not made yet",
                    dueAt: tx.now + .seconds(3600))
            }
            let day = try await bench.send("GET", "/v1/reconciliation-days/2026-10-05")
            #expect(day.status == 200)
            let statements = day.json["statements"]?.array ?? []
            #expect(statements.map { $0["form"]?.string } == ["PAY", "fund_flow", "trade"])
            #expect(statements.map { $0["state"]?.string } == ["refused", "waiting", "empty"])
            #expect(statements.first?["reason"]?.string == "100999: no such file")
            let file = statements.last?["files"]?.array?.first
            #expect(file?["sha256"]?.string == String(repeating: "ab", count: 32))
            #expect(file?["revision"]?.integer == 1)
            #expect(try await bench.send("GET", "/v1/reconciliation-days/2026-10-06").json["statements"] == [])
            #expect(try await bench.send("GET", "/v1/reconciliation-days/yesterday").status == 404)
        }
    }
}
