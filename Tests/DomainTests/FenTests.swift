import CustodyDomain
import Testing

/// Amounts and their texts.
@Suite struct FenTests {
    @Test func `every amount that is written in yuan is read back, and nothing is lost`() {
        var generator = SeededGenerator(seed: 1)
        let edges: [Int64] = [0, 1, 9, 10, 99, 100, 101, 999_999_999_999_999]
        let amounts = edges + (0..<20_000).map { _ in Int64.random(in: 0...999_999_999_999_999, using: &generator) }
        for value in amounts {
            for amount in [Fen(value), -Fen(value)] {
                let text = amount.yuan
                #expect(Fen(yuan: text) == amount, "\(text)")
                // Two decimals always, and a sign only before what is owed.
                #expect(text.split(separator: ".").last?.count == 2 && text.hasPrefix("-") == (amount < .zero))
                #expect(Fen(roundingYuan: text) == amount && Fen(yuan: text + "000") == amount)
                #expect(text.filter(\.isNumber).drop { $0 == "0" } == (value == 0 ? "" : "\(value)"))
            }
        }
    }

    @Test(arguments: [
        ("0", 0), ("0.00", 0), ("-0.00", 0), ("1", 100), ("1.5", 150), ("+1.50", 150), ("-1.05", -105), ("007", 700),
        ("0.01000", 1), ("9999999999999.99", 999_999_999_999_999),
    ])
    func `yuan are read as channels write them`(text: String, fen: Int64) {
        #expect(Fen(yuan: text) == Fen(fen))
    }

    @Test(arguments: [
        "", " ", ".", "1.", ".5", "-", "+", "--1", "1.005", "1.00001", "0.000001", "1,000.00", "1 ", " 1", "1e2", "¥1",
        "１.００", "1.2.3", "NaN", "0x10", "99999999999999", "1.000000",
    ])
    func `what is no amount of whole fen is none`(text: String) {
        #expect(Fen(yuan: text) == nil)
    }

    @Test(arguments: [
        ("0.00499", 0), ("0.00500", 1), ("0.005", 1), ("-0.00499", 0), ("-0.00500", -1), ("0.01499", 1),
        ("0.015", 2), ("1.99500", 200), ("-1.99500", -200), ("-1.99499", -199),
    ])
    func `fees round half away from zero`(text: String, fen: Int64) {
        #expect(Fen(roundingYuan: text) == Fen(fen))
    }

    @Test func `sums do not depend on order, and taking away what was added leaves what was there`() {
        var generator = SeededGenerator(seed: 2)
        for _ in 0..<200 {
            let amounts = (0..<50).map { _ in Fen(Int64.random(in: -1_000_000...1_000_000, using: &generator)) }
            let sum = amounts.sum()
            #expect(amounts.shuffled(using: &generator).sum() == sum)
            var rest = sum
            for amount in amounts { rest -= amount }
            #expect(rest == .zero && sum + -sum == .zero)
        }
        #expect([Fen]().sum() == .zero)
    }
}
