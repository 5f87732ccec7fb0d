import CustodyDomain
import CustodyWire
import Foundation
import Testing

@Suite struct WeChatPayFundFlowBillTests {
    @Test(arguments: [("fundflow", 20, 6566), ("fundflow_sub", 16, 181_166)])
    func `a sample of the fund flow reads the same plain and gzipped`(
        _ name: String, _ count: Int, _ change: Int64
    ) throws {
        let content = try StatementContent(
            reading: StatementFile(WeChatPayFixtures.bytes("samples/wechat_\(name)_BASIC_2026-10-05.csv")),
            from: .weChatPay)
        let packed = try StatementContent(
            reading: StatementFile(WeChatPayFixtures.bytes("samples/wechat_\(name)_BASIC_2026-10-05.csv.gz")),
            from: .weChatPay)
        #expect(content == packed)
        #expect(content.summary.form == "fund_flow")
        #expect(content.summary.date == BusinessDate("2026-10-05"))
        let rows = content.lines
        #expect(rows.allSatisfy { $0.kind == .movement && $0.details["账户结余(元)"] != nil })
        #expect(rows.count == count)
        #expect(rows.map(\.amount).sum() == Fen(change))
    }

    @Test func `a broken balance or total is refused`() throws {
        let text = try WeChatPayFixtures.text("samples/wechat_fundflow_BASIC_2026-10-05.csv")
        let cases = [
            ("`19959.02", "`19959.03"), ("`252.73,`5", "`252.74,`5"), ("`20,`15", "`21,`15"),
            ("`收入,`19.01", "`收支,`19.01"),
        ]
        for (old, new) in cases {
            let range = try #require(text.firstRange(of: old))
            let broken = text.replacingCharacters(in: range, with: new)
            #expect(throws: StatementDefect.self) {
                try StatementContent(reading: StatementFile(Array(broken.utf8)), from: .weChatPay)
            }
        }
    }

    @Test func `the files of several sub-merchants are read one behind the other, each held to its own summary`() throws
    {
        let one = try WeChatPayFixtures.text("samples/wechat_fundflow_sub_BASIC_2026-10-05.csv")
        let two = try WeChatPayFixtures.text("samples/wechat_fundflow_BASIC_2026-10-05.csv")
        func read(_ text: String) throws -> StatementContent {
            try StatementContent(reading: StatementFile(Array(text.utf8)), from: .weChatPay)
        }
        let joined = try read(one + two)
        #expect(
            joined.lines.map(\.counterpartNumber) == (try read(one).lines + read(two).lines).map(\.counterpartNumber))
        #expect(joined.summary.amount == Fen(181_166 + 6566))
        // A total of the first is held against the first.
        let total = try #require(one.split(whereSeparator: \.isNewline).last)
        let spoiled = one.replacing(total, with: total.replacing("`16,", with: "`15,"))
        let defect = #expect(throws: StatementDefect.self) { try read(spoiled + two) }
        #expect(defect?.column == "资金流水总笔数")
        // Something else behind the summary is none.
        #expect(throws: StatementDefect.self) { try read(one + "微信支付\r\n") }
        #expect(throws: StatementDefect.self) { try read(one + one.split(whereSeparator: \.isNewline)[0] + "\r\n") }
    }
}
