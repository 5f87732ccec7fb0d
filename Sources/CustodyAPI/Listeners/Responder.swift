import CustodyDomain
import CustodyStore
import CustodyWire
import HTTPTypes
import Hummingbird
import Logging
import NIOCore

/// Answers a request: finds its route, checks who asks, reads it whole, runs the handler, renders what went wrong.
struct Responder: Sendable {
    let table: RouteTable
    let keys: KeyCache
    let adminToken: String?
    let meter: RequestMeter
    /// Where refusals that look like an attack are kept; nil on a listener that knows nobody.
    let trail: RefusalTrail?
    /// The proxies of ours whose word about an origin counts.
    let proxies: [AddressRange]
    let logger: Logger

    /// How far a request got before it was answered or refused.
    private struct Progress {
        var pattern = "none"
        var access = Route.Access.open
        var identity: KeyIdentity?
        var id: String?
    }

    /// Answers a request; whatever is thrown becomes a problem.
    ///
    /// - Parameter peer: The address of the connection's other end.
    func respond(to request: Request, from peer: String) async -> Response {
        let start = ContinuousClock.now
        let origin = ClientAddress.of(peer: peer, headers: request.headers, trusting: proxies)
        let requestID = Responder.requestID(request.headers[.requestID])
        var progress = Progress()
        var reply: Reply
        do {
            reply = try await handle(request, requestID: requestID, from: origin, &progress)
        } catch {
            let problem = Problem(error)
            note(error, progress, request, requestID: requestID, from: origin)
            if problem.status.code >= 500 {
                logger.error(
                    "request failed",
                    metadata: [
                        "request_id": "\(requestID)", "route": "\(progress.pattern)", "code": "\(problem.code)",
                        "error": "\(Responder.loggable(error))",
                    ])
            }
            reply = problem.reply(requestID: requestID)
        }
        let duration = ContinuousClock.now - start
        meter.count(method: request.method, route: progress.pattern, status: reply.status, duration: duration)
        logger.debug(
            "request",
            metadata: [
                "request_id": "\(requestID)", "method": "\(request.method.rawValue)", "route": "\(progress.pattern)",
                "status": "\(reply.status.code)",
            ])
        reply.headers[.requestID] = requestID
        reply.headers[.cacheControl] = reply.headers[.cacheControl] ?? "no-store"
        reply.headers[.xContentTypeOptions] = "nosniff"
        // An answer to HEAD has no body, or the caller takes it for the next answer's beginning.
        if request.method == .head { reply.body = [] }
        return Response(
            status: reply.status, headers: reply.headers,
            body: reply.body.isEmpty ? .init() : .init(byteBuffer: ByteBuffer(bytes: reply.body)))
    }

    private func handle(
        _ request: Request, requestID: String, from origin: String, _ progress: inout Progress
    ) async throws -> Reply {
        let target = (request.head.path ?? "/").split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let path = target.first.map(String.init) ?? "/"
        let (route, parameters) = try table.find(request.method, path)
        progress = Progress(pattern: route.pattern, access: route.access, id: parameters["id"])
        try await authenticate(request, &progress)
        let body = try await read(request, limit: route.bodyLimit)
        return try await route.handler(
            Call(
                method: request.method, path: path, parameters: parameters,
                query: target.count > 1 ? String(target[1]) : "", headers: request.headers,
                body: body, requestID: requestID, identity: progress.identity, origin: origin))
    }

    /// Keeps a refusal that looks like an attack: a wrong key, a key that overreaches, an id that is not the caller's, a
    /// second pair of eyes that is the first; and whatever is refused to an admin.
    private func note(
        _ error: any Error, _ progress: Progress, _ request: Request, requestID: String, from origin: String
    ) {
        guard let trail else { return }
        let place = "\(request.method.rawValue) \(progress.pattern)"
        let identity = progress.identity
        func keep(_ subject: String, by name: String) {
            trail.note(
                "refused.\(Problem(error).code)", on: subject, of: identity?.tenantID,
                by: Principal(name: name, origin: origin, requestID: requestID))
        }
        switch (error, progress.access) {
        case (Refusal.unauthenticated, _):
            // Who shows no key at all has only lost his way.
            guard let shown = request.headers[.authorization] else { return }
            keep(place, by: Responder.keyID(shown).map { "key:\($0)" } ?? "nobody")
        case (Rejection.notFound, .platform):
            // An absent id and another platform's look the same, here too. What is no id at all names nothing.
            guard let identity, let id = progress.id, Responder.isID(id) else { return }
            keep("\(place) \(id)", by: "key:\(identity.keyID)")
        case (Refusal.scopeMissing, .platform), (Rejection.fourEyes, .platform):
            guard let identity else { return }
            keep(place + (progress.id.map { " \($0.prefix(64))" } ?? ""), by: "key:\(identity.keyID)")
        case (is Rejection, .admin): keep(place + (progress.id.map { " \($0.prefix(64))" } ?? ""), by: "admin")
        default: return
        }
    }

