import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation
import TestSupport
import Testing

/// Statements that a worker fetches from a real server into a real PostgreSQL, and everything that can go wrong on the way.
@Suite struct FetchTests {
    static let bill = "wechat_tradebill_ALL_2026-10-05.csv"

    @Test func `a bill is fetched, verified and kept, and the day shows its totals, hash and revision`() async throws {
        try await FetchingDay.run { day in
            let bytes = try Bill.bytes(of: Self.bill + ".gz")
            day.desk.answer(.file(.init(bytes)))
            try await day.fetch()
            let shown = try await day.shown()
            #expect(shown.state == .received && shown.reason == nil)
            let kept = try #require(try await day.kept().first)
            let content = try StatementContent(reading: StatementFile(bytes), from: .weChatPay)
            #expect(kept.fileName == "wechat_tradebill_ALL_\(day.date.iso).csv.gz")
            #expect(kept.lineCount == content.lines.count && kept.amount == content.summary.amount)
            #expect(kept.sha256 == (try StatementFile(bytes).sha256()) && kept.revision == 1 && kept.isCurrent)
            let stored = try await day.world.storedStatement(kept.id)
            #expect(stored.bytes == bytes && stored.lines == content.lines)
            // The directory is ours alone.
            let mode = try FileManager.default.attributesOfItem(atPath: day.spool.directory)[.posixPermissions]
            #expect(mode as? Int == 0o700)
        }
    }

    @Test func `a download that is cut leaves nothing behind, and is made again`() async throws {
        try await FetchingDay.run { day in
            let bytes = try Bill.bytes(of: Self.bill)
            day.desk.answer(.file(.init(bytes, cut: bytes.count / 2)))
            try await day.fetch()
            let cut = try await day.shown()
            #expect(cut.state == .waiting && cut.reason?.hasPrefix("no_answer: ") == true, "\(cut)")
            #expect(try await day.kept() == [])
            #expect(try FileManager.default.contentsOfDirectory(atPath: day.spool.directory) == [])
            day.desk.answer(.file(.init(bytes)))
            try await day.advance(.seconds(601))
            #expect(try await day.shown(asked: 2).state == .received)
            #expect(try await day.kept().map(\.lineCount) == [20])
            #expect(day.desk.downloads == 2)
            #expect(try await day.world.deadLetters() == [])
        }
    }

    @Test func `a bill whose hash is another is refused by name, and nothing of it is stored`() async throws {
        try await FetchingDay.run { day in
            let bytes = try Bill.bytes(of: Self.bill + ".gz")
            let other = BillDesk.sha1(of: try Bill.bytes(of: "wechat_tradebill_SUCCESS_2026-10-05.csv"))
            day.desk.answer(.file(.init(bytes, sha1: other)))
            try await day.fetch()
            let name = "wechat_tradebill_ALL_\(day.date.iso).csv.gz"
            let shown = try await day.shown()
            #expect(shown.state == .waiting)
            #expect(shown.reason == "bad_hash: \(name): its SHA-1 is not the one that was announced")
            #expect(try await day.kept() == [])
            day.desk.answer(.file(.init(bytes)))
            try await day.advance(.seconds(601))
            #expect(try await day.shown(asked: 2).state == .received)
        }
    }

    @Test func `a file longer than allowed is refused for good`() async throws {
        try await FetchingDay.run(limit: 1000) { day in
            day.desk.answer(.file(.init(try Bill.bytes(of: Self.bill))))
            try await day.fetch()
            let shown = try await day.shown()
            #expect(shown.state == .refused)
            #expect(shown.reason == "too_large: longer than the 1000 bytes that a fetched file may have")
            #expect(try await day.world.deadLetters() == [shown.reason])
            #expect(try await day.kept() == [])
            #expect(try await day.events() == ["statement.refused"])
        }
    }

