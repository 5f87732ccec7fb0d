import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation
import Testing
import TestSupport

/// What WeChat Pay's address takes from whom, in both key modes.
@Suite struct WeChatPayBadInputTests {
    /// How WeChat Pay signs.
    enum Mode: String, CaseIterable, Sendable {
        case publicKey = "WeChat Pay, public key"
        case certificate = "WeChat Pay, certificates"
    }

    /// A hand that writes callbacks as WeChat Pay would, and as it would not.
    struct Hand {
        static let serial = "5D55CD0B85F3D1228D3906E381FA7A98B26050E3"
        let mode: Mode
        let signer: RSASigner
        let stranger: RSASigner

        init(_ mode: Mode) throws {
            self.mode = mode
            signer = try RSASigner(pem: try CallbackDoor.pem(mode == .publicKey ? "wx_pubkey.key" : "wx_platform.key"))
            stranger = try RSASigner(pem: try CallbackDoor.pem("wx_merchant.key"))
        }

        var serial: String { mode == .publicKey ? "PUB_KEY_ID_1" : Hand.serial }

        func link(mchid: String = "1900000001", apiKey: Character = "k") throws -> [UInt8] {
            let pem = mode == .publicKey ? "wx_pubkey.pub" : "wx_platform.cert"
            return Array(
                try JSONEncoder().encode(
                    WeChatPayLink(
                        baseURL: "http://127.0.0.1:9", mchid: mchid, appid: "wx0000000000000001", merchantSerial: "AA",
                        merchantPrivateKeyPEM: try CallbackDoor.pem("wx_merchant.key"),
                        apiV3Key: String(repeating: apiKey, count: 32),
                        platformKeys: [.init(serial: serial, pem: try CallbackDoor.pem(pem))])))
        }

        /// An envelope around a resource, encrypted.
        func envelope(
            _ resource: [UInt8], event: String = "TRANSACTION.SUCCESS", apiKey: Character = "k", cut: Int = 0
        ) throws -> [UInt8] {
            let sealed = try WeChatPayCipher(apiV3Key: String(repeating: apiKey, count: 32)).seal(
                resource, nonce: String(UUID().uuidString.prefix(12)), associatedData: "transaction")
            let bytes = try #require(Data(base64Encoded: sealed.ciphertext))
            return
                ([
                    "id": .string("EV-" + UUID().uuidString), "event_type": .string(event),
                    "resource_type": "encrypt-resource",
                    "resource": [
                        "original_type": "transaction", "algorithm": "AEAD_AES_256_GCM",
                        "ciphertext": .string(bytes.dropLast(cut).base64EncodedString()),
                        "associated_data": "transaction", "nonce": .string(sealed.nonce),
                    ],
                ] as JSON).bytes
        }

        /// A signed letter.
        func letter(
            _ body: [UInt8], serial: String? = nil, signer: RSASigner? = nil, age: Int64 = 0
        ) throws -> Letter {
            let time = CallbackDoor.now().seconds - age
            let message = WeChatPayVerifier.message(timestamp: "\(time)", nonce: "n0nce", body: body)
            return Letter(
                headers: [
                    "Wechatpay-Serial": serial ?? self.serial, "Wechatpay-Timestamp": "\(time)",
                    "Wechatpay-Nonce": "n0nce", "Content-Type": "application/json",
                    "Wechatpay-Signature": try (signer ?? self.signer).base64Signature(of: message),
                ], body: body)
        }

        /// What a paid order's callback says; members may be changed or left out.
        func payment(_ payment: PaymentRecord, _ changed: [String: JSON] = [:]) -> [UInt8] {
            let said: [(String, JSON)] = [
                ("mchid", "1900000001"), ("appid", "wx0000000000000001"), ("out_trade_no", .string(payment.serial)),
                ("transaction_id", .string("42" + payment.serial)), ("trade_state", "SUCCESS"),
                ("success_time", .string(CallbackDoor.now().rfc3339Shanghai)),
                ("amount", ["total": JSON(payment.amount.value), "currency": "CNY"]), ("payer", ["openid": "o1"]),
            ]
            return Hand.object(said, changed)
        }

        /// What a refund's callback says.
        func refund(_ refund: RefundRecord, of payment: PaymentRecord, _ changed: [String: JSON] = [:]) -> [UInt8] {
            let said: [(String, JSON)] = [
                ("mchid", "1900000001"), ("out_trade_no", .string(payment.serial)),
                ("out_refund_no", .string(refund.serial)), ("refund_id", .string("50" + refund.serial)),
                ("refund_status", "SUCCESS"), ("success_time", .string(CallbackDoor.now().rfc3339Shanghai)),
                ("amount", ["total": JSON(payment.amount.value), "refund": JSON(refund.amount.value)]),
            ]
            return Hand.object(said, changed)
        }

