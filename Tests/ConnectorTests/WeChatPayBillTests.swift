import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyWire
import Testing

@Suite struct WeChatPayBillTests {
    typealias World = WeChatPayWorld

    static func day(_ text: String) throws -> BusinessDate { try #require(BusinessDate(text)) }

    static func lines(_ world: World, _ date: String) async throws -> [StatementLine] {
        guard case .file(let file) = try answered(await world.channel.tradeBill(of: try day(date))) else {
            Issue.record("no file")
            return []
        }
        #expect(file.name == "wechat_tradebill_ALL_\(date).csv.gz")
        return try StatementContent(reading: file, from: .weChatPay).lines
    }

    @Test func `a bill is not ready before ten, then a file, and empty for an empty day`() async throws {
        try await World.with { world in
            try await world.setClock("2026-10-05T12:00:00+08:00")
            try await world.paid("BILL0001")
            try await world.setClock("2026-10-06T09:59:00+08:00")
            #expect(try answered(await world.channel.tradeBill(of: try Self.day("2026-10-05"))).isNotReady)
            try await world.setClock("2026-10-06T10:00:00+08:00")
            let line = try #require(try await Self.lines(world, "2026-10-05").first)
            #expect(line.reference == "BILL0001")
            #expect(line.amount == Fen(12_345))
            #expect(line.fee == Fen(74))
            #expect(line.occurredAt >= (try #require(Instant(text: "2026-10-05T12:00:00+08:00"))))
            #expect(try answered(await world.channel.tradeBill(of: try Self.day("2026-10-04"))).isEmpty)
            #expect(refusalCode(await world.channel.tradeBill(of: try Self.day("2026-10-06"))) == "PARAM_ERROR")
        }
    }

    @Test func `payments before and after midnight belong to their own days`() async throws {
        try await World.with { world in
            try await world.setClock("2026-10-05T23:59:30+08:00")
            try await world.paid("MIDNIGHT1")
            try await world.setClock("2026-10-06T00:00:01+08:00")
            try await world.paid("MIDNIGHT2")
            try await world.setClock("2026-10-07T10:00:00+08:00")
            #expect(try await Self.lines(world, "2026-10-05").map(\.reference) == ["MIDNIGHT1"])
            #expect(try await Self.lines(world, "2026-10-06").map(\.reference) == ["MIDNIGHT2"])
        }
    }

    @Test func `planted differences show in the bill and in the lump alike`() async throws {
        try await World.with { world in
            try await world.setClock("2026-10-05T12:00:00+08:00")
            for (index, amount) in [10_000, 20_000, 30_000, 40_000].enumerated() {
                try await world.paid("PLANT00\(index)", Int64(amount))
            }
            _ = try answered(await world.channel.refund(world.refund("PR1", of: "PLANT000", 250, total: 10_000)))
            func plant(_ kind: String, _ more: [JSON.Member]) async throws -> JSON {
                try await world.control(
                    "POST", "/plant",
                    .object([.init("merchant", .string(World.mchid)), .init("kind", .string(kind))] + more))
            }
            let surplus = try await plant("surplus", [.init("amount_fen", 5000)])
            _ = try await plant("late", [.init("out_trade_no", "PLANT001")])
            _ = try await plant("fee", [.init("out_trade_no", "PLANT002"), .init("fee_fen", 999)])
            _ = try await plant("amount", [.init("out_trade_no", "PLANT003"), .init("amount_fen", 40_001)])

            try await world.setClock("2026-10-06T01:59:00+08:00")
            #expect(world.inbox.requests(to: "/remit").isEmpty)
            try await world.setClock("2026-10-06T10:00:00+08:00")
            let lines = try await Self.lines(world, "2026-10-05")
            let byNumber = Dictionary(uniqueKeysWithValues: lines.map { ($0.reference, $0) })
            #expect(lines.count == 5)
            #expect(byNumber["PLANT000"]?.fee == Fen(60))
            #expect(byNumber["PLANT001"] == nil)
            #expect(byNumber["PLANT002"]?.fee == Fen(999))
            #expect(byNumber["PLANT003"]?.amount == Fen(40_001))
            #expect(byNumber["PR1"]?.kind == .refund)
            #expect(byNumber["PR1"]?.fee == Fen(-2))
            #expect(byNumber["PR1"]?.parentReference == "PLANT000")
            #expect(byNumber["PR1"]?.status == "SUCCESS")
            let stranger = try #require(surplus["out_trade_no"]?.string)
            #expect(byNumber[stranger]?.amount == Fen(5000))

            // The lump is made of the very lines of the bill.
            let lump = try #require(world.inbox.requests(to: "/remit").first?.json)
            #expect(world.inbox.requests(to: "/remit").count == 1)
            #expect(lump["market_id"]?.string == "M1")
            #expect(lump["channel"]?.string == "WXPAY")
            #expect(lump["business_date"]?.string == "2026-10-05")
            let net = lines.map { $0.kind == .payment ? $0.amount - $0.fee : -($0.amount + $0.fee) }.sum()
            #expect(lump["net_fen"]?.integer == net.value)
            let items = try #require(lump["items"]?.array)
            #expect(items.count == lines.count)
            for item in items {
                let line = try #require(byNumber[item["out_no"]?.string ?? ""])
                #expect(item["amount_fen"]?.integer == line.amount.value)
                #expect(item["fee_fen"]?.integer == line.fee.value)
                #expect(item["channel_order_no"]?.string == line.counterpartNumber)
                #expect(item["kind"]?.string == line.kind.rawValue)
            }

            try await world.setClock("2026-10-07T10:00:00+08:00")
            #expect(try await Self.lines(world, "2026-10-06").map(\.reference) == ["PLANT001"])
            #expect(world.inbox.requests(to: "/remit").last?.json?["net_fen"]?.integer == Int64(20_000 - 120))
        }
    }

    @Test(arguments: ["corrupt", "other_bill", "drop_answer", "system_error"])
    func `a damaged download is no bill`(_ fault: String) async throws {
        try await World.with { world in
            try await world.setClock("2026-10-05T12:00:00+08:00")
            try await world.paid("DAMAGE01")
            try await world.setClock("2026-10-06T10:00:00+08:00")
            try await world.fault("download", fault)
            #expect(doubt(await world.channel.tradeBill(of: try Self.day("2026-10-05"))) != nil)
            #expect(try await Self.lines(world, "2026-10-05").count == 1)
        }
    }

    @Test func `a thousand payments take seconds`() async throws {
        try await World.with { world in
            try await world.setClock("2026-10-05T12:00:00+08:00")
            let clock = ContinuousClock()
            let start = clock.now
            try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in 0..<8 {
                    group.addTask {
                        for index in 0..<125 { try await world.paid("MANY\(worker)X\(index)", Int64(index + 1)) }
                    }
                }
                try await group.waitForAll()
            }
            #expect(clock.now - start < .seconds(60))
            #expect(world.inbox.requests(to: "/callback").count == 1000)
            try await world.setClock("2026-10-06T10:00:00+08:00")
            #expect(try await Self.lines(world, "2026-10-05").count == 1000)
        }
    }
}
