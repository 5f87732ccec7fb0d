/// One statement: a literal text in which every `\(value)` has become a bind parameter.
///
/// Why literal only: its `StringLiteralType` is `StaticString`, so neither a `String` variable nor a fragment computed
/// at run time can become part of a statement; values travel beside the text, never inside it. The text is therefore
/// also a stable identity, and keys the prepared statements of a connection.
public struct SQL: ExpressibleByStringInterpolation, Sendable {
    /// The statement with `$1`, `$2`, … where the values stood.
    public let text: String
    /// The values, in the order of their numbers.
    public let binds: [Bind]

    /// Makes a statement without parameters.
    public init(stringLiteral value: StaticString) {
        text = value.description
        binds = []
    }

    /// Makes a statement whose interpolated values are parameters.
    public init(stringInterpolation interpolation: StringInterpolation) {
        text = interpolation.text
        binds = interpolation.binds
    }

    /// Collects the literal parts and the values of a statement.
    public struct StringInterpolation: StringInterpolationProtocol, Sendable {
        /// The literal type: nothing but text written in the source compiles.
        public typealias StringLiteralType = StaticString
        var text = ""
        var binds: [Bind] = []

        /// Reserves room for the parts to come.
        public init(literalCapacity: Int, interpolationCount: Int) {
            text.reserveCapacity(literalCapacity + interpolationCount * 3)
            binds.reserveCapacity(interpolationCount)
        }

        /// Adds a literal part.
        public mutating func appendLiteral(_ literal: StaticString) { text += literal.description }

        /// Adds a value as the next bind parameter.
        public mutating func appendInterpolation(_ value: some Bindable) {
            binds.append(value.bind)
            text += "$"
            text += String(binds.count)
        }

        /// Adds a value, or NULL, as the next bind parameter.
        ///
        /// Why an overload: without it the compiler takes every optional for an oversight.
        public mutating func appendInterpolation<Value: Bindable>(_ value: Value?) {
            binds.append(value?.bind ?? Bind(Value.type, nil))
            text += "$"
            text += String(binds.count)
        }
    }
}

extension SQL {
    /// What a prepared statement is known by: one text may be used with parameters of several types.
    struct Key: Hashable, Sendable {
        let text: String
        let types: [OID]
    }

    var key: Key { Key(text: text, types: binds.map(\.type)) }

    /// What a statement does to the transaction it runs in, told by its first word.
    enum Effect { case begins, commits, rollsBack, other }

    /// Why by the first word: libpq does not tell, and whether a COMMIT was under way decides what a lost connection means.
    var effect: Effect {
        let word = text.utf8.drop { $0 == 0x20 || (0x09...0x0D).contains($0) }
            .prefix { ($0 | 0x20) >= 0x61 && ($0 | 0x20) <= 0x7A }
        guard word.count >= 3, word.count <= 8 else { return .other }
        switch String(decoding: word, as: UTF8.self).uppercased() {
        case "BEGIN", "START": return .begins
        case "COMMIT", "END": return .commits
        case "ABORT": return .rollsBack
        // ROLLBACK TO SAVEPOINT stays inside the transaction.
        case "ROLLBACK": return text.uppercased().split(separator: " ").contains("TO") ? .other : .rollsBack
        default: return .other
        }
    }
}
