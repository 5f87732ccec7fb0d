import AsyncHTTPClient
import CustodyDomain
import CustodySimulators
import CustodyWire
import Foundation
import NIOCore
import NIOHTTP1
import Synchronization
import Testing

/// The simulated Alipay with a merchant that speaks its wire by hand, a receiver of notifications, and a bank.
final class AlipaySimulatorBench: Sendable {
    static let appID = "2021000000000001"
    static let sellerID = "2088000000000000"

    /// What came in, and what is answered.
    struct Inbox {
        var bodies: [[UInt8]] = []
        var answers: [(status: Int, body: String)] = []
    }

    let client: HTTPClient
    let base: String
    let receiver: String
    let signer: RSASigner
    let keys: AlipayKeys
    let link: AlipayLink
    let notifications: Box
    let lumps: Box

    /// An inbox shared with a server.
    final class Box: Sendable {
        let inbox = Mutex(Inbox())
        let fallback: String

        init(fallback: String) { self.fallback = fallback }

        var bodies: [[UInt8]] { inbox.withLock { $0.bodies } }

        /// Answers the next requests so, then well again.
        func answer(_ answers: [(status: Int, body: String)]) { inbox.withLock { $0.answers = answers } }

        func server() -> SimulatorServer {
            SimulatorServer { [self] request in
                let (status, body) = inbox.withLock { inbox in
                    inbox.bodies.append(request.body)
                    return inbox.answers.isEmpty ? (200, fallback) : inbox.answers.removeFirst()
                }
                return .answer(status: status, headers: [("location", "/elsewhere")], body: Array(body.utf8))
            }
        }
    }

    private init(client: HTTPClient, base: String, receiver: String, link: AlipayLink, inboxes: (Box, Box)) throws {
        self.client = client
        self.base = base
        self.receiver = receiver
        self.link = link
        signer = try RSASigner(pem: link.appPrivateKeyPEM)
        keys = try AlipayKeys(link: link, now: SimulatorClock.realNow())
        (notifications, lumps) = inboxes
    }

    static func key(_ name: String) throws -> String {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        return try String(
            contentsOf: folder.appending(path: "Fixtures/vectors/keys/\(name).pem"), encoding: .utf8)
    }

    /// Runs a test at 2026-10-05 10:00 in Shanghai.
    static func run(_ body: (AlipaySimulatorBench) async throws -> Void) async throws {
        let client = HTTPClient(
            eventLoopGroupProvider: .singleton, configuration: .init(redirectConfiguration: .disallow))
        let keys = AlipayKeyPair(
            privateKeyPEM: try key("alipay_gateway.key"), publicKeyPEM: try key("alipay_gateway.pub"))
        let simulator = try AlipaySimulator(keys: keys, client: client)
        let (notifications, lumps) = (Box(fallback: "success"), Box(fallback: "{}"))
        let (receiver, bank) = (notifications.server(), lumps.server())
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await simulator.run() }
                group.addTask { try await receiver.run() }
                group.addTask { try await bank.run() }
                let base = "http://127.0.0.1:\(try await simulator.boundPort())"
                let bench = try AlipaySimulatorBench(
                    client: client, base: base, receiver: "http://127.0.0.1:\(try await receiver.boundPort())/n",
                    link: AlipayLink(
                        gatewayURL: "\(base)/gateway.do", appID: appID, sellerID: sellerID,
                        appPrivateKeyPEM: key("alipay_app.key"), alipayPublicKeyPEM: simulator.publicKeyPEM),
                    inboxes: (notifications, lumps))
                try await bench.control(
                    "POST", "/control/merchants",
                    [
                        "app_id": .string(appID), "seller_id": .string(sellerID),
                        "app_public_key_pem": .string(key("alipay_app.pub")), "market_id": "M00000000001",
                        "remit_url": .string("http://127.0.0.1:\(bank.boundPort())/control/credits"),
                    ])
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

