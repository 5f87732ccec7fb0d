import CustodyDomain
import CustodyWire
import Foundation
import Testing

@Suite struct WeChatPayFundFlowBillTests {
    @Test(arguments: [("fundflow", 20, 6566), ("fundflow_sub", 16, 181_166)])
    func `a sample of the fund flow reads the same plain and gzipped`(
        _ name: String, _ count: Int, _ change: Int64
    ) throws {
        let rows = try WeChatPayFundFlowBill.read(
            try WeChatPayFixtures.bytes("samples/wechat_\(name)_BASIC_2026-10-05.csv"))
        let packed = try WeChatPayFundFlowBill.read(
            try WeChatPayFixtures.bytes("samples/wechat_\(name)_BASIC_2026-10-05.csv.gz"))
        #expect(rows == packed)
        #expect(rows.count == count)
        #expect(rows.map(\.change).sum() == Fen(change))
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
            #expect(throws: StatementDefect.self) { try WeChatPayFundFlowBill.read(Array(broken.utf8)) }
        }
    }
}
