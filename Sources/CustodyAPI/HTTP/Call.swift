import Crypto
import CustodyDomain
import CustodyStore
import CustodyWire
import HTTPTypes

/// A request, read whole, on its way to a route's handler.
struct Call: Sendable {
    /// Its method.
    let method: HTTPRequest.Method
    /// Its path as it came, without the query.
    let path: String
    /// What the route's pattern found in the path, decoded.
    let parameters: [String: String]
    /// The query as it came; empty where there is none.
    let query: String
    /// Its header fields.
    let headers: HTTPFields
    /// Its body's bytes.
    let body: [UInt8]
    /// What it is called in logs and answers.
    let requestID: String
    /// Whose key it carries; nil on routes that ask for none.
    let identity: KeyIdentity?
    /// The address of the connection's other end.
    let origin: String

    /// Who asks, as the audit trail names them: a key is somebody; whoever has the admins' token is an admin.
    var principal: Principal {
        Principal(name: identity.map { "key:\($0.keyID)" } ?? "admin", origin: origin, requestID: requestID)
    }

    /// The platform.
    var tenantID: ID<Tenant> {
        get throws {
            guard let identity else { throw Refusal.unauthenticated }
            return identity.tenantID
        }
    }

    /// The id in the path.
    ///
    /// - Throws: ``Rejection/notFound`` for what is no id of that kind: it names nothing.
    func id<Entity: Identified>(_ entity: Entity.Type = Entity.self) throws(Rejection) -> ID<Entity> {
        guard let text = parameters["id"], let id = ID<Entity>(text) else { throw .notFound }
        return id
    }

    /// The body as JSON.
    func json() throws(Rejection) -> JSON {
        do throws(JSONError) { return try JSON(parsing: body) } catch {
            throw .malformedBody(reason: "\(error.reason.rawValue) at byte \(error.offset)")
        }
    }

    /// Reads the body's fields, all of them: what is left unread is refused.
    func read<Value>(_ body: (inout Fields) throws(Rejection) -> Value) throws(Rejection) -> Value {
        var fields = try Fields(try json(), at: "")
        let value = try body(&fields)
        try fields.end()
        return value
    }

    /// Checks that a request without fields has none.
    func readNothing() throws(Rejection) {
        if !body.isEmpty { try read { _ throws(Rejection) in } }
    }

    /// What makes this request recognisable when it is sent again; nil without `Idempotency-Key`.
    func claim() throws(Rejection) -> IdempotencyClaim? {
        let values = headers[values: .idempotencyKey]
        guard let first = values.first else { return nil }
        var key = Substring(first)
        if key.hasPrefix("\""), key.hasSuffix("\""), key.count >= 2 { key = key.dropFirst().dropLast() }
        guard values.count == 1, (1...255).contains(key.utf8.count), key.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
        else {
            throw .invalidField(pointer: "Idempotency-Key", reason: "must be 1 to 255 visible ASCII characters, once")
        }
        return IdempotencyClaim(
            key: String(key), route: "\(method.rawValue) \(path)", bodyHash: Array(SHA256.hash(data: body)))
    }
}

extension HTTPField.Name {
    /// `Idempotency-Key`
    static let idempotencyKey = known("Idempotency-Key")
    /// `Idempotent-Replayed`
    static let idempotentReplayed = known("Idempotent-Replayed")
    /// `X-Request-Id`
    static let requestID = known("X-Request-Id")
    /// `Prefer`
    static let prefer = known("Prefer")
    /// `X-Forwarded-For`
    static let forwardedFor = known("X-Forwarded-For")
    /// `Preference-Applied`
    static let preferenceApplied = known("Preference-Applied")

    private static func known(_ name: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(name) else { preconditionFailure("not a header name") }
        return name
    }
}

/// An answer, rendered.
struct Reply: Sendable {
    /// Its status.
    var status: HTTPResponse.Status
    /// Its header fields besides length and date.
    var headers: HTTPFields
    /// Its bytes.
    var body: [UInt8]

    /// Makes an answer of bytes.
    init(status: HTTPResponse.Status, contentType: String?, body: [UInt8], headers: HTTPFields = [:]) {
        self.status = status
        self.headers = headers
        self.body = body
        if let contentType { self.headers[.contentType] = contentType }
    }

    /// Makes an answer in JSON.
    init(_ status: HTTPResponse.Status = .ok, _ json: JSON) {
        self.init(status: status, contentType: Reply.json, body: json.bytes)
    }

    /// The media type of our answers.
    static let json = "application/json"

    /// An answer that was given before, byte for byte.
    init(replaying stored: StoredResponse) {
        self.init(
            status: .init(code: stored.status), contentType: Reply.json, body: stored.body,
            headers: [.idempotentReplayed: "true"])
    }
}
