/// A JSON value, exactly as it was written: numbers keep their text, objects keep their order.
public indirect enum JSON: Hashable, Sendable {
    /// `null`
    case null
    /// `true` or `false`
    case bool(Bool)
    /// A number, as its text; never a binary fraction.
    case number(String)
    /// A string.
    case string(String)
    /// An array.
    case array([JSON])
    /// An object, its members in the order they were written. A parsed one has no duplicate names.
    case object([Member])

    /// A name and its value.
    public struct Member: Hashable, Sendable {
        /// The member's name.
        public let name: String
        /// The member's value.
        public let value: JSON

        /// Makes a member.
        public init(_ name: String, _ value: JSON) {
            self.name = name
            self.value = value
        }
    }
}

/// Reading, without judgement about what should be there.
extension JSON {
    /// The value of a member; nil when this is no object or has no such member.
    public subscript(_ name: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name == name }?.value
    }

    /// The string, if this is one.
    public var string: String? {
        guard case .string(let text) = self else { return nil }
        return text
    }

    /// The integer, if this is a number written as one that fits 64 bits.
    public var integer: Int64? {
        guard case .number(let text) = self else { return nil }
        return Int64(text)
    }

    /// The truth value, if this is one.
    public var bool: Bool? {
        guard case .bool(let value) = self else { return nil }
        return value
    }

    /// The elements, if this is an array.
    public var array: [JSON]? {
        guard case .array(let elements) = self else { return nil }
        return elements
    }

    /// The members, if this is an object.
    public var members: [Member]? {
        guard case .object(let members) = self else { return nil }
        return members
    }
}

/// Writing: literals make values, so that a body reads like the JSON it becomes.
extension JSON: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral, ExpressibleByNilLiteral
{
    /// A string.
    public init(stringLiteral value: String) { self = .string(value) }
    /// An integer.
    public init(integerLiteral value: Int64) { self = .number(String(value)) }
    /// A truth value.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    /// An array.
    public init(arrayLiteral elements: JSON...) { self = .array(elements) }
    /// An object, in the order written.
    public init(dictionaryLiteral elements: (String, JSON)...) { self = .object(elements.map { Member($0.0, $0.1) }) }
    /// `null`
    public init(nilLiteral: ()) { self = .null }

    /// A string, or `null` for none.
    public init(_ text: String?) { self = text.map(JSON.string) ?? .null }
    /// An integer, or `null` for none.
    public init(_ number: Int64?) { self = number.map { .number(String($0)) } ?? .null }
    /// An integer.
    public init(_ number: Int) { self = .number(String(number)) }

    /// The object without its `null` members, for protocols in which an absent field and an empty one differ.
    public var omittingNulls: JSON {
        guard case .object(let members) = self else { return self }
        return .object(members.filter { $0.value != .null })
    }
}
