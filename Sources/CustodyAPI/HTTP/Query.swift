import CustodyDomain
import CustodyWire
import HTTPTypes

/// Reads the query of a list: what to show, from where, how much of it.
struct Query {
    private let fields: [URLForm.Field]
    private var unread: Set<String>

    /// Begins to read a query; a name that comes twice, and what does not decode, is refused.
    init(_ call: Call) throws(Rejection) {
        do throws(URLForm.Defect) {
            fields = try URLForm.decode(call.query.utf8)
        } catch {
            let reason =
                switch error {
                case .duplicateName: "names a parameter twice"
                case .badEscape, .badText: "must be percent-encoded UTF-8"
                case .tooManyFields: "has more than \(URLForm.fieldLimit) parameters"
                }
            throw .invalidField(pointer: "?", reason: reason)
        }
        unread = Set(fields.map(\.name))
    }

    /// Refuses what was not read.
    func end() throws(Rejection) {
        if let stranger = fields.first(where: { unread.contains($0.name) }) {
            throw .unknownField(pointer: "?" + stranger.name.prefix(64))
        }
    }

    /// A parameter as it came; nil when it is absent.
    mutating func text(_ name: String) throws(Rejection) -> String? {
        unread.remove(name)
        guard let value = fields.first(where: { $0.name == name })?.value else { return nil }
        guard (1...128).contains(value.utf8.count), !value.utf8.contains(0) else {
            throw .invalidField(pointer: "?\(name)", reason: "must have 1 to 128 characters")
        }
        return value
    }

    /// One of a closed list of words; nil when it is absent.
    mutating func word<Word: RawRepresentable & CaseIterable>(
        _ name: String, of type: Word.Type = Word.self
    ) throws(Rejection) -> Word? where Word.RawValue == String {
        guard let text = try text(name) else { return nil }
        guard let word = Word(rawValue: text) else {
            throw .invalidField(
                pointer: "?\(name)",
                reason: "must be one of \(Word.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return word
    }

    /// An id; nil when it is absent.
    mutating func id<Entity: Identified>(
        _ name: String, of entity: Entity.Type = Entity.self
    ) throws(Rejection) -> ID<Entity>? {
        guard let text = try text(name) else { return nil }
        guard let id = ID<Entity>(text) else {
            throw .invalidField(pointer: "?\(name)", reason: "must be an id such as \(Entity.idPrefix)_…")
        }
        return id
    }

    /// A point in time; nil when it is absent.
    mutating func instant(_ name: String) throws(Rejection) -> Instant? {
        guard let text = try text(name) else { return nil }
        guard let instant = Instant(strict: text) else {
            throw .invalidField(pointer: "?\(name)", reason: "must be a time such as 2026-10-05T04:00:00Z")
        }
        return instant
    }

    /// A day of the books; nil when it is absent.
    mutating func date(_ name: String) throws(Rejection) -> BusinessDate? {
        guard let text = try text(name) else { return nil }
        guard text.utf8.count == 10, let date = BusinessDate(text) else {
            throw .invalidField(pointer: "?\(name)", reason: "must be a date such as 2026-10-05")
        }
        return date
    }

    /// Which page: how many, and what the last one ended with.
    mutating func page<Entity: Identified>(of entity: Entity.Type = Entity.self) throws(Rejection) -> Page<Entity> {
        var limit = 50
        if let text = try text("limit") {
            guard let number = Int(text), (1...200).contains(number) else {
                throw .invalidField(pointer: "?limit", reason: "must be an integer from 1 to 200")
            }
            limit = number
        }
        let cursor: ID<Entity>? = try id("cursor")
        return Page(limit: limit, cursor: cursor)
    }
}

/// A page of a list, by keyset: it holds what comes after the cursor, however much was added meanwhile.
struct Page<Entity: Identified> {
    /// How many it shows.
    let limit: Int
    /// The last of the page before.
    let cursor: ID<Entity>?

    /// Asks for one more than is shown, to know whether there are more.
    var fetched: Int { limit + 1 }

    /// Renders what was fetched.
    func reply<Record>(_ records: [Record], id: (Record) -> ID<Entity>, _ render: (Record) -> JSON) -> Reply {
        let shown = records.prefix(limit)
        let hasMore = records.count > limit
        return Reply(
            .ok,
            [
                "data": .array(shown.map(render)), "has_more": .bool(hasMore),
                "next_cursor": hasMore ? JSON(shown.last.map { id($0).text }) : nil,
            ])
    }
}
