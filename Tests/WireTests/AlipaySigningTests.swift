import CustodyDomain
import CustodyWire
import Foundation
import Testing

@Suite struct `Alipay signing` {
    @Test func `every request of the vectors is signed as the official SDK signs it`() throws {
        let vectors = try AlipayFixtures.vectors()
        let signer = try RSASigner(pem: AlipayFixtures.key("app_private"))
        let verifier = try RSAVerifier(pem: AlipayFixtures.key("app_public"))
        let requests = try #require(vectors["requests"]?.array)
        #expect(requests.count == 4)
        for vector in requests {
            let members = try #require(vector["params"]?.members)
            let request = AlipayRequest(parameters: members.map { .init($0.name, $0.value.string ?? "") })
            #expect(request.stringToSign == vector["string_to_sign"]?.string)
            let signed = try request.signed(by: signer)
            #expect(signed.query == vector["query_string"]?.string)
            #expect(signed.body == vector["form_body"]?.string)
            let received = try URLForm.decode(Array("\(signed.query)&\(signed.body)".utf8))
            #expect(AlipayRequest.isSigned(received, by: verifier))
            let tampered = received.map { $0.name == "app_id" ? URLForm.Field("app_id", "2021000000000002") : $0 }
            #expect(!AlipayRequest.isSigned(tampered, by: verifier))
        }
    }

    @Test func `a request made of a method and its content equals the SDK's`() throws {
        let vector = try #require(AlipayFixtures.vectors()["requests"]?.array?.last)
        let request = AlipayRequest(
            method: "alipay.data.dataservice.bill.downloadurl.query",
            content: ["bill_date": "2026-10-05", "bill_type": "trade"],
            appID: "2021000000000001",
            now: try #require(Instant(text: "2026-10-06T04:00:00Z"))
        )
        #expect(request.stringToSign == vector["string_to_sign"]?.string)
    }

    @Test func `an empty parameter is not signed`() {
        let request = AlipayRequest(parameters: [.init("b", "2"), .init("a", ""), .init("sign", "x")])
        #expect(request.stringToSign == "b=2")
    }

    @Test func `every synchronous answer of the vectors is judged as expected`() throws {
        let vectors = try AlipayFixtures.vectors()
        let keys = try AlipayFixtures.keys()
        let answers = try #require(vectors["sync_responses"]?.array)
        #expect(answers.count == 6)
        for vector in answers {
            let body = try #require(vector["raw_body"]?.string)
            let node = try #require(body.split(separator: "\"").dropFirst().first)
            let method = node == "error_response" ? "alipay.trade.query" : node.replacing("_", with: ".").dropLast(9)
            if vector["valid"]?.bool == true {
                let answer = try AlipayResponse(verifying: Array(body.utf8), method: String(method), keys: keys)
                let signed = try #require(vector["signed_content"]?.string)
                #expect(try answer.node == JSON(parsing: signed))
                #expect(answer.code == answer.node["code"]?.string)
            } else {
                #expect(throws: AlipayResponse.Defect.badSignature) {
                    try AlipayResponse(verifying: Array(body.utf8), method: String(method), keys: keys)
                }
            }
        }
    }

    @Test func `an answer to another method, without a signature, or in HTML says nothing`() throws {
        let keys = try AlipayFixtures.keys()
        let body = try #require(AlipayFixtures.vectors()["sync_responses"]?.array?.first?["raw_body"]?.string)
        let unsigned = String(try #require(body.split(separator: ",\"sign\"").first)) + "}"
        let cases: [(String, String, AlipayResponse.Defect)] = [
            (body, "alipay.trade.query", .noNode),
            (unsigned, "alipay.trade.precreate", .unsigned),
            ("", "alipay.trade.precreate", .empty),
            ("<html><body>502</body></html>", "alipay.trade.precreate", .malformed),
            (String(body.dropLast()), "alipay.trade.precreate", .malformed),
            (body + "}", "alipay.trade.precreate", .malformed),
            ("{\"a\":\"\\", "alipay.trade.precreate", .malformed),
        ]
        for (text, method, defect) in cases {
            #expect(throws: defect) { try AlipayResponse(verifying: Array(text.utf8), method: method, keys: keys) }
        }
    }

    @Test func `a node named twice is refused, whichever is signed`() throws {
        let keys = try AlipayFixtures.keys()
        let body = try #require(AlipayFixtures.vectors()["sync_responses"]?.array?.first?["raw_body"]?.string)
        let forged =
            "{\"alipay_trade_precreate_response\":{\"code\":\"10000\",\"qr_code\":\"evil\"}," + body.dropFirst()
        #expect(throws: AlipayResponse.Defect.malformed) {
            try AlipayResponse(verifying: Array(forged.utf8), method: "alipay.trade.precreate", keys: keys)
        }
    }

    @Test func `what the simulator signs verifies, slashes escaped`() throws {
        let signer = try RSASigner(pem: AlipayFixtures.key("alipay_private"))
        let keys = try AlipayFixtures.keys()
        let node: JSON = ["code": "10000", "qr_code": "https://qr.alipay.com/x", "subject": "\"},\"sign\":\""]
        let body = try AlipayResponse.body(node: node, name: "alipay_trade_precreate_response", signer: signer)
        #expect(String(decoding: body, as: UTF8.self).contains("https:\\/\\/qr.alipay.com\\/x"))
        #expect(try AlipayResponse(verifying: body, method: "alipay.trade.precreate", keys: keys).node == node)
    }

    @Test func `the page's form carries the signed parameters, escaped for HTML`() throws {
        let signer = try RSASigner(pem: AlipayFixtures.key("app_private"))
        let request = AlipayRequest(
            method: "alipay.trade.page.pay", content: ["subject": "<\"&'>"], appID: "1", now: Instant(seconds: 0))
        let form = try request.form(gatewayURL: "https://openapi.alipay.com/gateway.do", signer: signer)
        #expect(form.contains("value=\"{&quot;subject&quot;:&quot;&lt;\\&quot;&amp;'&gt;&quot;}\""))
        #expect(form.contains("action=\"https://openapi.alipay.com/gateway.do?timestamp="))
        let order = try request.orderString(signer: signer)
        let fields = try URLForm.decode(Array(order.utf8))
        #expect(fields.dropLast().map(\.name) == fields.dropLast().map(\.name).sorted())
        #expect(AlipayRequest.isSigned(fields, by: try RSAVerifier(pem: AlipayFixtures.key("app_public"))))
    }
}

