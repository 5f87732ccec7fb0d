import AsyncHTTPClient
import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyWire
import Foundation
import Synchronization
import Testing

/// A simulated Alipay, a receiver of its notifications, and our connector, all on real sockets.
final class AlipayBench: Sendable {
    static let appID = "2021000000000001"
    static let sellerID = "2088000000000000"
    static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fixtures")

    let client: HTTPClient
    let base: String
    let receiverURL: String
    let link: AlipayLink
    private let received: Received

    /// What was posted to us, and what we answer.
    final class Received: Sendable {
        let bodies = Mutex<[[UInt8]]>([])
    }

    private init(client: HTTPClient, base: String, receiverURL: String, link: AlipayLink, received: Received) {
        self.client = client
        self.base = base
        self.receiverURL = receiverURL
        self.link = link
        self.received = received
    }

    /// The notifications received so far.
    var notifications: [[UInt8]] { received.bodies.withLock { $0 } }

    static func key(_ name: String) throws -> String {
        try String(contentsOf: fixtures.appending(path: "vectors/keys/\(name).pem"), encoding: .utf8)
    }

    /// Runs a test at 2026-10-05 10:00 in Shanghai.
    static func run(
        mode: String = "key", magicAmounts: Bool = false, encryptKey: String? = nil, signatures: Bool = false,
        _ body: (AlipayBench) async throws -> Void
    ) async throws {
        let client = HTTPClient(
            eventLoopGroupProvider: .singleton, configuration: .init(redirectConfiguration: .disallow))
        let received = Received()
        let simulator = try AlipaySimulator(
            keys: AlipayKeyPair(
                privateKeyPEM: key("alipay_gateway.key"), publicKeyPEM: key("alipay_gateway.pub")),
            client: client)
        let receiver = SimulatorServer { request in
            received.bodies.withLock { $0.append(request.body) }
            return .answer(status: 200, headers: [], body: Array("success".utf8))
        }
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await simulator.run() }
                group.addTask { try await receiver.run() }
                let base = "http://127.0.0.1:\(try await simulator.boundPort())"
                let receiverURL = "http://127.0.0.1:\(try await receiver.boundPort())/callbacks/alipay"
                let registration: JSON = [
                    "app_id": .string(appID), "seller_id": .string(sellerID), "mode": .string(mode),
                    "app_public_key_pem": .string(try key("alipay_app.pub")), "market_id": "M1",
                    "message_url": .string(receiverURL), "magic_amounts": .bool(magicAmounts),
                    "encrypt_key": JSON(encryptKey), "signatures": .bool(signatures),
                ]
                let answer = try JSON(
                    parsing: try await Outbound(client: client).call(
                        "POST", base + "/control/merchants", headers: [], body: registration.omittingNulls.bytes
                    ).body)
                var link = AlipayLink(
                    gatewayURL: "\(base)/gateway.do", appID: appID, sellerID: sellerID,
                    appPrivateKeyPEM: try key("alipay_app.key"), trust: trust(answer))
                link.encryptKey = encryptKey
                let bench = AlipayBench(
                    client: client, base: base, receiverURL: receiverURL, link: link, received: received)
                #expect(
                    answer["alipay_public_key_pem"]?.string == (mode == "key" ? simulator.publicKeyPEM : nil))
                try await bench.setClock("2026-10-05T10:00:00+08:00")
                try await body(bench)
                group.cancelAll()
            }
        } catch {
            try await client.shutdown()
            throw error
        }
        try await client.shutdown()
    }

    /// What the simulator told the application to trust.
    private static func trust(_ answer: JSON) -> AlipayTrust {
        guard let certificate = answer["app_certificate_pem"]?.string else {
            return .publicKey(answer["alipay_public_key_pem"]?.string ?? "")
        }
        return .certificates(
            AlipayCertificates(
                appCertificatePEM: certificate,
                alipayCertificatePEM: answer["alipay_certificate_pem"]?.string ?? "",
                alipayRootCertificatePEM: answer["alipay_root_certificate_pem"]?.string ?? ""))
    }

    /// The custodian under test.
    func direct() throws -> AlipayDirect {
        try AlipayDirect(
            link: link, notifyURL: receiverURL, outbound: Outbound(client: client, timeout: .seconds(10)),
            clock: { SimulatorClock.realNow() })
    }

    /// The connector under test.
    func alipay(timeout: Duration = .seconds(10)) throws -> Alipay {
        try Alipay(
            link: link, outbound: Outbound(client: client, timeout: timeout), clock: { SimulatorClock.realNow() })
    }

    /// Calls the simulator's back door.
    @discardableResult
    func control(_ method: String, _ path: String, _ json: JSON? = nil, status: Int = 200) async throws -> JSON {
        let answer = try await Outbound(client: client, timeout: .seconds(60)).call(
            method, base + path, headers: [], body: json?.bytes ?? [])
        #expect(answer.status == status)
        return try JSON(parsing: answer.body)
    }

    func setClock(_ now: String) async throws {
        try await control("PUT", "/control/clock", ["merchant": .string(Self.appID), "now": .string(now)])
    }

    func plantFault(_ operation: String, _ fault: String, _ more: (String, JSON)...) async throws {
        let members = [
            JSON.Member("operation", .string(operation)), .init("fault", .string(fault)),
            .init("match", ["merchant": .string(Self.appID)]),
        ]
        try await control("POST", "/control/faults", .object(members + more.map { .init($0.0, $0.1) }))
    }

    func pay(_ serial: String, status: Int = 200) async throws {
        try await control(
            "POST", "/control/pay", ["app_id": .string(Self.appID), "out_trade_no": .string(serial)], status: status)
    }

    func order(
        _ serial: String, _ method: PaymentMethod = .precreate, fen: Int64 = 12_345
    ) throws -> ChannelOrder {
        ChannelOrder(
            serial: serial, method: method, amount: Fen(fen), description: "平台订单 & 测试=1 <\"茶\">",
            expiresAt: try #require(Instant(text: "2026-10-05T12:00:00+08:00")), callbackURL: receiverURL,
            payerID: nil)
    }

    /// Places an order and lets the buyer pay it.
    func paid(_ serial: String, fen: Int64 = 12_345) async throws {
        _ = try await alipay().pay(order(serial, fen: fen)).answeredValue()
        try await pay(serial)
    }

    func refund(_ serial: String, of payment: String, fen: Int64, total: Int64 = 12_345) -> ChannelRefundRequest {
        ChannelRefundRequest(
            serial: serial, paymentSerial: payment, amount: Fen(fen), paymentAmount: Fen(total), reason: "退货",
            callbackURL: receiverURL)
    }

    /// Waits for so many notifications.
    func notifications(_ count: Int) async throws -> [[UInt8]] {
        let end = ContinuousClock.now + .seconds(10)
        while notifications.count < count, ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(5)) }
        try #require(notifications.count >= count)
        return notifications
    }
}

extension Reply {
    /// The answer; a test fails without one.
    func answeredValue() throws -> Value {
        guard case .answered(let value) = self else { throw AlipayNoAnswer(reply: String(describing: self)) }
        return value
    }

    /// The refusal's code.
    var refusedCode: String? {
        guard case .refused(let refusal) = self else { return nil }
        return refusal.code
    }

    /// What its refusal says of the number.
    var refusedStanding: Refusal.Standing? {
        guard case .refused(let refusal) = self else { return nil }
        return refusal.standing
    }

    /// Why it is unknown.
    var unknownReason: Doubt.Reason? {
        guard case .unknown(let doubt) = self else { return nil }
        return doubt.reason
    }
}

/// What came instead of an answer.
struct AlipayNoAnswer: Error {
    let reply: String
}
