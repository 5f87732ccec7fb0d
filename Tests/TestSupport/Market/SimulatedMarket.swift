import AsyncHTTPClient
import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyStore
import CustodyWire
import Foundation
import Postgres
import Synchronization

/// A platform with a bank and WeChat Pay around it, all over real sockets, and wire-taps that count what passes.
///
/// Who works off the jobs is the test's business: a worker in the process, or processes of their own.
public struct SimulatedMarket: Sendable {
    /// The platform, in a database of its own.
    public let world: World
    /// What the bank was asked.
    public let bank: Recorder
    /// What WeChat Pay was asked.
    public let weChat: Recorder
    /// What WeChat Pay told us.
    public let inbox: Inbox
    /// Where callbacks go, as a worker is told.
    public let callbackBase: String
    /// The database, as a superuser.
    public let database: PostgresConfiguration
    let bankDoor: String
    let weChatDoor: String
    let bankLink: JSON
    let weChatLink: WeChatPayLink

    /// The market's number at the bank.
    public static let marketID = "M00000000001"
    /// The merchant's number at WeChat Pay.
    public static let mchid = "1900000109"

    private static let keys = Result { try CWP1KeyPair() }
    private static let outbound = Outbound(client: .shared, timeout: .seconds(60))

    /// Runs a test in a market of its own.
    ///
    /// At the end nothing may be wrong with the books, and no job may be without a future.
    ///
    /// - Parameter callbacksSignedBy: `public_key` or `certificate`: what WeChat Pay signs its callbacks with.
    public static func run(
        callbacksSignedBy: String = "public_key", _ body: @Sendable (SimulatedMarket) async throws -> Void
    ) async throws {
        let bank = try BankSimulator(client: .shared)
        let weChat = try WeChatPaySimulator(client: .shared)
        let bankTap = Recorder { try await bank.boundPort() }
        let weChatTap = Recorder { try await weChat.boundPort() }
        let inbox = Inbox()
        try await TestStore.withFresh { test in
            let world = World(test: test, tenantID: try await test.freshTenant())
            let bankServer = SimulatorServer { await bankTap.pass($0) }
            let weChatServer = SimulatorServer { await weChatTap.pass($0) }
            let callbacks = SimulatorServer { request in
                let link = inbox.state.withLock { state in
                    state.letters.append(request)
                    return state.isHolding ? nil : state.link
                }
                guard let link else {
                    return .answer(status: 204, headers: [], body: [])
                }
                do {
                    try await SimulatedMarket.store(request, world, link)
                    return .answer(status: 204, headers: [], body: [])
                } catch {
                    return .answer(status: 500, headers: [], body: [])
                }
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await bank.run() }
                group.addTask { try await weChat.run() }
                for server in [bankServer, weChatServer, callbacks] { group.addTask { try await server.run() } }
                defer { group.cancelAll() }
                let bankDoor = "http://127.0.0.1:\(try await bank.boundPort())/control"
                let weChatDoor = "http://127.0.0.1:\(try await weChat.boundPort())/control"
                let market = SimulatedMarket(
                    world: world, bank: bankTap, weChat: weChatTap, inbox: inbox,
                    callbackBase: "http://127.0.0.1:\(try await callbacks.boundPort())/callbacks",
                    database: try await test.configuration(.superuser), bankDoor: bankDoor,
                    weChatDoor: weChatDoor,
                    bankLink: try await openMarket(
                        bankDoor, base: "http://127.0.0.1:\(try await bankServer.boundPort())"),
                    weChatLink: try await openMerchant(
                        weChatDoor, base: "http://127.0.0.1:\(try await weChatServer.boundPort())",
                        callbacksSignedBy: callbacksSignedBy))
                inbox.state.withLock { $0.link = market.weChatLink }
                try await market.link()
                try await body(market)
            }
        }
    }

    private static func openMarket(_ control: String, base: String) async throws -> JSON {
        let keys = try SimulatedMarket.keys.get()
        let answer = try await call(
            "POST", control + "/markets",
            [
                "partner_id": "P0000001", "market_id": .string(marketID), "partner_serial": "P1",
                "partner_public_key_pem": .string(keys.publicPEM), "review_step_seconds": 1,
            ])
        return [
            "base_url": .string(base), "partner_id": "P0000001", "market_id": .string(marketID),
            "partner_serial": "P1", "partner_private_key_pem": .string(keys.privatePEM),
            "bank_keys": [
                ["serial": answer["bank_serial"] ?? .null, "pem": answer["bank_public_key_pem"] ?? .null]
            ],
            "commission_account": answer["fee_account"] ?? .null,
        ]
    }

    private static func openMerchant(
        _ control: String, base: String, callbacksSignedBy: String
    ) async throws -> WeChatPayLink {
        let keys = try SimulatedMarket.keys.get()
        let apiKey = "Test0nlyAPIv3KeyTest0nlyAPIv3Key"
        let answer = try await call(
            "POST", control + "/merchants",
            [
                "mchid": .string(mchid), "appid": "wx8888888888888888", "api_v3_key": .string(apiKey),
                "merchant_serial": "TEST0001", "merchant_public_key_pem": .string(keys.publicPEM),
                "market_id": .string(marketID), "callbacks_signed_by": .string(callbacksSignedBy),
            ])
        return WeChatPayLink(
            baseURL: base, mchid: mchid, appid: "wx8888888888888888", merchantSerial: "TEST0001",
            merchantPrivateKeyPEM: keys.privatePEM, apiV3Key: apiKey,
            platformKeys: (answer["platform_keys"]?.array ?? []).map {
                .init(serial: $0["serial"]?.string ?? "", pem: $0["pem"]?.string ?? "")
            })
    }

    /// A link whose calls end soon, for tests of silence.
    private static func impatient(_ link: JSON) -> JSON {
        .object((link.members ?? []) + [.init("transport", ["total_timeout_ms": 2000, "breaker_pause_ms": 500])])
    }

    /// Links the platform to its counterparties.
    ///
    /// - Parameter bankBase: Another address than the bank's, where nobody answers.
    public func link(bankBase: String? = nil) async throws {
        var bank = bankLink
        if let bankBase {
            bank = .object(
                (bankLink.members ?? []).map { $0.name == "base_url" ? .init("base_url", .string(bankBase)) : $0 })
        }
        let weChat = try SimulatedMarket.impatient(JSON(parsing: try JSONEncoder().encode(weChatLink))).bytes
        let bankBytes = SimulatedMarket.impatient(bank).bytes
        try await world.run { tx in
            try await tx.setLink(.bank, configuration: bankBytes)
            try await tx.setLink(.weChatPay, configuration: weChat)
        }
    }

    /// Stores a callback as the API does: verified over its raw bytes, and once per number.
    private static func store(_ letter: SimulatorRequest, _ world: World, _ link: WeChatPayLink) async throws {
        let message = try WeChatPayCallback.verify(
            headers: letter.headers, body: letter.body, link: link, now: SimulatorClock.realNow())
        try await world.run { tx in
            tx.receive([
                NewCallback(
                    counterparty: .weChatPay, notificationID: message.notificationID, kind: message.eventType,
                    headers: "{}", body: letter.body)
            ])
        }
    }

    /// Stores everything held, each letter so often and in any order; as one number, or as a number of its own each time.
    public func deliverHeld(times: Int) async throws {
        let letters = inbox.state.withLock { $0.letters }
        for letter in Array(repeating: letters, count: times).flatMap(\.self).shuffled() {
            try await SimulatedMarket.store(letter, world, weChatLink)
            // A channel may give the same fact another number when it sends it anew.
            try await world.run { tx in
                tx.receive([
                    NewCallback(
                        counterparty: .weChatPay, notificationID: "again-\(UUID().uuidString)",
                        kind: "TRANSACTION.SUCCESS", headers: "{}", body: letter.body)
                ])
            }
        }
    }

    /// A control that was refused.
    public struct ControlFailed: Error {
        /// What it said.
        public let text: String

        /// Makes one.
        public init(text: String) { self.text = text }
    }

    @discardableResult
    private static func call(_ method: String, _ url: String, _ body: JSON?) async throws -> JSON {
        let answer = try await outbound.call(
            method, url, headers: [("content-type", "application/json")], body: body?.bytes ?? [])
        guard answer.status == 200 else {
            throw ControlFailed(text: String(decoding: answer.body, as: UTF8.self))
        }
        return try JSON(parsing: answer.body)
    }

    /// Uses the bank's back door.
    @discardableResult
    public func bankControl(_ method: String, _ path: String, _ body: JSON? = nil) async throws -> JSON {
        try await SimulatedMarket.call(method, bankDoor + path, body)
    }

    /// Uses WeChat Pay's back door.
    @discardableResult
    public func weChatControl(_ method: String, _ path: String, _ body: JSON? = nil) async throws -> JSON {
        try await SimulatedMarket.call(method, weChatDoor + path, body)
    }

    /// Plants a fault at the bank.
    public func bankFault(_ operation: String, _ fault: String, count: Int64 = 1) async throws {
        try await bankControl(
            "POST", "/faults",
            ["operation": .string(operation), "fault": .string(fault), "count": JSON(count), "seconds": 60])
    }

    /// Plants a fault at WeChat Pay.
    public func weChatFault(_ operation: String, _ fault: String, count: Int64 = 1) async throws {
        try await weChatControl(
            "POST", "/faults", ["operation": .string(operation), "fault": .string(fault), "count": JSON(count)])
    }

    /// Removes the faults planted at WeChat Pay.
    public func clearWeChatFaults() async throws { try await weChatControl("DELETE", "/faults") }

    /// Lets time pass, for the counterparties first.
    public func advance(_ duration: Duration) async throws {
        let now = try await world.run { $0.now } + duration
        let text = JSON.string(now.rfc3339)
        try await bankControl("PUT", "/clock", ["merchant": .string(SimulatedMarket.marketID), "now": text])
        try await weChatControl("PUT", "/clock", ["merchant": .string(SimulatedMarket.mchid), "now": text])
        try await world.run { try await $0.setClock(to: now) }
    }
}
