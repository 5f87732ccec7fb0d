import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation
import Testing
import TestSupport

/// What CCB's address takes from whom, with both families of signatures.
@Suite struct CCBBadInputTests {
    /// A hand that writes notifications as CCB would, and as it would not.
    struct Hand {
        let algorithm: CWP1Algorithm
        let seal: CCBSeal
        let stranger: CCBSeal

        init(_ algorithm: CWP1Algorithm) throws {
            self.algorithm = algorithm
            let family = algorithm == .rsaSHA256 ? "rsa" : "sm2"
            let (partner, bank) = ("partner_\(family)", "bank_\(family)")
            seal = try CCBSeal(
                privateKeyPEM: try CallbackDoor.pem("\(bank).key"),
                otherPublicKeyPEM: try CallbackDoor.pem("\(partner).pub"))
            stranger = try CCBSeal(
                privateKeyPEM: try CallbackDoor.pem("\(partner).key"),
                otherPublicKeyPEM: try CallbackDoor.pem("\(bank).pub"))
        }

        /// Its name in the table.
        var name: String { algorithm == .rsaSHA256 ? "CCB, RSA" : "CCB, SM2" }

        func link() throws -> [UInt8] {
            let family = algorithm == .rsaSHA256 ? "rsa" : "sm2"
            return
                ([
                    "dialect": "ccb", "base_url": "http://127.0.0.1:9", "market_id": "12345678901234", "version": "4",
                    "platform_private_key_pem": .string(try CallbackDoor.pem("partner_\(family).key")),
                    "bank_public_key_pem": .string(try CallbackDoor.pem("bank_\(family).pub")), "callback_index": "1",
                    "commission_account": "C1",
                ] as JSON).bytes
        }

        func payment(_ order: String, _ changed: [String: JSON] = [:]) -> JSON {
            Hand.object(
                [
                    ("Ittparty_Tms", "20261123120000123"), ("Mkt_Id", "12345678901234"),
                    ("Main_Ordr_No", .string(order)),
                    ("Ordr_Stcd", "2"), ("Rmrk", "A&B"),
                ], changed)
        }

        /// What a paid order's notification says.
        func paid(_ payment: PaymentRecord, _ changed: [String: JSON] = [:]) -> JSON {
            Hand.object(
                [
                    ("Ittparty_Tms", "20261123120000123"), ("Mkt_Id", "12345678901234"),
                    ("Main_Ordr_No", .string(payment.serial)), ("Ordr_Stcd", "2"),
                    ("Ordr_Amt", .string(payment.amount.yuan)), ("Py_Trn_No", .string("42" + payment.serial)),
                    ("Pay_Time", .string(CallbackDoor.now().shanghaiCompact)), ("Rmrk", "A&B"),
                ], changed)
        }

        func refund(_ changed: [String: JSON] = [:]) -> JSON {
            Hand.object(
                [
                    ("Ittparty_Tms", "20261123120000123"), ("Mkt_Id", "12345678901234"), ("Cust_Rfnd_Trcno", "NOBODYS"),
                    ("Refund_Rsp_St", "00"), ("Rfnd_Amt", "1.00"),
                ], changed)
        }

        private static func object(_ said: [(String, JSON)], _ changed: [String: JSON]) -> JSON {
            JSON.object(said.map { JSON.Member($0.0, changed[$0.0] ?? $0.1) }).omittingNulls
        }

        func letter(_ message: JSON, _ seal: CCBSeal? = nil) throws -> Letter {
            Letter(body: try (seal ?? self.seal).signed(message, .notification).bytes)
        }
    }

