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

/// The listener of every simulator: HTTP/1.1, with TLS where its line says so, one handler for all requests.
public final class SimulatorServer: Service {
    /// Handles one request; called concurrently.
    public typealias Handler = @Sendable (SimulatorRequest) async -> SimulatorResponse

    /// A longer request is answered 413: 16 MiB, for files handed in.
    public static let bodyLimit = 16 << 20

    private let host: String
    private let port: Int
    private let line: SimulatorLine?
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
    ///   - line: How it is reached, which `/control/line` then changes; nil is a plain line that stays as it is.
    ///   - logger: For errors; by default one that only says what is critical.
    ///   - handler: Answers every request.
    public init(
        host: String = "127.0.0.1", port: Int = 0, line: SimulatorLine? = nil, logger: Logger? = nil,
        handler: @escaping Handler
    ) {
        self.host = host
        self.port = port
        self.line = line
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

    /// Answers a request as if it had come over the socket, without what the line does to answers.
    public func answer(_ request: SimulatorRequest) async -> SimulatorResponse {
        if let response = line?.answer(request) { return response }
        return await handler(request)
    }

    /// Listens and answers until the task is cancelled or its service group shuts down.
    public func run() async throws {
        while let pause = try await listen() {
            // Nobody is there meanwhile: the system refuses connections.
            await cancelWhenGracefulShutdown { try? await Task.sleep(for: pause) }
            if Task.isCancelled || Task.isShuttingDownGracefully { return }
        }
    }

    /// Listens until it is over, or until the line says that nobody is to listen for a while.
    private func listen() async throws -> Duration? {
        // The same port again, where it listened before.
        let known = binding.withLock { try? $0.result?.get() }
        let line = line ?? SimulatorLine()
        let application = Application(
            responder: CallbackResponder<SimulatorContext> { [self] request, context in
                try await respond(to: request, context)
            },
            server: HTTPServerBuilder { SimulatorChannel(base: HTTP1Channel(responder: $0), line: line) },
            configuration: ApplicationConfiguration(address: .hostname(host, port: known ?? port), serverName: nil),
            onServerRunning: { [self] channel in
                settle(channel.localAddress?.port.map { .success($0) } ?? .failure(NotListening()))
            },
            logger: logger
        )
        do {
            let pause = try await run(application, until: line)
            if pause == nil { settle(.failure(NotListening())) }
            return pause
        } catch {
            settle(.failure(error))
            if !(error is CancellationError) { throw error }
            return nil
        }
    }

    /// Runs until it is over, or lets what is being answered end when the line says that nobody is to listen.
    private func run(_ application: some Service, until line: SimulatorLine) async throws -> Duration? {
        let group = ServiceGroup(configuration: .init(services: [application], logger: logger))
        return try await withThrowingTaskGroup(of: Duration?.self) { tasks in
            tasks.addTask {
                try await group.run()
                return nil
            }
            tasks.addTask {
                while !Task.isCancelled {
                    if let pause = line.takePause() {
                        await group.triggerGracefulShutdown()
                        return pause
                    }
                    do { try await Task.sleep(for: .milliseconds(20)) } catch { break }
                }
                return nil
            }
            let first = try await tasks.next() ?? nil
            if first == nil { tasks.cancelAll() }
            let second = try await tasks.next() ?? nil
            return first ?? second
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

    private func respond(to request: Request, _ context: SimulatorContext) async throws -> Response {
        var body: [UInt8] = []
        for try await buffer in request.body {
            body.append(contentsOf: buffer.readableBytesView)
            guard body.count <= SimulatorServer.bodyLimit else { return Response(status: .contentTooLarge) }
        }
        let target = originForm(request.head.path ?? "/")
            .split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        // The host is no field of its own here; put it back.
        var headers = request.headers.map { (name: $0.name.canonicalName, value: $0.value) }
        if let host = request.head.authority { headers.append(("host", host)) }
        let asked = SimulatorRequest(
            method: request.method.rawValue, path: target.first.map(String.init) ?? "/",
            query: target.count > 1 ? String(target[1]) : "", headers: headers, body: body,
            remote: context.channel.remoteAddress?.ipAddress ?? "")
        let drawn = DrawnLineFault()
        let response = await DrawnLineFault.$current.withValue(drawn) { await answer(asked) }
        return await SimulatorServer.written(response, drawn.rule, to: context.channel)
    }

    private static func written(
        _ response: SimulatorResponse, _ rule: FaultRule?, to channel: any Channel
    ) async -> Response {
        switch response {
        case .answer(let status, let headers, let body):
            var fields = HTTPFields()
            for (name, value) in headers {
                if let name = HTTPField.Name(name) { fields.append(HTTPField(name: name, value: value)) }
            }
            return Response(
                status: .init(code: status), headers: fields, body: SimulatorServer.body(body, rule, to: channel))
        case .silence(let duration):
            let end = ContinuousClock.now + duration
            while channel.isActive, ContinuousClock.now < end, !Task.isCancelled {
                try? await Task.sleep(for: .milliseconds(50))
            }
            fallthrough
        case .drop:
            try? await channel.close()
            return Response(status: .internalServerError)
        }
    }

    /// A body on its way out, with what the line does to it.
    private static func body(_ bytes: [UInt8], _ rule: FaultRule?, to channel: any Channel) -> ResponseBody {
        guard let rule, let fault = LineFault(rawValue: rule.fault) else {
            return ResponseBody(byteBuffer: ByteBuffer(bytes: bytes))
        }
        // An empty body has no half: what is promised then never comes.
        return ResponseBody(contentLength: max(2, bytes.count)) { writer in
            switch fault {
            case .half, .reset:
                try await writer.write(ByteBuffer(bytes: bytes.prefix(bytes.count / 2)))
                if fault == .reset {
                    try? await channel.triggerUserOutboundEvent(LineCut())
                } else {
                    try? await channel.close()
                }
            case .trickle:
                let size = max(1, bytes.count / 50)
                let pause =
                    Duration.seconds(rule.parameters["seconds"]?.integer ?? 10) / max(1, bytes.count / size)
                for start in stride(from: 0, to: bytes.count, by: size) where channel.isActive {
                    try await writer.write(ByteBuffer(bytes: bytes[start..<min(start + size, bytes.count)]))
                    try await Task.sleep(for: pause)
                }
                try await writer.finish(nil)
            }
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
