import AsyncHTTPClient
import CustodyWire
import NIOCore
import NIOSSL
import Synchronization

/// The lines out: one HTTP client per way of reaching a counterparty, and a breaker and limits per link.
///
/// Links that are reached alike share connections; one that changes gets new ones, and the old are closed when unused.
public final class OutboundLines: Sendable {
    /// Whose breaker and limits a call goes by.
    public struct Link: Hashable, Sendable {
        /// The platform.
        public let owner: String
        /// The counterparty.
        public let counterparty: String

        /// Names a link.
        public init(owner: String, counterparty: String) {
            self.owner = owner
            self.counterparty = counterparty
        }
    }

    /// A client, and when it was last asked for.
    private struct Line {
        let client: HTTPClient
        var usedAt: ContinuousClock.Instant
    }

    private struct Guards {
        let transport: Transport
        let breaker: Breaker
        let limiter: RateLimiter
    }

    private struct State {
        var lines: [Transport.Route: Line] = [:]
        var guards: [Link: Guards] = [:]
        var isShutDown = false
    }

    /// A client that nobody asked for in so long is closed: longer than any call takes.
    private static let idleLine = Duration.seconds(1200)

    private let state = Mutex(State())

    /// Makes no connection yet.
    public init() {}

    /// The line of a link.
    ///
    /// - Parameter documented: The counterparty's own limits.
    /// - Throws: `NIOSSLError` when a certificate or key of the transport cannot be read.
    public func outbound(
        of link: Link, by transport: Transport, host: String, documented: [Transport.RateRule]
    ) throws -> Outbound {
        let now = ContinuousClock.now
        let route = transport.route(to: host)
        let (outbound, unused) = try state.withLock { state in
            guard !state.isShutDown else { throw HTTPClientError.alreadyShutdown }
            let line = try state.lines[route] ?? Line(client: try route.client(), usedAt: now)
            state.lines[route] = Line(client: line.client, usedAt: now)
            if state.guards[link]?.transport != transport {
                state.guards[link] = Guards(
                    transport: transport,
                    breaker: Breaker(failures: transport.breakerFailures, pause: transport.breakerPause),
                    limiter: RateLimiter(documented + transport.rateRules)
                )
            }
            let unused = state.lines.filter { now - $0.value.usedAt > OutboundLines.idleLine }
            for route in unused.keys { state.lines[route] = nil }
            let guards = state.guards[link]
            return (
                Outbound(
                    client: line.client, timeout: transport.totalTimeout, breaker: guards?.breaker,
                    limiter: guards?.limiter),
                unused.values.map(\.client)
            )
        }
        if !unused.isEmpty { Task { for client in unused { try? await client.shutdown() } } }
        return outbound
    }

    /// Closes all connections; no line is given out any more.
    public func shutdown() async {
        let clients = state.withLock { state in
            state.isShutDown = true
            defer { state.lines = [:] }
            return state.lines.values.map(\.client)
        }
        for client in clients { try? await client.shutdown() }
    }
}

extension Transport {
    /// What decides which connections may be shared.
    struct Route: Hashable, Sendable {
        let transport: Transport
        /// The host whose address is fixed; empty where it is looked up.
        let host: String
    }

    /// How a host is reached, without what is said about calls and callbacks.
    func route(to host: String) -> Route {
        var transport = self
        transport.totalTimeout = .zero
        transport.breakerFailures = 0
        transport.breakerPause = .zero
        transport.rateRules = []
        transport.callbackSources = []
        return Route(transport: transport, host: address == nil ? "" : host)
    }
}

extension Transport.Route {
    /// A client of its own.
    ///
    /// - Parameter believesAnything: Makes TLS of any version with any certificate: for looking, never for sending.
    func client(
        observing inspect: (@Sendable (any NIOCore.Channel) -> EventLoopFuture<Void>)? = nil,
        believesAnything: Bool = false
    ) throws -> HTTPClient {
        var tls = try transport.tls()
        if believesAnything {
            tls.certificateVerification = .none
            tls.minimumTLSVersion = .tlsv1
        }
        var configuration = HTTPClient.Configuration(tlsConfiguration: tls)
        configuration.redirectConfiguration = .disallow
        configuration.httpVersion = .http1Only
        configuration.timeout = .init(
            connect: TimeAmount(transport.connectTimeout), read: TimeAmount(transport.idleTimeout))
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 64
        configuration.connectionPool.retryConnectionEstablishment = false
        configuration.localAddress = transport.sourceAddress
        if let address = transport.address { configuration.dnsOverride = [host: address] }
        if let proxy = transport.proxy {
            configuration.proxy =
                proxy.kind == .http
                ? .server(host: proxy.host, port: proxy.port) : .socksServer(host: proxy.host, port: proxy.port)
        }
        configuration.http1_1ConnectionDebugInitializer = inspect
        return HTTPClient(configuration: configuration)
    }
}

extension Transport {
    /// Whom we believe, and who we are.
    fileprivate func tls() throws -> TLSConfiguration {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = minimumTLS == .v13 ? .tlsv13 : .tlsv12
        if let authoritiesPEM {
            configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(Array(authoritiesPEM.utf8)))
        }
        if let certificatePEM, let privateKeyPEM {
            configuration.certificateChain = try NIOSSLCertificate.fromPEMBytes(Array(certificatePEM.utf8))
                .map { .certificate($0) }
            configuration.privateKey = .privateKey(
                try NIOSSLPrivateKey(bytes: Array(privateKeyPEM.utf8), format: .pem))
        }
        return configuration
    }
}
