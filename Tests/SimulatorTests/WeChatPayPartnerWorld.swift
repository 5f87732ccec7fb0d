import AsyncHTTPClient
import CustodyDomain
import CustodySimulators
import CustodyWire
import Foundation
import NIOCore
import NIOHTTP1
import Synchronization
import Testing

/// A simulator that listens, a partner that signs raw requests, and a place that takes callbacks and answers as told.
struct WeChatPayPartnerWorld: Sendable {
    static let mchid = "1900000109"
    static let sub = "1900001121"
    static let otherSub = "1900001122"
    static let serial = "54DB5C5D27D323587894278415D19DC8E4D7BDEE"
    static let appid = "wx8888888888888888"
    static let apiV3Key = "Test0nlyAPIv3KeyTest0nlyAPIv3Key"

    struct Answer: Sendable {
        let status: Int
        let json: JSON
        var code: String? { json["code"]?.string }
    }

    /// Takes what comes, and answers 204 unless it was told otherwise.
    final class Inbox: Sendable {
        let received = Mutex<[SimulatorRequest]>([])
        let answers = Mutex<[Int]>([])

        func take(_ request: SimulatorRequest) -> SimulatorResponse {
            received.withLock { $0.append(request) }
            let status = answers.withLock { $0.isEmpty ? 204 : $0.removeFirst() }
            return .answer(status: status, headers: [], body: [])
        }

        var count: Int { received.withLock { $0.count } }

        /// What came, verified and decrypted.
        func contents(_ link: WeChatPayLink) throws -> [WeChatPayCallback.Content] {
            try received.withLock { $0 }.map { request in
                _ = try WeChatPayCallback.verify(
                    headers: request.headers, body: request.body, link: link, now: SimulatorClock.realNow())
                return try WeChatPayCallback.content(of: request.body, apiV3Key: apiV3Key)
            }
        }
    }

    let simulator: WeChatPaySimulator
    let base: String
    let signer: WeChatPayRequestSigner
    let link: WeChatPayLink
    let inbox: Inbox
    let callbackURL: String

    func send(
        _ method: String, _ target: String, _ body: JSON? = nil, sealedFor serial: String? = nil
    ) async throws -> Answer {
        try await send(method, target, raw: body?.bytes ?? [], sealedFor: serial)
    }

    /// Sends bytes, of which only some are signed where it is a file.
    func send(
        _ method: String, _ target: String, raw bytes: [UInt8], signing signed: [UInt8]? = nil,
        type: String = "application/json", sealedFor serial: String? = nil
    ) async throws -> Answer {
        var request = HTTPClientRequest(url: base + target)
        request.method = .RAW(value: method)
        let header = try signer.authorization(
            method: method, target: target, body: signed ?? bytes, now: SimulatorClock.realNow(),
            nonce: WeChatPayRequestSigner.freshNonce())
        request.headers.add(name: "Authorization", value: header)
        request.headers.add(name: "Accept", value: "application/json")
        request.headers.add(name: "Content-Type", value: type)
        request.headers.add(name: "User-Agent", value: "test")
        if let serial { request.headers.add(name: "Wechatpay-Serial", value: serial) }
        if !bytes.isEmpty { request.body = .bytes(bytes) }
        let response = try await HTTPClient.shared.execute(request, timeout: .seconds(20))
        let answer = Array(try await response.body.collect(upTo: 1 << 20).readableBytesView)
        return Answer(status: Int(response.status.code), json: (try? JSON(parsing: answer)) ?? .null)
    }

    @discardableResult
    func control(_ method: String, _ path: String, _ body: JSON? = nil) async throws -> JSON {
        let answer = try await send(method, "/control" + path, body)
        #expect(answer.status == 200, "\(answer.json.text)")
        return answer.json
    }

    func clock(_ time: String) async throws {
        try await control("PUT", "/clock", ["merchant": .string(Self.mchid), "now": .string(time)])
    }

    func fault(_ operation: String, _ fault: String, _ more: [JSON.Member] = []) async throws {
        try await control(
            "POST", "/faults",
            .object([.init("operation", .string(operation)), .init("fault", .string(fault))] + more))
    }

    /// Money that a sub-merchant, or the platform, may spend.
    func deposit(_ amount: Int64, toPlatform: Bool = false) async throws {
        try await control(
            "POST", "/sub-merchants",
            [
                "merchant": .string(Self.mchid), "sub_mchid": .string(Self.sub), "add_available_fen": JSON(amount),
                "to_platform": .bool(toPlatform),
            ])
    }

    /// The simulator's books, which must balance.
    func books() async throws -> JSON {
        let books = try #require(try await control("GET", "/merchants/\(Self.mchid)")["books"])
        #expect(books["balanced"]?.bool == true, "\(books.text)")
        return books
    }

    /// What an account may spend and what is held, in fen.
    func funds(_ account: String = sub) async throws -> [Int64] {
        let found = try await control("GET", "/merchants/\(Self.mchid)")["accounts"]?[account]
        return [found?["available_fen"]?.integer ?? 0, found?["held_fen"]?.integer ?? 0]
    }

