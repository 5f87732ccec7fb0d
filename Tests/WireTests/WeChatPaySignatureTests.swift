import CustodyDomain
import CustodyWire
import Foundation
import Testing

@Suite struct WeChatPaySignatureTests {
    @Test func `every request vector is signed byte for byte like the SDK does`() throws {
        let vectors = try WeChatPayFixtures.vectors()
        let link = try WeChatPayFixtures.link(vectors)
        let signer = try WeChatPayRequestSigner(link)
        let key = try RSAVerifier(pem: try WeChatPayFixtures.text("vectors/keys/wx_merchant.pub.pem"))
        let requests = try #require(vectors["requests"]?.array)
        #expect(requests.count == 7)
        for request in requests {
            let method = try #require(request["method"]?.string)
            let target = try #require(request["canonical_url"]?.string)
            let nonce = try #require(request["nonce_str"]?.string)
            let timestamp = try #require(request["timestamp"]?.string)
            let body = Array(try #require(request["body"]?.string).utf8)
            let message = WeChatPayRequestSigner.message(
                method: method, target: target, timestamp: timestamp, nonce: nonce, body: body)
            #expect(String(decoding: message, as: UTF8.self) == request["message"]?.string)
            let header = try signer.authorization(
                method: method, target: target, body: body,
                now: Instant(seconds: try #require(Int64(timestamp))), nonce: nonce)
            let ours = try #require(WeChatPayAuthorization(header))
            let sdkHeader = try #require(request["authorization_from_wechatpayv3"]?.string)
            let theirs = try #require(WeChatPayAuthorization(sdkHeader))
            #expect(ours == theirs)
            #expect(ours.isValid(method: method, target: target, body: body, key: key))
            #expect(!ours.isValid(method: method, target: target + "x", body: body, key: key))
        }
    }

    @Test(arguments: [
        "", "WECHATPAY2-SHA256-RSA2048", "WECHATPAY2-SM2-WITH-SM3 mchid=\"1\",nonce_str=\"2\"",
        "WECHATPAY2-SHA256-RSA2048 mchid=\"1\",nonce_str=\"2\",timestamp=\"3\",serial_no=\"4\"",
        "WECHATPAY2-SHA256-RSA2048 mchid=\"1\",mchid=\"9\",nonce_str=\"2\",timestamp=\"3\",serial_no=\"4\",signature=\"5\"",
        "WECHATPAY2-SHA256-RSA2048 mchid=1,nonce_str=\"2\",timestamp=\"3\",serial_no=\"4\",signature=\"5\"",
    ])
    func `a broken authorization header is no authorization`(_ header: String) {
        #expect(WeChatPayAuthorization(header) == nil)
    }

    @Test func `every response vector is judged as the SDK judges it`() throws {
        let vectors = try WeChatPayFixtures.vectors()
        let verifier = try WeChatPayVerifier(try WeChatPayFixtures.link(vectors))
        let now = try WeChatPayFixtures.frozenClock(vectors)
        let expected: [String: WeChatPayVerifier.Rejection?] = [
            "platform_cert_mode": nil, "public_key_mode": nil, "empty_body_204": nil,
            "tampered_body": .badSignature, "stale_timestamp": .stale, "wrong_serial": .unknownSerial,
            "sign_probe": .probe,
        ]
        let responses = try #require(vectors["responses"]?.array)
        #expect(responses.count == expected.count)
        for response in responses {
            let name = try #require(response["name"]?.string)
            let rejection = try #require(expected[name])
            #expect((rejection == nil) == (response["valid"]?.bool == true))
            let headers = try WeChatPayFixtures.headers(response)
            let body = Array(try #require(response["body"]?.string).utf8)
            do throws(WeChatPayVerifier.Rejection) {
                try verifier.verify(headers: headers, body: body, now: now)
                #expect(rejection == nil, "\(name)")
            } catch { #expect(rejection == error, "\(name)") }
        }
    }

    @Test(arguments: [(299, true), (-299, true), (300, false), (-300, false)])
    func `a timestamp is good for less than five minutes either way`(_ seconds: Int64, _ isGood: Bool) throws {
        let vectors = try WeChatPayFixtures.vectors()
        let verifier = try WeChatPayVerifier(try WeChatPayFixtures.link(vectors))
        let response = try #require(vectors["responses"]?.array?.first)
        let now = try WeChatPayFixtures.frozenClock(vectors) + .seconds(seconds)
        let headers = try WeChatPayFixtures.headers(response)
        let body = Array(try #require(response["body"]?.string).utf8)
        if isGood {
            try verifier.verify(headers: headers, body: body, now: now)
        } else {
            #expect(throws: WeChatPayVerifier.Rejection.stale) {
                try verifier.verify(headers: headers, body: body, now: now)
            }
        }
    }

    @Test func `a header that is missing or given twice is refused`() throws {
        let vectors = try WeChatPayFixtures.vectors()
        let verifier = try WeChatPayVerifier(try WeChatPayFixtures.link(vectors))
        let response = try #require(vectors["responses"]?.array?.first)
        let headers = try WeChatPayFixtures.headers(response)
        let body = Array(try #require(response["body"]?.string).utf8)
        let now = try WeChatPayFixtures.frozenClock(vectors)
        for name in ["Wechatpay-Timestamp", "Wechatpay-Nonce", "Wechatpay-Signature", "Wechatpay-Serial"] {
            #expect(throws: WeChatPayVerifier.Rejection.badHeader(name)) {
                try verifier.verify(headers: headers.filter { $0.name != name }, body: body, now: now)
            }
            let twice = headers + headers.filter { $0.name == name }
            #expect(throws: WeChatPayVerifier.Rejection.badHeader(name)) {
                try verifier.verify(headers: twice, body: body, now: now)
            }
        }
    }

    @Test func `cash-desk signatures are the ones in the vectors`() throws {
        let vectors = try WeChatPayFixtures.vectors()
        let signer = try WeChatPayRequestSigner(try WeChatPayFixtures.link(vectors))
        let now = try WeChatPayFixtures.frozenClock(vectors)
        let cases = try #require(vectors["invoke_payment"]?.array)
        #expect(cases.count == 2)
        for vector in cases {
            let nonce = "593BEC0C930BF1AFEB40B4A08C8FB242"
            let prepayID = "wx061200001234567890abcdef"
            if vector["kind"]?.string == "app" {
                let parameters = try signer.appParameters(prepayID: prepayID, now: now, nonce: nonce)
                #expect(parameters["sign"] == vector["signature"]?.string)
            } else {
                let parameters = try signer.jsapiParameters(prepayID: prepayID, now: now, nonce: nonce)
                #expect(parameters["paySign"] == vector["signature"]?.string)
                #expect(parameters["package"] == "prepay_id=\(prepayID)")
            }
        }
    }

    @Test func `a link is read from JSON and never shows its keys`() throws {
        let link = try WeChatPayFixtures.link(try WeChatPayFixtures.vectors())
        let data = try JSONEncoder().encode(link)
        #expect(try JSONDecoder().decode(WeChatPayLink.self, from: data) == link)
        let json = try JSON(parsing: data)
        #expect(json["base_url"]?.string == link.baseURL)
        #expect(json["platform_keys"]?.array?.count == 2)
        var dumped = ""
        dump(link, to: &dumped)
        for text in ["\(link)", String(reflecting: link), dumped] {
            #expect(!text.contains("PRIVATE") && !text.contains(link.apiV3Key))
        }
    }

    @Test func `a certificate configured under another serial is refused`() throws {
        var link = try WeChatPayFixtures.link(try WeChatPayFixtures.vectors())
        link.platformKeys[0].serial = "54DB5C5D27D323587894278415D19DC8E4D7BDEE"
        #expect(throws: WeChatPayKeyError.serialMismatch) { try WeChatPayVerifier(link) }
        link.platformKeys[0].pem = "no key"
        #expect(throws: WeChatPayKeyError.unreadable) { try WeChatPayVerifier(link) }
    }
}
