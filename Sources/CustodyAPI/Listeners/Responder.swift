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
    let logger: Logger

    /// Answers a request; whatever is thrown becomes a problem.
    func respond(to request: Request) async -> Response {
        let start = ContinuousClock.now
        let requestID = Responder.requestID(request.headers[.requestID])
        var pattern = "none"
        var reply: Reply
        do {
            reply = try await handle(request, requestID: requestID, pattern: &pattern)
        } catch {
            let problem = Problem(error)
            if problem.status.code >= 500 {
                logger.error(
                    "request failed",
                    metadata: [
                        "request_id": "\(requestID)", "route": "\(pattern)", "code": "\(problem.code)",
                        "error": "\(Responder.loggable(error))",
                    ])
            }
            reply = problem.reply(requestID: requestID)
        }
        let duration = ContinuousClock.now - start
        meter.count(method: request.method, route: pattern, status: reply.status, duration: duration)
        logger.debug(
            "request",
            metadata: [
                "request_id": "\(requestID)", "method": "\(request.method.rawValue)", "route": "\(pattern)",
                "status": "\(reply.status.code)",
            ])
        reply.headers[.requestID] = requestID
        reply.headers[.cacheControl] = reply.headers[.cacheControl] ?? "no-store"
        reply.headers[.xContentTypeOptions] = "nosniff"
        // An answer to HEAD has no body, or the caller takes it for the next answer's beginning.
        if request.method == .head { reply.body = [] }
        return Response(
            status: reply.status, headers: reply.headers, body: .init(byteBuffer: ByteBuffer(bytes: reply.body)))
    }

    private func handle(_ request: Request, requestID: String, pattern: inout String) async throws -> Reply {
        let target = (request.head.path ?? "/").split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let path = target.first.map(String.init) ?? "/"
        let (route, parameters) = try table.find(request.method, path)
        pattern = route.pattern
        let identity = try await authenticate(request, for: route.access)
        let body = try await read(request, limit: route.bodyLimit)
        return try await route.handler(
            Call(
                method: request.method, path: path, parameters: parameters,
                query: target.count > 1 ? PercentEncoding.formFields(target[1]) : [], headers: request.headers,
                body: body, requestID: requestID, identity: identity))
    }

    private func authenticate(_ request: Request, for access: Route.Access) async throws -> KeyIdentity? {
        if access == .open { return nil }
        let values = request.headers[values: .authorization]
        guard values.count == 1, let value = values.first, value.prefix(7).lowercased() == "bearer " else {
            throw Refusal.unauthenticated
        }
        let token = String(value.dropFirst(7))
        switch access {
        case .open: return nil
        case .admin:
            guard let adminToken, Responder.constantTimeEqual(token, adminToken) else { throw Refusal.unauthenticated }
            return nil
        case .platform(let scope):
            guard let identity = try await keys.identity(of: token) else { throw Refusal.unauthenticated }
            guard identity.scopes.contains(scope) else { throw Refusal.scopeMissing(scope) }
            return identity
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
        var generator = SystemRandomNumberGenerator()
        let alphabet = Array("0123456789abcdefghjkmnpqrstvwxyz".utf8)
        let letters = (0..<26).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &generator)] }
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
