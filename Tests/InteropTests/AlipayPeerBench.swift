import AsyncHTTPClient
import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyWire
import Foundation
import Synchronization
import Testing

/// A simulated Alipay on a real socket, with an application in one of the two modes, for other people's clients.
final class AlipayPeerBench: Sendable {
    static let appID = "2021000000000001"
    static let sellerID = "2088000000000000"

    let base: String
    let client: HTTPClient
    /// What registering answered: Alipay's key, or the certificates.
    let registration: JSON
    let receiverURL: String
    private let received: Received

    /// What was posted to the application.
    final class Received: Sendable {
        let bodies = Mutex<[String]>([])
    }

    private init(base: String, client: HTTPClient, registration: JSON, receiverURL: String, received: Received) {
        self.base = base
        self.client = client
        self.registration = registration
        self.receiverURL = receiverURL
        self.received = received
    }

    /// The notifications received so far.
    var notifications: [String] { received.bodies.withLock { $0 } }

    static func key(_ name: String) throws -> String {
        let fixtures = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Fixtures")
        return try String(contentsOf: fixtures.appending(path: "vectors/keys/\(name).pem"), encoding: .utf8)
    }

    /// The key's text without the lines that frame it, as Alipay's own SDK takes it.
    static func bare(_ pem: String) -> String {
        pem.split(separator: "\n").filter { !$0.hasPrefix("-----") }.joined(separator: "\n")
    }

    /// Runs a test on 2026-10-05 at 10:00 in Shanghai.
    static func run(
        mode: String = "key", encryptKey: String? = nil, _ body: (AlipayPeerBench) async throws -> Void
    ) async throws {
        let client = HTTPClient(
            eventLoopGroupProvider: .singleton, configuration: .init(redirectConfiguration: .disallow))
        let received = Received()
        let simulator = try AlipaySimulator(
            keys: AlipayKeyPair(privateKeyPEM: key("alipay_gateway.key"), publicKeyPEM: key("alipay_gateway.pub")),
            client: client)
        let receiver = SimulatorServer { request in
            received.bodies.withLock { $0.append(String(decoding: request.body, as: UTF8.self)) }
            return .answer(status: 200, headers: [], body: Array("success".utf8))
        }
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await simulator.run() }
                group.addTask { try await receiver.run() }
                let base = "http://127.0.0.1:\(try await simulator.boundPort())"
                let receiverURL = "http://127.0.0.1:\(try await receiver.boundPort())/notify"
                let registration: JSON = [
                    "app_id": .string(appID), "seller_id": .string(sellerID), "mode": .string(mode),
                    "app_public_key_pem": .string(try key("alipay_app.pub")), "market_id": "M1",
                    "message_url": .string(receiverURL), "encrypt_key": JSON(encryptKey),
                ]
                let answer = try await Outbound(client: client).call(
                    "POST", base + "/control/merchants", headers: [], body: registration.omittingNulls.bytes)
                let clock: JSON = ["merchant": .string(appID), "now": "2026-10-05T10:00:00+08:00"]
                _ = try await Outbound(client: client).call(
                    "PUT", base + "/control/clock", headers: [], body: clock.bytes)
                try await body(
                    AlipayPeerBench(
                        base: base, client: client, registration: try JSON(parsing: answer.body),
                        receiverURL: receiverURL, received: received))
                group.cancelAll()
            }
        } catch {
            try await client.shutdown()
            throw error
        }
        try await client.shutdown()
    }

    /// The platform's link to this simulator, in the mode in which it is registered.
    func link() throws -> AlipayLink {
        let trust: AlipayTrust
        if let certificate = registration["app_certificate_pem"]?.string {
            trust = .certificates(
                AlipayCertificates(
                    appCertificatePEM: certificate,
                    alipayCertificatePEM: registration["alipay_certificate_pem"]?.string ?? "",
                    alipayRootCertificatePEM: registration["alipay_root_certificate_pem"]?.string ?? ""))
        } else {
            trust = .publicKey(registration["alipay_public_key_pem"]?.string ?? "")
        }
        return AlipayLink(
            gatewayURL: "\(base)/gateway.do", appID: Self.appID, sellerID: Self.sellerID,
            appPrivateKeyPEM: try Self.key("alipay_app.key"), trust: trust)
    }

    /// What a client's script takes, with what its mode adds.
    func setup(_ more: (String, JSON)...) -> JSON {
        .object(
            [
                .init("gateway", .string("\(base)/gateway.do")), .init("control", .string(base)),
                .init("app_id", .string(Self.appID)), .init("notify_url", .string(receiverURL)),
            ] + more.map { .init($0.0, $0.1) })
    }

    /// Waits for so many notifications.
    func notifications(_ count: Int) async throws -> [String] {
        let end = ContinuousClock.now + .seconds(10)
        while notifications.count < count, ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(5)) }
        try #require(notifications.count >= count)
        return notifications
    }
}
