import CustodyStore
import Logging
import ServiceLifecycle

/// A listener for orchestrators and monitoring alone: what a worker has instead of an API.
public struct OperationsServer: Service {
    private let listener: Listener

    /// Makes a server that does not listen yet.
    ///
    /// - Parameters:
    ///   - migration: The number of the newest migration this build knows; `/readyz` compares it with the database's.
    ///   - metrics: What `/metrics` shows.
    public init(
        store: Store, address: APIConfiguration.Address, migration: Int, metrics: PrometheusRegistry, logger: Logger
    ) throws {
        listener = try Listener(
            name: "operations", address: address, tls: nil, limits: APIConfiguration.Limits(),
            responder: Responder(
                table: RouteTable(OperationsRoutes(store: store, migration: migration, metrics: metrics).routes),
                keys: KeyCache(store: store), adminToken: nil, meter: RequestMeter(registry: metrics), trail: nil,
                proxies: [], logger: logger),
            logger: logger)
    }

    /// Listens and answers until the task is cancelled or its service group shuts down.
    public func run() async throws { try await listener.run() }
}
