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
    func `CCB's notifications that are signed and yet wrong, or come again, change nothing`(
        _ algorithm: CWP1Algorithm
    ) async throws {
        let hand = try Hand(algorithm)
        try await CallbackDoor.open(.bank, link: try hand.link()) { door in
            let once = try hand.letter(hand.payment("T1"))
            let text = String(decoding: try hand.letter(hand.payment("T2")).body, as: UTF8.self)
            let members = try #require(try JSON(parsing: Array(text.utf8)).members)
            let cases: [(String, [Letter])] = [
                ("unknown order", [try hand.letter(hand.refund())]),
                ("unknown status", [try hand.letter(hand.refund(["Refund_Rsp_St": "77"]))]),
                ("a field missing", [try hand.letter(hand.payment("T3", ["Main_Ordr_No": .null]))]),
                ("replayed", [once, once, once]),
                // What is signed are the values in the order of their names, so other bytes are the same notification.
                (
                    "re-encoded",
                    [
                        Letter(body: Array(text.utf8)), Letter(body: Array(text.replacing(",", with: ", ").utf8)),
                        Letter(body: JSON.object(members.reversed()).bytes),
                    ]
                ),
            ]
            var seen: Set<BadInputTable.Row> = []
            for (item, letters) in cases {
                let known = try await door.world.callbackResults().count
                seen.insert(try await door.deliver(item, letters))
                #expect(try await door.world.callbackResults().count == known + 1, "\(item)")
            }
            #expect(
                try seen
                    == BadInputTable.rows(
                        of: "CCB's notifications that are signed and yet wrong, or come again, change nothing",
                        from: hand.name))
        }
    }
}
