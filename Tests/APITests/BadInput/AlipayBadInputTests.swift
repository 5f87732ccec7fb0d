import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation
import Testing
import TestSupport

/// What Alipay's address takes from whom, in key mode and in certificate mode.
@Suite struct AlipayBadInputTests {
    /// How Alipay's keys are known.
    enum Mode: String, CaseIterable, Sendable {
        case key = "Alipay, key"
        case certificate = "Alipay, certificates"
    }

    /// A hand that writes notifications as Alipay would, and as it would not.
    struct Hand {
        let mode: Mode
        let signer: RSASigner
        let stranger: RSASigner
        private let serials: JSON

        init(_ mode: Mode) throws {
            self.mode = mode
            signer = try RSASigner(pem: try CallbackDoor.pem("alipay_gateway.key"))
            stranger = try RSASigner(pem: try CallbackDoor.pem("wx_merchant.key"))
            serials = try JSON(parsing: Array(try CallbackDoor.fixture("certificates/alipay/serials.json").utf8))
        }

        func link(app: String = "2021000000000001", seller: String = "2088000000000001") throws -> [UInt8] {
            let certificates = try ["app", "alipay", "root"].map {
                try CallbackDoor.fixture("certificates/alipay/\($0).pem")
            }
            return Array(
                try JSONEncoder().encode(
                    AlipayLink(
                        gatewayURL: "http://127.0.0.1:9", appID: app, sellerID: seller,
                        appPrivateKeyPEM: try CallbackDoor.pem("alipay_app.key"),
                        trust: mode == .key
                            ? .publicKey(try CallbackDoor.pem("alipay_gateway.pub"))
                            : .certificates(
                                AlipayCertificates(
                                    appCertificatePEM: certificates[0], alipayCertificatePEM: certificates[1],
                                    alipayRootCertificatePEM: certificates[2])))))
        }

        func letter(_ body: [UInt8]) -> Letter {
            Letter(headers: ["Content-Type": "application/x-www-form-urlencoded; charset=utf-8"], body: body)
        }

        /// A signed letter of these fields.
        func letter(_ fields: [URLForm.Field], signer: RSASigner? = nil, serial: String = "alipay") throws -> Letter {
            var fields = fields
            if mode == .certificate { fields.append(.init("alipay_cert_sn", serials[serial]?.string ?? "")) }
            return letter(try AlipayNotify.body(fields, signer: signer ?? self.signer))
        }

        /// What a paid order's notification says; fields may be changed, or left out by nil.
        func payment(
            _ payment: PaymentRecord, _ changed: [String: String?] = [:], refund: RefundRecord? = nil
        ) -> [URLForm.Field] {
            let time = CallbackDoor.now().shanghaiWallClock
            var said: [(String, String)] = [
                ("notify_id", UUID().uuidString), ("notify_type", "trade_status_sync"), ("notify_time", time),
                ("app_id", "2021000000000001"), ("seller_id", "2088000000000001"), ("charset", "utf-8"),
                ("out_trade_no", payment.serial), ("trade_no", "42" + payment.serial),
                ("trade_status", "TRADE_SUCCESS"), ("total_amount", payment.amount.yuan), ("gmt_payment", time),
                ("subject", "茶 & more"), ("body", ""),
            ]
            if let refund {
                said += [
                    ("out_biz_no", refund.serial), ("refund_fee", refund.amount.yuan), ("gmt_refund", time),
                ]
            }
            return said.compactMap { name, value in
                (changed[name] ?? value).map { URLForm.Field(name, $0) }
            }
        }
    }

