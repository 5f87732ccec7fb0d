import ArgumentParser
import CoreMetrics
import CustodyAPI
import CustodyStore
import Foundation
import Logging

/// What every process takes that runs until it is told to stop.
struct ProcessOptions: ParsableArguments {
    @OptionGroup var settings: Settings
    @OptionGroup var options: StoreOptions

    @Option(
        help: """
            Where /healthz, /readyz and /metrics are: host:port, by default 0.0.0.0:8082 of serve and 127.0.0.1:0 of work; \
            port 0 takes a free one.
            """)
    var operationsListen: ListenAddress?

    @Option(
        help: "The directory of the migration files, by default ./sql/migrations, to know if the database is current.")
    var migrations: String?

    @Option(help: "Connections to the database, by default 12, and half as many for the system's role.")
    var connections: Int?

    /// Reads the settings, and sets up the process's log and metrics.
    func begin(_ label: String) throws -> (logger: Logger, metrics: PrometheusRegistry) {
        try settings.load()
        JSONLogHandler.bootstrap()
        let metrics = PrometheusRegistry()
        MetricsSystem.bootstrap(metrics)
        return (Logger(label: label), metrics)
    }

    /// How many connections it may open as the role that serves platforms.
    func connectionCount() throws -> Int { try Settings.count(connections, "connections", default: 12) }

    /// Where monitoring looks.
    func operationsAddress(default host: String, _ port: Int) throws -> APIConfiguration.Address {
        try Settings.address(operationsListen, "operations_listen", host, port)
    }

    /// How many migrations there are.
    func migrationCount() throws -> Int {
        let directory = try Settings.value(migrations, "migrations", default: "./sql/migrations")
        return try Migrator(directory: directory).migrations.count
    }
}
