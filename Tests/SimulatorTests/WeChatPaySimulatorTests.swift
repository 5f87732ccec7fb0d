import AsyncHTTPClient
import CustodyDomain
import CustodySimulators
import CustodyWire
import Foundation
import NIOCore
import NIOHTTP1
import Testing

/// The simulator as a stranger sees it: raw requests, right and wrong.
@Suite struct WeChatPaySimulatorTests {
    private static let mchid = "1900000109"
    private static let serial = "54DB5C5D27D323587894278415D19DC8E4D7BDEE"

    private struct Answer {
        let status: Int
        let headers: [(name: String, value: String)]
        let body: [UInt8]

        var code: String? { (try? JSON(parsing: body))?["code"]?.string }
    }

    private struct World {
        let base: String
        let link: WeChatPayLink
        let signer: WeChatPayRequestSigner

        func send(
            _ method: String, _ target: String, _ body: [UInt8] = [], now: Instant = SimulatorClock.realNow(),
            signedBody: [UInt8]? = nil, authorization: String? = nil, agent: String? = "test"
        ) async throws -> Answer {
            var request = HTTPClientRequest(url: base + target)
            request.method = .RAW(value: method)
            let header = try signer.authorization(
                method: method, target: target, body: signedBody ?? body, now: now,
                nonce: WeChatPayRequestSigner.freshNonce())
            request.headers.add(name: "Authorization", value: authorization ?? header)
            request.headers.add(name: "Accept", value: "application/json")
            if let agent { request.headers.add(name: "User-Agent", value: agent) }
            if !body.isEmpty { request.body = .bytes(body) }
            let response = try await HTTPClient.shared.execute(request, timeout: .seconds(10))
            let bytes = try await response.body.collect(upTo: 1 << 20)
            return Answer(
                status: Int(response.status.code), headers: response.headers.map { ($0.name, $0.value) },
                body: Array(bytes.readableBytesView))
        }

        /// Sends, and believes the answer only when its signature holds.
        func verified(_ method: String, _ target: String, _ body: JSON? = nil) async throws -> Answer {
            let answer = try await send(method, target, body?.bytes ?? [])
            try WeChatPayVerifier(link).verify(
                headers: answer.headers, body: answer.body, now: SimulatorClock.realNow())
            return answer
        }

        @discardableResult
        func control(_ method: String, _ path: String, _ body: JSON) async throws -> JSON {
            let answer = try await send(method, "/control" + path, body.bytes)
            #expect(answer.status == 200)
            return try JSON(parsing: answer.body)
        }
    }

    private static func key(_ name: String) throws -> String {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        return try String(contentsOf: folder.appending(path: "Fixtures/vectors/keys/\(name)"), encoding: .utf8)
    }

