import CustodyDomain
import CustodyWire
import Foundation
import Testing

@Suite struct `Alipay certificate mode` {
    @Test func `requests name our certificate and the RSA roots, as openssl and MD5 compute them`() throws {
        let serials = try JSON(parsing: AlipayFixtures.bytes("certificates/alipay/serials.json"))
        let keys = try AlipayKeys(link: AlipayFixtures.certificateLink(), now: AlipayFixtures.now)
        #expect(
            keys.requestFields == [
                .init("app_cert_sn", serials["app"]?.string ?? ""),
                .init("alipay_root_cert_sn", serials["root"]?.string ?? ""),
            ])
        let request = AlipayRequest(
            method: "alipay.trade.query", content: ["out_trade_no": "1"], appID: "1", now: AlipayFixtures.now,
            certificateFields: keys.requestFields)
        #expect(request.stringToSign.hasPrefix("alipay_root_cert_sn="))
        #expect(request.stringToSign.contains("&app_cert_sn=\(serials["app"]?.string ?? "")&"))
        #expect(try AlipayFixtures.keys().requestFields.isEmpty)
    }

    @Test func `an answer is judged by the certificate it names, old or new`() throws {
        let serials = try JSON(parsing: AlipayFixtures.bytes("certificates/alipay/serials.json"))
        let serial = try #require(serials["alipay"]?.string)
        let next = try #require(serials["alipay_next"]?.string)
        let signer = try RSASigner(pem: AlipayFixtures.key("alipay_private"))
        let node: JSON = ["code": "10000", "msg": "Success", "subject": "\"},\"alipay_cert_sn\":\"x\",\"sign\":\""]
        let name = "alipay_trade_query_response"
        let read = { (body: [UInt8], alipay: String) throws in
            let keys = try AlipayKeys(
                link: AlipayFixtures.certificateLink(alipay: alipay), now: AlipayFixtures.now)
            return try AlipayResponse(verifying: body, method: "alipay.trade.query", keys: keys).node
        }
        let body = try AlipayResponse.body(node: node, name: name, signer: signer, certificate: serial)
        #expect(try read(body, "alipay") == node)
        #expect(try read(body, "alipay_both") == node)
        // No serial at all: any certificate that we hold may have signed it.
        #expect(try read(AlipayResponse.body(node: node, name: name, signer: signer), "alipay") == node)
        let other = try AlipayResponse.body(node: node, name: name, signer: signer, certificate: next)
        #expect(throws: AlipayResponse.Defect.unknownCertificate) { try read(other, "alipay") }
        // Named, known, and not the one that signed.
        #expect(throws: AlipayResponse.Defect.badSignature) { try read(other, "alipay_both") }
        let forged = String(decoding: body, as: UTF8.self).replacing("\"10000\"", with: "\"10001\"")
        #expect(throws: AlipayResponse.Defect.badSignature) { try read(Array(forged.utf8), "alipay") }
        let number = String(decoding: body, as: UTF8.self).replacing("\"\(serial)\"", with: "1")
        #expect(throws: AlipayResponse.Defect.malformed) { try read(Array(number.utf8), "alipay") }
    }

    @Test func `every vector of key mode holds with the certificate of the same key`() throws {
        let keys = try AlipayKeys(link: AlipayFixtures.certificateLink(), now: AlipayFixtures.now)
        for vector in try AlipayFixtures.vectors()["sync_responses"]?.array ?? [] {
            let name = vector["name"]?.string
            let body = Array((vector["raw_body"]?.string ?? "").utf8)
            let method =
                name == "ok"
                ? "alipay.trade.precreate" : name == "business_error" ? "alipay.trade.refund" : "alipay.trade.query"
            let read = { () throws(AlipayResponse.Defect) in
                _ = try AlipayResponse(verifying: body, method: method, keys: keys)
            }
            switch name {
            case "tampered": #expect(throws: AlipayResponse.Defect.badSignature) { try read() }
            // The certificate it names is one we were never given.
            case "cert_mode_extra_key": #expect(throws: AlipayResponse.Defect.unknownCertificate) { try read() }
            default: #expect(throws: Never.self) { try read() }
            }
        }
    }

    @Test func `a link whose files do not fit each other is refused by name`() throws {
        let cases: [(AlipayLink, AlipayLink.Defect)] = [
            (try AlipayFixtures.certificateLink(key: "alipay_private"), .appCertificateOfOtherKey),
            (try AlipayFixtures.certificateLink(alipay: "untrusted"), .untrustedCertificate),
            (try AlipayFixtures.certificateLink(root: "untrusted"), .untrustedCertificate),
            (try AlipayFixtures.certificateLink(alipay: "expired"), .expiredCertificate),
            (try Self.link { $0.alipayRootCertificatePEM = "nothing" }, .rootCertificate),
            (try Self.link { $0.alipayCertificatePEM = "-----BEGIN CERTIFICATE-----\nAAAA" }, .alipayCertificate),
            (try Self.link { $0.appCertificatePEM = "" }, .appCertificate),
            (try AlipayFixtures.certificateLink(app: "alipay"), .appCertificateOfOtherKey),
        ]
        for (link, defect) in cases {
            #expect(throws: defect) { try AlipayKeys(link: link, now: AlipayFixtures.now) }
        }
        // The file of roots alone, without what lies between: no chain.
        let leafOnly = try Self.link { certificates in
            let end = "-----END CERTIFICATE-----"
            certificates.alipayCertificatePEM = certificates.alipayCertificatePEM.split(separator: end)[0] + end
        }
        #expect(throws: AlipayLink.Defect.untrustedCertificate) {
            try AlipayKeys(link: leafOnly, now: AlipayFixtures.now)
        }
        #expect(throws: AlipayLink.Defect.expiredCertificate) {
            try AlipayKeys(link: AlipayFixtures.certificateLink(), now: Instant(seconds: 4_000_000_000))
        }
    }

    @Test func `a link in certificate mode is written and read in snake case, and never half`() throws {
        let data = try JSONEncoder().encode(AlipayFixtures.certificateLink())
        let json = try JSON(parsing: data)
        #expect(
            Set(json.members?.map(\.name) ?? []) == [
                "gateway_url", "app_id", "seller_id", "app_private_key_pem", "app_certificate_pem",
                "alipay_certificate_pem", "alipay_root_certificate_pem",
            ])
        let read = try JSONDecoder().decode(AlipayLink.self, from: data)
        #expect(read.trust == (try AlipayFixtures.certificateLink().trust))
        #expect("\(read)" == "AlipayLink(app_id: 2021000000000001)")
        var dumped = ""
        dump(read, to: &dumped)
        #expect(!dumped.contains("PRIVATE KEY"))
        let members = try #require(json.members)
        for name in ["app_certificate_pem", "alipay_certificate_pem", "alipay_root_certificate_pem"] {
            let half = JSON.object(members.filter { $0.name != name })
            #expect(throws: DecodingError.self) {
                try JSONDecoder().decode(AlipayLink.self, from: Data(half.bytes))
            }
        }
        let both = JSON.object(members + [.init("alipay_public_key_pem", "x")])
        #expect(throws: DecodingError.self) { try JSONDecoder().decode(AlipayLink.self, from: Data(both.bytes)) }
    }

    @Test func `a notification is judged by certificate, and one of another certificate is refused`() throws {
        let signer = try RSASigner(pem: AlipayFixtures.key("alipay_private"))
        let link = try AlipayFixtures.certificateLink()
        let serials = try JSON(parsing: AlipayFixtures.bytes("certificates/alipay/serials.json"))
        let fields: [URLForm.Field] = [
            .init("notify_id", "1"), .init("app_id", link.appID), .init("seller_id", link.sellerID),
            .init("notify_type", "trade_status_sync"),
        ]
        let plain = try AlipayNotify.body(fields, signer: signer)
        #expect(try AlipayNotify.verify(body: plain, link: link, now: AlipayFixtures.now).notifyID == "1")
        for (name, rejection) in [("alipay", nil), ("alipay_next", AlipayNotify.Rejection.unknownCertificate)] {
            let serial = try #require(serials[name]?.string)
            let body = try AlipayNotify.body(fields + [.init("alipay_cert_sn", serial)], signer: signer)
            if let rejection {
                #expect(throws: rejection) {
                    try AlipayNotify.verify(body: body, link: link, now: AlipayFixtures.now)
                }
            } else {
                #expect(throws: Never.self) {
                    try AlipayNotify.verify(body: body, link: link, now: AlipayFixtures.now)
                }
            }
        }
        #expect(throws: AlipayNotify.Rejection.unusableKey) {
            try AlipayNotify.verify(body: plain, link: link, now: Instant(seconds: 4_000_000_000))
        }
    }

    @Test func `a message of the gateway names no seller, and another algorithm is refused`() throws {
        let signer = try RSASigner(pem: AlipayFixtures.key("alipay_private"))
        let link = try AlipayFixtures.link()
        let message = try AlipayNotify.body(
            [
                .init("notify_id", "7"), .init("app_id", link.appID),
                .init("msg_method", "alipay.trade.order.settle.notify"), .init("biz_content", "{}"),
            ], signer: signer)
        let verified = try AlipayNotify.verify(body: message, link: link, now: AlipayFixtures.now)
        #expect(verified.kind == "alipay.trade.order.settle.notify")
        let other = String(decoding: message, as: UTF8.self).replacing("sign_type=RSA2", with: "sign_type=RSA")
        #expect(throws: AlipayNotify.Rejection.unknownSignType) {
            try AlipayNotify.verify(body: Array(other.utf8), link: link, now: AlipayFixtures.now)
        }
    }

    private static func link(_ change: (inout AlipayCertificates) -> Void) throws -> AlipayLink {
        var link = try AlipayFixtures.certificateLink()
        guard case .certificates(var certificates) = link.trust else { return link }
        change(&certificates)
        link.trust = .certificates(certificates)
        return link
    }
}
