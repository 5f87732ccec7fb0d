/// What a party of an order is to get, as the platform says it.
public enum PartShare: Hashable, Sendable {
    /// A fixed amount.
    case amount(Fen)
    /// A share of the order's amount, in basis points (万分之).
    case basisPoints(Int)
}

/// Turns shares into amounts that sum to the order's amount to the fen.
///
/// Each share is rounded down; what then lacks of *the sum of all shares* goes fen by fen to the shares with the largest
/// remainders, the first of equals first. Fixed amounts are never touched.
///
/// - Throws: ``Rejection/splitSumMismatch(order:parts:)`` when fixed amounts and shares together are not the whole amount.
public func allocate(_ amount: Fen, to shares: [PartShare]) throws(Rejection) -> [Fen] {
    var amounts: [Fen] = []
    var remainders: [(index: Int, remainder: Int64)] = []
    var basisPoints: Int64 = 0
    for (index, share) in shares.enumerated() {
        switch share {
        case .amount(let fixed): amounts.append(fixed)
        case .basisPoints(let points):
            basisPoints += Int64(points)
            let (whole, rest) = scaled(amount, by: Int64(points))
            amounts.append(Fen(whole))
            remainders.append((index, rest))
        }
    }
    if !remainders.isEmpty {
        let (target, _) = scaled(amount, by: basisPoints)
        var lacking = target - remainders.reduce(Int64(0)) { $0 + amounts[$1.index].value }
        for (index, _) in remainders.sorted(by: { ($1.remainder, $0.index) < ($0.remainder, $1.index) })
        where lacking > 0 {
            amounts[index] += Fen(1)
            lacking -= 1
        }
    }
    let sum = amounts.sum()
    guard sum == amount else { throw .splitSumMismatch(order: amount, parts: sum) }
    return amounts
}

/// Divides an amount over parts in proportion to weights, exact to the fen, by largest remainder.
///
/// - Precondition: The weights are not negative and not all zero.
public func apportion(_ amount: Fen, over weights: [Fen]) -> [Fen] {
    let total = weights.sum().value
    precondition(total > 0, "an amount cannot be divided over nothing")
    var result: [Fen] = []
    var remainders: [(index: Int, remainder: UInt64)] = []
    for (index, weight) in weights.enumerated() {
        let product = amount.value.magnitude.multipliedFullWidth(by: weight.value.magnitude)
        let (whole, rest) = total.magnitude.dividingFullWidth(product)
        result.append(Fen(Int64(whole)))
        remainders.append((index, rest))
    }
    var lacking = amount.value - result.sum().value
    for (index, _) in remainders.sorted(by: { ($1.remainder, $0.index) < ($0.remainder, $1.index) }) where lacking > 0 {
        result[index] += Fen(1)
        lacking -= 1
    }
    return result
}

private func scaled(_ amount: Fen, by basisPoints: Int64) -> (whole: Int64, rest: Int64) {
    let (whole, rest) = Int64(10_000).dividingFullWidth(amount.value.multipliedFullWidth(by: basisPoints))
    return (whole, rest)
}
