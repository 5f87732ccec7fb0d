import ArgumentParser
import CoreMetrics
import CustodyAPI
import CustodyConnectors
import CustodyDomain
import CustodyStore
import CustodyWire
import CustodyWorkers
import Foundation
import Logging
import ServiceLifecycle
import UnixSignals

/// Runs a worker process.
struct Work: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Do what is queued: talk to channels and bank, read statements, match days, settle."
    )

    @OptionGroup var settings: Settings
    @OptionGroup var options: StoreOptions

    @Option(help: "Where /healthz, /readyz and /metrics are: host:port; port 0 takes a free one.")
    var operationsListen: ListenAddress?

    @Option(help: "The directory of the migration files, to know whether the database is current.")
    var migrations: String?

    @Option(help: "Where channels call back, without the slash at the end (CUSTODY_CALLBACK_BASE_URL).")
    var callbackBaseURL: String?

    @Option(help: "Jobs done at once, per queue.")
    var concurrency = 16

    @Option(help: "Connections to the database.")
    var connections = 12

    @Option(
        help: "The directory for statements that are being fetched, private to the worker (CUSTODY_SPOOL_DIRECTORY).")
    var spoolDirectory: String?

    @Option(help: "How many bytes a fetched statement may have as delivered (CUSTODY_SPOOL_LIMIT).")
    var spoolLimit: Int?

    func run() async throws {
        try settings.load()
        JSONLogHandler.bootstrap()
        let logger = Logger(label: "custody.work")
        let metrics = PrometheusRegistry()
        MetricsSystem.bootstrap(metrics)
        let store = try options.open(connections: connections, logger: logger)
        let lines = OutboundLines()
        var configuration = Worker.Configuration()
        configuration.concurrency = concurrency
        let base = callbackBaseURL ?? ProcessInfo.processInfo.environment["CUSTODY_CALLBACK_BASE_URL"]
        configuration.spool = Spool(
            directory: try Settings.value(
                spoolDirectory, "spool_directory", default: configuration.spool.directory),
            limit: try Settings.value(spoolLimit, "spool_limit", default: configuration.spool.limit))
        let listener = try options.listener(logger: logger)
        let worker = Worker(
            store: store, signals: { Store.jobSignals(from: listener) },
            counterparties: Counterparties(
                lines: lines, callbackBaseURL: base ?? Counterparties.localCallbackBaseURL),
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
