import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation
import Testing
import TestSupport

/// What the bank's address takes from whom, in CWP/1 with both families of signatures.
@Suite struct BankBadInputTests {
    /// A hand that writes notifications as the bank would, and as it would not.
    struct Hand {
        let algorithm: CWP1Algorithm
        let signer: CWP1Signer
        let stranger: CWP1Signer

        init(_ algorithm: CWP1Algorithm) throws {
            self.algorithm = algorithm
            let family = algorithm == .rsaSHA256 ? "rsa" : "sm2"
            signer = try CWP1Signer(serial: "B1", privateKeyPEM: try CallbackDoor.pem("bank_\(family).key"))
            stranger = try CWP1Signer(serial: "B1", privateKeyPEM: try CallbackDoor.pem("partner_\(family).key"))
        }

        /// Its name in the table.
        var name: String { algorithm == .rsaSHA256 ? "bank, RSA" : "bank, SM2" }

        func link(market: String = "M00000000001") throws -> [UInt8] {
            let family = algorithm == .rsaSHA256 ? "rsa" : "sm2"
            let link = try JSON(
                parsing: Array(
                    try JSONEncoder().encode(
                        CWP1Link(
                            baseURL: "http://127.0.0.1:9", partnerID: "P0000001", marketID: market, partnerSerial: "S1",
                            partnerPrivateKeyPEM: try CallbackDoor.pem("partner_\(family).key"),
                            bankKeys: [.init(serial: "B1", pem: try CallbackDoor.pem("bank_\(family).pub"))]))))
            return JSON.object((link.members ?? []) + [.init("commission_account", "F1")]).bytes
        }

        /// A notification's bytes.
        func notification(
            _ code: String, _ body: JSON, number: String = UUID().uuidString, partner: String = "P0000001",
            market: String = "M00000000001"
        ) -> CWP1Notification {
            CWP1Notification(
                txnCode: code, partnerID: partner, marketID: market, notifyID: number, at: CallbackDoor.now(),
                body: body)
        }

        /// A signed letter to an address.
        func letter(
            _ notification: CWP1Notification, to path: String, signer: CWP1Signer? = nil, age: Duration = .zero,
            nonce: String = CWP1Signer.nonce()
        ) throws -> Letter {
            let body = notification.bytes
            let headers = try (signer ?? self.signer).headers(
                for: .request(
                    path: path, partnerID: notification.partnerID, txnCode: notification.txnCode,
                    number: notification.notifyID), body: body, at: CallbackDoor.now() - age, nonce: nonce)
            return Letter(
                headers: Dictionary(uniqueKeysWithValues: headers.fields.map { ($0.0, $0.1) }), body: body)
        }

        /// Money that arrived.
        func credit(_ number: String, _ amount: Fen, _ changed: [String: JSON] = [:]) -> JSON {
            let said: [(String, JSON)] = [
                ("bankSeqNo", .string(number)), ("channel", "WXPAY"), ("businessDate", "20261122"),
                ("bankDate", "20261123"), ("amt", .string(amount.yuan)),
            ]
            return JSON.object(said.map { JSON.Member($0.0, changed[$0.0] ?? $0.1) }).omittingNulls
        }
    }

