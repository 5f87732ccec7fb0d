/// Yuan as text, the way channels and banks write amounts in files and forms: `123.45`.
extension Fen {
    /// Reads `123`, `123.4` or `123.45`, optionally signed; nil for anything else.
    ///
    /// More than two decimals are refused unless the rest is zero, since rounding would lose money.
    public init?(yuan text: some StringProtocol) {
        guard let amount = Fen.scaled(text), amount % Fen.subFen == 0 else { return nil }
        self.init(amount / Fen.subFen)
    }

    /// Reads an amount with up to five decimals, as fees are written in WeChat's bills, rounding half away from zero.
    public init?(roundingYuan text: some StringProtocol) {
        guard let amount = Fen.scaled(text) else { return nil }
        let half = amount < 0 ? -Fen.subFen / 2 : Fen.subFen / 2
        self.init((amount + half) / Fen.subFen)
    }

    /// Yuan with exactly two decimals, such as `-0.05`.
    public var yuan: String {
        let magnitude = value.magnitude
        let cents = magnitude % 100
        return "\(value < 0 ? "-" : "")\(magnitude / 100).\(cents < 10 ? "0" : "")\(cents)"
    }

    /// Thousandths of a fen, the finest unit read: five decimals of a yuan.
    private static let subFen: Int64 = 1000

    private static func scaled(_ text: some StringProtocol) -> Int64? {
        var bytes = Array(text.utf8)[...]
        let isNegative = bytes.first == UInt8(ascii: "-")
        if isNegative || bytes.first == UInt8(ascii: "+") { bytes.removeFirst() }
        let parts = bytes.split(separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
        guard let whole = parts.first, !whole.isEmpty, whole.count <= 13 else { return nil }
        let fraction = parts.count == 2 ? parts[1] : []
        guard parts.count == 1 || !fraction.isEmpty, fraction.count <= 5 else { return nil }
        var result: Int64 = 0
        for digit in whole + fraction {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            result = result * 10 + Int64(digit - UInt8(ascii: "0"))
        }
        for _ in fraction.count..<5 { result *= 10 }
        return isNegative ? -result : result
    }
}