        private static func object(_ said: [(String, JSON)], _ changed: [String: JSON]) -> [UInt8] {
            JSON.object(said.map { JSON.Member($0.0, changed[$0.0] ?? $0.1) }).omittingNulls.bytes
        }
    }

    @Test(arguments: Mode.allCases)
    func `WeChat Pay's callbacks that prove nothing are refused`(_ mode: Mode) async throws {
        let hand = try Hand(mode)
        try await CallbackDoor.open(.weChatPay, link: try hand.link()) { door in
            let payment = try await door.payment(.weChatPay, Fen(1234))
            let body = try hand.envelope(hand.payment(payment))
            let good = try hand.letter(body)
            var probe = good
            probe.headers["Wechatpay-Signature"] = "WECHATPAY/SIGNTEST/" + (good.headers["Wechatpay-Signature"] ?? "")
            var unsigned = good
            unsigned.headers["Wechatpay-Signature"] = nil
            var otherType = good
            otherType.headers["Wechatpay-Signature-Type"] = "WECHATPAY2-SM2-WITH-SM3"
            // The same content, as another writer of JSON would put it.
            let members = try #require(try JSON(parsing: body).members)
            let spaced = String(decoding: body, as: UTF8.self).replacing(",", with: ", ")
            let turned = JSON.object(members.reversed()).bytes
            let long = String(repeating: "9", count: 600)
            let html = Array("<html>502</html>".utf8)
            let cases: [(String, [Letter])] = [
                ("forged", [try hand.letter(body, signer: hand.stranger)]),
                (
                    "re-encoded",
                    [Array(spaced.utf8), turned, body + [0x0A]].map { Letter(headers: good.headers, body: $0) }
                ),
                ("stale", [try hand.letter(body, age: 400), try hand.letter(body, age: -400)]),
                ("wrong serial", [try hand.letter(body, serial: "PUB_KEY_ID_2"), try hand.letter(body, serial: "00")]),
                ("SIGNTEST probe", [probe]), ("unsigned", [unsigned, otherType, Letter(body: body)]),
                ("HTML instead of JSON", [try hand.letter(html)]), ("empty body", [try hand.letter([])]),
                (
                    "a number too long to keep",
                    [try hand.letter(Array(#"{"id":"\#(long)","event_type":"X","resource":{}}"#.utf8))]
                ),
            ]
            var seen: Set<BadInputTable.Row> = []
            for (item, letters) in cases { seen.insert(try await door.deliver(item, letters)) }
            #expect(
                try seen
                    == BadInputTable.rows(
                        of: "WeChat Pay's callbacks that prove nothing are refused", from: mode.rawValue))
        }
    }

    @Test(arguments: Mode.allCases)
    func `WeChat Pay's callbacks that are signed and yet wrong change nothing`(_ mode: Mode) async throws {
        let hand = try Hand(mode)
        try await CallbackDoor.open(.weChatPay, link: try hand.link()) { door in
            let payment = try await door.payment(.weChatPay, Fen(1234))
            let other = try await door.payment(.alipay, Fen(77))
            let (refund, refunded) = try await door.refund(.weChatPay, Fen(500))
            func letter(_ resource: [UInt8], event: String = "TRANSACTION.SUCCESS") throws -> Letter {
                try hand.letter(try hand.envelope(resource, event: event))
            }
            func told(_ changed: [String: JSON]) throws -> Letter { try letter(hand.payment(payment, changed)) }
            func returned(_ changed: [String: JSON]) throws -> Letter {
                try letter(hand.refund(refund, of: refunded, changed), event: "REFUND.SUCCESS")
            }
            let elsewhere = try hand.letter(try hand.envelope(hand.payment(payment), apiKey: "x"))
            #expect(try await door.accepts(elsewhere, link: try hand.link(mchid: "1900000002", apiKey: "x")))
            let cases: [(String, [Letter])] = [
                ("wrong platform", [elsewhere]),
                ("truncated tag", [try hand.letter(try hand.envelope(hand.payment(payment), cut: 4))]),
                (
                    "another merchant's number",
                    [
                        try told(["mchid": "1900000002"]), try told(["appid": "wx0000000000000002"]),
                        try returned(["mchid": "1900000002"]),
                    ]
                ),
                (
                    "unknown order",
                    [
                        try told(["out_trade_no": "NOBODYS"]), try told(["out_trade_no": .string(other.serial)]),
                    ]
                ),
                ("unknown refund", [try returned(["out_refund_no": "NOBODYS"])]),
                ("a refund of another payment", [try returned(["out_trade_no": .string(payment.serial)])]),
                (
                    "wrong amount",
                    [
                        try told(["amount": ["total": 1233]]),
                        try returned(["amount": ["total": 500, "refund": 499]]),
                    ]
                ),
                ("unknown status", [try told(["trade_state": "PERHAPS"]), try returned(["refund_status": "PERHAPS"])]),
                ("content that is not JSON", [try letter(Array("<html></html>".utf8))]),
                ("a field missing", [try told(["success_time": .null]), try told(["transaction_id": .null])]),
            ]
            var seen: Set<BadInputTable.Row> = []
            for (item, letters) in cases { seen.insert(try await door.deliver(item, letters)) }
            #expect(
                try seen
                    == BadInputTable.rows(
                        of: "WeChat Pay's callbacks that are signed and yet wrong change nothing", from: mode.rawValue))
        }
    }

    @Test(arguments: Mode.allCases)
    func `WeChat Pay's callbacks that come again count once`(_ mode: Mode) async throws {
        let hand = try Hand(mode)
        try await CallbackDoor.open(.weChatPay, link: try hand.link()) { door in
            let (first, second) = (
                try await door.payment(.weChatPay, Fen(1234)), try await door.payment(.weChatPay, Fen(99))
            )
            let letter = try hand.letter(try hand.envelope(hand.payment(first)))
            var seen: Set<BadInputTable.Row> = [
                try await door.deliver("replayed", [letter, letter, letter], isBooked: true),
                try await door.deliver(
                    "replayed under another number",
                    try (0..<3).map { _ in try hand.letter(try hand.envelope(hand.payment(second))) }, isBooked: true),
            ]
            let (refund, payment) = try await door.refund(.weChatPay, Fen(500))
            seen.insert(
                try await door.deliver(
                    "a refund replayed under another number",
                    try (0..<2).map { _ in
                        try hand.letter(try hand.envelope(hand.refund(refund, of: payment), event: "REFUND.SUCCESS"))
                    }, isBooked: true))
            #expect(
                try seen
                    == BadInputTable.rows(
                        of: "WeChat Pay's callbacks that come again count once", from: mode.rawValue))
            #expect(try await door.world.balance(.clearing(.weChatPay)) == Fen(1234 + 99))
        }
    }

