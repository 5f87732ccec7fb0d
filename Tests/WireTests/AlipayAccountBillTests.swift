import CustodyDomain
import CustodyWire
import Foundation
import Testing

@Suite struct `Alipay's account bill and its settlements to cards` {
    private static let exported = Instant(seconds: 1_791_259_200)

    private func frame() throws -> AlipayBillFrame {
        AlipayBillFrame(
            account: "20880000000000000156", date: try #require(BusinessDate("2026-10-05")), exportedAt: Self.exported)
    }

    private func entry(_ number: String, _ fen: Int64, _ balance: Int64, smid: String? = nil) -> AlipayAccountEntry {
        AlipayAccountEntry(
            number: number, businessNumber: "B\(number)", outNumber: "O\(number)", subject: "茶,叶",
            at: Self.exported, counterpart: "*客(3037)", amount: Fen(fen), balance: Fen(balance),
            kind: fen < 0 ? "收费" : "在线支付", smid: smid)
    }

    private func bill() throws -> AlipayAccountBillWriter {
        AlipayAccountBillWriter(
            frame: try frame(),
            entries: [entry("1", 10_000, 12_000), entry("2", -60, 11_940), entry("3", -11_940, 0)])
    }

    private func read(_ detail: String) throws -> StatementContent {
        try StatementContent(reading: StatementFile(GB18030.encode(detail)), from: .alipay)
    }

    @Test func `every movement is read with its balance, newest first, names in GBK`() throws {
        let bytes = try bill().archive()
        let archive = try ZipArchive(reading: StatementFile(bytes))
        #expect(
            archive.entries.map(\.name) == [
                "20880000000000000156_20261005_账务明细.csv", "20880000000000000156_20261005_账务明细(汇总).csv",
            ])
        let content = try StatementContent(reading: StatementFile(bytes), from: .alipay)
        #expect(content.summary.account == "20880000000000000156")
        #expect(content.summary.date == BusinessDate("2026-10-05"))
        #expect(content.lines.map(\.kind) == [.movement, .movement, .movement])
        #expect(content.lines.map(\.counterpartNumber) == ["3", "2", "1"])
        #expect(content.lines.map(\.reference) == ["O3", "O2", "O1"])
        #expect(content.lines.map(\.amount) == [Fen(-11_940), Fen(-60), Fen(10_000)])
        #expect(content.lines.map(\.status) == ["收费", "收费", "在线支付"])
        #expect(content.lines.map { $0.details["账户余额（元）"] } == ["0.00", "119.40", "120.00"])
        #expect(content.lines[2].details["商品名称"] == "茶，叶")
        // The buyer's account stays out of the books.
        #expect(content.lines.allSatisfy { $0.details["对方账号"] == nil })
    }

    @Test func `a file as people export it, oldest first and with expenses as they are, is read too`() throws {
        let text = [
            "#支付宝账务明细查询", "#账号：[20888011365400330156]",
            "#起始日期：[2012年12月29日 00:00:00]   终止日期：[2012年12月30日 00:00:00]",
            "#-----------------------------------------账务明细列表----------------------------------------",
            "账务流水号,业务流水号,商户订单号,商品名称,发生时间,对方账号,收入金额(+元),支出金额(-元),账户余额(元),交易渠道,业务类型,备注",
            "1\t,11\t,\t,机票\t,2012-12-29 20:24:45,甲\t,1111.00,0.00,11111.00,支付宝,在线支付,",
            "2\t,12\t,3226533\t,机票\t,2012-12-29 20:31:32,乙\t,0.00,393.00,10718.00,支付宝,交易退款,",
            "#-----------------------------------------账务明细列表结束------------------------------------",
            "#支出合计：1笔，共393.00元", "#收入合计：1笔，共1111.00元", "#导出时间：[2012年12月31日 13:19:01]",
        ].joined(separator: "\n")
        let lines = try read(text).lines
        #expect(lines.map(\.amount) == [Fen(111_100), Fen(-39_300)])
        // What has no number of ours goes by Alipay's.
        #expect(lines.map(\.reference) == ["11", "3226533"])
    }

