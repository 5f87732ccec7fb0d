import AsyncHTTPClient
import CustodyWire
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// One call out over HTTP: connects, sends, reads at most ``responseLimit`` bytes, or a file into a spool; follows no redirect.
public struct Outbound: Sendable {
    /// A complete answer.
    public struct Answer: Sendable {
        /// The HTTP status.
        public let status: Int
        /// The header fields, names as received.
        public let headers: [(name: String, value: String)]
        /// The body, whole.
        public let body: [UInt8]

        /// The first field of a name, in any case.
        public func header(_ name: String) -> String? {
            let wanted = name.lowercased()
            return headers.first { $0.name.lowercased() == wanted }?.value
        }
    }

    /// What came of asking for a file.
    public enum Download: Sendable {
        /// The file (HTTP 200), whole as far as HTTP can tell.
        case file(StatementFile)
        /// Anything else.
        case answer(Answer)
    }

    /// A body longer than this is refused unread: 8 MiB. Files, which may be longer, are downloaded into a spool.
    public static let responseLimit = 8 << 20

    /// How long a file may take to come; a line that is silent is given up long before.
    private static let downloadTimeout = Duration.seconds(3600)

    /// How long a call waits for its turn under a rate limit before it is given up unsent.
    private static let patience = Duration.seconds(2)

    /// What the system says when a connection was not made; an address that is no name fails with these alone.
    private static let neverConnected: Set<CInt> = [ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EADDRNOTAVAIL]

    private let client: HTTPClient
    private let timeout: Duration
    private let breaker: Breaker?
    private let limiter: RateLimiter?

    /// Makes calls through a client, each done within a time.
    ///
    /// - Parameters:
    ///   - client: Owned and shut down by the caller.
    ///   - timeout: From the first byte of the connection to the last of the answer.
    public init(client: HTTPClient, timeout: Duration = .seconds(15)) {
        self.init(client: client, timeout: timeout, breaker: nil, limiter: nil)
    }

    init(client: HTTPClient, timeout: Duration, breaker: Breaker?, limiter: RateLimiter?) {
        self.client = client
        self.timeout = timeout
        self.breaker = breaker
        self.limiter = limiter
    }

    /// Makes one call. Never sends a request twice.
    ///
    /// - Parameter operation: What rate limits know it by; nil is the URL's path.
    public func call(
        _ method: String, _ url: String, headers: [(String, String)], body: [UInt8] = [], operation: String? = nil
    ) async throws(Doubt) -> Answer {
        try await guarded(operation ?? Outbound.path(of: url)) { () async throws(Doubt) in
            try await exchange(method, url, headers: headers, body: body)
        }
    }

    /// Downloads a file by one GET, piece by piece, into a spool; one that is cut leaves nothing there.
    ///
    /// - Parameter name: What the file is called from then on.
    /// - Returns: Anything but a 200 as the answer that it is, its body short.
    public func download(
        _ url: String, headers: [(String, String)], into spool: Spool, named name: String, operation: String? = nil
    ) async throws(Doubt) -> Download {
        try await guarded(operation ?? Outbound.path(of: url)) { () async throws(Doubt) in
            do {
                return try await fetch(url, headers: headers, into: spool, named: name)
            } catch let failure as SpoolFailure {
                throw Doubt(failure)
            } catch let doubt as Doubt {
                throw doubt
            } catch {
                throw Outbound.doubt(about: error)
            }
        }
    }

    /// One exchange in its turn, if the breaker lets it; it learns from what came of it.
    private func guarded<Value>(
        _ operation: String, _ exchange: () async throws(Doubt) -> Value
    ) async throws(Doubt) -> Value {
        try await waitForTurn(of: operation)
        guard let breaker else { return try await exchange() }
        guard breaker.lets(at: .now) else { throw Doubt(.unreachable, "the line is down; the next trial is soon") }
        do throws(Doubt) {
            let value = try await exchange()
            breaker.record(reached: true, at: .now)
            return value
        } catch {
            breaker.record(reached: error.reason != .unreachable && error.reason != .noAnswer, at: .now)
            throw error
        }
    }

    private func fetch(
        _ url: String, headers: [(String, String)], into spool: Spool, named name: String
    ) async throws -> Download {
        var request = HTTPClientRequest(url: url)
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        let response = try await client.execute(request, timeout: TimeAmount(timeout))
        let fields = response.headers.map { ($0.name, $0.value) }
        guard response.status == .ok else {
            let bytes = try await response.body.collect(upTo: Outbound.responseLimit)
            return .answer(
                Answer(
                    status: Int(response.status.code), headers: fields, body: Array(bytes.readableBytesView)))
        }
        let announced = response.headers.first(name: "Content-Length").flatMap { Int($0) }
        if let announced, announced > spool.limit { throw SpoolFailure.tooLarge(limit: spool.limit) }
        let file = try spool.file(named: name)
        let deadline = ContinuousClock.now + Outbound.downloadTimeout
        for try await piece in response.body {
            try piece.withUnsafeReadableBytes { try file.append($0) }
            guard ContinuousClock.now < deadline else { throw Doubt(.noAnswer, "the file did not come in time") }
        }
        return .file(file.finished())
    }

