import AsyncHTTPClient
import CustodyConnectors
import CustodyDomain
import CustodyWire
import Foundation
import Testing

/// Our connector in front of a WeChat Pay made of `cryptography`: it judges every request, and we judge its answers.
@Suite struct WeChatPayConnectorPeerTests {
    /// A running peer.
    struct Server {
        let process: PeerProcess
        let base: String

        init() async throws {
            let keys = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .appending(path: "Fixtures/vectors/keys")
            process = try WeChatPayPeerTests.peer.start("wechat_server", [keys.path])
            let line = try #require(await process.line())
            base = "http://127.0.0.1:\(try #require(try JSON(parsing: Array(line.utf8))["port"]?.integer))"
        }

        /// Asks it something beside the protocol.
        func ask(_ question: JSON) async throws -> JSON {
            try process.input.write(contentsOf: Data(question.bytes + [0x0A]))
            return try JSON(parsing: Array(try #require(await process.line()).utf8))
        }

        func link(_ mode: String) throws -> WeChatPayLink {
            let keys: [WeChatPayLink.PlatformKey] =
                mode == "public_key"
                ? [
                    .init(
                        serial: "PUB_KEY_ID_0114232134912410000000000000",
                        pem: try WeChatPayPeerTests.key("wx_pubkey.pub.pem"))
                ] : []
            return WeChatPayLink(
                baseURL: base, mchid: WeChatPayPeerTests.mchid, appid: WeChatPayPeerTests.appid,
                merchantSerial: WeChatPayPeerTests.serial,
                merchantPrivateKeyPEM: try WeChatPayPeerTests.key("wx_merchant.key.pem"),
                apiV3Key: WeChatPayPeerTests.apiV3Key, platformKeys: keys)
        }

        func channel(_ mode: String) throws -> WeChatPay {
            try WeChatPay(link: try link(mode), outbound: Outbound(client: .shared), clock: WallClock.now)
        }
    }

    private static func answered<Value>(_ reply: Reply<Value>) throws -> Value {
        guard case .answered(let value) = reply else {
            Issue.record("not answered: \(reply)")
            throw Doubt(.malformedAnswer)
        }
        return value
    }

    private static func order(_ serial: String) -> ChannelOrder {
        ChannelOrder(
            serial: serial, method: .native, amount: Fen(100), description: "测试 \"商品\", /两件",
            expiresAt: WallClock.now() + .seconds(600), callbackURL: "https://pay.example.com/cb", payerID: nil)
    }

    @Test(arguments: ["public_key", "certificates"])
    func `every request of ours holds by their cryptography, in both key modes`(_ mode: String) async throws {
        let server = try await Server()
        let channel = try server.channel(mode)
        guard case .code(let code) = try Self.answered(await channel.pay(Self.order("PEER0001"))) else {
            Issue.record("no code")
            return
        }
        #expect(code.hasSuffix("PEER0001"))
        #expect(try Self.answered(await channel.queryPayment(serial: "PEER|0001*@")).state == .succeeded)
        #expect(try Self.answered(await channel.closePayment(serial: "PEER0001")).state == .closed)
        let picture = [UInt8]([0xFF, 0xD8, 0x0D, 0x0A, 0x2D, 0x2D]) + Array(repeating: 1, count: 999)
        #expect(try Self.answered(await channel.uploadMedia(fileName: "执照.jpg", content: picture)) == "media-1")
        let refund = await channel.resolveAbnormalRefund(
            serial: "R1", paymentSerial: "PEER0001", refundNumber: "50001",
            by: .userBankCard(bankType: "CMB_DEBIT", account: "6222021234567890123", holder: "欧阳娜娜"))
        #expect(try Self.answered(refund).state == .processing)

        let verdicts = try #require(try await server.ask("requests").array)
        #expect(verdicts.count == (mode == "public_key" ? 5 : 6))
        for verdict in verdicts {
            for name in ["holds", "serial_ok", "fresh", "agent"] {
                #expect(verdict[name]?.bool == true, "\(name): \(verdict.text)")
            }
            #expect(verdict["scheme"]?.string == "WECHATPAY2-SHA256-RSA2048")
            #expect(verdict["accept"]?.string == "application/json")
            if mode == "public_key" { #expect(verdict["key"]?.string?.hasPrefix("PUB_KEY_ID_") == true) }
        }
        #expect(verdicts.contains { $0["hash_ok"]?.bool == true })
        #expect(verdicts.last?["opened"]?.array == ["6222021234567890123", "欧阳娜娜"])
    }

    @Test(arguments: [
        ("TAMPER01", Doubt.Reason.badSignature), ("STALE001", .badSignature), ("PROBE001", .badSignature),
        ("UNSIGNED", .badSignature), ("OTHER001", .malformedAnswer),
    ])
    func `their answers are refused when they are not what they should be`(
        _ serial: String, _ reason: Doubt.Reason
    ) async throws {
        let server = try await Server()
        for mode in ["public_key", "certificates"] {
            guard case .unknown(let doubt) = try await server.channel(mode).queryPayment(serial: serial) else {
                Issue.record("\(serial) was believed")
                continue
            }
            #expect(doubt.reason == reason)
        }
    }

    @Test(arguments: ["public_key", "certificates"])
    func `their callbacks are accepted, and refused when anything is changed`(_ mode: String) async throws {
        let server = try await Server()
        let channel = try server.channel("public_key")
        let resource: JSON = [
            "mchid": .string(WeChatPayPeerTests.mchid), "out_trade_no": "PEER0001", "transaction_id": "4200001",
            "trade_state": "SUCCESS", "success_time": "2026-10-05T12:00:00+08:00",
            "amount": ["total": 100, "currency": "CNY"], "payer": ["openid": "o茶"],
        ]
        let callback = try await server.ask(
            ["callback": resource, "event": "TRANSACTION.SUCCESS", "mode": .string(mode)])
        let headers = try #require(callback["headers"]?.members).map { (name: $0.name, value: $0.value.string ?? "") }
        let body = Array(try #require(callback["body"]?.string).utf8)
        // A certificate that is not configured is fetched when a callback names it.
        #expect(try await channel.verifyCallback(headers: headers, body: body).notificationID == "EV-1")
        guard case .payment(let serial, _, let payment) = try channel.notice(in: body) else {
            Issue.record("no payment")
            return
        }
        #expect(serial == "PEER0001" && payment.amount == Fen(100) && payment.payerID == "o茶")
        for name in ["Wechatpay-Timestamp", "Wechatpay-Nonce", "Wechatpay-Signature", "Wechatpay-Serial"] {
            let changed = headers.map { $0.name == name ? (name: name, value: String($0.value.reversed())) : $0 }
            await #expect(throws: WeChatPayCallback.Rejection.self, "\(name)") {
                _ = try await channel.verifyCallback(headers: changed, body: body)
            }
        }
        await #expect(throws: WeChatPayCallback.Rejection.signature(.badSignature)) {
            _ = try await channel.verifyCallback(headers: headers, body: body + [0x20])
        }
    }
}
