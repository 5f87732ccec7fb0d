import CustodyAPI
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

/// What a counterparty, or somebody who would like to be one, sends to a callback's address.
struct Letter: Sendable {
    var headers: [String: String] = [:]
    var body: [UInt8]
    /// Where to, when not to the door's own platform.
    var path: String?
}

/// A real server with a worker behind it, and a platform whose counterparties' keys the test holds.
struct CallbackDoor: Sendable {
    let bench: APIBench
    let counterparty: Counterparty
    /// The platform.
    let world: World
    /// Its address for callbacks.
    let path: String

    /// Opens the door of a platform in a database of its own, which a worker of this process works off.
    ///
    /// - Parameter link: How the platform is linked to the counterparty.
    static func open(
        _ counterparty: Counterparty, link: [UInt8], role: CustodianRole = CustodianRole(),
        _ body: @Sendable (CallbackDoor) async throws -> Void
    ) async throws {
        try await TestStore.withFresh { test in
            let world = try await test.world()
            try await world.run { try await $0.setLink(counterparty, configuration: link, role: role) }
            try await APIBench.run(configuration: APIBench.configuration(), world: world) { bench in
                try await withWorker(test) {
                    try await body(
                        CallbackDoor(
                            bench: bench, counterparty: counterparty, world: world,
                            path: try await path(of: world, counterparty)))
                }
            }
            #expect(try await world.violations() == [])
        }
    }

    /// The address of a platform's callbacks.
    static func path(of world: World, _ counterparty: Counterparty) async throws -> String {
        let tenants = try await world.store.withSystem { try await $0.tenants() }
        let token = try #require(tenants.first { $0.id == world.tenantID }?.callbackToken)
        return "/callbacks/\(counterparty.rawValue)/\(token)"
    }

    private static func withWorker(_ test: TestStore, _ body: () async throws -> Void) async throws {
        var configuration = Worker.Configuration()
        configuration.queues = [.callbacks]
        configuration.pollInterval = .milliseconds(50)
        let listener = Listener(configuration: try await test.configuration(.system), logger: APIBench.quiet)
        let lines = OutboundLines()
        let worker = Worker(
            store: test.store, signals: { Store.jobSignals(from: listener) },
            counterparties: Counterparties(lines: lines, callbackBaseURL: "http://127.0.0.1:9/callbacks"),
            configuration: configuration, logger: APIBench.quiet)
        let group = ServiceGroup(services: [worker], logger: APIBench.quiet)
        let working = Task { try await group.run() }
        let result: Result<Void, any Error>
        do { result = .success(try await body()) } catch { result = .failure(error) }
        await group.triggerGracefulShutdown()
        try await working.value
        await lines.shutdown()
        try result.get()
    }

    /// Sends letters one after the other, waits until all that were taken are processed, and says what came of them.
    ///
    /// - Parameter isBooked: Whether they may change anything, once; otherwise nothing may be another than before.
    func deliver(_ item: String, _ letters: [Letter], isBooked: Bool = false) async throws -> BadInputTable.Row {
        let (before, known) = (try await world.footprint(), try await world.callbackResults())
        let trail = try await world.refusals().count
        var refused = 0
        for letter in letters {
            var answer = try await send(letter)
            // A machine with much else to do says "later", and whoever is told so comes again.
            for _ in 0..<100 where answer.status == 503 {
                try await Task.sleep(for: .milliseconds(200))
                answer = try await send(letter)
            }
            if !(200..<300).contains(answer.status) {
                refused += 1
                // Nothing that helps whoever tries, and nothing that would stop a real one from coming again.
                #expect((400..<500).contains(answer.status), "\(item)")
                #expect(!String(decoding: answer.body, as: UTF8.self).contains("success"), "\(item)")
            }
        }
        #expect(refused == 0 || refused == letters.count, "\(item): \(refused) of \(letters.count) refused")
        var results: Set<String> = []
        try await eventually("\(item) is processed") {
            let new = try await world.callbackResults().filter { known[$0.key] == nil }
            results = Set(new.values.compactMap(\.self))
            return new.values.allSatisfy { $0 != nil } && (new.isEmpty == (refused > 0))
        }
        let after = try await world.footprint()
        #expect((before == after) != isBooked, "\(item): \(before) \(after)")
        var entries: [(action: String, subject: String)] = []
        if refused > 0 {
            // Written after the answer.
            try await eventually("\(item) is in the trail") {
                entries = Array(try await world.refusals().dropFirst(trail))
                return entries.count == refused
            }
        } else {
            entries = Array(try await world.refusals().dropFirst(trail))
        }
        let words = entries.map { $0.subject.split(separator: " ").map(String.init) }
        #expect(words.allSatisfy { $0.first == counterparty.rawValue + ":" }, "\(item)")
        if refused > 0 { results = Set(words.compactMap { $0.dropFirst().first }) }
        let audited = Set(entries.map(\.action))
        #expect(audited.count <= 1, "\(item)")
        return BadInputTable.Row(item: item, results: results, audit: audited.first)
    }

    private func send(_ letter: Letter) async throws -> APIBench.Answer {
        try await bench.send("POST", letter.path ?? path, bytes: letter.body, key: "", headers: letter.headers)
    }

    /// The real time.
    static func now() -> Instant { Instant(microseconds: Int64(Date().timeIntervalSince1970 * 1_000_000)) }

    /// The text of a key in the fixtures.
    static func pem(_ name: String) throws -> String { try fixture("vectors/keys/\(name).pem") }

    /// The text of a file in the fixtures.
    static func fixture(_ name: String) throws -> String {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("Fixtures/\(name)")
        return try String(contentsOf: path, encoding: .utf8)
    }

    /// Whether another platform, with a link of its own, takes a letter as its own.
    func accepts(_ letter: Letter, link: [UInt8]) async throws -> Bool {
        let neighbour = try await world.test.world()
        try await neighbour.run { try await $0.setLink(counterparty, configuration: link) }
        let path = try await CallbackDoor.path(of: neighbour, counterparty)
        let answer = try await bench.send(
            "POST", path, bytes: letter.body, key: "", headers: letter.headers)
        return (200..<300).contains(answer.status)
    }

    /// A payment that its buyer can pay.
    func payment(_ channel: ChannelKind, _ amount: Fen) async throws -> PaymentRecord {
        let order = try await world.order([(nil, amount)])
        let id = try await world.payingPayment(of: order.id, channel: channel).id
        return try await world.run { try await $0.payment(id) }
    }

    /// A refund that waits for its channel, of a payment that was paid.
    func refund(_ channel: ChannelKind, _ amount: Fen) async throws -> (refund: RefundRecord, payment: PaymentRecord) {
        let payment = try await payment(channel, amount)
        try await world.succeed(payment.id)
        let refund = try await world.run { tx in
            try await tx.createRefund(
                of: payment.id, outRefundNo: world.number("refund"), amount: amount, parts: nil, reason: nil)
        }
        return (refund, payment)
    }
}