    func send(
        _ method: String, _ url: String, _ body: [UInt8] = [], headers: [(String, String)] = []
    ) async throws -> (status: Int, body: [UInt8]) {
        var request = HTTPClientRequest(url: url)
        request.method = .init(rawValue: method)
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        if !body.isEmpty { request.body = .bytes(body) }
        let response = try await client.execute(request, timeout: .seconds(60))
        return (Int(response.status.code), Array(try await response.body.collect(upTo: 64 << 20).readableBytesView))
    }

    @discardableResult
    func control(_ method: String, _ path: String, _ json: JSON? = nil, status: Int = 200) async throws -> JSON {
        let answer = try await send(method, base + path, json?.bytes ?? [])
        #expect(answer.status == status)
        return try JSON(parsing: answer.body)
    }

    func setClock(_ now: String) async throws {
        try await control("PUT", "/control/clock", ["merchant": .string(Self.appID), "now": .string(now)])
    }

    func plantFault(_ fault: String, serial: String, _ more: (String, JSON)...) async throws {
        let members = [
            JSON.Member("operation", "notify"), .init("fault", .string(fault)),
            .init("match", ["serial": .string(serial)]),
        ]
        try await control("POST", "/control/faults", .object(members + more.map { .init($0.0, $0.1) }))
    }

    /// Registers the merchant again, with more said about it.
    func register(_ more: [JSON.Member]) async throws {
        try await control(
            "POST", "/control/merchants",
            .object(
                [
                    .init("app_id", .string(Self.appID)), .init("seller_id", .string(Self.sellerID)),
                    .init("app_public_key_pem", .string(try Self.key("alipay_app.pub"))),
                ] + more))
    }

    /// The link of the application once it is registered in certificate mode.
    func certificateLink() async throws -> AlipayLink {
        let answer = try await control(
            "POST", "/control/merchants",
            [
                "app_id": .string(Self.appID), "seller_id": .string(Self.sellerID), "mode": "certificate",
                "app_public_key_pem": .string(try Self.key("alipay_app.pub")), "message_url": .string(receiver),
                "magic_amounts": true,
            ])
        return AlipayLink(
            gatewayURL: link.gatewayURL, appID: Self.appID, sellerID: Self.sellerID,
            appPrivateKeyPEM: link.appPrivateKeyPEM,
            trust: .certificates(
                AlipayCertificates(
                    appCertificatePEM: answer["app_certificate_pem"]?.string ?? "",
                    alipayCertificatePEM: answer["alipay_certificate_pem"]?.string ?? "",
                    alipayRootCertificatePEM: answer["alipay_root_certificate_pem"]?.string ?? "")))
    }

    /// Calls the gateway, and verifies its answer.
    ///
    /// - Parameter other: The link in another mode.
    func call(_ method: String, _ content: JSON, as other: AlipayLink? = nil) async throws -> AlipayResponse {
        let keys = try other.map { try AlipayKeys(link: $0, now: SimulatorClock.realNow()) } ?? self.keys
        let request = AlipayRequest(
            method: method, content: content, appID: Self.appID, now: SimulatorClock.realNow(), notifyURL: receiver,
            certificateFields: keys.requestFields)
        let signed = try request.signed(by: signer)
        let answer = try await send("POST", "\(base)/gateway.do?\(signed.query)", Array(signed.body.utf8))
        return try AlipayResponse(verifying: answer.body, method: method, keys: keys)
    }

    /// Opens a sub-merchant that settles to a card, and moves the clock to 11:01.
    func open(_ number: String, _ more: JSON.Member...) async throws -> String {
        let opened = try await call("ant.merchant.expand.indirect.zft.create", Self.application(number, more))
        #expect(opened.code == "10000", "\(opened.message)")
        try await setClock("2026-10-05T11:01:00+08:00")
        let found = try await call("ant.merchant.expand.indirect.zftorder.query", ["external_id": .string(number)])
        return try #require(found.node["orders"]?.array?.last?["smid"]?.string)
    }

