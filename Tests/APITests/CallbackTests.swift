import CustodyAPI
import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation
import Testing
import TestSupport

@Suite struct CallbackTests {
    private static func pem(_ name: String) throws -> String {
        let keys = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fixtures/vectors/keys/\(name)")
        return try String(contentsOf: keys, encoding: .utf8)
    }

    private static func realNow() -> Instant { Instant(microseconds: Int64(Date().timeIntervalSince1970 * 1_000_000)) }

    /// Links the platform to all three, with the keys of the fixtures; answers its callback token.
    static func link(_ bench: APIBench) async throws -> String {
        let weChat = WeChatPayLink(
            baseURL: "http://127.0.0.1:9", mchid: "1900000001", appid: "wx0000000000000001", merchantSerial: "AA",
            merchantPrivateKeyPEM: try pem("wx_merchant.key.pem"), apiV3Key: String(repeating: "k", count: 32),
            platformKeys: [.init(serial: "PUB_KEY_ID_1", pem: try pem("wx_pubkey.pub.pem"))])
        let alipay = AlipayLink(
            gatewayURL: "http://127.0.0.1:9", appID: "2021000000000001", sellerID: "2088000000000001",
            appPrivateKeyPEM: try pem("alipay_app.key.pem"), alipayPublicKeyPEM: try pem("alipay_gateway.pub.pem"))
        let bank = CWP1Link(
            baseURL: "http://127.0.0.1:9", partnerID: "P0000001", marketID: "M00000000001", partnerSerial: "S1",
            partnerPrivateKeyPEM: try pem("partner_rsa.key.pem"),
            bankKeys: [.init(serial: "B1", pem: try pem("bank_rsa.pub.pem"))])
        try await bench.world.run { tx in
            try await tx.setLink(.weChatPay, configuration: Array(try JSONEncoder().encode(weChat)))
            try await tx.setLink(.alipay, configuration: Array(try JSONEncoder().encode(alipay)))
            try await tx.setLink(.bank, configuration: Array(try JSONEncoder().encode(bank)))
        }
        let tenants = try await bench.world.store.withSystem { try await $0.tenants() }
        guard let token = tenants.first(where: { $0.id == bench.world.tenantID })?.callbackToken else {
            throw Unexpected()
        }
        return token
    }

    /// Whether a notification is stored, once.
    private static func isStored(_ bench: APIBench, _ counterparty: Counterparty, _ id: String) async throws -> Bool {
        try await bench.world.callbackCount(from: counterparty, id) == 1
    }

    private static func weChatHeaders(_ body: [UInt8], at now: Instant) throws -> [String: String] {
        let signer = try RSASigner(pem: try pem("wx_pubkey.key.pem"))
        let message = WeChatPayVerifier.message(timestamp: "\(now.seconds)", nonce: "n0nce", body: body)
        return [
            "Wechatpay-Serial": "PUB_KEY_ID_1", "Wechatpay-Timestamp": "\(now.seconds)", "Wechatpay-Nonce": "n0nce",
            "Wechatpay-Signature": try signer.base64Signature(of: message), "Content-Type": "application/json",
        ]
    }

