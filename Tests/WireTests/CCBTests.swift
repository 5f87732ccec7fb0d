import CustodyDomain
import CustodyWire
import Foundation
import Testing

/// CCB's splice and signature, by a vector made with another implementation (`vectors/bank_styles.json`).
@Suite struct CCBTests {
    private let vector: JSON
    private let fixtures: URL

    init() throws {
        fixtures = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Fixtures/vectors")
        let all = try JSON(parsing: Array(Data(contentsOf: fixtures.appending(path: "bank_styles.json"))))
        vector = try #require(all["ccb_splice"])
    }

    private func key(_ name: String) throws -> String {
        try String(contentsOf: fixtures.appending(path: "keys/\(name).pem"), encoding: .utf8)
    }

    @Test func `a message is spliced as the vector says, and signed alike`() throws {
        let message = try #require(vector["json"])
        #expect(CCBSplice.text(of: message, .exchange) == vector["string_to_sign"]?.string)
        let seal = try CCBSeal(
            privateKeyPEM: try key("partner_rsa.key"), otherPublicKeyPEM: try key("partner_rsa.pub"))
        let signed = try seal.signed(message, .exchange)
        #expect(signed["Sign_Inf"]?.string == vector["rsa_sha256_signature"]?.string)
        try seal.verify(signed, .exchange)
        for spoiled in [
            JSON.object((signed.members ?? []).map { $0.name == "Ordr_Tamt" ? .init("Ordr_Tamt", "100.02") : $0 }),
            JSON.object((signed.members ?? []).filter { $0.name != "Sign_Inf" }),
            JSON.object((signed.members ?? []) + [.init("More", "1")]),
        ] {
            #expect(throws: CCBRejection.badSignature) { try seal.verify(spoiled, .exchange) }
        }
    }

    @Test func `what is empty is left out, lists are expanded where they stand, and the result only in exchanges`() {
        let message: JSON = [
            "b": "2", "a": "", "Svc_Rsp_St": "00", "c": [["z": "1", "y": "2"], ["z": "3"]], "d": ["x", "y"],
            "e": ["k": 5], "f": nil, "Sign_Inf": "s", "B": "1",
        ]
        #expect(CCBSplice.text(of: message, .exchange) == "B=1&b=2&y=2&z=1&z=3&k=5")
        #expect(CCBSplice.text(of: message, .notification) == "B=1&Svc_Rsp_St=00&b=2&y=2&z=1&z=3&k=5")
    }

    @Test func `SM2 keys sign it too`() throws {
        let own = try CCBSeal(privateKeyPEM: try key("partner_sm2.key"), otherPublicKeyPEM: try key("bank_sm2.pub"))
        let bank = try CCBSeal(privateKeyPEM: try key("bank_sm2.key"), otherPublicKeyPEM: try key("partner_sm2.pub"))
        let message: JSON = ["Main_Ordr_No": "T1", "Svc_Rsp_St": "00"]
        try bank.verify(try own.signed(message, .exchange), .exchange)
        #expect(throws: CCBRejection.badSignature) { try own.verify(try own.signed(message, .exchange), .exchange) }
    }

    @Test func `a notification verifies only for its own market, and is answered as it must be`() throws {
        let link = CCBLink(
            baseURL: "http://127.0.0.1", marketID: "12345678901234",
            platformPrivateKeyPEM: try key("partner_rsa.key"), bankPublicKeyPEM: try key("bank_rsa.pub"))
        let bank = try CCBSeal(privateKeyPEM: try key("bank_rsa.key"), otherPublicKeyPEM: try key("partner_rsa.pub"))
        let notification: JSON = [
            "Ittparty_Tms": "20261006120000123", "Mkt_Id": "12345678901234", "Cust_Rfnd_Trcno": "R1",
            "Refund_Rsp_St": "00",
        ]
        let body = try bank.signed(notification, .notification).bytes
        let verified = try CCBMessage.verify(method: "POST", body: body, link: link)
        #expect(verified.kind == "refund")
        #expect(verified.notifyID == "refund|R1|00|20261006120000123")
        #expect(throws: CCBRejection.wrongMethod) { try CCBMessage.verify(method: "GET", body: body, link: link) }
        var other = link
        other.marketID = "99999999999999"
        #expect(throws: CCBRejection.wrongMarket) { try CCBMessage.verify(method: "POST", body: body, link: other) }
        #expect(throws: CCBRejection.badSignature) {
            try CCBMessage.verify(method: "POST", body: notification.bytes, link: link)
        }
        #expect(throws: CCBRejection.malformedBody) { try CCBMessage.verify(method: "POST", body: [0x5B], link: link) }
        let answer = try JSON(
            parsing: CCBMessage.acknowledgement(of: body, at: try #require(Instant(text: "20261006120001"))))
        #expect(answer["Svc_Rsp_St"]?.string == "00")
        #expect(answer["Rcv_Tm"]?.string == "20261006120001")
        #expect(answer["Ittparty_Tms"]?.string == "20261006120000123")
    }

    @Test func `a link reads its own snake-case JSON`() throws {
        let link = CCBLink(baseURL: "https://b", marketID: "M", platformPrivateKeyPEM: "K", bankPublicKeyPEM: "P")
        let data = try JSONEncoder().encode(link)
        #expect(try JSONDecoder().decode(CCBLink.self, from: data) == link)
        #expect(try JSON(parsing: Array(data))["bank_public_key_pem"]?.string == "P")
    }

    @Test func `a custodian's link is of the dialect it names, and of CWP/1 when it names none`() throws {
        func decoded(_ text: String) throws -> CustodianLink {
            try JSONDecoder().decode(CustodianLink.self, from: Data(text.utf8))
        }
        let ccb = """
            {"dialect":"ccb","base_url":"https://ccb","market_id":"1","version":"4","platform_private_key_pem":"K",
            "bank_public_key_pem":"P","callback_index":"1","commission_account":"C"}
            """
        let cwp1 = """
            "base_url":"https://bank","partner_id":"P","market_id":"M","partner_serial":"1",
            "partner_private_key_pem":"K","bank_keys":[{"serial":"B","pem":"Q"}],"commission_account":"C"}
            """
        #expect(try decoded(ccb).dialect == .ccb)
        #expect(try decoded(ccb).baseURL == "https://ccb")
        #expect(try decoded("{" + cwp1).dialect == .cwp1)
        #expect(try decoded("{\"dialect\":\"cwp1\"," + cwp1).dialect == .cwp1)
        #expect(throws: DecodingError.self) { try decoded("{\"dialect\":\"other\"," + cwp1) }
        #expect(throws: DecodingError.self) { try decoded("{\"dialect\":\"ccb\"," + cwp1) }
    }
}