    @Test(
        arguments: [
            ("119.40,支付宝", "119.41,支付宝", 7, "账户余额（元）"),
            ("#支出合计：2笔", "#支出合计：1笔", 10, nil), ("共-120.00元", "共-119.99元", 10, nil),
            ("#收入合计：1笔，共100.00元", "#收入合计：1笔，共100.01元", 11, nil), ("#收入合计", "#收入", nil, nil),
            ("账务明细列表结束", "账务明细列表", nil, nil), ("账户余额（元）", "余额", 5, "账户余额（元）"),
            ("0.00,-0.60", "1.00,-0.60", 7, "支出金额（-元）"), ("100.00,0.00", "-100.00,0.00", 8, "收入金额（+元）"),
            ("100.00,0.00", "100.001,0.00", 8, "收入金额（+元）"), ("1\t,B1\t", "\t,B1\t", 8, "账务流水号"),
            ("10月06日 00:00:00", "11月01日 00:00:00", 3, nil),
        ] as [(String, String, Int?, String?)])
    func `a defect is told with its line and column`(
        _ old: String, _ new: String, _ line: Int?, _ column: String?
    ) throws {
        let text = try bill().detail
        let place = try #require(text.firstRange(of: old))
        let defect = #expect(throws: StatementDefect.self) { try read(text.replacingCharacters(in: place, with: new)) }
        #expect(defect?.line == line)
        #expect(defect?.column == column)
    }

    @Test func `a summary that disagrees with its detail is refused`() throws {
        let bill = try bill()
        for (old, new) in [
            ("合计,1,", "合计,2,"), ("合计,1,100.00", "合计,1,100.01"),
            ("合计,1,100.00,2,-120.00,-20.00", "合计,1,100.00,2,-120.00,20.00"),
            ("合计,", "总计,"), ("[20880000000000000156]", "[2088]"),
        ] {
            #expect(bill.summary.contains(old))
            let bytes = try ZipArchive.bytes(
                of: [
                    (name: "x_账务明细.csv", content: GB18030.encode(bill.detail)),
                    (name: "x_账务明细(汇总).csv", content: GB18030.encode(bill.summary.replacing(old, with: new))),
                ], modifiedAt: Self.exported)
            let defect = #expect(throws: StatementDefect.self) {
                try StatementContent(reading: StatementFile(bytes), from: .alipay)
            }
            #expect(defect?.file == "x_账务明细(汇总).csv")
        }
    }

    @Test func `the accounts of all sub-merchants stand in one bill, each with its own balances`() throws {
        let bill = AlipayAccountBillWriter(
            frame: try frame(),
            entries: [
                entry("1", 500, 500, smid: "2088A"), entry("2", -500, 0, smid: "2088A"),
                entry("3", 70, 900, smid: "2088B"),
            ])
        let content = try StatementContent(reading: StatementFile(bill.archive()), from: .alipay)
        #expect(content.lines.map { $0.details["二级商户编号"] } == ["2088B", "2088A", "2088A"])
        #expect(content.lines.map { $0.details["账户余额（元）"] } == ["9.00", "0.00", "5.00"])
    }

    @Test func `settlements to cards are read order by order, and must add up to their payouts`() throws {
        let row = { (batch: String, out: String, fen: Int64) in
            AlipaySettlementEntry(
                batchNumber: batch, smid: "2088A", target: "ALIAS1", tradeNumber: "T\(out)", outNumber: out,
                kind: fen < 0 ? "退款" : "结算", at: Self.exported, amount: Fen(fen))
        }
        let bill = AlipaySettlementBillWriter(
            frame: try frame(), entries: [row("N1", "O1", 10_000), row("N1", "R1", -2_000), row("N2", "O2", 1)])
        let content = try StatementContent(reading: StatementFile(bill.archive()), from: .alipay)
        #expect(content.lines.map(\.kind) == [.settlement, .settlement, .settlement])
        #expect(content.lines.map(\.reference) == ["O1", "R1", "O2"])
        #expect(content.lines.map(\.amount).sum() == Fen(8001))
        #expect(content.lines[0].details["结算批次号"] == "N1")
        for (old, new, isInSummary) in [
            ("#结算合计：3笔", "#结算合计：2笔", false), ("共80.01元", "共80.02元", false), ("-20.00", "-20.01", false),
            ("N1\t", "\t", false), ("结算金额（元）", "金额", false), ("2,80.00", "2,80.01", true),
            ("1,0.01", "2,0.01", true), ("N2\t", "N1\t", true), ("N2\t", "N3\t", true),
        ] {
            let change = { (text: String, isHit: Bool) in
                isHit ? text.replacingCharacters(in: try #require(text.firstRange(of: old)), with: new) : text
            }
            let bytes = try ZipArchive.bytes(
                of: [
                    (name: "x明细.csv", content: GB18030.encode(try change(bill.detail, !isInSummary))),
                    (name: "x明细(汇总).csv", content: GB18030.encode(try change(bill.summary, isInSummary))),
                ], modifiedAt: Self.exported)
            #expect(throws: StatementDefect.self, "\(old) \(new)") {
                try StatementContent(reading: StatementFile(bytes), from: .alipay)
            }
        }
    }
}
