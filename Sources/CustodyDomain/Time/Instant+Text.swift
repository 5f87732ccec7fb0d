/// The textual forms of time that the world around us uses.
extension Instant {
    /// RFC 3339 in UTC, such as `2026-10-05T04:00:00Z`; fractions only when there are any.
    public var rfc3339: String {
        let parts = clock(offset: 0)
        let fraction = microseconds - seconds * 1_000_000
        var tail = ""
        if fraction != 0 {
            tail = "." + padded(Int(fraction), 6)
            while tail.hasSuffix("0") { tail.removeLast() }
        }
        return "\(parts.date.iso)T\(parts.time)\(tail)Z"
    }

    /// RFC 3339 at UTC+8, as WeChat Pay writes it: `2026-10-05T12:00:00+08:00`.
    public var rfc3339Shanghai: String {
        let parts = clock(offset: 8 * 3600)
        return "\(parts.date.iso)T\(parts.time)+08:00"
    }

    /// `2026-10-05 12:00:00` on a Shanghai wall clock, as Alipay and the bills write it.
    public var shanghaiWallClock: String {
        let parts = clock(offset: 8 * 3600)
        return "\(parts.date.iso) \(parts.time)"
    }

    /// `20261005120000` on a Shanghai wall clock, as banks write it.
    public var shanghaiCompact: String { String(shanghaiCompactMilliseconds.dropLast(3)) }

    /// `20261005120000123` on a Shanghai wall clock, with milliseconds.
    public var shanghaiCompactMilliseconds: String {
        let parts = clock(offset: 8 * 3600)
        let milliseconds = (microseconds - seconds * 1_000_000) / 1000
        return parts.date.compact + parts.time.filter { $0 != ":" } + padded(Int(milliseconds), 3)
    }

    /// Reads any of the forms above; nil for anything else.
    ///
    /// Text without an offset is a Shanghai wall clock.
    public init?(text: some StringProtocol) {
        var bytes = Array(text.utf8)[...]
        if bytes.count == 14 || bytes.count == 17, bytes.allSatisfy({ (48...57).contains($0) }) {
            guard let date = BusinessDate(String(decoding: bytes.prefix(8), as: UTF8.self)) else { return nil }
            var numbers: [Int64] = []
            for index in stride(from: 8, to: 14, by: 2) {
                let start = bytes.startIndex + index
                numbers.append(Int64(bytes[start] - 48) * 10 + Int64(bytes[start + 1] - 48))
            }
            let milliseconds = bytes.dropFirst(14).reduce(Int64(0)) { $0 * 10 + Int64($1 - 48) }
            self.init(date, numbers, offset: 8 * 3600, microseconds: milliseconds * 1000)
            return
        }
        guard bytes.count >= 19, let date = BusinessDate(String(decoding: bytes.prefix(10), as: UTF8.self)),
            [UInt8(ascii: "T"), UInt8(ascii: "t"), UInt8(ascii: " ")].contains(bytes[bytes.startIndex + 10])
        else { return nil }
        bytes = bytes.dropFirst(11)
        guard let time = Instant.twoDigits(bytes.prefix(8), separator: UInt8(ascii: ":")) else { return nil }
        bytes = bytes.dropFirst(8)
        var fraction: Int64 = 0
        if bytes.first == UInt8(ascii: ".") {
            let digits = bytes.dropFirst().prefix { (48...57).contains($0) }
            guard (1...9).contains(digits.count) else { return nil }
            bytes = bytes.dropFirst(1 + digits.count)
            for index in 0..<6 {
                fraction = fraction * 10 + (index < digits.count ? Int64(digits[digits.startIndex + index] - 48) : 0)
            }
        }
        guard let offset = Instant.offset(bytes) else { return nil }
        self.init(date, time, offset: offset, microseconds: fraction)
    }

    private init?(_ date: BusinessDate, _ time: [Int64], offset: Int64, microseconds: Int64) {
        guard time.count == 3, time[0] < 24, time[1] < 60, time[2] < 60 else { return nil }
        let local = date.daysSinceEpoch * 86_400 + time[0] * 3600 + time[1] * 60 + time[2]
        self.init(microseconds: (local - offset) * 1_000_000 + microseconds)
    }

    private static func twoDigits(_ bytes: ArraySlice<UInt8>, separator: UInt8) -> [Int64]? {
        let parts = bytes.split(separator: separator, omittingEmptySubsequences: false)
        var numbers: [Int64] = []
        for part in parts {
            guard part.count == 2, part.allSatisfy({ (48...57).contains($0) }) else { return nil }
            numbers.append(part.reduce(0) { $0 * 10 + Int64($1 - 48) })
        }
        return numbers
    }

    private static func offset(_ bytes: ArraySlice<UInt8>) -> Int64? {
        if bytes.isEmpty { return 8 * 3600 }
        if bytes.count == 1, bytes.first == UInt8(ascii: "Z") || bytes.first == UInt8(ascii: "z") { return 0 }
        guard let sign = bytes.first, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-"),
            let parts = twoDigits(bytes.dropFirst(), separator: UInt8(ascii: ":")), parts.count == 2,
            parts[0] < 24, parts[1] < 60
        else { return nil }
        return (sign == UInt8(ascii: "-") ? -1 : 1) * (parts[0] * 3600 + parts[1] * 60)
    }

    private func clock(offset: Int64) -> (date: BusinessDate, time: String) {
        let local = seconds + offset
        let days = local.flooredDivision(by: 86_400)
        let rest = Int(local - days * 86_400)
        return (
            BusinessDate(daysSinceEpoch: days),
            "\(padded(rest / 3600, 2)):\(padded(rest / 60 % 60, 2)):\(padded(rest % 60, 2))"
        )
    }
}