    /// The public part of a key that was shown; nil when it is no key of ours by its form.
    private static func keyID(_ authorization: String) -> String? {
        let parts = authorization.split(separator: "_", omittingEmptySubsequences: false)
        guard parts.count == 4, parts[0].hasSuffix("ck"), parts[2].utf8.count == 12,
            parts[2].utf8.allSatisfy({ (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) })
        else { return nil }
        return String(parts[2])
    }

    /// Whether a text has the form of an id.
    private static func isID(_ text: String) -> Bool {
        let parts = text.split(separator: "_", omittingEmptySubsequences: false)
        return parts.count == 2 && (3...4).contains(parts[0].utf8.count) && parts[1].utf8.count == 26
            && parts[0].utf8.allSatisfy { (97...122).contains($0) }
            && parts[1].utf8.allSatisfy { (48...57).contains($0) || (65...90).contains($0) }
    }

    private func authenticate(_ request: Request, _ progress: inout Progress) async throws {
        if progress.access == .open { return }
        let values = request.headers[values: .authorization]
        guard values.count == 1, let value = values.first, value.prefix(7).lowercased() == "bearer " else {
            throw Refusal.unauthenticated
        }
        let token = String(value.dropFirst(7))
        switch progress.access {
        case .open: return
        case .admin:
            guard let adminToken, Responder.constantTimeEqual(token, adminToken) else { throw Refusal.unauthenticated }
        case .platform(let scope):
            guard let identity = try await keys.identity(of: token) else { throw Refusal.unauthenticated }
            progress.identity = identity
            guard identity.scopes.contains(scope) else { throw Refusal.scopeMissing(scope) }
        }
    }

    private func read(_ request: Request, limit: Int) async throws -> [UInt8] {
        if let length = request.headers[.contentLength].flatMap({ Int($0) }), length > limit {
            throw Refusal.bodyTooLarge(limit: limit)
        }
        var body: [UInt8] = []
        do {
            for try await buffer in request.body {
                guard body.count + buffer.readableBytes <= limit else { throw Refusal.bodyTooLarge(limit: limit) }
                body.append(contentsOf: buffer.readableBytesView)
            }
        } catch let refusal as Refusal {
            throw refusal
        } catch {
            throw Rejection.malformedBody(reason: "it ended early")
        }
        return body
    }

    private static let alphabet = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)

    /// The caller's id for the request, when it is fit for logs; one of ours otherwise.
    private static func requestID(_ given: String?) -> String {
        if let given, (1...128).contains(given.utf8.count),
            given.utf8.allSatisfy({
                (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0)
                    || [45, 46, 95].contains($0)
            })
        {
            return given
        }
        // Two draws of the system's randomness, thirteen letters of five bits from each.
        var generator = SystemRandomNumberGenerator()
        let letters = [generator.next() as UInt64, generator.next() as UInt64].flatMap { bits in
            (0..<13).map { Responder.alphabet[Int(bits >> UInt64($0 * 5) & 31)] }
        }
        return "req_" + String(decoding: letters, as: UTF8.self)
    }

    /// An error without what callers sent: descriptions of unknown errors may quote it, types never do.
    private static func loggable(_ error: any Error) -> String {
        StoreFailure(error) != nil || String(describing: type(of: error)) == "PostgresError"
            ? "\(error)" : String(describing: type(of: error))
    }

    private static func constantTimeEqual(_ lhs: String, _ rhs: String) -> Bool {
        guard lhs.utf8.count == rhs.utf8.count else { return false }
        return zip(lhs.utf8, rhs.utf8).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) } == 0
    }
}
