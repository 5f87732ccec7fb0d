import AsyncHTTPClient
import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyWire
import Foundation
import Synchronization
import Testing

/// A simulator that listens, a connector that talks to it, and a platform that takes its callbacks and lumps.
struct WeChatPayWorld: Sendable {
    let simulator: WeChatPaySimulator
    let base: String
    let link: WeChatPayLink
    let channel: WeChatPay
    let inbox: Inbox
    /// Where callbacks go.
    let callbackURL: String

    static let mchid = "1900000109"
    static let subMchid = "1900001121"

    /// Takes what the simulator sends, and answers as it is told.
    final class Inbox: Sendable {
        let received = Mutex<[SimulatorRequest]>([])
        let answers = Mutex<[Int]>([])

        func take(_ request: SimulatorRequest) -> SimulatorResponse {
            received.withLock { $0.append(request) }
            let status = answers.withLock { $0.isEmpty ? 204 : $0.removeFirst() }
            return .answer(status: status, headers: [], body: [])
        }

        func requests(to path: String) -> [SimulatorRequest] { received.withLock { $0.filter { $0.path == path } } }
    }

    static func fixture(_ name: String) throws -> String {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        return try String(
            contentsOf: folder.appending(path: "Fixtures/vectors/keys/\(name)"), encoding: .utf8)
    }

    /// Keys for tests that do not change them: making RSA keys takes longer than most of those.
    static let sharedIdentity = Result { try WeChatPayIdentity() }

