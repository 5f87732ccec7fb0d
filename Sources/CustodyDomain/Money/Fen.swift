/// An amount of money in fen (分, 1/100 yuan), CNY; signed, exact.
///
/// `Double` never touches it. Arithmetic that overflows traps: 2^63 fen is a million times all money there is.
public struct Fen: Hashable, Comparable, Sendable {
    /// The number of fen.
    public let value: Int64

    /// No money.
    public static let zero = Fen(0)

    /// Makes an amount of so many fen.
    public init(_ value: Int64) { self.value = value }

    /// Orders amounts by their value.
    public static func < (lhs: Fen, rhs: Fen) -> Bool { lhs.value < rhs.value }
    /// Adds two amounts.
    public static func + (lhs: Fen, rhs: Fen) -> Fen { Fen(lhs.value + rhs.value) }
    /// Takes one amount from another.
    public static func - (lhs: Fen, rhs: Fen) -> Fen { Fen(lhs.value - rhs.value) }
    /// Turns a debit into a credit, and back.
    public static prefix func - (amount: Fen) -> Fen { Fen(-amount.value) }
    /// Adds in place.
    public static func += (lhs: inout Fen, rhs: Fen) { lhs = lhs + rhs }
    /// Subtracts in place.
    public static func -= (lhs: inout Fen, rhs: Fen) { lhs = lhs - rhs }
}

extension Sequence where Element == Fen {
    /// The sum of all amounts; zero of none.
    public func sum() -> Fen { reduce(.zero, +) }
}