@Suite struct `Alipay notifications` {
    @Test func `every notification of the vectors is judged as expected`() throws {
        let link = try AlipayFixtures.link()
        let notifies = try #require(AlipayFixtures.vectors()["notifies"]?.array)
        #expect(notifies.count == 5)
        for vector in notifies {
            let body = Array(try #require(vector["body"]?.string).utf8)
            #expect(AlipayNotify.stringToVerify(try URLForm.decode(body)).isEmpty == false)
            if vector["valid"]?.bool == true {
                #expect(AlipayNotify.stringToVerify(try URLForm.decode(body)) == vector["string_to_verify"]?.string)
                let verified = try AlipayNotify.verify(body: body, link: link, now: AlipayFixtures.now)
                let (notifyID, fields) = (verified.notifyID, verified.fields)
                #expect(verified.kind == "trade_status_sync")
                #expect(notifyID == vector["form"]?["notify_id"]?.string)
                #expect(fields["subject"] == vector["form"]?["subject"]?.string)
                #expect(fields["sign"] == nil && fields["sign_type"] == nil)
            } else {
                let expected: AlipayNotify.Rejection =
                    vector["name"]?.string == "wrong_app" ? .foreignApp : .badSignature
                #expect(throws: expected) { try AlipayNotify.verify(body: body, link: link, now: AlipayFixtures.now) }
            }
        }
    }

    @Test func `a notification for another seller is refused`() throws {
        let body = try #require(AlipayFixtures.vectors()["notifies"]?.array?.first?["body"]?.string)
        let link = try AlipayFixtures.link(sellerID: "2088000000000001")
        #expect(throws: AlipayNotify.Rejection.foreignSeller) {
            try AlipayNotify.verify(body: Array(body.utf8), link: link, now: AlipayFixtures.now)
        }
    }

    @Test func `a body that two readers would read differently is refused`() throws {
        let body = try #require(AlipayFixtures.vectors()["notifies"]?.array?.first?["body"]?.string)
        let link = try AlipayFixtures.link()
        for (text, rejection) in [
            (body + "&total_amount=0.01", AlipayNotify.Rejection.malformed),
            (body + "&x=%ZZ", .malformed), (body + "&x=%FF", .malformed), (body + "&x=%00", .malformed),
            (body + "&x=1", .badSignature), ("", .missing("sign")), ("a=1", .missing("sign")),
        ] {
            #expect(throws: rejection) {
                try AlipayNotify.verify(body: Array(text.utf8), link: link, now: AlipayFixtures.now)
            }
        }
    }

    @Test func `an empty field is signed as it came`() throws {
        let signer = try RSASigner(pem: AlipayFixtures.key("alipay_private"))
        let link = try AlipayFixtures.link()
        let body = try AlipayNotify.body(
            [
                .init("notify_id", "1"), .init("app_id", link.appID), .init("seller_id", link.sellerID),
                .init("passback_params", ""),
            ],
            signer: signer)
        #expect(
            try AlipayNotify.verify(body: body, link: link, now: AlipayFixtures.now).fields["passback_params"] == "")
    }

    @Test func `a link is written and read in snake case`() throws {
        let data = try JSONEncoder().encode(AlipayFixtures.link())
        let json = try JSON(parsing: data)
        #expect(
            Set(json.members?.map(\.name) ?? []) == [
                "gateway_url", "app_id", "seller_id", "app_private_key_pem", "alipay_public_key_pem",
            ])
        #expect(try JSONDecoder().decode(AlipayLink.self, from: data).sellerID == "2088000000000000")
    }
}
