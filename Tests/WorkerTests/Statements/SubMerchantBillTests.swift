import CustodyDomain
import CustodyStore
import CustodyWire
import CustodyWorkers
import TestSupport
import Testing

/// The bills of sub-merchants' accounts, which either channel writes in its own way.
@Suite struct SubMerchantBillTests {
    private static let date = BusinessDate(daysSinceEpoch: 20_731)

    private func alipay(smid: String?) throws -> StatementFile {
        let entry = AlipayAccountEntry(
            number: "F1", businessNumber: "B1", outNumber: "O1", subject: "测试", at: Self.date.start + .seconds(3600),
            counterpart: "*测", amount: Fen(100), balance: Fen(100), kind: "在线支付", smid: smid)
        let frame = AlipayBillFrame(
            account: "20880000000000000156", date: Self.date, exportedAt: Self.date.advanced(by: 1).start)
        return StatementFile(try AlipayAccountBillWriter(frame: frame, entries: [entry]).archive(), name: "a.csv.zip")
    }

    @Test func `a bill of sub-merchants' accounts is kept as that, the platform's own as its fund flow`() async throws {
        let world = try await TestStore.make().world()
        let cases: [(String?, String)] = [("2088S1", "sub_merchant_fund_flow"), (nil, "fund_flow")]
        for (smid, form) in cases {
            let subject = StatementSubject(source: .alipay, form: form, date: Self.date)
            let statement = try subject.verified(try alipay(smid: smid))
            let kept = try await world.run {
                try await $0.keep(statement, subject: subject, fileName: "a.csv.zip").statement
            }
            #expect(kept.form == form && kept.lineCount == 1)
            // Neither is taken for the other.
            let other = StatementSubject(
                source: .alipay, form: form == "fund_flow" ? "sub_merchant_fund_flow" : "fund_flow", date: Self.date)
            #expect(throws: StatementDefect.self) { try other.accept(statement) }
        }
        // WeChat Pay writes both alike: whoever brings one in says which it is.
        let flows = StatementFile(try Bill.bytes(of: "wechat_fundflow_sub_BASIC_2026-10-05.csv"))
        for form in ["sub_merchant_fund_flow", "fund_flow"] {
            _ = try StatementSubject(source: .weChatPay, form: form, date: Self.date).verified(flows)
        }
    }
}