    private func waitForTurn(of operation: String) async throws(Doubt) {
        guard let limiter else { return }
        guard let wait = limiter.turn(of: operation, at: .now, within: Outbound.patience) else {
            throw Doubt(.rateLimited, "our own limit")
        }
        guard wait > .zero else { return }
        do { try await Task.sleep(for: wait) } catch { throw Doubt(.rateLimited, "cancelled while waiting") }
    }

    private func exchange(
        _ method: String, _ url: String, headers: [(String, String)], body: [UInt8]
    ) async throws(Doubt) -> Answer {
        var request = HTTPClientRequest(url: url)
        request.method = .init(rawValue: method)
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if !body.isEmpty { request.body = .bytes(body) }
        do {
            let end = ContinuousClock.now + timeout
            let response = try await client.execute(request, timeout: TimeAmount(timeout))
            let bytes = try await Outbound.collected(response.body, by: end)
            return Answer(
                status: Int(response.status.code),
                headers: response.headers.map { ($0.name, $0.value) },
                body: Array(bytes.readableBytesView)
            )
        } catch {
            throw Outbound.doubt(about: error)
        }
    }

    /// A body, whole: the client's own deadline is over with the head, and a line that trickles is never idle.
    private static func collected(
        _ body: HTTPClientResponse.Body, by end: ContinuousClock.Instant
    ) async throws -> ByteBuffer {
        try await withThrowingTaskGroup(of: ByteBuffer?.self) { group in
            group.addTask { try await body.collect(upTo: responseLimit) }
            group.addTask {
                try await Task.sleep(until: end, clock: .continuous)
                return nil
            }
            defer { group.cancelAll() }
            guard let bytes = try await group.next() ?? nil else { throw HTTPClientError.deadlineExceeded }
            // A body whose reader was cancelled may look complete.
            try Task.checkCancellation()
            return bytes
        }
    }

    /// What a failure says about whether the request was sent.
    private static func doubt(about error: any Error) -> Doubt {
        switch error {
        case let error as HTTPClientError where beforeSending.contains(error):
            return Doubt(.unreachable, error.shortDescription)
        case let error as HTTPClientError: return Doubt(.noAnswer, error.shortDescription)
        case is NIOTooManyBytesError: return Doubt(.malformedAnswer, "answer over the size limit")
        case let error as IOError where neverConnected.contains(error.errnoCode):
            return Doubt(.unreachable, isRefusal(error) ? refusedConnection : "no connection")
        case let error as NIOConnectionError:
            let isRefused =
                !error.connectionErrors.isEmpty && error.connectionErrors.allSatisfy { isRefusal($0.error) }
            return Doubt(.unreachable, isRefused ? refusedConnection : "no connection")
        case NIOSSLError.handshakeFailed(let cause): return Doubt(.unreachable, detail(of: cause))
        case is NIOSSLExtraError: return Doubt(.unreachable, "TLS: its certificate names another host")
        // Under TLS 1.3 what the other side thinks of us comes after our part of the handshake.
        case let cause as BoringSSLError: return Doubt(.noAnswer, detail(of: cause))
        default: return Doubt(.noAnswer, String(describing: type(of: error)))
        }
    }

    /// What a doubt says when the system of the other side said that nobody listens.
    static let refusedConnection = "connection refused"
    /// What a doubt says when our certificate is missing, or is not believed.
    static let ownCertificateRefused = "TLS: it does not accept our certificate, or our having none"
    /// What a doubt says when the connection ended before TLS came about.
    static let closedInHandshake = "TLS: closed during the handshake"

    private static func isRefusal(_ error: any Error) -> Bool { (error as? IOError)?.errnoCode == ECONNREFUSED }

    /// What a handshake failed of, in words of ours: the library's own are for its makers.
    private static func detail(of error: BoringSSLError) -> String {
        let text = String(describing: error)
        func says(_ words: String...) -> Bool { words.contains { text.contains($0) } }
        if says("CERTIFICATE_VERIFY_FAILED") { return "TLS: its certificate is not believed" }
        if says("CERTIFICATE_REQUIRED", "ALERT_BAD_CERTIFICATE", "ALERT_CERTIFICATE", "UNKNOWN_CA", "ACCESS_DENIED") {
            return ownCertificateRefused
        }
        if says("PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "UNSUPPORTED_VERSION") {
            return "TLS: no version that both speak"
        }
        return says("EOF during handshake") ? closedInHandshake : "TLS handshake failed"
    }

    /// Failures of making the connection.
    private static let beforeSending: [HTTPClientError] = [
        .connectTimeout, .tlsHandshakeTimeout, .socksHandshakeTimeout, .httpProxyHandshakeTimeout,
        .proxyAuthenticationRequired, .getConnectionFromPoolTimeout, .invalidURL, .emptyHost, .emptyScheme,
    ]

    /// The path of a URL, without its query.
    static func path(of url: String) -> String {
        let rest = url.split(separator: "://", maxSplits: 1).last ?? ""
        guard let slash = rest.firstIndex(of: "/") else { return "/" }
        return String(rest[slash...].prefix { $0 != "?" })
    }
}
