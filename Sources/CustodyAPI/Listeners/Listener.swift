import Hummingbird
import HummingbirdCore
import HummingbirdHTTP2
import Logging
import NIOCore
import NIOSSL
import ServiceLifecycle
import Synchronization

/// One listening socket, guarded against clients that hold connections without using them.
final class Listener: Service {
    private let name: String
    private let address: APIConfiguration.Address
    private let limits: APIConfiguration.Limits
    private let server: HTTPServerBuilder
    private let responder: Responder
    private let logger: Logger
    private let binding = Mutex(Binding())

    private struct Binding {
        var result: Result<Int, any Error>?
        var waiters: [CheckedContinuation<Int, any Error>] = []
    }

    init(
        name: String, address: APIConfiguration.Address, tls: APIConfiguration.TLS?, limits: APIConfiguration.Limits,
        responder: Responder, logger: Logger
    ) throws {
        self.name = name
        self.address = address
        self.limits = limits
        self.responder = responder
        self.logger = logger
        let http1 = HTTP1Channel.Configuration(
            additionalChannelHandlers: [ConnectionGuard(limits: limits)],
            httpDecoderConfiguration: .init(
                maxHeaderFieldSize: limits.headerBytes, maxHeaderListSize: limits.headerBytes,
                maxHeaderFieldCount: limits.headerFields))
        guard let tls else {
            server = HTTPServerBuilder { responder in
                LoopBoundChannel(base: HTTP1Channel(responder: responder, configuration: http1))
            }
            return
        }
        let certificates = try NIOSSLCertificate.fromPEMFile(tls.certificatePath)
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: certificates.map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(file: tls.keyPath, format: .pem)))
        configuration.minimumTLSVersion = .tlsv12
        let handshake = limits.header
        server = HTTPServerBuilder { [configuration] responder in
            LoopBoundChannel(
                base: GuardedTLSChannel(
                    base: try HTTP2UpgradeChannel(
                        tlsConfiguration: configuration,
                        configuration: .init(
                            idleTimeout: limits.idle, gracefulCloseTimeout: limits.request, streamConfiguration: http1),
                        responder: responder),
                    handshake: handshake))
        }
    }

    /// The port in use; waits until it listens.
    func port() async throws -> Int {
        try await withCheckedThrowingContinuation { continuation in
            let known = binding.withLock { binding -> Result<Int, any Error>? in
                if binding.result == nil { binding.waiters.append(continuation) }
                return binding.result
            }
            if let known { continuation.resume(with: known) }
        }
    }

    func run() async throws {
        let application = Application(
            responder: CallbackResponder<ConnectionContext> { [responder] request, context in
                await responder.respond(to: request, from: context.origin)
            },
            server: server,
            configuration: ApplicationConfiguration(
                address: .hostname(address.host, port: address.port), serverName: nil, backlog: 1024,
                availableConnectionsDelegate: MaximumAvailableConnections(limits.connections)),
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
        if case .success(let port) = result {
            logger.info("listening", metadata: ["listener": "\(name)", "port": "\(port)"])
        }
        for waiter in waiters { waiter.resume(with: result) }
    }
}

/// What a request needs to know of its connection: who is at its other end, a proxy if there is one.
private struct ConnectionContext: InitializableFromSource {
    let origin: String

    init(source: ApplicationRequestContextSource) { origin = source.channel.remoteAddress?.ipAddress ?? "unknown" }
}
