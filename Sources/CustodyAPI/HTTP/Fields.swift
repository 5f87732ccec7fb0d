import CustodyDomain
import CustodyWire

/// Reads the fields of a JSON object strictly: each by its type and range, none left over.
struct Fields {
    private let pointer: String
    private let members: [JSON.Member]
    private var unread: Set<String>

    /// Begins to read a value that must be an object.
    ///
    /// - Parameter pointer: Where it stands in the body (RFC 6901).
    init(_ json: JSON, at pointer: String) throws(Rejection) {
        guard let members = json.members else {
            throw .invalidField(pointer: pointer, reason: "must be an object")
        }
        self.pointer = pointer
        self.members = members
        unread = Set(members.map(\.name))
    }

    /// Refuses what was not read.
    func end() throws(Rejection) {
        if let stranger = members.first(where: { unread.contains($0.name) }) {
            throw .unknownField(pointer: place(stranger.name))
        }
    }

    /// A value of any type; nil when it is absent or null.
    mutating func value(_ name: String) -> JSON? {
        unread.remove(name)
        guard let value = members.first(where: { $0.name == name })?.value, value != .null else { return nil }
        return value
    }

    /// A text of so many characters, none of them a control character; nil when it is absent or null.
    mutating func optionalText(_ name: String, _ length: ClosedRange<Int>) throws(Rejection) -> String? {
        guard let value = value(name) else { return nil }
        guard let text = value.string else { throw refusal(name, "must be a string") }
        guard length.contains(text.unicodeScalars.count) else {
            throw refusal(name, "must have \(length.lowerBound) to \(length.upperBound) characters")
        }
        guard text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F }) else {
            throw refusal(name, "must not hold control characters")
        }
        return text
    }

    /// A text of so many characters.
    mutating func text(_ name: String, _ length: ClosedRange<Int>) throws(Rejection) -> String {
        guard let text = try optionalText(name, length) else { throw refusal(name, "is required") }
        return text
    }

    /// A number the platform chose: 1 to 64 visible ASCII characters.
    mutating func number(_ name: String) throws(Rejection) -> String {
        let text = try text(name, 1...64)
        guard text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw refusal(name, "must be visible ASCII characters")
        }
        return text
    }

    /// A text of decimal digits only.
    mutating func digits(_ name: String, _ length: ClosedRange<Int>) throws(Rejection) -> String {
        guard let digits = try optionalDigits(name, length) else { throw refusal(name, "is required") }
        return digits
    }

    /// A text of decimal digits only; nil when it is absent or null.
    mutating func optionalDigits(_ name: String, _ length: ClosedRange<Int>) throws(Rejection) -> String? {
        guard let text = try optionalText(name, length) else { return nil }
        guard text.utf8.allSatisfy({ (48...57).contains($0) }) else { throw refusal(name, "must be digits") }
        return text
    }

    /// An integer in a range; nil when it is absent or null.
    mutating func optionalInteger(_ name: String, _ range: ClosedRange<Int64>) throws(Rejection) -> Int64? {
        guard let value = value(name) else { return nil }
        guard let integer = value.integer, range.contains(integer) else {
            throw refusal(name, "must be an integer from \(range.lowerBound) to \(range.upperBound)")
        }
        return integer
    }

    /// An integer in a range.
    mutating func integer(_ name: String, _ range: ClosedRange<Int64>) throws(Rejection) -> Int64 {
        guard let integer = try optionalInteger(name, range) else { throw refusal(name, "is required") }
        return integer
    }

    /// The most fen that one field may hold: a hundred thousand million yuan.
    static let largestAmount: Int64 = 10_000_000_000_000

    /// An amount of at least one fen; nil when it is absent or null.
    mutating func optionalAmount(_ name: String) throws(Rejection) -> Fen? {
        try optionalInteger(name, 1...Fields.largestAmount).map { Fen($0) }
    }

    /// An amount of at least one fen.
    mutating func amount(_ name: String = "amount") throws(Rejection) -> Fen {
        Fen(try integer(name, 1...Fields.largestAmount))
    }

    /// Reads `currency`, of which there is one.
    mutating func currency() throws(Rejection) {
        if let value = value("currency"), value != "CNY" { throw refusal("currency", "must be CNY") }
    }

    /// A truth value; false when it is absent or null.
    mutating func flag(_ name: String) throws(Rejection) -> Bool {
        guard let value = value(name) else { return false }
        guard let flag = value.bool else { throw refusal(name, "must be true or false") }
        return flag
    }

    /// One of a closed list of words; nil when it is absent or null.
    mutating func optionalWord<Word: RawRepresentable & CaseIterable>(
        _ name: String, of type: Word.Type = Word.self
    ) throws(Rejection) -> Word? where Word.RawValue == String {
        guard let value = value(name) else { return nil }
        guard let text = value.string, let word = Word(rawValue: text) else {
            throw refusal(name, "must be one of \(Word.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return word
    }

    /// One of a closed list of words.
    mutating func word<Word: RawRepresentable & CaseIterable>(
        _ name: String, of type: Word.Type = Word.self
    ) throws(Rejection) -> Word where Word.RawValue == String {
        guard let word: Word = try optionalWord(name) else { throw refusal(name, "is required") }
        return word
    }

    /// A point in time, RFC 3339 with an offset; nil when it is absent or null.
    mutating func optionalInstant(_ name: String) throws(Rejection) -> Instant? {
        guard let value = value(name) else { return nil }
        guard let text = value.string, let instant = Instant(strict: text) else {
            throw refusal(name, "must be a time such as 2026-10-05T04:00:00Z")
        }
        return instant
    }

    /// A point in time, RFC 3339 with an offset.
    mutating func instant(_ name: String) throws(Rejection) -> Instant {
        guard let instant = try optionalInstant(name) else { throw refusal(name, "is required") }
        return instant
    }

    /// An id of one kind of thing.
    mutating func id<Entity: Identified>(_ name: String, of entity: Entity.Type) throws(Rejection) -> ID<Entity> {
        let text = try text(name, 1...64)
        guard let id = ID<Entity>(text) else { throw refusal(name, "must be an id such as \(Entity.idPrefix)_…") }
        return id
    }

    /// An array of so many elements, each read with its pointer; nil when it is absent or null.
    mutating func optionalElements<Value>(
        _ name: String, _ count: ClosedRange<Int>, _ read: (JSON, String) throws(Rejection) -> Value
    ) throws(Rejection) -> [Value]? {
        guard let value = value(name) else { return nil }
        guard let elements = value.array, count.contains(elements.count) else {
            throw refusal(name, "must be an array of \(count.lowerBound) to \(count.upperBound) elements")
        }
        var values: [Value] = []
        for (index, element) in elements.enumerated() { values.append(try read(element, "\(place(name))/\(index)")) }
        return values
    }

    /// An array of so many elements, each read with its pointer.
    mutating func elements<Value>(
        _ name: String, _ count: ClosedRange<Int>, _ read: (JSON, String) throws(Rejection) -> Value
    ) throws(Rejection) -> [Value] {
        guard let values = try optionalElements(name, count, read) else { throw refusal(name, "is required") }
        return values
    }

    /// An object, read with its own fields.
    mutating func object<Value>(
        _ name: String, _ read: (inout Fields) throws(Rejection) -> Value
    ) throws(Rejection) -> Value {
        guard let value = value(name) else { throw refusal(name, "is required") }
        var fields = try Fields(value, at: place(name))
        let result = try read(&fields)
        try fields.end()
        return result
    }

    /// Says of a field why it is refused.
    func refusal(_ name: String, _ reason: String) -> Rejection {
        .invalidField(pointer: place(name), reason: reason)
    }

    private func place(_ name: String) -> String {
        pointer + "/" + name.replacing("~", with: "~0").replacing("/", with: "~1")
    }
}

extension Instant {
    /// Reads RFC 3339 with an explicit offset, and nothing else.
    init?(strict text: String) {
        guard text.utf8.count >= 20, text.utf8.dropFirst(10).first.map({ $0 == 0x54 || $0 == 0x74 }) == true,
            let last = text.utf8.last,
            last == 0x5A || last == 0x7A || text.utf8.dropLast(5).last.map({ $0 == 0x2B || $0 == 0x2D }) == true
        else { return nil }
        self.init(text: text)
    }
}