    @Test(arguments: CWP1Algorithm.allCases)
    func `the bank's notifications that prove nothing are refused`(_ algorithm: CWP1Algorithm) async throws {
        let hand = try Hand(algorithm)
        try await CallbackDoor.open(.bank, link: try hand.link()) { door in
            let credit = hand.notification("VOSTRO.NOTIFY", hand.credit("C1", Fen(100)))
            let good = try hand.letter(credit, to: door.path)
            func headers(_ changed: [String: String?]) -> Letter {
                var letter = good
                for (name, value) in changed { letter.headers[name] = value }
                return letter
            }
            let text = String(decoding: good.body, as: UTF8.self)
            let members = try #require(try JSON(parsing: good.body).members)
            let other = algorithm == .rsaSHA256 ? CWP1Algorithm.sm2SM3 : .rsaSHA256
            let market = hand.notification("VOSTRO.NOTIFY", hand.credit("C1", Fen(100)), market: "M00000000002")
            let elsewhere = try hand.letter(market, to: door.path)
            let cases: [(String, [Letter])] = [
                ("forged", [try hand.letter(credit, to: door.path, signer: hand.stranger)]),
                (
                    "re-encoded",
                    [
                        Array(text.replacing(",", with: ", ").utf8), JSON.object(members.reversed()).bytes,
                        good.body + [0x0A],
                    ].map { Letter(headers: good.headers, body: $0) }
                ),
                (
                    "stale",
                    [
                        try hand.letter(credit, to: door.path, age: .seconds(400)),
                        try hand.letter(credit, to: door.path, age: .seconds(-400)),
                    ]
                ),
                ("wrong serial", [headers(["X-Cust-Serial": "B2"])]),
                ("another signature type", [headers(["X-Cust-Alg": other.rawValue]), headers(["X-Cust-Alg": "none"])]),
                ("unsigned", [headers(["X-Cust-Sign": nil]), headers(["X-Cust-Nonce": nil]), Letter(body: good.body)]),
                ("a nonce of another form", [try hand.letter(credit, to: door.path, nonce: "abc")]),
                ("signed for another address", [try hand.letter(credit, to: "/callbacks/bank/another")]),
                (
                    "wrong platform",
                    [
                        elsewhere,
                        try hand.letter(
                            hand.notification("VOSTRO.NOTIFY", hand.credit("C1", Fen(100)), partner: "P0000002"),
                            to: door.path),
                    ]
                ),
                ("HTML instead of JSON", [Letter(headers: good.headers, body: Array("<html>502</html>".utf8))]),
                ("empty body", [Letter(headers: good.headers, body: [])]),
                (
                    "a number too long to keep",
                    [
                        try hand.letter(
                            hand.notification("VOSTRO.NOTIFY", [:], number: String(repeating: "9", count: 600)),
                            to: door.path)
                    ]
                ),
            ]
            var seen: Set<BadInputTable.Row> = []
            for (item, letters) in cases { seen.insert(try await door.deliver(item, letters)) }
            #expect(
                try seen
                    == BadInputTable.rows(
                        of: "the bank's notifications that prove nothing are refused", from: hand.name))
        }
    }

    @Test(arguments: CWP1Algorithm.allCases)
    func `the bank's notifications that are signed and yet wrong change nothing`(
        _ algorithm: CWP1Algorithm
    ) async throws {
        let hand = try Hand(algorithm)
        try await CallbackDoor.open(.bank, link: try hand.link()) { door in
            func told(_ code: String, _ body: JSON) throws -> Letter {
                try hand.letter(hand.notification(code, body), to: door.path)
            }
            func deposit(_ amount: Fen, _ date: String = "20261123") -> JSON {
                ["bankSeqNo": "D1", "amt": .string(amount.yuan), "bankDate": .string(date)]
            }
            _ = try await door.deliver(
                "credits", [try told("VOSTRO.NOTIFY", hand.credit("C1", Fen(100)))], isBooked: true)
            _ = try await door.deliver("deposits", [try told("DEPOSIT.NOTIFY", deposit(Fen(700)))], isBooked: true)
            let stranger = ID<SubMerchant>(at: CallbackDoor.now()).text.dropFirst(4)
            let cases: [(String, [Letter])] = [
                (
                    "unknown order",
                    try ["WDR.NOTIFY", "REF.NOTIFY", "SPLIT.NOTIFY"].map {
                        try told($0, ["origReqSeqNo": "NOBODYS", "status": "SUCCESS"])
                    }
                ),
                (
                    "unknown sub-merchant",
                    [
                        try told("MCH.NOTIFY", ["merchantNo": .string(String(stranger))]),
                        try told("MCH.CONTROL.NOTIFY", ["merchantNo": "NOBODYS"]),
                    ]
                ),
                (
                    "wrong amount",
                    [
                        try told("VOSTRO.NOTIFY", hand.credit("C1", Fen(101))),
                        try told("VOSTRO.NOTIFY", hand.credit("C1", Fen(100), ["businessDate": "20261121"])),
                        try told("DEPOSIT.NOTIFY", deposit(Fen(701))),
                        try told("DEPOSIT.NOTIFY", deposit(Fen(700), "20261124")),
                    ]
                ),
                (
                    "unknown status",
                    [try told("WDR.NOTIFY", ["origReqSeqNo": "NOBODYS", "status": "PERHAPS"])]
                ),
                (
                    "a field missing",
                    [
                        try told("VOSTRO.NOTIFY", hand.credit("C2", Fen(100), ["bankDate": .null])),
                        try told("WDR.NOTIFY", ["status": "SUCCESS"]), try told("MCH.NOTIFY", [:]),
                    ]
                ),
            ]
            var seen: Set<BadInputTable.Row> = []
            for (item, letters) in cases { seen.insert(try await door.deliver(item, letters)) }
            #expect(
                try seen
                    == BadInputTable.rows(
                        of: "the bank's notifications that are signed and yet wrong change nothing", from: hand.name))
        }
    }

    @Test(arguments: CWP1Algorithm.allCases)
    func `the bank's notifications that come again count once`(_ algorithm: CWP1Algorithm) async throws {
        let hand = try Hand(algorithm)
        try await CallbackDoor.open(.bank, link: try hand.link()) { door in
            let once = try hand.letter(
                hand.notification("VOSTRO.NOTIFY", hand.credit("C1", Fen(100))), to: door.path)
            let seen: Set<BadInputTable.Row> = [
                try await door.deliver("replayed", [once, once, once], isBooked: true),
                try await door.deliver(
                    "replayed under another number",
                    try (0..<3).map { _ in
                        try hand.letter(hand.notification("VOSTRO.NOTIFY", hand.credit("C2", Fen(30))), to: door.path)
                    }, isBooked: true),
            ]
            #expect(
                try seen
                    == BadInputTable.rows(of: "the bank's notifications that come again count once", from: hand.name))
            #expect(try await door.world.balance(.bankCash) == Fen(130))
        }
    }
}
