import CustodyStore
import Logging
import ServiceLifecycle
import Synchronization

/// The HTTP edge: one listener for platforms, channels and bank, one for admins, one for operations.
public struct APIServer: Service {
    /// The ports in use.
    public struct Ports: Hashable, Sendable {
        /// Of the platforms' listener.
        public let platform: Int
        /// Of the admins' listener; nil when it is closed.
        public let admin: Int?
        /// Of the operations' listener.
        public let operations: Int

        /// Names the ports.
        public init(platform: Int, admin: Int?, operations: Int) {
            self.platform = platform
            self.admin = admin
            self.operations = operations
        }
    }

    private let platform: Listener
    private let admin: Listener?
    private let operations: Listener
    private let logger: Logger

    /// Makes a server that does not listen yet.
    ///
    /// - Parameters:
    ///   - metrics: Where requests are counted, and what `/metrics` shows.
    /// - Throws: An error of the contract's or the certificate's reader.
    public init(
        store: Store, configuration: APIConfiguration, metrics: PrometheusRegistry = PrometheusRegistry(),
        logger: Logger
    ) throws {
        self.logger = logger
        let keys = KeyCache(store: store)
        let meter = RequestMeter(registry: metrics)
        let trail = RefusalTrail(store: store, logger: logger)
        func responder(_ routes: [Route]) -> Responder {
            Responder(
                table: RouteTable(routes), keys: keys, adminToken: configuration.adminToken, meter: meter,
                trail: trail, proxies: configuration.trustedProxies, logger: logger)
        }
        platform = try Listener(
            name: "platform", address: configuration.platform, tls: configuration.tls, limits: configuration.limits,
            responder: responder(
                try APIServer.publicRoutes(
                    store, contract: configuration.contract, trail: trail, logger: logger)),
            logger: logger)
        admin = try configuration.adminToken.map { _ in
            try Listener(
                name: "admin", address: configuration.admin, tls: nil, limits: configuration.limits,
                responder: responder(AdminRoutes(store: store).routes), logger: logger)
        }
        operations = try Listener(
            name: "operations", address: configuration.operations, tls: nil, limits: configuration.limits,
            responder: responder(
                OperationsRoutes(store: store, migration: configuration.migration, metrics: metrics).routes),
            logger: logger)
    }

    /// The routes of the platforms' listener: what the contract describes, all of it and nothing else.
    static func publicRoutes(
        _ store: Store, contract: [UInt8], trail: RefusalTrail, logger: Logger
    ) throws -> [Route] {
        var routes = SubMerchantRoutes(store: store).routes + OrderRoutes(store: store).routes
        routes += PaymentRoutes(store: store).routes + SettlementRoutes(store: store).routes
        routes += ReconciliationRoutes(store: store).routes + AccountRoutes(store: store).routes
        routes += CallbackRoutes(store: store, trail: trail, logger: logger).routes
        return try routes + ContractRoutes(contract: contract).routes
    }

    /// The ports in use; waits until all listen.
    ///
    /// - Throws: ``NotListening`` or the binding's error when the server ended before it listened.
    public func ports() async throws -> Ports {
        Ports(
            platform: try await platform.port(), admin: try await admin?.port(),
            operations: try await operations.port())
    }

    /// Listens and answers until the task is cancelled or its service group shuts down; running requests are answered.
    public func run() async throws {
        let listeners: [any Service] = [platform, operations] + (admin.map { [$0] } ?? [])
        try await ServiceGroup(configuration: .init(services: listeners, logger: logger)).run()
    }
}

/// Why no port is bound.
public struct NotListening: Error {}
