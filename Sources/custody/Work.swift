import ArgumentParser
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
        abstract: "Do what is queued: talk to channels and bank, read statements, match days, settle.",
        discussion: Settings.discussion
    )

    @OptionGroup var process: ProcessOptions

    @Option(help: "Where channels call back, without the slash at the end.")
    var callbackBaseURL: String?

    @Option(help: "Jobs done at once, per queue, by default 16.")
    var concurrency: Int?

    @Option(
        help: "The directory for statements that are being fetched, private to the worker.")
    var spoolDirectory: String?

    @Option(help: "How many bytes a fetched statement may have as delivered.")
    var spoolLimit: Int?

    func run() async throws {
        let (logger, metrics) = try process.begin("custody.work")
        let connections = try process.connectionCount()
        let store = try process.options.open(connections: connections, logger: logger)
        let lines = OutboundLines()
        var configuration = Worker.Configuration()
        configuration.concurrency = try Settings.count(concurrency, "concurrency", default: 16)
        configuration.spool = Spool(
            directory: try Settings.value(spoolDirectory, "spool_directory", default: configuration.spool.directory),
            limit: try Settings.count(spoolLimit, "spool_limit", default: configuration.spool.limit))
        let base =
            callbackBaseURL ?? Settings.environment("callback_base_url") ?? Counterparties.localCallbackBaseURL
        logger.notice(
            "working",
            metadata: [
                "callback_base_url": "\(base)", "concurrency": "\(configuration.concurrency)",
                "connections": "\(connections)",
            ])
        let listener = try process.options.listener(logger: logger)
        let worker = Worker(
            store: store, signals: { Store.jobSignals(from: listener) },
            counterparties: Counterparties(lines: lines, callbackBaseURL: base),
            configuration: configuration, logger: logger
        )
        let operations = try OperationsServer(
            store: store, address: try process.operationsAddress(default: "127.0.0.1", 0),
            migration: try process.migrationCount(), metrics: metrics, logger: logger
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
