import CustodyDomain
import CustodyStore
import CustodyWire
import HTTPTypes

/// Why a request is refused before any verb is asked.
enum Refusal: Error, Hashable {
    /// No key, or not a valid one.
    case unauthenticated
    /// The key may not do this.
    case scopeMissing(String)
    /// No route has this path.
    case noSuchPath
    /// The path has no such method; these it has.
    case methodNotAllowed([HTTPRequest.Method])
    /// More bytes than the route takes.
    case bodyTooLarge(limit: Int)
}

/// An error as callers get it (RFC 9457), never with a word of the database.
struct Problem {
    var status: HTTPResponse.Status
    var code: String
    var title: String
    var detail: String
    var isRetryable = false
    var pointer: String?
    var headers: HTTPFields = [:]

    /// Translates whatever was thrown: the only place that decides about statuses.
    init(_ error: any Error) {
        if let rejection = error as? Rejection {
            self.init(rejection)
        } else if let refusal = error as? Refusal {
            self.init(refusal)
        } else if let failure = StoreFailure(error) {
            self.init(failure)
        } else {
            self.init(
                status: .internalServerError, code: "internal_error", title: "Internal error",
                detail: "Something went wrong on our side; it is logged under the request's id.", isRetryable: true)
        }
    }

    private init(
        status: HTTPResponse.Status, code: String, title: String, detail: String, isRetryable: Bool = false,
        pointer: String? = nil, headers: HTTPFields = [:]
    ) {
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.isRetryable = isRetryable
        self.pointer = pointer
        self.headers = headers
    }

    private init(_ rejection: Rejection) {
        var pointer: String?
        switch rejection {
        case .invalidField(let place, _), .unknownField(let place): pointer = place
        case .numberReused(let field): pointer = "/" + field
        default: break
        }
        let words = rejection.code.replacing("_", with: " ")
        self.init(
            status: rejection.status, code: rejection.code, title: words.prefix(1).uppercased() + words.dropFirst(),
            detail: rejection.detail, isRetryable: rejection == .idempotencyKeyInUse, pointer: pointer)
    }

    private init(_ refusal: Refusal) {
        switch refusal {
        case .unauthenticated:
            self.init(
                status: .unauthorized, code: "unauthenticated", title: "Unauthenticated",
                detail: "A valid key is required: Authorization: Bearer ck_….",
                headers: [.wwwAuthenticate: "Bearer realm=\"custody\""])
        case .scopeMissing(let scope):
            self.init(
                status: .forbidden, code: "scope_missing", title: "Scope missing",
                detail: "The key has not the scope \(scope).")
        case .noSuchPath:
            self.init(
                status: .notFound, code: "no_such_path", title: "No such path", detail: "There is nothing at this path."
            )
        case .methodNotAllowed(let methods):
            let list = methods.map(\.rawValue).sorted().joined(separator: ", ")
            self.init(
                status: .methodNotAllowed, code: "method_not_allowed", title: "Method not allowed",
                detail: "This path allows \(list).", headers: [.allow: list])
        case .bodyTooLarge(let limit):
            self.init(
                status: .contentTooLarge, code: "body_too_large", title: "Body too large",
                detail: "The body may have \(limit) bytes at most.")
        }
    }

    private init(_ failure: StoreFailure) {
        switch failure {
        case .unavailable:
            self.init(
                status: .serviceUnavailable, code: "unavailable", title: "Unavailable",
                detail: "Nothing was done; the same request will succeed later.", isRetryable: true,
                headers: [.retryAfter: "1"])
        case .outcomeUnknown:
            self.init(
                status: .serviceUnavailable, code: "outcome_unknown", title: "Outcome unknown",
                detail:
                    "It may have been done or not. Send the same request again, with the same Idempotency-Key or number: it is done once.",
                isRetryable: true, headers: [.retryAfter: "1"])
        case .duplicate: self.init(.idempotencyKeyInUse)
        }
    }

    /// Renders it.
    func reply(requestID: String) -> Reply {
        var reply = Reply(
            status: status, contentType: "application/problem+json", body: json(requestID: requestID).bytes,
            headers: headers)
        if status == .internalServerError { reply.headers[.retryAfter] = nil }
        return reply
    }

    /// Its JSON; in a batch it stands in place of what was refused.
    func json(requestID: String) -> JSON {
        [
            "type": .string("urn:custody:problem:\(code)"), "title": .string(title),
            "status": JSON(status.code), "detail": .string(detail), "code": .string(code),
            "request_id": .string(requestID), "retryable": .bool(isRetryable),
            "errors": .array(pointer.map { [["pointer": .string($0), "detail": .string(detail)]] } ?? []),
        ]
    }
}