    @Test func `WeChat Pay's notification is stored once and acknowledged each time`() async throws {
        try await APIBench.run { bench async throws in
            let token = try await CallbackTests.link(bench)
            let path = "/callbacks/wechat_pay/\(token)"
            let body = Array(
                #"{"id":"EV-1","event_type":"TRANSACTION.SUCCESS","resource":{"ciphertext":"x"}, "more":[1]}"#.utf8)
            let headers = try CallbackTests.weChatHeaders(body, at: CallbackTests.realNow())
            // A test clock that ran years ahead has no say in signatures.
            _ = try await bench.send("POST", "/v1/test-clock", ["now": "2035-01-01T00:00:00Z"])
            #expect(try await !CallbackTests.isStored(bench, .weChatPay, "EV-1"))
            for _ in 0..<3 {
                let answer = try await bench.send("POST", path, bytes: body, key: "", headers: headers)
                #expect(answer.status == 204 && answer.body.isEmpty)
            }
            #expect(try await CallbackTests.isStored(bench, .weChatPay, "EV-1"))
            let changed = try await bench.send("POST", path, bytes: body + [0x20], key: "", headers: headers)
            #expect(changed.status == 401 && changed.json["code"] == "FAIL")
            let old = try CallbackTests.weChatHeaders(body, at: CallbackTests.realNow() - .seconds(400))
            #expect(try await bench.send("POST", path, bytes: body, key: "", headers: old).status == 401)
            #expect(try await bench.send("POST", path, bytes: body, key: "").status == 401)
        }
    }

    @Test func `Alipay's notification is acknowledged with the word it waits for`() async throws {
        try await APIBench.run { bench async throws in
            let token = try await CallbackTests.link(bench)
            let path = "/callbacks/alipay/\(token)"
            let signer = try RSASigner(pem: try CallbackTests.pem("alipay_gateway.key.pem"))
            func body(app: String) throws -> [UInt8] {
                try AlipayNotify.body(
                    [
                        .init("notify_id", "N-1"), .init("notify_type", "trade_status_sync"), .init("app_id", app),
                        .init("seller_id", "2088000000000001"), .init("subject", "茶 & more"),
                    ], signer: signer)
            }
            let type = ["Content-Type": "application/x-www-form-urlencoded; charset=utf-8"]
            let answer = try await bench.send(
                "POST", path, bytes: try body(app: "2021000000000001"), key: "", headers: type)
            #expect(answer.status == 200 && String(decoding: answer.body, as: UTF8.self) == "success")
            #expect(try await CallbackTests.isStored(bench, .alipay, "N-1"))
            for bad in [try body(app: "2021000000000002"), Array("notify_id=N-2&sign=AAAA".utf8), [], [0xFF]] {
                let refused = try await bench.send("POST", path, bytes: bad, key: "", headers: type)
                #expect(refused.status == 400 && String(decoding: refused.body, as: UTF8.self) != "success")
            }
        }
    }

    @Test func `the bank's notification is acknowledged in its own form`() async throws {
        try await APIBench.run { bench async throws in
            let token = try await CallbackTests.link(bench)
            let path = "/callbacks/bank/\(token)"
            let now = CallbackTests.realNow()
            let notification = CWP1Notification(
                txnCode: "WDR.NOTIFY", partnerID: "P0000001", marketID: "M00000000001", notifyID: "B-1", at: now,
                body: ["status": "SUCCESS"])
            let body = notification.bytes
            let signer = try CWP1Signer(serial: "B1", privateKeyPEM: try CallbackTests.pem("bank_rsa.key.pem"))
            let fields = try signer.headers(
                for: .request(path: path, partnerID: "P0000001", txnCode: "WDR.NOTIFY", number: "B-1"), body: body,
                at: now)
            let headers = Dictionary(uniqueKeysWithValues: fields.fields.map { ($0.0, $0.1) })
            let answer = try await bench.send("POST", path, bytes: body, key: "", headers: headers)
            #expect(answer.status == 200 && answer.json["head"]?["retCode"] == "000000")
            #expect(answer.json["head"]?["rcvTime"]?.string?.count == 17)
            #expect(try await CallbackTests.isStored(bench, .bank, "B-1"))
            let changed = try await bench.send("POST", path, bytes: body + [0x20], key: "", headers: headers)
            #expect(changed.status == 400 && changed.json["head"]?["retCode"] != "000000")
        }
    }

    @Test func `a platform whose custodian is CCB is notified in CCB's form`() async throws {
        try await APIBench.run { bench async throws in
            let token = try await CallbackTests.link(bench)
            let link: JSON = [
                "dialect": "ccb", "base_url": "http://127.0.0.1:9", "market_id": "12345678901234", "version": "4",
                "platform_private_key_pem": .string(try CallbackTests.pem("partner_sm2.key.pem")),
                "bank_public_key_pem": .string(try CallbackTests.pem("bank_sm2.pub.pem")), "callback_index": "1",
                "commission_account": "C1",
            ]
            try await bench.world.run { tx in try await tx.setLink(.bank, configuration: link.bytes) }
            let bank = try CCBSeal(
                privateKeyPEM: try CallbackTests.pem("bank_sm2.key.pem"),
                otherPublicKeyPEM: try CallbackTests.pem("partner_sm2.pub.pem"))
            let message: JSON = [
                "Ittparty_Tms": "20261006120000123", "Mkt_Id": "12345678901234", "Main_Ordr_No": "T1",
                "Ordr_Stcd": "2",
            ]
            let path = "/callbacks/bank/\(token)"
            let body = try bank.signed(message, .notification).bytes
            let answer = try await bench.send("POST", path, bytes: body, key: "")
            #expect(answer.status == 200 && answer.json["Svc_Rsp_St"] == "00")
            #expect(try await CallbackTests.isStored(bench, .bank, "payment|T1|2|20261006120000123"))
            let forged = try await bench.send("POST", path, bytes: message.bytes, key: "")
            #expect(forged.status == 400 && forged.json["Svc_Rsp_St"] != "00")
        }
    }

    @Test(arguments: [
        (["127.0.0.0/8"], [String: String](), 204), (["203.0.113.0/24"], [:], 404),
        // Nobody's word about where he comes from counts, unless it is a proxy of ours that says it.
        (["203.0.113.0/24"], ["X-Forwarded-For": "203.0.113.7"], 404),
    ])
    func `a callback from elsewhere than its sources is not taken`(
        sources: [String], headers: [String: String], status: Int
    ) async throws {
        try await APIBench.run { bench in
            let answer = try await CallbackTests.send(bench, sources: sources, headers: headers)
            #expect(answer.status == status)
        }
    }

    @Test(arguments: [
        ("203.0.113.7", 204), ("198.51.100.9, 203.0.113.7", 204), ("203.0.113.7, 198.51.100.9", 404),
        ("203.0.113.7, 127.0.0.3", 204), ("[::ffff:203.0.113.7]:443", 204), ("203.0.113.7:9999", 204), ("", 404),
    ])
    func `behind a proxy of ours it is the last stranger that counts`(forwarded: String, status: Int) async throws {
        var configuration = APIBench.configuration()
        configuration.trustedProxies = [try #require(AddressRange("127.0.0.0/8"))]
        try await APIBench.run(configuration: configuration, world: try await TestStore.make().world()) { bench in
            let answer = try await CallbackTests.send(
                bench, sources: ["203.0.113.0/24"], headers: ["X-Forwarded-For": forwarded])
            #expect(answer.status == status)
        }
    }

    /// Sends a good notification of WeChat Pay's to a platform whose link names where those come from.
    private static func send(
        _ bench: APIBench, sources: [String], headers: [String: String]
    ) async throws -> APIBench.Answer {
        let token = try await link(bench)
        try await bench.world.run { tx in
            let link = try JSON(parsing: try await tx.link(.weChatPay))
            let transport: JSON = ["callback_sources": .array(sources.map { .string($0) })]
            try await tx.setLink(
                .weChatPay, configuration: JSON.object((link.members ?? []) + [.init("transport", transport)]).bytes)
        }
        let body = Array(#"{"id":"EV-1","event_type":"TRANSACTION.SUCCESS","resource":{"ciphertext":"x"}}"#.utf8)
        return try await bench.send(
            "POST", "/callbacks/wechat_pay/\(token)", bytes: body, key: "",
            headers: try weChatHeaders(body, at: realNow()).merging(headers) { $1 })
    }

    @Test func `a callback for nobody is not found`() async throws {
        try await APIBench.run { bench async throws in
            for counterparty in ["wechat_pay", "alipay", "bank"] {
                let path = "/callbacks/\(counterparty)/\(String(repeating: "x", count: 40))"
                #expect(try await bench.send("POST", path, bytes: [], key: "").status == 404)
            }
            #expect(try await bench.send("POST", "/callbacks/unionpay/x", bytes: [], key: "").status == 404)
        }
    }
}