    private static func with(_ body: @Sendable (World) async throws -> Void) async throws {
        let simulator = try WeChatPaySimulator(client: .shared)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await simulator.run() }
            let base = "http://127.0.0.1:\(try await simulator.boundPort())"
            let link = WeChatPayLink(
                baseURL: base, mchid: mchid, appid: "wx8888888888888888", merchantSerial: serial,
                merchantPrivateKeyPEM: try key("wx_merchant.key.pem"), apiV3Key: "Test0nlyAPIv3KeyTest0nlyAPIv3Key",
                platformKeys: simulator.identity.platformKeys)
            let world = World(base: base, link: link, signer: try WeChatPayRequestSigner(link))
            try await world.control(
                "POST", "/merchants",
                [
                    "mchid": .string(mchid), "appid": "wx8888888888888888", "api_v3_key": .string(link.apiV3Key),
                    "merchant_serial": .string(serial),
                    "merchant_public_key_pem": .string(try key("wx_merchant.pub.pem")), "market_id": "M1",
                ])
            try await body(world)
            group.cancelAll()
        }
    }

    private static func order(_ number: String, _ more: [JSON.Member] = []) -> JSON {
        let members: [JSON.Member] = [
            .init("appid", "wx8888888888888888"), .init("mchid", .string(mchid)), .init("description", "茶"),
            .init("out_trade_no", .string(number)), .init("notify_url", "https://pay.example.com/cb"),
            .init("amount", ["total": 100, "currency": "CNY"]),
        ]
        return .object(members.filter { member in !more.contains { $0.name == member.name } } + more)
    }

    @Test func `a request that is not signed as it should be is refused, and the refusal is signed`() async throws {
        try await Self.with { world in
            let target = "/v3/pay/transactions/native"
            let body = Self.order("SIGNED01").bytes
            let now = SimulatorClock.realNow()
            let answers = [
                try await world.send("POST", target, body, authorization: "Basic x"),
                try await world.send("POST", target, body, now: now - .seconds(400)),
                try await world.send("POST", target, body, now: SimulatorClock.realNow() + .seconds(400)),
                try await world.send("POST", target, body, signedBody: body + [0x20]),
            ]
            for answer in answers {
                #expect(answer.status == 401)
                #expect(answer.code == "SIGN_ERROR")
                try WeChatPayVerifier(world.link).verify(headers: answer.headers, body: answer.body, now: now)
            }
            #expect(try await world.verified("POST", target, Self.order("SIGNED01")).status == 200)
            #expect(try await world.verified("GET", "/v3/unknown").status == 404)
        }
    }

    @Test func `orders are held to WeChat's rules`() async throws {
        try await Self.with { world in
            let cases: [(String, JSON, String)] = [
                ("native", Self.order("SHORT"), "PARAM_ERROR"),
                ("native", Self.order(String(repeating: "9", count: 33)), "PARAM_ERROR"),
                ("native", Self.order("RULES001", [.init("notify_url", "https://a.example/cb?x=1")]), "PARAM_ERROR"),
                ("native", Self.order("RULES002", [.init("notify_url", "ftp://a.example/cb")]), "PARAM_ERROR"),
                ("native", Self.order("RULES003", [.init("amount", ["total": .number("1.5")])]), "PARAM_ERROR"),
                ("native", Self.order("RULES004", [.init("amount", ["total": 1, "currency": "USD"])]), "PARAM_ERROR"),
                ("native", Self.order("RULES005", [.init("appid", "wx0")]), "APPID_MCHID_NOT_MATCH"),
                ("native", Self.order("RULES006", [.init("time_expire", "2020-01-01T00:00:00+08:00")]), "PARAM_ERROR"),
                ("jsapi", Self.order("RULES007"), "PARAM_ERROR"), ("h5", Self.order("RULES008"), "PARAM_ERROR"),
            ]
            for (method, body, code) in cases {
                let answer = try await world.verified("POST", "/v3/pay/transactions/\(method)", body)
                #expect(answer.status == 400)
                #expect(answer.code == code, "\(body.text)")
            }
            let wrong = "/v3/pay/transactions/out-trade-no/RULES009"
            #expect(try await world.verified("GET", wrong + "?mchid=1").code == "PARAM_ERROR")
            #expect(try await world.verified("GET", wrong + "?mchid=\(Self.mchid)").code == "ORDER_NOT_EXIST")
        }
    }

    @Test func `an unpaid order is closed when its time is over`() async throws {
        try await Self.with { world in
            try await world.control(
                "PUT", "/clock", ["merchant": .string(Self.mchid), "now": "2026-10-05T12:00:00+08:00"])
            let body = Self.order("EXPIRE01", [.init("time_expire", "2026-10-05T12:30:00+08:00")])
            #expect(try await world.verified("POST", "/v3/pay/transactions/native", body).status == 200)
            try await world.control(
                "PUT", "/clock", ["merchant": .string(Self.mchid), "now": "2026-10-05T12:30:00+08:00"])
            let query = try await world.verified(
                "GET", "/v3/pay/transactions/out-trade-no/EXPIRE01?mchid=\(Self.mchid)")
            let order = try JSON(parsing: query.body)
            #expect(order["trade_state"]?.string == "CLOSED")
        }
    }

    @Test func `the certificates answer decrypts to the certificate it signs with`() async throws {
        try await Self.with { world in
            let answer = try await world.verified("GET", "/v3/certificates")
            let keys = try WeChatPayCertificate.list(in: answer.body, apiV3Key: world.link.apiV3Key).map(\.key)
            #expect(keys == world.link.platformKeys.filter { !$0.serial.hasPrefix("PUB_KEY_ID") })
        }
    }

    @Test func `a bill comes in three kinds and only to its own merchant`() async throws {
        try await Self.with { world in
            try await world.control(
                "PUT", "/clock", ["merchant": .string(Self.mchid), "now": "2026-10-05T12:00:00+08:00"])
            for number in ["KINDS001", "KINDS002"] {
                _ = try await world.verified("POST", "/v3/pay/transactions/native", Self.order(number))
                try await world.control("POST", "/faults", ["operation": "payment_callback", "fault": "no_callback"])
                try await world.control(
                    "POST", "/pay", ["mchid": .string(Self.mchid), "out_trade_no": .string(number)])
            }
            let refund: JSON = [
                "out_trade_no": "KINDS001", "out_refund_no": "KR1",
                "amount": ["refund": 40, "total": 100, "currency": "CNY"],
            ]
            #expect(try await world.verified("POST", "/v3/refund/domestic/refunds", refund).status == 200)
            try await world.control(
                "PUT", "/clock", ["merchant": .string(Self.mchid), "now": "2026-10-06T10:00:00+08:00"])
            for (type, count) in [("ALL", 3), ("SUCCESS", 2), ("REFUND", 1)] {
                let first = try await world.verified("GET", "/v3/bill/tradebill?bill_date=2026-10-05&bill_type=\(type)")
                let json = try JSON(parsing: first.body)
                let url = try #require(json["download_url"]?.string)
                let target = String(url.dropFirst(world.base.count))
                #expect(try await world.send("GET", target, authorization: "none").status == 401)
                let file = try await world.send("GET", target)
                let content = try StatementContent(reading: StatementFile(file.body), from: .weChatPay)
                #expect(content.lines.count == count)
                #expect(!file.headers.contains { $0.name.lowercased() == "wechatpay-signature" })
            }
            #expect(try await world.send("GET", "/v3/billdownload/file?token=nobody").status == 404)
        }
    }

    @Test func `a control that makes no sense is an error`() async throws {
        try await Self.with { world in
            let cases: [(String, String, String, Int)] = [
                ("POST", "/control/merchants", "{}", 400), ("POST", "/control/merchants", "no JSON", 400),
                ("POST", "/control/plant", "{\"merchant\":\"x\"}", 404),
                ("PUT", "/control/clock", "{\"merchant\":\"x\"}", 400), ("GET", "/control/merchants/nobody", "", 404),
                ("GET", "/control/nothing", "", 404),
            ]
            for (method, path, body, status) in cases {
                let answer = try await world.send(method, path, Array(body.utf8))
                #expect(answer.status == status, "\(path)")
            }
        }
    }
}
