import CustodyConnectors
import CustodyDomain
import CustodyStore
import CustodyWorkers
import Logging
import Postgres
import ServiceLifecycle
import TestSupport
import Testing

extension World {
    /// Runs a test while a worker of this process does the jobs; at the end everything must be in order.
    func working(callbackBase: String, _ body: () async throws -> Void) async throws {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        var configuration = Worker.Configuration()
        configuration.concurrency = 2
        configuration.pollInterval = .milliseconds(50)
        let listener = Listener(configuration: try await test.configuration(.system), logger: logger)
        let lines = OutboundLines()
        let worker = Worker(
            store: store, signals: { Store.jobSignals(from: listener) },
            counterparties: Counterparties(lines: lines, callbackBaseURL: callbackBase),
            configuration: configuration, logger: logger)
        let group = ServiceGroup(services: [worker], logger: logger)
        let working = Task { try await group.run() }
        do {
            try await body()
        } catch {
            await group.triggerGracefulShutdown()
            try? await working.value
            await lines.shutdown()
            throw error
        }
        await group.triggerGracefulShutdown()
        try await working.value
        await lines.shutdown()
        #expect(try await violations() == [])
    }
}

extension SimulatedMarket {
    /// Runs a test in a market whose jobs a worker of this process does; at the end everything must be in order.
    static func working(_ body: @Sendable (SimulatedMarket) async throws -> Void) async throws {
        try await run { market in
            try await market.world.working(callbackBase: market.callbackBase) { try await body(market) }
            #expect(try await market.lostJobs() == [])
        }
    }
}
