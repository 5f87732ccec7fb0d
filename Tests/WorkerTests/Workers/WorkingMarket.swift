import CustodyConnectors
import CustodyDomain
import CustodyStore
import CustodyWorkers
import Logging
import Postgres
import ServiceLifecycle
import TestSupport
import Testing

extension SimulatedMarket {
    /// Runs a test in a market whose jobs a worker of this process does; at the end everything must be in order.
    static func working(_ body: @Sendable (SimulatedMarket) async throws -> Void) async throws {
        try await run { market in
            let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            var configuration = Worker.Configuration()
            configuration.concurrency = 2
            configuration.pollInterval = .milliseconds(50)
            let listener = Listener(
                configuration: try await market.world.test.configuration(.system), logger: logger)
            let lines = OutboundLines()
            let worker = Worker(
                store: market.world.store, signals: { Store.jobSignals(from: listener) },
                counterparties: Counterparties(lines: lines, callbackBaseURL: market.callbackBase),
                configuration: configuration, logger: logger)
            let group = ServiceGroup(services: [worker], logger: logger)
            let working = Task { try await group.run() }
            do {
                try await body(market)
            } catch {
                await group.triggerGracefulShutdown()
                try? await working.value
                await lines.shutdown()
                throw error
            }
            await group.triggerGracefulShutdown()
            try await working.value
            await lines.shutdown()
            #expect(try await market.world.violations() == [])
            #expect(try await market.lostJobs() == [])
        }
    }
}