    @Test(arguments: CWP1Algorithm.allCases)
    func `CCB's notifications that prove nothing are refused`(_ algorithm: CWP1Algorithm) async throws {
        let hand = try Hand(algorithm)
        try await CallbackDoor.open(.bank, link: try hand.link()) { door in
            let good = try hand.letter(hand.payment("T1"))
            let text = String(decoding: good.body, as: UTF8.self)
            func changed(_ from: String, _ to: String) -> Letter {
                Letter(body: Array(text.replacing(from, with: to).utf8))
            }
            // The text that is signed does not say where a value ends: this is the same one.
            let respliced = changed(
                #""Main_Ordr_No":"T1","Ordr_Stcd":"2""#, #""Main_Ordr_No":"T1&Ordr_Stcd=2""#)
            let signature = try #require(try JSON(parsing: good.body)["Sign_Inf"])
            let spliced = JSON.object(
                [
                    JSON.Member("Ittparty_Tms", "20261123120000123&Main_Ordr_No=T1"),
                    JSON.Member("Mkt_Id", "12345678901234"), JSON.Member("Ordr_Stcd", "2"), JSON.Member("Rmrk", "A&B"),
                    JSON.Member("Sign_Inf", signature),
                ])
            let cases: [(String, [Letter])] = [
                (
                    "forged",
                    [
                        try hand.letter(hand.payment("T1"), hand.stranger),
                        changed(#""Ordr_Stcd":"2""#, #""Ordr_Stcd":"3""#),
                    ]
                ),
                ("spliced anew", [respliced, Letter(body: spliced.bytes)]),
                ("unsigned", [Letter(body: hand.payment("T1").bytes), changed("Sign_Inf", "Sign")]),
                ("wrong platform", [try hand.letter(hand.payment("T1", ["Mkt_Id": "12345678901235"]))]),
                ("HTML instead of JSON", [Letter(body: Array("<html>502</html>".utf8))]),
                ("empty body", [Letter(body: [])]),
                ("a number too long to keep", [try hand.letter(hand.payment(String(repeating: "9", count: 600)))]),
            ]
            var seen: Set<BadInputTable.Row> = []
            for (item, letters) in cases { seen.insert(try await door.deliver(item, letters)) }
            #expect(
                try seen
                    == BadInputTable.rows(of: "CCB's notifications that prove nothing are refused", from: hand.name))
        }
    }

    @Test(arguments: CWP1Algorithm.allCases)
    func `CCB's notifications that are signed and yet wrong change nothing`(_ algorithm: CWP1Algorithm) async throws {
        let hand = try Hand(algorithm)
        let role = CustodianLink.Dialect.ccb.role
        try await CallbackDoor.open(.bank, link: try hand.link(), role: role) { door in
            let payment = try await door.payment(.weChatPay, Fen(1234))
            func told(_ changed: [String: JSON]) throws -> Letter { try hand.letter(hand.paid(payment, changed)) }
            let gone: JSON = [
                "Ittparty_Tms": "20261123120000123", "Mkt_Id": "12345678901234", "Mkt_Mrch_Id": "NOBODYS",
                "Mkt_Mrch_Nm": "甲", "Opr_Tp": "02",
            ]
            let cases: [(String, [Letter])] = [
                ("unknown order", [try told(["Main_Ordr_No": "NOBODYS"])]),
                ("unknown refund", [try hand.letter(hand.refund())]),
                ("unknown sub-merchant", [try hand.letter(gone)]),
                ("wrong amount", [try told(["Ordr_Amt": "12.33"]), try told(["Ordr_Amt": "0.01", "Rmrk": "x"])]),
                (
                    "unknown status",
                    [try told(["Ordr_Stcd": "77"]), try hand.letter(hand.refund(["Refund_Rsp_St": "77"]))]
                ),
                ("a field missing", [try told(["Main_Ordr_No": .null])]),
                ("no amount", [try told(["Ordr_Amt": .null, "Ittparty_Tms": "20261123120000124"])]),
            ]
            var seen: Set<BadInputTable.Row> = []
            for (item, letters) in cases { seen.insert(try await door.deliver(item, letters)) }
            #expect(
                try seen
                    == BadInputTable.rows(
                        of: "CCB's notifications that are signed and yet wrong change nothing", from: hand.name))
        }
    }

    @Test(arguments: CWP1Algorithm.allCases)
    func `CCB's notifications that come again, in whatever encoding, count once`(
        _ algorithm: CWP1Algorithm
    ) async throws {
        let hand = try Hand(algorithm)
        let role = CustodianLink.Dialect.ccb.role
        try await CallbackDoor.open(.bank, link: try hand.link(), role: role) { door in
            var payments: [PaymentRecord] = []
            for amount in [1234, 99, 55] { payments.append(try await door.payment(.weChatPay, Fen(Int64(amount)))) }
            let once = try hand.letter(hand.paid(payments[0]))
            let text = String(decoding: try hand.letter(hand.paid(payments[1])).body, as: UTF8.self)
            let members = try #require(try JSON(parsing: Array(text.utf8)).members)
            let seen: Set<BadInputTable.Row> = [
                try await door.deliver("replayed", [once, once, once], isBooked: true),
                // What is signed are the values in the order of their names, so other bytes are the same notification.
                try await door.deliver(
                    "re-encoded",
                    [
                        Letter(body: Array(text.utf8)), Letter(body: Array(text.replacing(",", with: ", ").utf8)),
                        Letter(body: JSON.object(members.reversed()).bytes),
                    ], isBooked: true),
                try await door.deliver(
                    "replayed at another time",
                    try ["20261123120000123", "20261123120000124"].map {
                        try hand.letter(hand.paid(payments[2], ["Ittparty_Tms": .string($0)]))
                    }, isBooked: true),
            ]
            #expect(try await door.world.callbackResults().count == 4)
            #expect(
                try seen
                    == BadInputTable.rows(
                        of: "CCB's notifications that come again, in whatever encoding, count once", from: hand.name))
            #expect(try await door.world.balance(.clearing(.weChatPay)) == Fen(1234 + 99 + 55))
        }
    }
}
