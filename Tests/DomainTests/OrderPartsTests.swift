import CustodyDomain
import Testing

/// How an amount is divided: to the fen, whatever the shares.
@Suite struct OrderPartsTests {
    /// Numbers that sum to a whole.
    private func parts(of whole: Int64, count: Int, _ generator: inout SeededGenerator) -> [Int64] {
        let cuts = (1..<max(count, 1)).map { _ in Int64.random(in: 0...whole, using: &generator) }.sorted()
        return zip(cuts + [whole], [0] + cuts).map { $0 - $1 }
    }

    @Test func `shares of an order sum to it to the fen, each within a fen of its own share`() throws {
        var generator = SeededGenerator(seed: 3)
        for _ in 0..<20_000 {
            let amount = Fen(
                Int64.random(in: 1...Int64.random(in: 1...10_000_000_000_000, using: &generator), using: &generator))
            let points = parts(of: 10_000, count: Int.random(in: 1...12, using: &generator), &generator)
            let amounts = try allocate(amount, to: points.map { .basisPoints(Int($0)) })
            #expect(amounts.sum() == amount, "\(amount.value) \(points)")
            for (share, points) in zip(amounts, points) {
                let exact = amount.value.multipliedFullWidth(by: points)
                let (whole, rest) = Int64(10_000).dividingFullWidth(exact)
                #expect(share.value == whole || (share.value == whole + 1 && rest > 0), "\(amount.value) \(points)")
            }
        }
    }

    @Test func `fixed amounts stay as they are beside shares, and a fen too much or too little is refused`() throws {
        var generator = SeededGenerator(seed: 4)
        for _ in 0..<5_000 {
            let amount = Int64.random(in: 100...1_000_000_000, using: &generator)
            let total = Int64.random(in: 1...9_999, using: &generator)
            let points = parts(of: total, count: Int.random(in: 1...5, using: &generator), &generator)
            let fixed = parts(
                of: amount - amount * total / 10_000, count: Int.random(in: 1...4, using: &generator), &generator)
            var shares: [PartShare] = points.map { .basisPoints(Int($0)) } + fixed.map { .amount(Fen($0)) }
            let amounts = try allocate(Fen(amount), to: shares)
            #expect(amounts.sum() == Fen(amount))
            #expect(amounts.suffix(fixed.count).map(\.value) == fixed)
            for off in [Int64(1), -1] {
                shares[shares.count - 1] = .amount(Fen(fixed[fixed.count - 1] + off))
                #expect(throws: Rejection.splitSumMismatch(order: Fen(amount), parts: Fen(amount + off))) {
                    try allocate(Fen(amount), to: shares)
                }
            }
        }
    }

    @Test func `what lacks goes to the largest remainders, the first of equals first`() throws {
        func amounts(_ amount: Int64, _ points: [Int]) throws -> [Int64] {
            try allocate(Fen(amount), to: points.map { .basisPoints($0) }).map(\.value)
        }
        #expect(try amounts(100, [3333, 3333, 3334]) == [33, 33, 34])
        #expect(try amounts(1, [5000, 5000]) == [1, 0])
        #expect(try amounts(2, [3333, 3333, 3334]) == [1, 0, 1])
        #expect(try amounts(101, [2500, 2500, 2500, 2500]) == [26, 25, 25, 25])
        #expect(try amounts(7, [0, 10_000]) == [0, 7])
        for wrong in [[9999], [10_001], [5000, 4999], []] {
            #expect(throws: Rejection.self) { try amounts(10_000, wrong) }
        }
    }

    @Test func `an amount is apportioned by weights to the fen, never more to the lighter, nothing to nobody`() {
        var generator = SeededGenerator(seed: 5)
        for _ in 0..<20_000 {
            let amount = Fen(Int64.random(in: 0...1_000_000_000_000, using: &generator))
            var weights = (0..<Int.random(in: 1...10, using: &generator)).map { _ in
                Fen(Int64.random(in: 0...Int64.random(in: 0...1_000_000_000_000, using: &generator), using: &generator))
            }
            if weights.sum() == .zero { weights[0] = Fen(1) }
            let shares = apportion(amount, over: weights)
            #expect(shares.sum() == amount)
            let ordered = zip(weights, shares).sorted { $0 < $1 }
            for (lighter, heavier) in zip(ordered, ordered.dropFirst()) where lighter.0 < heavier.0 {
                #expect(lighter.1 <= heavier.1, "\(amount.value) \(weights)")
            }
            for (weight, share) in zip(weights, shares) where weight == .zero { #expect(share == .zero) }
        }
        #expect(apportion(Fen(10), over: [Fen(1), Fen(1), Fen(1)]) == [Fen(4), Fen(3), Fen(3)])
    }
}
