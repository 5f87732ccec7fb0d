import CustodyConnectors
import CustodyDomain
import CustodyWire
import Testing

@Suite struct `Alipay in certificate mode` {
    @Test func `a payment, its notification, a code shown at a counter, and cancellations`() async throws {
        try await AlipayBench.run(mode: "certificate", magicAmounts: true) { bench in
            let alipay = try bench.alipay()
            try await bench.paid("P1")
            #expect(try await alipay.queryPayment(serial: "P1").answeredValue().state == .succeeded)
            let body = try await bench.notifications(1)[0]
            let verified = try AlipayNotify.verify(body: body, link: bench.link, now: WallClock.now())
            #expect(verified.fields["out_trade_no"] == "P1")

            let shown = try await alipay.pay(bench.order("P2"), byCode: "28763443825664394").answeredValue()
            #expect(shown.state == .succeeded && shown.amount == Fen(12_345) && shown.payerID != nil)
            let wrong = try await alipay.pay(bench.order("P3"), byCode: "1234")
            #expect(wrong.refusedCode == "ACQ.PAYMENT_AUTH_CODE_INVALID")
            // 44.02: the phone asks for the password.
            let asked = try await alipay.pay(bench.order("P4", fen: 4402), byCode: "28763443825664394")
            #expect(try asked.answeredValue().state == .waiting)
            #expect(try await alipay.cancelPayment(serial: "P4").answeredValue().state == .closed)
            #expect(try await alipay.cancelPayment(serial: "P2").answeredValue().state == .closed)
            #expect(try await alipay.cancelPayment(serial: "P9").answeredValue().state == .closed)
            let undone = try await alipay.queryPayment(serial: "P4").answeredValue()
            #expect(undone.state == .closed)
        }
    }

    @Test func `a mini-program's order is created for its buyer`() async throws {
        try await AlipayBench.run { bench in
            let alipay = try bench.alipay()
            let order = { (payer: String?) throws in
                ChannelOrder(
                    serial: "P1", method: .jsapi, amount: Fen(100), description: "小程序",
                    expiresAt: try #require(Instant(text: "2026-10-05T12:00:00+08:00")),
                    callbackURL: bench.receiverURL, payerID: payer)
            }
            #expect(try await alipay.pay(order(nil)).refusedCode == "ACQ.INVALID_PARAMETER")
            guard case .parameters(let parameters) = try await alipay.pay(order("2088000000000042")).answeredValue()
            else {
                Issue.record("no parameters")
                return
            }
            #expect(parameters["trade_no"]?.hasPrefix("20261005") == true)
            #expect(try await alipay.queryPayment(serial: "P1").answeredValue().state == .waiting)
        }
    }

    @Test func `a gateway that does not know our certificate, and an answer under a foreign one, are named`()
        async throws
    {
        try await AlipayBench.run(mode: "certificate") { bench in
            let alipay = try bench.alipay()
            try await bench.plantFault("query", "unknown_certificate")
            let reply = await alipay.queryPayment(serial: "P1")
            guard case .unknown(let doubt) = reply else {
                Issue.record("\(reply)")
                return
            }
            #expect(doubt.reason == .badSignature && doubt.detail == "unknown certificate")
            // Another registration gives the application another certificate: the one we hold is no longer known.
            try await bench.control(
                "POST", "/control/merchants",
                [
                    "app_id": .string(AlipayBench.appID), "seller_id": .string(AlipayBench.sellerID),
                    "app_public_key_pem": .string(try AlipayBench.key("alipay_app.pub")), "mode": "certificate",
                ])
            #expect(await alipay.queryPayment(serial: "P1").refusedCode == "isv.app-cert-not-exist")
            var link = bench.link
            link.trust = .publicKey(try AlipayBench.key("alipay_gateway.pub"))
            let keyed = try Alipay(
                link: link, outbound: Outbound(client: bench.client), clock: { WallClock.now() })
            #expect(await keyed.queryPayment(serial: "P1").refusedCode == "isv.missing-app-cert-sn")
        }
    }

    @Test(arguments: ["query", "refund_query"])
    func `a state that nobody has heard of is unknown`(operation: String) async throws {
        try await AlipayBench.run { bench in
            let alipay = try bench.alipay()
            try await bench.paid("P1")
            _ = try await alipay.refund(bench.refund("R1", of: "P1", fen: 1)).answeredValue()
            try await bench.plantFault(operation, "unknown_status")
            if operation == "query" {
                #expect(await alipay.queryPayment(serial: "P1").unknownReason == .malformedAnswer)
            } else {
                #expect(
                    await alipay.queryRefund(serial: "R1", paymentSerial: "P1").unknownReason == .malformedAnswer)
            }
        }
    }
}
