import CustodyDomain
import CustodyWire
import Foundation
import Testing

@Suite struct `Alipay's content encryption` {
    private static let key = "ABEiM0RVZneImaq7zN3u/w=="

    @Test func `a text is sealed as openssl seals it, and opened again`() throws {
        let cipher = try #require(AlipayCipher(base64: Self.key))
        let text = "{\"out_trade_no\":\"E1\",\"subject\":\"加密 & 测试\"}"
        #expect(
            try cipher.seal(text)
                == "SuvwFXJQLnWWK1r1QHGOYAoLEPYLOdx4oUIdruitblQmGSb/3R6t1d3mD7WxONtyaxi54YBPVZj84MoY1QjsLw==")
        #expect(try String(decoding: cipher.open(cipher.seal(text)), as: UTF8.self) == text)
        for bad in ["", "no base64", "AAAA", String(try cipher.seal(text).dropLast(24))] {
            #expect(throws: AlipayCipher.Defect.self) { try cipher.open(bad) }
        }
        for key in ["", "AAAA", "no base64", Self.key + "AAAA"] { #expect(AlipayCipher(base64: key) == nil) }
    }

    @Test func `a request is signed over its sealed content`() throws {
        let cipher = try #require(AlipayCipher(base64: Self.key))
        let signer = try RSASigner(pem: AlipayFixtures.key("app_private"))
        let request = AlipayRequest(
            method: "alipay.trade.query", content: ["out_trade_no": "E1"], appID: "2021000000000001",
            now: AlipayFixtures.now, cipher: cipher)
        let signed = try request.signed(by: signer)
        let fields = try URLForm.decode(signed.query.utf8) + URLForm.decode(signed.body.utf8)
        #expect(fields.first { $0.name == "encrypt_type" }?.value == "AES")
        let sealed = try #require(fields.first { $0.name == "biz_content" }?.value)
        #expect(try String(decoding: cipher.open(sealed), as: UTF8.self) == "{\"out_trade_no\":\"E1\"}")
        let publicKey = try RSAVerifier(pem: AlipayFixtures.text("vectors/keys/alipay_app.pub.pem"))
        #expect(AlipayRequest.isSigned(fields, by: publicKey))
        // The same goes for what a browser or an app sends.
        let order = try URLForm.decode(request.orderString(signer: signer).utf8)
        #expect(AlipayRequest.isSigned(order, by: publicKey))
        #expect(try request.form(gatewayURL: "https://a.example", signer: signer).contains("out_trade_no") == false)
    }

    @Test func `an encrypted answer is verified with its quotes, then opened; without the key it says nothing`() throws
    {
        var link = try AlipayFixtures.link()
        let plain = try AlipayKeys(link: link, now: AlipayFixtures.now)
        link.encryptKey = Self.key
        let keys = try AlipayKeys(link: link, now: AlipayFixtures.now)
        let signer = try RSASigner(pem: AlipayFixtures.text("vectors/keys/alipay_gateway.key.pem"))
        let node: JSON = ["code": "10000", "msg": "Success", "subject": "茶/\"},\"sign\":\"x"]
        let body = try AlipayResponse.body(
            node: node, name: "alipay_trade_query_response", signer: signer, cipher: keys.cipher)
        let method = "alipay.trade.query"
        #expect(try AlipayResponse(verifying: body, method: method, keys: keys).node == node)
        #expect(throws: AlipayResponse.Defect.malformed) {
            try AlipayResponse(verifying: body, method: method, keys: plain)
        }
        // A cipher text of somebody else's under Alipay's signature of another one.
        var forged = body
        let place = try #require(forged.firstIndex(of: UInt8(ascii: ":"))) + 4
        forged[place] = forged[place] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
        #expect(throws: AlipayResponse.Defect.badSignature) {
            try AlipayResponse(verifying: forged, method: method, keys: keys)
        }
        link.encryptKey = "AAAAAAAAAAAAAAAAAAAAAA=="
        let others = try AlipayKeys(link: link, now: AlipayFixtures.now)
        #expect(throws: AlipayResponse.Defect.malformed) {
            try AlipayResponse(verifying: body, method: method, keys: others)
        }
        // Refusals may come as they are.
        let refusal: JSON = ["code": "40002", "msg": "Invalid Arguments", "sub_code": "isv.invalid-signature"]
        let open = try AlipayResponse.body(node: refusal, name: "error_response", signer: signer)
        #expect(try AlipayResponse(verifying: open, method: method, keys: keys).subCode == "isv.invalid-signature")
    }

    @Test func `a link keeps its key for contents in snake case, and one that is no key is named`() throws {
        var link = try AlipayFixtures.link()
        link.encryptKey = Self.key
        let text = String(decoding: try JSONEncoder().encode(link), as: UTF8.self)
        #expect(text.contains("\"encrypt_key\""))
        #expect(try JSONDecoder().decode(AlipayLink.self, from: Data(text.utf8)).encryptKey == Self.key)
        #expect("\(link)".contains(Self.key) == false)
        link.encryptKey = "c2hvcnQ="
        let shortened = link
        #expect(throws: AlipayLink.Defect.encryptKey) { try AlipayKeys(link: shortened, now: AlipayFixtures.now) }
    }

    @Test func `a picture's parts come back, and only its text is signed`() throws {
        let picture: [UInt8] = [0xFF, 0xD8, 0x0D, 0x0A, 0x2D, 0x2D, 0x00]
        let image = try #require(AlipayImageUpload(fileName: "执照.JPG", content: picture))
        #expect(image.type == "jpg")
        let parts = try #require(MultipartForm.parts(of: image.body(boundary: "b0")))
        #expect(parts.map(\.name) == ["image_type", "image_content"])
        #expect(parts[0].content == Array("jpg".utf8) && parts[0].fileName == nil)
        #expect(parts[1].content == picture && parts[1].fileName == "image.jpg")
        let request = AlipayRequest(uploading: image, appID: "2021000000000001", now: AlipayFixtures.now)
        #expect(request.stringToSign.contains("image_type=jpg") && !request.stringToSign.contains("biz_content"))
        for (name, content) in [
            ("a.pdf", picture), ("jpg", picture), (".jpg", picture), ("a.png", []),
            ("a.png", [UInt8](repeating: 0, count: AlipayImageUpload.limit + 1)),
        ] {
            #expect(AlipayImageUpload(fileName: name, content: content) == nil)
        }
    }
}
