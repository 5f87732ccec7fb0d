import AsyncHTTPClient
import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyWire
import Foundation
import Testing

@Suite struct `Our Alipay connector at other people's gateway` {
    @Test(arguments: ["official", "community"])
    func `every request of ours verifies there, and its answers and notifications here`(library: String) async throws {
        try await Self.run(library) { gateway, alipay, outbound in
            #expect(await alipay.pay(Self.order("P1")).prompt == .code("https://qr.alipay.com/peer"))
            #expect(
                await alipay.pay(Self.order("P2", .jsapi)).prompt
                    == .parameters(["trade_no": "2026100622001400000000000042"]))
            guard case .answered(let payment) = await alipay.queryPayment(serial: "P1") else {
                Issue.record("no answer")
                return
            }
            #expect(payment.state == .succeeded && payment.amount == Fen(1234))
            let refund = ChannelRefundRequest(
                serial: "R1", paymentSerial: "P1", amount: Fen(100), paymentAmount: Fen(1234),
                reason: "退货 & 测试=1+2 \"茶\"", callbackURL: "https://pay.example.com/cb")
            guard case .answered(let made) = await alipay.refund(refund), made.state == .succeeded else {
                Issue.record("not refunded")
                return
            }
            guard case .answered(let known) = await alipay.queryRefund(serial: "R1", paymentSerial: "P1") else {
                Issue.record("no refund")
                return
            }
            #expect(known.state == .succeeded && known.amount == Fen(100))
            guard case .answered(let closed) = await alipay.closePayment(serial: "P3"), closed.state == .closed,
                case .answered(let cancelled) = await alipay.cancelPayment(serial: "P3"), cancelled.state == .closed
            else {
                Issue.record("not closed")
                return
            }
            let log = try JSON(parsing: await outbound.call("GET", gateway + "/log", headers: []).body)
            #expect(log.array?.count == 7)
            #expect(log.array?.allSatisfy { $0["valid"]?.bool == true } == true)

            let body = try await outbound.call("GET", gateway + "/notify?out_trade_no=P1", headers: []).body
            let verified = try AlipayNotify.verify(body: body, link: try Self.link(gateway), now: WallClock.now())
            #expect(verified.fields["subject"] == "平台订单 & 测试=1+2")
            #expect(
                try alipay.notice(in: body)
                    == .payment(serial: "P1", merchantNumber: AlipayPeerBench.sellerID, payment))
            try Self.refuseForgeries(of: String(decoding: body, as: UTF8.self), gateway)
        }
    }

    /// What the gateway answers by the order's number, and what we call it.
    static let defects: [(String, Doubt.Reason)] = [
        ("tampered", .badSignature), ("unsigned", .badSignature), ("fake", .badSignature), ("html", .malformedAnswer),
        ("empty", .malformedAnswer), ("other", .malformedAnswer), ("status", .malformedAnswer),
    ]

    @Test(arguments: ["official", "community"])
    func `an answer that says nothing leaves the outcome unknown, by name`(library: String) async throws {
        try await Self.run(library) { _, alipay, _ in
            for (defect, reason) in Self.defects {
                guard case .unknown(let doubt) = await alipay.queryPayment(serial: "P-\(defect)") else {
                    Issue.record("\(defect) was believed")
                    continue
                }
                #expect(doubt.reason == reason, "\(defect)")
            }
        }
    }

    /// Changed, re-encoded in another order, another application, another seller, another key: each by its name.
    private static func refuseForgeries(of body: String, _ gateway: String) throws {
        let verify = { (text: String, change: (inout AlipayLink) -> Void) throws in
            var link = try link(gateway)
            change(&link)
            _ = try AlipayNotify.verify(body: Array(text.utf8), link: link, now: WallClock.now())
        }
        #expect(throws: AlipayNotify.Rejection.badSignature) {
            try verify(body.replacing("total_amount=12.34", with: "total_amount=0.01")) { _ in }
        }
        #expect(throws: AlipayNotify.Rejection.badSignature) {
            // The same characters, decoded once more than they were encoded.
            try verify(body.replacing("%26", with: "%2526")) { _ in }
        }
        #expect(throws: AlipayNotify.Rejection.foreignApp) { try verify(body) { $0.appID = "2021000000000099" } }
        #expect(throws: AlipayNotify.Rejection.foreignSeller) { try verify(body) { $0.sellerID = "2088000000000009" } }
        #expect(throws: AlipayNotify.Rejection.badSignature) {
            let other = try AlipayPeerBench.key("partner_rsa.pub")
            try verify(body) { $0.trust = .publicKey(other) }
        }
        // The order of fields and the way of escaping are the sender's own affair.
        let shuffled = body.split(separator: "&").reversed().joined(separator: "&").replacing("+", with: "%20")
        #expect(throws: Never.self) { try verify(shuffled) { _ in } }
    }

    private static func link(_ gateway: String) throws -> AlipayLink {
        AlipayLink(
            gatewayURL: gateway + "/gateway.do", appID: AlipayPeerBench.appID, sellerID: AlipayPeerBench.sellerID,
            appPrivateKeyPEM: try AlipayPeerBench.key("alipay_app.key"),
            alipayPublicKeyPEM: try AlipayPeerBench.key("alipay_gateway.pub"))
    }

    private static func order(_ serial: String, _ method: PaymentMethod = .precreate) -> ChannelOrder {
        ChannelOrder(
            serial: serial, method: method, amount: Fen(1234), description: "平台订单 & 测试=1+2 <\"茶\"> \\/ %25",
            expiresAt: Instant(seconds: 1_900_000_000), callbackURL: "https://pay.example.com/cb?a=1&b=2",
            payerID: "2088102116773037")
    }

    private static func run(
        _ library: String, _ body: (String, Alipay, Outbound) async throws -> Void
    ) async throws {
        let process = try Peer(environment: "alipay-\(library)").start("alipay_gateway", [library])
        let isOfficial = library == "official"
        let setup: JSON = [
            "app_public_key": .string(try AlipayPeerBench.key("alipay_app.pub")),
            "alipay_private_key": .string(
                try AlipayPeerBench.key(isOfficial ? "alipay_gateway.pkcs1" : "alipay_gateway.key")),
            "app_id": .string(AlipayPeerBench.appID), "seller_id": .string(AlipayPeerBench.sellerID),
        ]
        try process.input.write(contentsOf: Data((setup.text + "\n").utf8))
        let port = try #require(await process.line())
        let client = HTTPClient(eventLoopGroupProvider: .singleton)
        defer { process.terminate() }
        let gateway = "http://127.0.0.1:\(port)"
        let outbound = Outbound(client: client, timeout: .seconds(10))
        do {
            try await body(
                gateway, try Alipay(link: link(gateway), outbound: outbound, clock: WallClock.now), outbound)
        } catch {
            try await client.shutdown()
            throw error
        }
        try await client.shutdown()
    }
}

extension Reply<PaymentPrompt> {
    /// What the front end gets; nil without an answer.
    fileprivate var prompt: PaymentPrompt? {
        guard case .answered(let prompt) = self else { return nil }
        return prompt
    }
}
