import CustodyConnectors
import CustodyDomain
import CustodyStore
import CustodyWire
import CustodyWorkers
import Foundation
import Logging
import Postgres
import ServiceLifecycle
import TestSupport
import Testing

/// A platform on the morning after a day, a desk that has the day's bills, and a worker that fetches them.
struct FetchingDay: Sendable {
    let world: World
    let desk: BillDesk
    /// The day that is over.
    let date: BusinessDate
    let spool: Spool

    /// Runs a test at 09:05 of the morning after; at the end nothing may be wrong with the books, nor left in the spool.
    ///
    /// - Parameter limit: How many bytes a fetched file may have.
    static func run(
        limit: Int = Spool.usualLimit, spoolDirectory: String? = nil,
        _ body: @Sendable (FetchingDay) async throws -> Void
    ) async throws {
        let desk = try BillDesk()
        defer { desk.close() }
        let directory = FileManager.default.temporaryDirectory.appending(path: "custody-spool-\(UUID().uuidString)")
            .path
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let spool = Spool(directory: spoolDirectory ?? directory, limit: limit)
        try await TestStore.withFresh { test in
            let world = World(test: test, tenantID: try await test.freshTenant())
            let date = try await world.run { tx in
                try await tx.setLink(.weChatPay, configuration: desk.link())
                let date = tx.today
                try await tx.setClock(to: date.advanced(by: 1).start + .seconds(9 * 3600 + 300))
                return date
            }
            let day = FetchingDay(world: world, desk: desk, date: date, spool: spool)
            try await day.working { try await body(day) }
            #expect(try await world.violations() == [])
            // Whatever was fetched has no name there, and its space is free again.
            #expect((try? FileManager.default.contentsOfDirectory(atPath: spool.directory)) ?? [] == [])
        }
    }

    private func working(_ body: () async throws -> Void) async throws {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        var configuration = Worker.Configuration()
        configuration.concurrency = 2
        configuration.pollInterval = .milliseconds(50)
        configuration.spool = spool
        let listener = Listener(configuration: try await world.test.configuration(.system), logger: logger)
        let lines = OutboundLines()
        let worker = Worker(
            store: world.store, signals: { Store.jobSignals(from: listener) },
            counterparties: Counterparties(lines: lines), configuration: configuration, logger: logger)
        let group = ServiceGroup(services: [worker], logger: logger)
        let working = Task { try await group.run() }
        let outcome: Result<Void, any Error>
        do { outcome = .success(try await body()) } catch { outcome = .failure(error) }
        await group.triggerGracefulShutdown()
        try? await working.value
        await lines.shutdown()
        try outcome.get()
    }

    /// Has a statement of the day fetched.
    func fetch(_ form: String = "trade", source: StatementSource = .weChatPay) async throws {
        let subject = StatementSubject(source: source, form: form, date: date)
        try await world.run { try await $0.enqueue(JobRequest(.fetchStatement, subject.text)) }
    }

    /// The statement as the day shows it, once it was asked for so often.
    func shown(_ form: String = "trade", asked: Int = 1) async throws -> ExpectedStatement {
        try await eventually("\(form) was asked for \(asked) times") {
            (try await expected(form)?.asked ?? 0) >= asked
        }
        return try #require(try await expected(form))
    }

    private func expected(_ form: String) async throws -> ExpectedStatement? {
        try await world.run { try await $0.reconciliationDay(date) }.expected.first { $0.form == form }
    }

    /// The files that are kept.
    func kept() async throws -> [StatementRecord] {
        try await world.run { try await $0.reconciliationDay(date) }.statements
    }

    /// Lets time pass.
    func advance(_ duration: Duration) async throws {
        try await world.run { try await $0.setClock(to: $0.now + duration) }
    }

    /// What the platform was told, by type.
    func events() async throws -> [String] {
        try await world.run { try await $0.events(after: nil, limit: 100) }.map(\.type)
            .filter { $0.hasPrefix("statement.") }
    }
}