    /// Runs a test in a world of its own.
    static func with(
        timeout: Duration = .seconds(5), kind: String = "direct", registering more: [JSON.Member] = [],
        identity: WeChatPayIdentity? = nil, _ body: @Sendable (WeChatPayWorld) async throws -> Void
    ) async throws {
        let inbox = Inbox()
        let platform = SimulatorServer { request in inbox.take(request) }
        let simulator = try WeChatPaySimulator(client: .shared, identity: identity)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await platform.run() }
            group.addTask { try await simulator.run() }
            let platformBase = "http://127.0.0.1:\(try await platform.boundPort())"
            let base = "http://127.0.0.1:\(try await simulator.boundPort())"
            let link = try await register(
                base, kind: kind, more: [.init("remit_url", .string(platformBase + "/remit"))] + more)
            let world = WeChatPayWorld(
                simulator: simulator, base: base, link: link,
                channel: try WeChatPay(
                    link: link, outbound: Outbound(client: .shared, timeout: timeout),
                    clock: { SimulatorClock.realNow() }),
                inbox: inbox, callbackURL: platformBase + "/callback")
            try await body(world)
            group.cancelAll()
        }
    }

    private static func register(_ base: String, kind: String, more: [JSON.Member]) async throws -> WeChatPayLink {
        let apiV3Key = "Test0nlyAPIv3KeyTest0nlyAPIv3Key"
        let serial = "54DB5C5D27D323587894278415D19DC8E4D7BDEE"
        let members: [JSON.Member] = [
            .init("mchid", .string(mchid)), .init("appid", "wx8888888888888888"),
            .init("api_v3_key", .string(apiV3Key)), .init("merchant_serial", .string(serial)),
            .init("merchant_public_key_pem", .string(try fixture("wx_merchant.cert.pem"))), .init("market_id", "M1"),
            .init("kind", .string(kind)),
            .init("sub_merchants", [["sub_mchid": .string(subMchid), "account_number": "6222021234567890123"]]),
        ]
        let answer = try await control("POST", base + "/control/merchants", .object(members + more))
        let keys = try #require(answer["platform_keys"]?.array).map {
            WeChatPayLink.PlatformKey(serial: $0["serial"]?.string ?? "", pem: $0["pem"]?.string ?? "")
        }
        return WeChatPayLink(
            baseURL: base, mchid: mchid, appid: "wx8888888888888888", merchantSerial: serial,
            merchantPrivateKeyPEM: try fixture("wx_merchant.key.pem"), apiV3Key: apiV3Key, platformKeys: keys,
            partner: WeChatPayLink.Partner.Kind(rawValue: kind).map {
                .init(kind: $0, subMchid: subMchid, sharesProfit: true)
            })
    }

    /// Calls the back door; an error status is an error.
    @discardableResult
    static func control(_ method: String, _ url: String, _ body: JSON? = nil) async throws -> JSON {
        let answer = try await Outbound(client: .shared, timeout: .seconds(60)).call(
            method, url, headers: [("Content-Type", "application/json")], body: body?.bytes ?? [])
        struct ControlError: Error { let text: String }
        guard answer.status == 200 else { throw ControlError(text: String(decoding: answer.body, as: UTF8.self)) }
        return try JSON(parsing: answer.body)
    }

    @discardableResult
    func control(_ method: String, _ path: String, _ body: JSON? = nil) async throws -> JSON {
        try await Self.control(method, base + "/control" + path, body)
    }

    func fault(_ operation: String, _ fault: String, _ more: [JSON.Member] = []) async throws {
        try await control(
            "POST", "/faults",
            .object([.init("operation", .string(operation)), .init("fault", .string(fault))] + more))
    }

    func setClock(_ text: String) async throws {
        try await control("PUT", "/clock", ["merchant": .string(Self.mchid), "now": .string(text)])
    }

    func order(_ serial: String, _ amount: Int64 = 12_345, method: PaymentMethod = .native) -> ChannelOrder {
        ChannelOrder(
            serial: serial, method: method, amount: Fen(amount), description: "测试商品, 两件",
            expiresAt: simulator.clock.now(of: Self.mchid) + .seconds(3600), callbackURL: callbackURL,
            payerID: method == .jsapi ? "oBuyer" : nil)
    }

    func refund(_ serial: String, of payment: String, _ amount: Int64, total: Int64 = 12_345) -> ChannelRefundRequest {
        ChannelRefundRequest(
            serial: serial, paymentSerial: payment, amount: Fen(amount), paymentAmount: Fen(total), reason: "不要了",
            callbackURL: callbackURL)
    }

    /// A connector of this world under another link.
    func connector(
        _ change: (inout WeChatPayLink) -> Void, certificates: WeChatPayCertificates = WeChatPayCertificates(),
        clock: @escaping @Sendable () -> Instant = { SimulatorClock.realNow() }
    ) throws -> WeChatPay {
        var link = link
        change(&link)
        return try WeChatPay(
            link: link, outbound: Outbound(client: .shared, timeout: .seconds(5)), certificates: certificates,
            clock: clock)
    }

    /// Places an order and pays it.
    ///
    /// - Returns: WeChat's number of the payment.
    @discardableResult
    func paid(_ serial: String, _ amount: Int64 = 12_345) async throws -> String {
        _ = try answered(await channel.pay(order(serial, amount)))
        let answer = try await control(
            "POST", "/pay",
            [
                "mchid": .string(Self.mchid), "out_trade_no": .string(serial),
                "sub_mchid": JSON(link.partner?.subMchid),
            ])
        return answer["transaction_id"]?.string ?? ""
    }

    /// What the simulator says an account holds.
    func funds(_ mchid: String) async throws -> Funds {
        let account = try await control("GET", "/merchants/\(Self.mchid)")["accounts"]?[mchid]
        return Funds(account?["available_fen"]?.integer ?? 0, account?["held_fen"]?.integer ?? 0)
    }

    /// What an account may spend, and what is held back, in fen.
    struct Funds: Equatable {
        let available: Int64
        let held: Int64

        init(_ available: Int64, _ held: Int64) {
            self.available = available
            self.held = held
        }
    }
}

/// The value of an answer; anything else fails the test.
func answered<Value>(_ reply: Reply<Value>, _ location: SourceLocation = #_sourceLocation) throws -> Value {
    guard case .answered(let value) = reply else {
        Issue.record("not answered: \(reply)", sourceLocation: location)
        throw Doubt(.malformedAnswer)
    }
    return value
}

/// The reason of an unknown outcome; nil for any other.
func doubt<Value>(_ reply: Reply<Value>) -> Doubt.Reason? {
    guard case .unknown(let doubt) = reply else { return nil }
    return doubt.reason
}

/// The code of a refusal; nil for anything else.
func refusalCode<Value>(_ reply: Reply<Value>) -> String? {
    guard case .refused(let refusal) = reply else { return nil }
    return refusal.code
}
