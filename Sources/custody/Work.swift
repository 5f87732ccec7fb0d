import ArgumentParser
import AsyncHTTPClient
import CustodyConnectors
import CustodyDomain
import CustodyStore
import CustodyWorkers
import Foundation
import Logging
import NIOCore
import ServiceLifecycle
import UnixSignals

/// Runs a worker process.
struct Work: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Do what is queued: talk to channels and bank, read statements, match days, settle."
    )

    @OptionGroup var options: StoreOptions

    @Option(help: "Where channels call back, without the slash at the end (CUSTODY_CALLBACK_BASE_URL).")
    var callbackBaseURL: String?

    @Option(help: "Jobs done at once, per queue.")
    var concurrency = 16

    @Option(help: "Connections to the database.")
    var connections = 12

    func run() async throws {
        let logger = Logger(label: "custody.work")
        let store = try options.open(connections: connections, logger: logger)
        let client = HTTPClient(configuration: .outbound)
        var configuration = Worker.Configuration()
        configuration.concurrency = concurrency
        let environment = ProcessInfo.processInfo.environment
        if let base = callbackBaseURL ?? environment["CUSTODY_CALLBACK_BASE_URL"] {
            configuration.callbackBaseURL = base
        }
        let listener = try options.listener(logger: logger)
        let worker = Worker(
            store: store, signals: { Store.jobSignals(from: listener) },
            counterparties: Counterparties(outbound: Outbound(client: client)), configuration: configuration,
            logger: logger
        )
        let group = ServiceGroup(
            configuration: .init(services: [worker], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        )
        try await group.run()
        await store.close()
        try await client.shutdown()
    }
}

extension HTTPClient.Configuration {
    /// How we call out: no redirects, and a deadline for connecting.
    static var outbound: HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.timeout = .init(connect: .seconds(5))
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 64
        configuration.connectionPool.retryConnectionEstablishment = false
        return configuration
    }
}
