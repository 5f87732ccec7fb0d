import AsyncHTTPClient
import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyStore
import CustodyWire
import Foundation
import Synchronization
import TestSupport
import Testing

/// A platform whose custodian collects from buyers by itself, all over real sockets, with a worker that does the jobs.
struct CollectingMarket: Sendable {
    /// One kind of custodian for such a market.
    struct Custodian: Sendable {
        /// Runs its simulator.
        let run: @Sendable () async throws -> Void
        /// The port that the simulator listens on.
        let port: @Sendable () async throws -> Int
        /// The name its clock goes by.
        let clockName: String
        /// Registers the platform, and says what its link is; `callbackURL` is where it calls back.
        let register: @Sendable (_ base: String, _ callbackURL: String) async throws -> JSON
        /// Verifies a callback, as the API does.
        let verify: @Sendable (SimulatorRequest, _ link: [UInt8]) throws -> (id: String, kind: String)
        /// What stops it from sending one again.
        let acknowledgement: @Sendable (SimulatorRequest) -> [UInt8]
    }

    let world: World
    private let door: String
    private let clockName: String

    /// Runs a test in a market of its own; the link that it registers gets a dialect's name and role.
    static func working(
        _ dialect: CustodianLink.Dialect, _ custodian: Custodian,
        _ body: @Sendable (CollectingMarket) async throws -> Void
    ) async throws {
        try await TestStore.withFresh { test in
            let world = World(test: test, tenantID: try await test.freshTenant())
            let link = Mutex<[UInt8]>([])
            let callbacks = SimulatorServer { request in
                do {
                    let message = try custodian.verify(request, link.withLock { $0 })
                    try await world.run { tx in
                        tx.receive([
                            NewCallback(
                                counterparty: .bank, notificationID: message.id, kind: message.kind, headers: "{}",
                                body: request.body)
                        ])
                    }
                    return .answer(status: 200, headers: [], body: custodian.acknowledgement(request))
                } catch {
                    return .answer(status: 400, headers: [], body: [])
                }
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await custodian.run() }
                group.addTask { try await callbacks.run() }
                defer { group.cancelAll() }
                let base = "http://127.0.0.1:\(try await custodian.port())"
                let callbackBase = "http://127.0.0.1:\(try await callbacks.boundPort())/callbacks"
                let token = try await world.run { $0.callbackToken }
                let fields = try await custodian.register(base, "\(callbackBase)/bank/\(token)")
                let json = JSON.object((fields.members ?? []) + [.init("dialect", .string(dialect.rawValue))])
                link.withLock { $0 = json.bytes }
                try await world.run { tx in
                    try await tx.setLink(.bank, configuration: json.bytes, role: dialect.role)
                }
                let market = CollectingMarket(world: world, door: base + "/control", clockName: custodian.clockName)
                // Noon, so that no test sees a day end.
                let tomorrow = BusinessDate(of: SimulatorClock.realNow()).advanced(by: 1)
                try await market.advance(to: tomorrow.start + .seconds(12 * 3600))
                try await world.run { try await $0.startDays() }
                try await world.working(callbackBase: callbackBase) { try await body(market) }
            }
        }
    }

    /// Uses the custodian's back door.
    @discardableResult
    func control(_ method: String, _ path: String, _ body: JSON? = nil) async throws -> JSON {
        try await Self.call(method, door + path, body)
    }

    /// Posts JSON, and reads the JSON that it is answered with.
    @discardableResult
    static func call(_ method: String, _ url: String, _ body: JSON?) async throws -> JSON {
        let answer = try await Outbound(client: .shared, timeout: .seconds(60)).call(
            method, url, headers: [("content-type", "application/json")], body: body?.bytes ?? [])
        guard answer.status == 200 else {
            throw SimulatedMarket.ControlFailed(text: String(decoding: answer.body, as: UTF8.self))
        }
        return try JSON(parsing: answer.body)
    }

    /// Lets time pass, for the custodian first.
    func advance(to instant: Instant) async throws {
        try await control("PUT", "/clock", ["merchant": .string(clockName), "now": .string(instant.rfc3339)])
        try await world.run { try await $0.setClock(to: instant) }
    }

    /// Lets time pass, for the custodian first.
    func advance(_ duration: Duration) async throws {
        try await advance(to: try await world.run { $0.now } + duration)
    }

    /// A sub-merchant that the custodian has, with a settlement account.
    func shop(_ account: String) async throws -> ID<SubMerchant> {
        let id = try await world.submittedSubMerchant()
        try await world.run { tx in
            try await tx.noteReview(of: id, .reviewing)
            try await tx.noteReview(of: id, .active, subAccount: account)
        }
        _ = try await world.boundAccount(of: id)
        return id
    }

    /// A payment that its buyer can pay now.
    func placed(
        _ parts: [(ID<SubMerchant>?, Fen)], _ channel: ChannelKind, _ method: PaymentMethod,
        splitMode: String = "on_confirmation"
    ) async throws -> PaymentRecord {
        let order = try await world.order(parts, splitMode: splitMode)
        let payment = try await world.run { tx in
            try await tx.createPayment(of: order.id, channel: channel, method: method, payerID: nil)
        }
        #expect(payment.collector == .bank)
        try await eventually("the payment is placed") {
            try await world.run { try await $0.payment(payment.id) }.state == .paying
        }
        return try await world.run { try await $0.payment(payment.id) }
    }

    /// Waits until a payment is booked.
    func booked(_ payment: PaymentRecord) async throws -> PaymentRecord {
        try await eventually("the payment is booked") {
            try await world.run { try await $0.payment(payment.id) }.state == .succeeded
        }
        return try await world.run { try await $0.payment(payment.id) }
    }

    /// Splits all that an order holds, and waits for its end.
    func split(_ payment: PaymentRecord) async throws -> SplitRecord {
        let split = try await world.run { tx in
            try await tx.createSplit(of: payment.orderID, outSplitNo: world.number("split"), items: nil)
        }
        try await eventually("the split ends") {
            try await advance(.seconds(60))
            let state = try await world.run { try await $0.split(split.id) }.state
            return state == .succeeded || state == .failed
        }
        return try await world.run { try await $0.split(split.id) }
    }

    /// What an account of ours holds.
    func balance(_ account: Account) async throws -> Fen { try await world.run { try await $0.balance(of: account) } }
}