    @Test func `WeChat Pay's certificate counts from its first second only`() async throws {
        let hand = try Hand(.certificate)
        try await CallbackDoor.open(.weChatPay, link: try hand.link()) { door in
            // Another certificate, downloaded in time, for later.
            let pem = try CallbackDoor.fixture("certificates/alipay/alipay.pem").components(separatedBy: "-----END")[0]
            let serial = "2022052400000000000000123456789ABC"
            let now = CallbackDoor.now()
            try await door.world.run { tx in
                try await tx.note(
                    [
                        PlatformCertificate(
                            serial: serial, pem: pem + "-----END CERTIFICATE-----\n",
                            validity: now + .seconds(3600)..<now + .seconds(7200))
                    ], of: .weChatPay)
            }
            let payment = try await door.payment(.weChatPay, Fen(1234))
            let next = try RSASigner(pem: try CallbackDoor.pem("alipay_gateway.key"))
            let letter = try hand.letter(try hand.envelope(hand.payment(payment)), serial: serial, signer: next)
            #expect(
                try await [door.deliver("a certificate before its time", [letter])]
                    == BadInputTable.rows(
                        of: "WeChat Pay's certificate counts from its first second only",
                        from: Mode.certificate.rawValue)
            )
        }
    }

    @Test func `a link without a readable key takes nothing`() async throws {
        let hand = try Hand(.publicKey)
        let link = try JSON(parsing: hand.link())
        let keys: JSON = [["serial": "PUB_KEY_ID_1", "pem": "none"]]
        let broken = JSON.object((link.members ?? []).map { $0.name == "platform_keys" ? .init($0.name, keys) : $0 })
        try await CallbackDoor.open(.weChatPay, link: broken.bytes) { door in
            let letter = try hand.letter(try hand.envelope(Array("{}".utf8)))
            #expect(
                try await [door.deliver("our own key unreadable", [letter])]
                    == BadInputTable.rows(
                        of: "a link without a readable key takes nothing", from: Mode.publicKey.rawValue))
        }
    }
}