    @Test func `without a place to put files a fetch waits, and says why`() async throws {
        try await FetchingDay.run(spoolDirectory: "/proc/custody-spool") { day in
            day.desk.answer(.file(.init(try Bill.bytes(of: Self.bill))))
            try await day.fetch()
            let shown = try await day.shown()
            #expect(shown.state == .waiting)
            #expect(
                shown.reason?.hasPrefix("not_spooled: the directory for fetched files cannot be written to") == true)
            #expect(try await day.kept() == [])
            #expect(try await day.world.deadLetters() == [])
        }
    }

    @Test func `a final refusal ends the job as a dead letter, and the day says why`() async throws {
        try await FetchingDay.run { day in
            day.desk.answer(.refusal(403, "NO_AUTH"))
            try await day.fetch()
            let shown = try await day.shown()
            #expect(shown.state == .refused && shown.reason == "NO_AUTH: 见代码")
            #expect(try await day.world.deadLetters() == ["NO_AUTH: 见代码"])
            #expect(try await day.events() == ["statement.refused"])
            // It is asked no more.
            try await day.advance(.seconds(7200))
            #expect(day.desk.questions.count == 1)
            // A person has it run again when the contract is there.
            day.desk.answer(.file(.init(try Bill.bytes(of: Self.bill))))
            try await day.world.raiseDeadJobs()
            #expect(try await day.shown(asked: 2).state == .received)
        }
    }

    @Test func `a bill that is not made yet is asked for until noon, is then overdue, and given up in the end`()
        async throws
    {
        try await FetchingDay.run { day in
            day.desk.answer(.refusal(400, "STATEMENT_CREATING"))
            try await day.fetch()
            #expect(try await day.shown().state == .waiting)
            #expect(try await day.shown().reason == "not_ready: the file is not made yet")
            try await day.advance(.seconds(601))
            #expect(try await day.shown(asked: 2).state == .waiting)
            #expect(try await day.events() == [])
            try await day.advance(.seconds(3 * 3600))
            #expect(try await day.shown(asked: 3).state == .overdue)
            #expect(try await day.events() == ["statement.overdue"])
            // It is asked every hour from then on, and the alarm is not repeated.
            try await day.advance(.seconds(601))
            #expect(day.desk.questions.count == 3)
            try await day.advance(.seconds(3600))
            #expect(try await day.shown(asked: 4).state == .overdue)
            #expect(try await day.events() == ["statement.overdue"])
            try await day.advance(.seconds(8 * 86_400))
            let given = try await day.shown(asked: 6)
            #expect(given.state == .refused)
            #expect(try await day.world.deadLetters() == ["never came; not_ready: the file is not made yet"])
        }
    }

    @Test func `a day on which nothing happened is kept as an empty statement`() async throws {
        try await FetchingDay.run { day in
            day.desk.answer(.refusal(400, "NO_STATEMENT_EXIST"))
            try await day.fetch()
            #expect(try await day.shown().state == .empty)
            #expect(try await day.kept().map(\.lineCount) == [0])
            #expect(try await day.world.deadLetters() == [])
        }
    }

    @Test func `a file issued again is a revision of its own, and the day is matched again`() async throws {
        try await FetchingDay.run { day in
            for (index, name) in [Self.bill, "wechat_tradebill_SUCCESS_2026-10-05.csv"].enumerated() {
                day.desk.answer(.file(.init(try Bill.bytes(of: name))))
                try await day.fetch()
                #expect(try await day.shown(asked: index + 1).state == .received)
            }
            #expect(try await day.kept().map(\.revision) == [1, 2])
            #expect(try await day.kept().map(\.isCurrent) == [false, true])
            #expect(try await day.world.jobCount(.reconcile) > 0)
            // The same once more is no revision.
            try await day.fetch()
            _ = try await day.shown(asked: 3)
            #expect(try await day.kept().count == 2)
        }
    }

    @Test
    func `every odd file is taken or refused by name, with its line and column, and nothing of a refused one is kept`()
        async throws
    {
        try await FetchingDay.run { day in
            var kept = 0
            for (index, file) in try SpoiledFile.weChatPay().enumerated() {
                day.desk.answer(.file(.init(file.bytes)))
                // Each is fetched anew: what could not be unpacked would otherwise be asked for again.
                try await day.world.loseJobs(.fetchStatement)
                try await day.fetch()
                let shown = try await day.shown(asked: index + 1)
                if let refusal = file.refusal {
                    #expect(shown.reason?.contains(refusal) == true, "\(file): \(shown)")
                    #expect(shown.reason?.contains("wechat_tradebill_ALL_\(day.date.iso).csv.gz") == true, "\(shown)")
                } else {
                    kept += 1
                    #expect(shown.state == .received && shown.reason == nil, "\(file): \(shown)")
                }
                #expect(try await day.kept().count == kept, "\(file)")
            }
            #expect(kept > 0)
        }
    }

    @Test(arguments: [[UInt8](), Array("<html><body>busy</body></html>".utf8)])
    func `a page, or nothing, in place of the file that was announced is no bill`(_ bytes: [UInt8]) async throws {
        try await FetchingDay.run { day in
            day.desk.answer(.file(.init(bytes, sha1: BillDesk.sha1(of: try Bill.bytes(of: Self.bill)))))
            try await day.fetch()
            let shown = try await day.shown()
            #expect(shown.state == .waiting && shown.reason?.hasPrefix("bad_hash: ") == true, "\(shown)")
            #expect(try await day.kept() == [])
        }
    }

    @Test func `fund-flow and profit-sharing bills are kept beside the trade bill, in revisions of their own`()
        async throws
    {
        try await FetchingDay.run { day in
            let flows = try Bill.bytes(of: "wechat_fundflow_BASIC_2026-10-05.csv.gz")
            day.desk.answer(.file(.init(flows)), at: "/v3/bill/fundflowbill")
            let shares = Array(
                """
                分账时间,分账发起方,分账方,微信订单号,微信分账/回退单号,分账明细单号,商户分账/回退单号,订单金额,分账接收方,分账金额,业务类型,处理状态,分账描述,备注\r
                `2026-10-05 10:00:00,`1900000109,`1900001121,`4200001,`30001,`36001,`SPLIT1,`10.00,`1900000109,`0.70,`分账,`SUCCESS,`,`\r
                总笔数,总金额\r
                `1,`0.70\r\n
                """.utf8)
            day.desk.answer(.file(.init(shares)), at: "/v3/profitsharing/bills")
            for form in ["fund_flow", "profit_sharing"] {
                try await day.fetch(form)
                #expect(try await day.shown(form).state == .received, "\(form)")
            }
            #expect(try await day.kept().map(\.form) == ["fund_flow", "profit_sharing"])
            #expect(try await day.kept().map(\.lineCount) == [20, 1])
            #expect(try await day.world.jobCount(.reconcile) == 0)
            // Another bill of the sub-merchants: the day is looked at again.
            day.desk.answer(.refusal(400, "NO_STATEMENT_EXIST"), at: "/v3/bill/fundflowbill")
            try await day.fetch("fund_flow")
            #expect(try await day.shown("fund_flow", asked: 2).state == .empty)
            #expect(try await day.kept().filter { $0.form == "fund_flow" }.map(\.revision) == [1, 2])
            #expect(try await day.world.jobCount(.reconcile) == 1)
        }
    }
}