    /// A sub-merchant's application, with more said, or said otherwise.
    static func application(_ number: String, _ more: [JSON.Member] = []) -> JSON {
        let names = Set(more.map(\.name))
        let form: [JSON.Member] = [
            .init("external_id", .string(number)), .init("merchant_type", "01"), .init("name", "测试商行"),
            .init("alias_name", "测试"), .init("mcc", "A0001_B0199"), .init("cert_type", "201"),
            .init("cert_no", "91310000MA1K000000"), .init("legal_name", "张三"),
            .init("legal_cert_no", "310101199001010011"), .init("contact_infos", [["name": "李四"]]),
            .init("service", ["当面付"]),
            .init("biz_cards", [["account_no": "6222000000001234", "account_holder_name": "测试商行"]]),
            .init(
                "default_settle_rule",
                ["default_settle_type": "bankCard", "default_settle_target": "6222000000001234"]),
        ]
        return JSON.object(form.filter { !names.contains($0.name) } + more).omittingNulls
    }

    /// A sub-merchant's order, paid; with a period, it waits for its confirmation.
    func paid(_ serial: String, fen: Int64, to smid: String, period: String? = "30d") async throws -> JSON {
        let placed = try await call(
            "alipay.trade.precreate",
            [
                "out_trade_no": .string(serial), "total_amount": .string(Fen(fen).yuan), "subject": "测试",
                "sub_merchant": ["merchant_id": .string(smid)],
                "settle_info": JSON.object([
                    .init(
                        "settle_detail_infos",
                        [["trans_in_type": "defaultSettle", "amount": .string(Fen(fen).yuan)]]),
                    .init("settle_period_time", JSON(period)),
                ]).omittingNulls,
            ])
        #expect(placed.code == "10000", "\(placed.message)")
        try await control("POST", "/control/pay", ["app_id": .string(Self.appID), "out_trade_no": .string(serial)])
        return try #require(
            try await call("alipay.trade.query", ["out_trade_no": .string(serial)]).node["trade_no"])
    }

    /// Confirms a settlement: of the order less its refunds, how much of it now.
    func confirm(
        _ number: String, _ trade: JSON, whole: Int64, actual: Int64? = nil, freezes: Bool = false
    ) async throws -> AlipayResponse {
        try await call(
            "alipay.trade.settle.confirm",
            [
                "out_request_no": .string(number), "trade_no": trade,
                "settle_info": [
                    "settle_detail_infos": [
                        JSON.object([
                            .init("trans_in_type", "defaultSettle"), .init("amount", .string(Fen(whole).yuan)),
                            .init("actual_amount", JSON(actual.map { Fen($0).yuan })),
                        ]).omittingNulls
                    ]
                ],
                "extend_params": freezes ? ["royalty_freeze": "true"] : [:],
            ])
    }

    /// What the control API shows of the merchant.
    func state() async throws -> JSON { try await control("GET", "/control/merchants/\(Self.appID)") }

    /// Places an order and pays it.
    func paid(_ serial: String, fen: Int64) async throws {
        let placed = try await call(
            "alipay.trade.precreate",
            ["out_trade_no": .string(serial), "total_amount": .string(Fen(fen).yuan), "subject": "测试"])
        #expect(placed.code == "10000")
        try await control("POST", "/control/pay", ["app_id": .string(Self.appID), "out_trade_no": .string(serial)])
    }

    func refund(_ serial: String, of payment: String, fen: Int64) async throws {
        let answer = try await call(
            "alipay.trade.refund",
            [
                "out_trade_no": .string(payment), "out_request_no": .string(serial),
                "refund_amount": .string(Fen(fen).yuan),
            ])
        #expect(answer.node["fund_change"]?.string == "Y")
    }

    /// What the verified notifications said, in the order in which they came.
    func fields() throws -> [[String: String]] {
        try notifications.bodies.map {
            try AlipayNotify.verify(body: $0, link: link, now: SimulatorClock.realNow()).fields
        }
    }

    func waitForNotifications(_ count: Int) async throws {
        let end = ContinuousClock.now + .seconds(10)
        while notifications.bodies.count < count, ContinuousClock.now < end {
            try await Task.sleep(for: .milliseconds(5))
        }
        try #require(notifications.bodies.count >= count)
    }
}