    /// Places an order of the sub-merchant and pays it; its transaction's number.
    func paid(_ number: String, _ amount: Int64 = 10_000, subsidy: Int64? = nil) async throws -> JSON {
        let settlement: JSON = ["profit_sharing": true, "subsidy_amount": JSON(subsidy)]
        let order: JSON = [
            "sp_appid": .string(Self.appid), "sp_mchid": .string(Self.mchid), "sub_mchid": .string(Self.sub),
            "description": "茶", "out_trade_no": .string(number), "notify_url": .string(callbackURL),
            "amount": ["total": JSON(amount), "currency": "CNY"], "settle_info": settlement.omittingNulls,
        ]
        let answer = try await send("POST", "/v3/pay/partner/transactions/native", order)
        #expect(answer.status == 200, "\(answer.json.text)")
        let paid = try await control(
            "POST", "/pay",
            ["mchid": .string(Self.mchid), "sub_mchid": .string(Self.sub), "out_trade_no": .string(number)])
        return paid["transaction_id"] ?? .null
    }

    func refund(_ number: String, _ transaction: JSON, _ amount: Int64, total: Int64 = 10_000) async throws -> Answer {
        try await send(
            "POST", "/v3/ecommerce/refunds/apply",
            [
                "sub_mchid": .string(Self.sub), "sp_appid": .string(Self.appid), "transaction_id": transaction,
                "out_refund_no": .string(number), "notify_url": .string(callbackURL),
                "amount": ["refund": JSON(amount), "total": JSON(total), "currency": "CNY"],
            ])
    }

    func addReceiver(_ account: String = mchid, _ type: String = "MERCHANT_ID") async throws {
        let answer = try await send(
            "POST", "/v3/ecommerce/profitsharing/receivers/add",
            [
                "appid": .string(Self.appid), "type": .string(type), "account": .string(account),
                "relation_type": "PLATFORM",
            ])
        #expect(answer.status == 200, "\(answer.json.text)")
    }

    func split(
        _ number: String, _ transaction: JSON, _ amount: Int64, to account: String = mchid,
        _ type: String = "MERCHANT_ID", finish: Bool = false
    ) async throws -> Answer {
        try await send(
            "POST", "/v3/ecommerce/profitsharing/orders",
            [
                "appid": .string(Self.appid), "sub_mchid": .string(Self.sub), "transaction_id": transaction,
                "out_order_no": .string(number), "finish": .bool(finish),
                "receivers": [
                    [
                        "type": .string(type), "receiver_account": .string(account), "amount": JSON(amount),
                        "description": "佣金",
                    ]
                ],
            ])
    }

    /// The result of a split's only receiver, and why it got nothing.
    func splitResult(_ number: String, _ transaction: JSON) async throws -> [String?] {
        let answer = try await send(
            "GET",
            "/v3/ecommerce/profitsharing/orders?sub_mchid=\(Self.sub)&transaction_id=\(transaction.string ?? "")"
                + "&out_order_no=\(number)")
        let receiver = answer.json["receivers"]?.array?.first
        return [receiver?["result"]?.string, receiver?["fail_reason"]?.string]
    }

    func sealed(_ text: String) throws -> JSON {
        let key = try #require(link.publicKey)
        return .string(try WeChatPaySensitiveField.encrypted(text, publicKeyPEM: try key.publicKeyPEM))
    }

    /// One for all tests: making RSA keys takes longer than most of them.
    private static let identity = Result { try WeChatPayIdentity() }

    private static func key(_ name: String) throws -> String {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        return try String(contentsOf: folder.appending(path: "Fixtures/vectors/keys/\(name)"), encoding: .utf8)
    }

    /// Runs a test in a world of its own, registered by a scenario, as at the start of a process.
    static func with(
        _ kind: String = "ecommerce", _ more: [JSON.Member] = [], steps: [JSON] = [],
        _ body: @Sendable (WeChatPayPartnerWorld) async throws -> Void
    ) async throws {
        let inbox = Inbox()
        let platform = SimulatorServer { inbox.take($0) }
        let simulator = try WeChatPaySimulator(client: .shared, identity: try identity.get())
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await platform.run() }
            group.addTask { try await simulator.run() }
            let base = "http://127.0.0.1:\(try await simulator.boundPort())"
            let callbackURL = "http://127.0.0.1:\(try await platform.boundPort())/callback"
            let link = WeChatPayLink(
                baseURL: base, mchid: mchid, appid: appid, merchantSerial: serial,
                merchantPrivateKeyPEM: try key("wx_merchant.key.pem"), apiV3Key: apiV3Key,
                platformKeys: simulator.identity.platformKeys)
            let registration: [JSON.Member] = [
                .init("mchid", .string(mchid)), .init("appid", .string(appid)), .init("kind", .string(kind)),
                .init("api_v3_key", .string(apiV3Key)), .init("merchant_serial", .string(serial)),
                .init("merchant_public_key_pem", .string(try key("wx_merchant.pub.pem"))),
                .init("profit_sharing_url", .string(callbackURL)),
                .init("sub_merchants", [["sub_mchid": .string(sub), "account_number": "6222021234567890123"]]),
            ]
            try await simulator.play(
                try SimulatorScenario(
                    .array([["path": "/control/merchants", "body": .object(registration + more)]] + steps)))
            try await body(
                WeChatPayPartnerWorld(
                    simulator: simulator, base: base, signer: try WeChatPayRequestSigner(link), link: link,
                    inbox: inbox, callbackURL: callbackURL))
            group.cancelAll()
        }
    }
}
