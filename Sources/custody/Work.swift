import ArgumentParser
import CoreMetrics
import CustodyAPI
import CustodyConnectors
import CustodyDomain
import CustodyStore
import CustodyWorkers
import Foundation
import Logging
import ServiceLifecycle
import UnixSignals

/// Runs a worker process.
struct Work: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Do what is queued: talk to channels and bank, read statements, match days, settle.",
        discussion: Settings.discussion
    )

    @OptionGroup var settings: Settings
    @OptionGroup var options: StoreOptions

    @Option(
        help: "Where /healthz, /readyz and /metrics are: host:port, by default 127.0.0.1:0; port 0 takes a free one.")
    var operationsListen: ListenAddress?

    @Option(
        help:
            "The directory of the migration files, by default ./sql/migrations, to know whether the database is current."
    )
    var migrations: String?

    @Option(help: "Where channels call back, without the slash at the end.")
    var callbackBaseURL: String?

    @Option(help: "Jobs done at once, per queue, by default 16.")
    var concurrency: Int?

    @Option(help: "Connections to the database, by default 12, and half as many for the system's role.")
    var connections: Int?

    func run() async throws {
        try settings.load()
        JSONLogHandler.bootstrap()
        let logger = Logger(label: "custody.work")
        let metrics = PrometheusRegistry()
        MetricsSystem.bootstrap(metrics)
        let connections = try Settings.count(connections, "connections", default: 12)
        let store = try options.open(connections: connections, logger: logger)
        let lines = OutboundLines()
        var configuration = Worker.Configuration()
        configuration.concurrency = try Settings.count(concurrency, "concurrency", default: 16)
        let base =
            callbackBaseURL ?? Settings.environment("callback_base_url") ?? Counterparties.localCallbackBaseURL
        logger.notice(
            "working",
            metadata: [
                "callback_base_url": "\(base)", "concurrency": "\(configuration.concurrency)",
                "connections": "\(connections)",
            ])
        let listener = try options.listener(logger: logger)
        let worker = Worker(
            store: store, signals: { Store.jobSignals(from: listener) },
            counterparties: Counterparties(
                lines: lines, callbackBaseURL: base),
            configuration: configuration, logger: logger
        )
        let address = try Settings.value(
            operationsListen, "operations_listen", default: ListenAddress(host: "127.0.0.1", port: 0)
        )
        let directory = try Settings.value(migrations, "migrations", default: "./sql/migrations")
        let operations = try OperationsServer(
            store: store, address: .init(host: address.host, port: address.port),
            migration: try Migrator(directory: directory).migrations.count, metrics: metrics, logger: logger
        )
        let group = ServiceGroup(
            configuration: .init(
                services: [operations, worker], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        )
        try await group.run()
        await store.close()
        await lines.shutdown()
    }
}
