import CustodyWire
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import ServiceLifecycle
import Synchronization

/// A request as it came over the socket: nothing decoded, so that signatures can be checked over the very bytes.
public struct SimulatorRequest: Sendable {
    /// `GET`, `POST`, …
    public var method: String
    /// The path as sent, percent-encoding kept, without the query.
    public var path: String
    /// What follows `?`, as sent; empty for none.
    public var query: String
    /// The header fields, names in lower case.
    public var headers: [(name: String, value: String)]
    /// The body, whole.
    public var body: [UInt8]
    /// The caller's address, such as `127.0.0.1`.
    public var remote: String

    /// Makes a request.
    public init(
        method: String, path: String, query: String = "", headers: [(name: String, value: String)] = [],
        body: [UInt8] = [], remote: String = ""
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.remote = remote
    }

    /// The first field of a name, in any case.
    public func header(_ name: String) -> String? {
        let wanted = name.lowercased()
        return headers.first { $0.name == wanted }?.value
    }

    /// The path's parts between slashes, percent-decoded.
    public var pathParts: [String] {
        path.split(separator: "/").map { PercentEncoding.decoded($0) ?? String($0) }
    }

    /// The query's fields in order, percent-decoded, `+` as a space.
    public var queryFields: [URLForm.Field] { (try? URLForm.decode(query.utf8)) ?? [] }

    /// The first query field of a name.
    public func queryField(_ name: String) -> String? { queryFields.first { $0.name == name }?.value }

    /// The body as JSON; nil when it is none.
    public var json: JSON? { try? JSON(parsing: body) }
}

/// What a simulator does with a request.
public enum SimulatorResponse: Sendable {
    /// Answers.
    case answer(status: Int, headers: [(name: String, value: String)], body: [UInt8])
    /// Closes the connection without a byte.
    case drop
    /// Says nothing for a time, or until the caller hangs up, then closes the connection.
    case silence(Duration)

    /// An answer in JSON.
    public static func json(_ value: JSON, status: Int = 200) -> SimulatorResponse {
        .answer(status: status, headers: [("content-type", "application/json; charset=utf-8")], body: value.bytes)
    }

    /// A plain control error: `{"error":"…"}`.
    public static func controlError(_ status: Int, _ message: String) -> SimulatorResponse {
        .json(["error": .string(message)], status: status)
    }
}

/// The listener of every simulator: HTTP/1.1 without TLS, one handler for all requests.
public final class SimulatorServer: Service {
    /// Handles one request; called concurrently.
    public typealias Handler = @Sendable (SimulatorRequest) async -> SimulatorResponse

    /// A longer request is answered 413: 16 MiB, for files handed in.
    public static let bodyLimit = 16 << 20

    private let host: String
    private let port: Int
    private let logger: Logger
    private let handler: Handler
    private let binding = Mutex(Binding())

    private struct Binding {
        var result: Result<Int, any Error>?
        var waiters: [CheckedContinuation<Int, any Error>] = []
    }

    /// Why no port is bound.
    public struct NotListening: Error {}

    /// Makes a server that does not listen yet.
    ///
    /// - Parameters:
    ///   - host: The address to bind.
    ///   - port: The port to bind; 0 lets the system choose, see ``boundPort()``.
    ///   - logger: For errors; by default one that only says what is critical.
    ///   - handler: Answers every request.
    public init(
        host: String = "127.0.0.1", port: Int = 0, logger: Logger? = nil, handler: @escaping Handler
    ) {
        self.host = host
        self.port = port
        self.handler = handler
        if let logger {
            self.logger = logger
        } else {
            var quiet = Logger(label: "simulator")
            quiet.logLevel = .critical
            self.logger = quiet
        }
    }

    /// The port in use; waits until the server listens.
    ///
    /// - Throws: ``NotListening`` or the binding's error when the server ended before it listened.
    public func boundPort() async throws -> Int {
        try await withCheckedThrowingContinuation { continuation in
            let known = binding.withLock { binding -> Result<Int, any Error>? in
                if binding.result == nil { binding.waiters.append(continuation) }
                return binding.result
            }
            if let known { continuation.resume(with: known) }
        }
    }

    /// Listens and answers until the task is cancelled or its service group shuts down.
    public func run() async throws {
        let application = Application(
            responder: CallbackResponder<SimulatorContext> { [handler] request, context in
                try await SimulatorServer.respond(to: request, context, handler)
            },
            configuration: ApplicationConfiguration(address: .hostname(host, port: port), serverName: nil),
            onServerRunning: { [self] channel in
                settle(channel.localAddress?.port.map { .success($0) } ?? .failure(NotListening()))
            },
            logger: logger
        )
        do {
            try await application.run()
            settle(.failure(NotListening()))
        } catch {
            settle(.failure(error))
            if !(error is CancellationError) { throw error }
        }
    }

    private func settle(_ result: Result<Int, any Error>) {
        let waiters = binding.withLock { binding -> [CheckedContinuation<Int, any Error>] in
            guard binding.result == nil else { return [] }
            binding.result = result
            defer { binding.waiters = [] }
            return binding.waiters
        }
        for waiter in waiters { waiter.resume(with: result) }
    }

    private static func respond(
        to request: Request, _ context: SimulatorContext, _ handler: Handler
    ) async throws -> Response {
        var body: [UInt8] = []
        for try await buffer in request.body {
            body.append(contentsOf: buffer.readableBytesView)
            guard body.count <= bodyLimit else { return Response(status: .contentTooLarge) }
        }
        let target = originForm(request.head.path ?? "/")
            .split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        // The host is no field of its own here; put it back.
        var headers = request.headers.map { (name: $0.name.canonicalName, value: $0.value) }
        if let host = request.head.authority { headers.append(("host", host)) }
        let response = await handler(
            SimulatorRequest(
                method: request.method.rawValue,
                path: target.first.map(String.init) ?? "/",
                query: target.count > 1 ? String(target[1]) : "",
                headers: headers,
                body: body,
                remote: context.channel.remoteAddress?.ipAddress ?? ""
            )
        )
        switch response {
        case .answer(let status, let headers, let body):
            var fields = HTTPFields()
            for (name, value) in headers {
                if let name = HTTPField.Name(name) { fields.append(HTTPField(name: name, value: value)) }
            }
            return Response(
                status: .init(code: status), headers: fields, body: .init(byteBuffer: ByteBuffer(bytes: body)))
        case .silence(let duration):
            let end = ContinuousClock.now + duration
            while context.channel.isActive, ContinuousClock.now < end, !Task.isCancelled {
                try? await Task.sleep(for: .milliseconds(50))
            }
            fallthrough
        case .drop:
            try? await context.channel.close()
            return Response(status: .internalServerError)
        }
    }
}

/// The target without scheme and host, which some clients send along (RFC 9112, 3.2.2).
private func originForm(_ target: String) -> Substring {
    guard target.hasPrefix("http://") || target.hasPrefix("https://"),
        let host = target.firstRange(of: "://")?.upperBound
    else { return target[...] }
    return target[(target[host...].firstIndex { $0 == "/" || $0 == "?" } ?? target.endIndex)...]
}

/// What the handler needs of a connection: its channel, to close it.
private struct SimulatorContext: InitializableFromSource {
    let channel: any Channel

    init(source: ApplicationRequestContextSource) { channel = source.channel }
}