    @Test(arguments: Mode.allCases)
    func `Alipay's notifications that prove nothing are refused`(_ mode: Mode) async throws {
        let hand = try Hand(mode)
        try await CallbackDoor.open(.alipay, link: try hand.link()) { door in
            let payment = try await door.payment(.alipay, Fen(1234))
            let good = try hand.letter(hand.payment(payment))
            let text = String(decoding: good.body, as: UTF8.self)
            func changed(_ from: String, _ to: String) -> Letter {
                hand.letter(Array(text.replacing(from, with: to).utf8))
            }
            var cases: [(String, [Letter])] = [
                (
                    "forged",
                    [
                        try hand.letter(hand.payment(payment), signer: hand.stranger),
                        changed("total_amount=12.34", "total_amount=12.35"),
                    ]
                ),
                (
                    "a name twice",
                    [
                        changed("total_amount=12.34", "total_amount=12.34&total_amount=0.01"),
                        changed("sign=", "sign=x&sign="),
                    ]
                ),
                ("broken percent-encoding", [changed("%26", "%2"), changed("%26", "%FF"), changed("%26", "%00")]),
                ("another signature type", [changed("sign_type=RSA2", "sign_type=RSA")]),
                (
                    "unsigned",
                    [changed("&sign=", "&no_sign="), hand.letter(Array("notify_id=1&app_id=2021000000000001".utf8))]
                ),
                ("HTML instead of a form", [hand.letter(Array("<html>502</html>".utf8))]),
                ("empty body", [hand.letter([UInt8]())]),
                (
                    "wrong platform",
                    [
                        try hand.letter(hand.payment(payment, ["app_id": "2021000000000002"])),
                        try hand.letter(hand.payment(payment, ["seller_id": "2088000000000002"])),
                    ]
                ),
                (
                    "a number too long to keep",
                    [try hand.letter(hand.payment(payment, ["notify_id": String(repeating: "9", count: 600)]))]
                ),
            ]
            if mode == .certificate {
                cases.append(("wrong serial", [try hand.letter(hand.payment(payment), serial: "alipay_next")]))
            }
            let foreign = cases.first { $0.0 == "wrong platform" }?.1 ?? []
            #expect(try await door.accepts(foreign[0], link: try hand.link(app: "2021000000000002")))
            var seen: Set<BadInputTable.Row> = []
            for (item, letters) in cases { seen.insert(try await door.deliver(item, letters)) }
            #expect(
                try seen
                    == BadInputTable.rows(
                        of: "Alipay's notifications that prove nothing are refused", from: mode.rawValue))
        }
    }

    @Test(arguments: Mode.allCases)
    func `Alipay's notifications that are signed and yet wrong change nothing`(_ mode: Mode) async throws {
        let hand = try Hand(mode)
        try await CallbackDoor.open(.alipay, link: try hand.link()) { door in
            let payment = try await door.payment(.alipay, Fen(1234))
            let other = try await door.payment(.weChatPay, Fen(77))
            let (refund, refunded) = try await door.refund(.alipay, Fen(500))
            let (foreign, foreigns) = try await door.refund(.weChatPay, Fen(600))
            func told(_ changed: [String: String?]) throws -> Letter {
                try hand.letter(hand.payment(payment, changed))
            }
            func returned(_ changed: [String: String?]) throws -> Letter {
                try hand.letter(hand.payment(refunded, changed, refund: refund))
            }
            let cases: [(String, [Letter])] = [
                ("unknown order", [try told(["out_trade_no": "NOBODYS"]), try told(["out_trade_no": other.serial])]),
                (
                    "unknown refund",
                    [
                        try returned(["out_biz_no": "NOBODYS"]),
                        try hand.letter(hand.payment(foreigns, refund: foreign)),
                    ]
                ),
                ("a refund of another payment", [try returned(["out_trade_no": payment.serial])]),
                ("wrong amount", [try told(["total_amount": "12.33"]), try told(["total_amount": "0.01"])]),
                ("unknown status", [try told(["trade_status": "PERHAPS"])]),
                ("an amount that is none", [try told(["total_amount": "12.345"]), try told(["total_amount": nil])]),
                ("a field missing", [try told(["gmt_payment": nil]), try told(["trade_no": nil])]),
            ]
            var seen: Set<BadInputTable.Row> = []
            for (item, letters) in cases { seen.insert(try await door.deliver(item, letters)) }
            #expect(
                try seen
                    == BadInputTable.rows(
                        of: "Alipay's notifications that are signed and yet wrong change nothing", from: mode.rawValue))
        }
    }

    @Test(arguments: Mode.allCases)
    func `Alipay's notifications that come again, in whatever encoding, count once`(_ mode: Mode) async throws {
        let hand = try Hand(mode)
        try await CallbackDoor.open(.alipay, link: try hand.link()) { door in
            var payments: [PaymentRecord] = []
            for amount in [1234, 99, 55, 66] { payments.append(try await door.payment(.alipay, Fen(Int64(amount)))) }
            let good = try hand.letter(hand.payment(payments[0]))
            let text = String(decoding: try hand.letter(hand.payment(payments[1])).body, as: UTF8.self)
            // The same fields in other bytes: what is signed are the decoded values, in the order of their names.
            let lower = text.replacing(#/%[0-9A-F]{2}/#) { $0.output.lowercased() }
            let spaces = text.replacing("+", with: "%20")
            let letters = text.replacing("subject=", with: "%73ubject=").replacing("TRADE", with: "%54RADE")
            let order = text.split(separator: "&").reversed().joined(separator: "&")
            #expect(Set([text, lower, spaces, letters, order]).count == 5)
            let yesterday = (CallbackDoor.now() - .seconds(86_400)).shanghaiWallClock
            let seen: Set<BadInputTable.Row> = [
                try await door.deliver("replayed", [good, good, good], isBooked: true),
                try await door.deliver(
                    "re-encoded", [text, lower, spaces, letters, order].map { hand.letter(Array($0.utf8)) },
                    isBooked: true),
                try await door.deliver(
                    "replayed under another number",
                    try (0..<3).map { _ in try hand.letter(hand.payment(payments[2])) }, isBooked: true),
                // Alipay's notifications come again for a day, as they were: there is no time that they end with.
                try await door.deliver(
                    "stale", [try hand.letter(hand.payment(payments[3], ["notify_time": yesterday]))], isBooked: true),
            ]
            #expect(
                try seen
                    == BadInputTable.rows(
                        of: "Alipay's notifications that come again, in whatever encoding, count once",
                        from: mode.rawValue))
            #expect(try await door.world.balance(.clearing(.alipay)) == Fen(1234 + 99 + 55 + 66))
        }
    }
}
