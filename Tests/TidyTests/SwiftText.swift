/// Swift source taken apart: code without comments and the insides of strings, and those insides alone.
///
/// Both parts keep every line where it was, so that a finding in one has the line number of the file.
struct SwiftText: Sendable {
    /// The code; comments, the insides of string literals and of raw identifiers are blank.
    let code: [String]
    /// The insides of string literals; everything else is blank.
    let strings: [String]

    init(_ text: String) {
        var scanner = SwiftScanner(bytes: Array(text.utf8))
        scanner.run()
        code = SwiftText.lines(of: scanner.code)
        strings = SwiftText.lines(of: scanner.strings)
    }

    private static func lines(of bytes: [UInt8]) -> [String] {
        bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
    }
}

/// Walks over Swift source once, byte by byte.
///
/// It knows comments (nested), strings (raw, multi-line, interpolated) and raw identifiers, but not regex literals: a
/// quote inside one is taken for a string that ends with its line.
private struct SwiftScanner {
    /// A string literal that is open, with its number of `#` and whether it spans lines.
    private struct Literal {
        let hashes: Int
        let isMultiline: Bool
    }

    private let bytes: [UInt8]
    private var at = 0
    /// The open literals, outermost first, each with the depth of parentheses of the interpolation inside it, if any.
    private var open: [(literal: Literal, parentheses: Int?)] = []
    private(set) var code: [UInt8] = []
    private(set) var strings: [UInt8] = []

    init(bytes: [UInt8]) {
        self.bytes = bytes
        code.reserveCapacity(bytes.count)
        strings.reserveCapacity(bytes.count)
    }

    mutating func run() {
        while at < bytes.count {
            if let last = open.last, last.parentheses == nil {
                stepInLiteral(last.literal)
            } else {
                stepInCode()
            }
        }
    }

    private enum Part { case code, string, neither }

    /// Moves on by some bytes, which belong to one part; the others get blanks, and all get the line ends.
    private mutating func take(_ count: Int, as part: Part) {
        for byte in bytes[at..<min(at + count, bytes.count)] {
            let isLineEnd = byte == UInt8(ascii: "\n")
            code.append(part == .code || isLineEnd ? byte : UInt8(ascii: " "))
            strings.append(part == .string || isLineEnd ? byte : UInt8(ascii: " "))
        }
        at += count
    }

    private func sees(_ text: StaticString, at offset: Int = 0) -> Bool {
        let start = at + offset
        guard start + text.utf8CodeUnitCount <= bytes.count else { return false }
        return text.withUTF8Buffer { $0.elementsEqual(bytes[start..<start + text.utf8CodeUnitCount]) }
    }

    private func hashes(at offset: Int) -> Int {
        bytes[min(at + offset, bytes.count)...].prefix { $0 == UInt8(ascii: "#") }.count
    }

    private mutating func stepInCode() {
        if sees("//") {
            take(bytes[at...].prefix { $0 != UInt8(ascii: "\n") }.count, as: .neither)
        } else if sees("/*") {
            takeBlockComment()
        } else if sees("`") {
            take(1, as: .code)
            take(bytes[at...].prefix { $0 != UInt8(ascii: "`") && $0 != UInt8(ascii: "\n") }.count, as: .neither)
            if sees("`") { take(1, as: .code) }
        } else if sees("\"", at: hashes(at: 0)) {
            let count = hashes(at: 0)
            let isMultiline = sees("\"\"\"", at: count)
            take(count + (isMultiline ? 3 : 1), as: .code)
            open.append((Literal(hashes: count, isMultiline: isMultiline), nil))
        } else {
            countParenthesis()
            take(1, as: .code)
        }
    }

    /// Notices where the interpolation that we are in ends.
    private mutating func countParenthesis() {
        guard let depth = open.last?.parentheses else { return }
        if sees("(") { open[open.count - 1].parentheses = depth + 1 }
        if sees(")") { open[open.count - 1].parentheses = depth == 1 ? nil : depth - 1 }
    }

    private mutating func takeBlockComment() {
        var depth = 0
        repeat {
            if sees("/*") {
                depth += 1
                take(2, as: .neither)
            } else if sees("*/") {
                depth -= 1
                take(2, as: .neither)
            } else {
                take(1, as: .neither)
            }
        } while depth > 0 && at < bytes.count
    }

    private mutating func stepInLiteral(_ literal: Literal) {
        if sees("\n"), !literal.isMultiline {
            open.removeLast()
        } else if sees("\\"), hashes(at: 1) >= literal.hashes {
            if sees("(", at: 1 + literal.hashes) {
                take(2 + literal.hashes, as: .code)
                open[open.count - 1].parentheses = 1
            } else {
                take(2 + literal.hashes, as: .string)
            }
        } else if sees(literal.isMultiline ? "\"\"\"" : "\""),
            hashes(at: literal.isMultiline ? 3 : 1) >= literal.hashes
        {
            take((literal.isMultiline ? 3 : 1) + literal.hashes, as: .code)
            open.removeLast()
        } else {
            take(1, as: .string)
        }
    }
}
