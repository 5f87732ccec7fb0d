import CustodyDomain
import Postgres

/// Something that happened, as platforms are told of it.
public struct EventRecord: Hashable, Sendable {
    /// Its id.
    public let id: ID<Event>
    /// What happened, such as `payment.succeeded`.
    public let type: String
    /// The id of what it happened to.
    public let subject: String
    /// The thing as it was then (JSON).
    public let data: String
    /// When.
    public let createdAt: Instant

    init(_ row: Row) throws {
        id = try row.get("id")
        type = try row.get("type")
        subject = try row.get("subject")
        data = try row.get("data", as: PGJSON.self).text
        createdAt = try row.get("created_at")
    }
}

extension TenantTransaction {
    /// Records that something happened, in the transaction in which it did.
    ///
    /// - Parameter data: A flat object of texts and numbers; no personal data.
    public func record(_ type: String, about subject: String, _ data: [String: EventValue] = [:]) async throws {
        try await run(
            """
            INSERT INTO event (tenant_id, id, type, subject, data, created_at)
            VALUES (\(tenantID), \(ID<Event>(at: now)), \(type), \(subject), \(PGJSON(text: json(data))), \(now))
            """
        )
    }

    /// Events after a given one, the oldest first.
    public func events(after id: ID<Event>?, limit: Int) async throws -> [EventRecord] {
        try await rows(
            """
            SELECT id, type, subject, data, created_at FROM event
             WHERE tenant_id = \(tenantID) AND (\(id)::uuid IS NULL OR id > \(id)::uuid)
             ORDER BY id LIMIT \(limit)
            """
        ).map(EventRecord.init)
    }
}

/// A value in an event's data.
public enum EventValue: Hashable, Sendable {
    /// A text: a state, a number of ours or theirs.
    case text(String)
    /// An amount in fen.
    case fen(Fen)
}

private func json(_ data: [String: EventValue]) -> String {
    let members = data.sorted { $0.key < $1.key }.map { name, value in
        switch value {
        case .text(let text): "\(quoted(name)):\(quoted(text))"
        case .fen(let fen): "\(quoted(name)):\(fen.value)"
        }
    }
    return "{\(members.joined(separator: ","))}"
}

/// A string as JSON.
func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"": result += "\\\""
        case "\\": result += "\\\\"
        case "\u{0}"..<"\u{20}":
            let hex = String(scalar.value, radix: 16)
            result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
        default: result.unicodeScalars.append(scalar)
        }
    }
    return result + "\""
}
