import Crypto
import CustodyDomain
import CustodyWire
import Foundation
import Testing

@Suite struct WeChatPayTradeBillTests {
    private static let date = BusinessDate("2026-10-05")

    @Test(arguments: [("ALL", 20, 16), ("SUCCESS", 16, 16), ("REFUND", 4, 0)])
    func `a sample bill reads the same plain and gzipped`(_ type: String, _ count: Int, _ payments: Int) throws {
        let plain = try WeChatPayFixtures.bytes("samples/wechat_tradebill_\(type)_2026-10-05.csv")
        let content = try StatementContent(reading: StatementFile(plain), from: .weChatPay)
        #expect(
            content
                == (try StatementContent(
                    reading: StatementFile(
                        WeChatPayFixtures.bytes("samples/wechat_tradebill_\(type)_2026-10-05.csv.gz")), from: .weChatPay
                )))
        #expect(content.summary.source == .weChatPay)
        #expect(content.summary.form == "tradebill_\(type.lowercased())")
        #expect(content.summary.account == "1900000109")
        #expect(content.summary.date == Self.date)
        #expect(content.lines.count == count)
        #expect(content.lines.filter { $0.kind == .payment }.count == payments)
        let meta = try JSON(parsing: try WeChatPayFixtures.bytes("samples/wechat_bill_meta.json"))
        let hash = Insecure.SHA1.hash(data: plain).map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }
        #expect(hash.joined() == meta["wechat_tradebill_\(type)_2026-10-05"]?["hash_value"]?.string)
    }

    @Test func `rows carry numbers, amounts with coupons, rounded fees and the states of refunds`() throws {
        let lines = try StatementContent(
            reading: StatementFile(WeChatPayFixtures.bytes("samples/wechat_tradebill_ALL_2026-10-05.csv")),
            from: .weChatPay
        ).lines
        let coupon = lines[5]
        #expect(coupon.lineNumber == 7)
        #expect(coupon.reference == "T20261005000000000005")
        #expect(coupon.counterpartNumber == "4200002412202610051234567805")
        #expect(coupon.amount == Fen(96_725))
        #expect(coupon.fee == Fen(580))
        #expect(coupon.occurredAt == Instant(text: "2026-10-05T13:56:28+08:00"))
        #expect(coupon.details["代金券金额"] == "5.00")
        #expect(coupon.details["应结订单金额"] == "962.25")
        #expect(lines[7].details["商品名称"] == "商品 含逗号,已转义")
        let refunds = lines.filter { $0.kind == .refund }
        #expect(refunds.map(\.status) == ["SUCCESS", "PROCESSING", "CHANGE", "SUCCESS"])
        #expect(refunds[1].reference == "R20261005000000000001")
        #expect(refunds[1].parentReference == "T20261005000000000003")
        #expect(refunds[1].amount == Fen(4031))
        #expect(refunds[1].fee == Fen(-24))
        // Half away from zero on both sides: -3.15042 and -0.59796 yuan.
        #expect(refunds.map(\.fee) == [Fen(-315), Fen(-24), Fen(-60), Fen(-97)])
        #expect(!lines.contains { $0.details.values.contains { $0.hasPrefix("oUpF8") } })
    }

    @Test func `a byte-order mark, either line end and columns in another order make no difference`() throws {
        let text = try WeChatPayFixtures.text("samples/wechat_tradebill_ALL_2026-10-05.csv")
        let content = try StatementContent(reading: StatementFile(Array(text.utf8)), from: .weChatPay)
        let unix = Array(text.utf8).filter { $0 != 0x0D }
        let dos = unix.flatMap { $0 == 0x0A ? [0x0D, 0x0A] : [$0] }
        #expect(try StatementContent(reading: StatementFile(unix), from: .weChatPay) == content)
        #expect(try StatementContent(reading: StatementFile(dos), from: .weChatPay) == content)
        #expect(try StatementContent(reading: StatementFile([0xEF, 0xBB, 0xBF] + dos), from: .weChatPay) == content)
        let rows = String(decoding: unix, as: UTF8.self).split(separator: "\n").map(String.init)
        let turned = rows.enumerated().map { index, row in
            index >= rows.count - 2
                ? row
                : row.split(separator: ",", omittingEmptySubsequences: false).reversed()
                    .joined(separator: ",")
        }
        #expect(
            try StatementContent(reading: StatementFile(Array(turned.joined(separator: "\n").utf8)), from: .weChatPay)
                == content)
    }

    @Test func `what does not add up is refused whole and says where`() throws {
        let text = String(
            decoding: try WeChatPayFixtures.bytes("samples/wechat_tradebill_ALL_2026-10-05.csv").filter { $0 != 0x0D },
            as: UTF8.self)
        let cases: [(String, String, Int?, String?)] = [
            ("`20,`8342.58", "`19,`8342.58", 23, "总交易单数"),
            ("`20,`8342.58,`825.99", "`20,`8342.58,`825.98", 23, "退款总金额"),
            ("45.12954", "45.12953", 23, "手续费总金额"),
            ("`8347.58,`825.99", "`8347.59,`825.99", 23, "订单总金额"),
            ("`2.18304", "`2.1830x", 2, "手续费"),
            ("`363.84,`0.00,`\n", "`363.845,`0.00,`\n", 2, "订单金额"),
            ("`NATIVE,`SUCCESS,`CMC,`CNY", "`NATIVE,`SUCCESS,`CMC,`USD", 2, "货币种类"),
            ("`NATIVE,`SUCCESS", "`NATIVE,`MAYBE", 2, "交易状态"),
            ("`2026-10-05 08:34:18", "`2026-10-05 25:34:18", 2, "交易时间"),
            ("`R20261005000000000000", "`0", 18, "商户退款单号"),
            ("订单金额,申请", "订单金額,申请", 1, "订单金额"),
            ("费率备注", "费率", 1, "费率"),
            (",`tenant-1,`2.18304", ",`tenant-1", 2, nil),
        ]
        for (old, new, line, column) in cases {
            let range = try #require(text.firstRange(of: old), "\(old)")
            let broken = text.replacingCharacters(in: range, with: new)
            do throws(StatementDefect) {
                _ = try StatementContent(reading: StatementFile(Array(broken.utf8)), from: .weChatPay)
                Issue.record("accepted: \(new)")
            } catch {
                #expect(error.line == line, "\(new): \(error)")
                #expect(error.column == column, "\(new): \(error)")
            }
        }
    }

    @Test func `a file cut off anywhere is refused`() throws {
        let plain = try WeChatPayFixtures.bytes("samples/wechat_tradebill_SUCCESS_2026-10-05.csv")
        let last = try #require(plain.dropLast(2).lastIndex(of: UInt8(ascii: "`")))
        for end in stride(from: 0, to: last, by: 37) {
            #expect(throws: StatementDefect.self) {
                try StatementContent(reading: StatementFile(Array(plain[..<end])), from: .weChatPay)
            }
        }
        let packed = try WeChatPayFixtures.bytes("samples/wechat_tradebill_SUCCESS_2026-10-05.csv.gz")
        for end in stride(from: 2, to: packed.count, by: 61) {
            #expect(throws: StatementDefect.self) {
                try StatementContent(reading: StatementFile(Array(packed[..<end])), from: .weChatPay)
            }
        }
        #expect(throws: StatementDefect.self) {
            try StatementContent(reading: StatementFile(plain + Array("more\r\n".utf8)), from: .weChatPay)
        }
        #expect(throws: StatementDefect.self) {
            try StatementContent(reading: StatementFile(Array(plain.dropLast(3)) + [0xFF, 0x0A]), from: .weChatPay)
        }
    }

    @Test func `a bill written here has WeChat's own columns and reads back`() throws {
        let at = try #require(Instant(text: "2026-10-05T23:59:59+08:00"))
        var rows: [WeChatPayTradeBill.Row] = []
        for index in 0..<50 {
            let amount = Fen(Int64(index * 7919 + 1))
            rows.append(
                WeChatPayTradeBill.Row(
                    time: at, appid: "wx1", mchid: "1900000109", transactionID: "42\(index)", outTradeNo: "T\(index)",
                    payer: "o\(index)", tradeType: "NATIVE", total: amount, product: "茶, 两杯\n加冰",
                    fee: FineYuan(thousandthsOfFen: amount.value * 6)))
        }
        rows.append(
            WeChatPayTradeBill.Row(
                time: at, appid: "wx1", mchid: "1900000109", transactionID: "429", outTradeNo: "T9", payer: "o9",
                tradeType: "NATIVE", total: Fen(71_272), product: "茶", fee: FineYuan(thousandthsOfFen: -6 * 250),
                refund: .init(
                    refundID: "50", outRefundNo: "R1", amount: Fen(250), state: "PROCESSING", appliedAt: at,
                    succeededAt: nil)))
        for form in WeChatPayTradeBill.Form.allCases {
            let sample = try WeChatPayFixtures.text(
                "samples/wechat_tradebill_\(form.rawValue.dropFirst(10).uppercased())_2026-10-05.csv")
            for lineEnd in ["\n", "\r\n"] {
                let file = WeChatPayTradeBill.write(rows, form: form, lineEnd: lineEnd)
                let header = String(decoding: file.prefix { $0 != 0x0A && $0 != 0x0D }, as: UTF8.self)
                #expect(sample.hasPrefix(header))
                let content = try StatementContent(reading: StatementFile(Gzip.compressed(file)), from: .weChatPay)
                #expect(content.summary.form == form.rawValue)
                #expect(content.lines.count == (form == .all ? 51 : form == .success ? 50 : 1))
                if form != .refund {
                    #expect(content.lines[3].amount == rows[3].total)
                    #expect(content.lines[3].fee == Fen((rows[3].total.value * 6 + 500) / 1000))
                    #expect(content.lines[3].details["商品名称"] == "茶, 两杯\n加冰")
                }
                if form != .success {
                    let refund = try #require(content.lines.last)
                    #expect(refund.status == "PROCESSING")
                    #expect(refund.fee == Fen(-2))
                }
            }
        }
    }

    @Test func `an empty day's bill has its titles and zero totals`() throws {
        let content = try StatementContent(
            reading: StatementFile(WeChatPayTradeBill.write([], form: .all)), from: .weChatPay)
        #expect(content.lines.isEmpty)
        #expect(content.summary.account == nil && content.summary.date == nil)
    }

    @Test func `a large bill is read in good time`() throws {
        let at = try #require(Instant(text: "2026-10-05T12:00:00+08:00"))
        let rows = (0..<20_000).map { index in
            WeChatPayTradeBill.Row(
                time: at, appid: "wx1", mchid: "1900000109", transactionID: "42\(index)", outTradeNo: "T\(index)",
                payer: "o\(index)", tradeType: "NATIVE", total: Fen(1234), product: "茶",
                fee: FineYuan(thousandthsOfFen: 1234 * 6))
        }
        let file = Gzip.compressed(WeChatPayTradeBill.write(rows, form: .all))
        let clock = ContinuousClock()
        let start = clock.now
        #expect(try StatementContent(reading: StatementFile(file), from: .weChatPay).lines.count == 20_000)
        #expect(clock.now - start < .seconds(20))
    }
}
