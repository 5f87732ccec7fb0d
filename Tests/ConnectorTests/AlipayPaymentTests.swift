import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyWire
import Foundation
import Testing

@Suite struct `Alipay payments` {
    @Test func `a precreated code is scanned, paid, notified and queried`() async throws {
        try await AlipayBench.run { bench in
            let alipay = try bench.alipay()
            guard case .code(let code) = try await alipay.pay(bench.order("P1")).answeredValue() else {
                Issue.record("no code")
                return
            }
            #expect(code.hasPrefix("https://qr.alipay.com/"))
            #expect(try await alipay.pay(bench.order("P1")).answeredValue() == .code(code))
            #expect(try await alipay.queryPayment(serial: "P1").answeredValue().state == .absent)

            try await bench.control(
                "POST", "/control/pay",
                ["app_id": .string(AlipayBench.appID), "qr_code": .string(code), "buyer_id": "2088000000000042"])
            let payment = try await alipay.queryPayment(serial: "P1").answeredValue()
            #expect(payment.state == .succeeded)
            #expect(payment.amount == Fen(12_345))
            #expect(payment.payerID == "2088000000000042")
            let paidAt = try #require(payment.paidAt)
            #expect(BusinessDate(of: paidAt).iso == "2026-10-05")

            let body = try await bench.notifications(1)[0]
            _ = try AlipayNotify.verify(body: body, link: bench.link, now: SimulatorClock.realNow())
            let notice = try alipay.notice(in: body)
            #expect(notice == .payment(serial: "P1", merchantNumber: AlipayBench.sellerID, payment))
        }
    }

    @Test(arguments: [PaymentMethod.page, .wap, .app])
    func `a signed form or order string becomes an order when the buyer opens it`(_ method: PaymentMethod) async throws
    {
        try await AlipayBench.run { bench in
            let alipay = try bench.alipay()
            let json: JSON
            switch try await alipay.pay(bench.order("P2", method)).answeredValue() {
            case .form(let html): json = ["form": .string(html)]
            case .parameters(let parameters): json = ["order_string": JSON(parameters["order_string"])]
            default: json = [:]
            }
            #expect(try await alipay.queryPayment(serial: "P2").answeredValue().state == .absent)
            try await bench.control("POST", "/control/open", json)
            #expect(try await alipay.queryPayment(serial: "P2").answeredValue().state == .waiting)
            try await bench.control("POST", "/control/pay", json)
            #expect(try await alipay.queryPayment(serial: "P2").answeredValue().state == .succeeded)
            let text = json["form"]?.string ?? json["order_string"]?.string ?? ""
            let forged = text.replacing("123.45", with: "0.01")
            #expect(forged != text)
            let name = method == .app ? "order_string" : "form"
            let answer = try await bench.control(
                "POST", "/control/pay", .object([.init(name, .string(forged))]), status: 409)
            #expect(answer["sub_code"]?.string == "isv.invalid-signature")
        }
    }

    @Test func `a waiting order is closed, and closing it again succeeds`() async throws {
        try await AlipayBench.run { bench in
            let alipay = try bench.alipay()
            _ = try await alipay.pay(bench.order("P3")).answeredValue()
            try await bench.control(
                "POST", "/control/open", ["app_id": .string(AlipayBench.appID), "out_trade_no": "P3"])
            #expect(try await alipay.queryPayment(serial: "P3").answeredValue().state == .waiting)
            #expect(try await alipay.closePayment(serial: "P3").answeredValue().state == .closed)
            #expect(try await alipay.closePayment(serial: "P3").answeredValue().state == .closed)
            #expect(try await alipay.queryPayment(serial: "P3").answeredValue().state == .closed)
            try await bench.pay("P3", status: 409)
            #expect(try await alipay.pay(bench.order("P3")).refusedStanding == .numberTaken)
        }
    }

    @Test func `closing a paid order tells that it is paid, and a code never scanned counts as closed`() async throws {
        try await AlipayBench.run { bench in
            let alipay = try bench.alipay()
            try await bench.paid("P4")
            #expect(try await alipay.closePayment(serial: "P4").answeredValue().state == .succeeded)
            #expect(try await alipay.pay(bench.order("P4")).refusedStanding == .numberTaken)
            _ = try await alipay.pay(bench.order("P5")).answeredValue()
            #expect(try await alipay.closePayment(serial: "P5").answeredValue().state == .closed)
            // The code still hangs on the buyer's screen: a late success on a closed order is possible.
            try await bench.pay("P5")
            #expect(try await alipay.queryPayment(serial: "P5").answeredValue().state == .succeeded)
        }
    }

    @Test func `an order expires on the merchant's clock`() async throws {
        try await AlipayBench.run { bench in
            let alipay = try bench.alipay()
            _ = try await alipay.pay(bench.order("P6")).answeredValue()
            try await bench.setClock("2026-10-05T12:00:01+08:00")
            try await bench.pay("P6", status: 409)
            #expect(try await alipay.queryPayment(serial: "P6").answeredValue().state == .closed)
        }
    }

    @Test func `a method of another channel is refused, and so is the same number with another amount`() async throws {
        try await AlipayBench.run { bench in
            let alipay = try bench.alipay()
            #expect(try await alipay.pay(bench.order("P7", .native)).refusedCode == "METHOD_NOT_SUPPORTED")
            _ = try await alipay.pay(bench.order("P7")).answeredValue()
            #expect(try await alipay.pay(bench.order("P7", fen: 1)).refusedStanding == .numberTaken)
            #expect(try await alipay.pay(bench.order("P8", fen: 0)).refusedCode == "ACQ.INVALID_PARAMETER")
        }
    }

    @Test func `a stranger's key is refused by the gateway`() async throws {
        try await AlipayBench.run { bench in
            var link = bench.link
            link.appPrivateKeyPEM = try AlipayBench.key("partner_rsa.key")
            let stranger = try Alipay(
                link: link, outbound: Outbound(client: bench.client), clock: { Instant(seconds: 0) })
            #expect(await stranger.queryPayment(serial: "P1").refusedCode == "isv.invalid-signature")
            link.appPrivateKeyPEM = "no key"
            #expect(throws: AlipayLink.Defect.privateKey) {
                try Alipay(link: link, outbound: Outbound(client: bench.client), clock: { Instant(seconds: 0) })
            }
        }
    }
}

@Suite struct `Alipay refunds` {
    @Test func `partial refunds, a repetition, and the rest`() async throws {
        try await AlipayBench.run { bench in
            let alipay = try bench.alipay()
            try await bench.paid("P1")
            #expect(try await alipay.queryRefund(serial: "R1", paymentSerial: "P1").answeredValue().state == .absent)
            #expect(try await alipay.queryRefund(serial: "R1", paymentSerial: "P9").answeredValue().state == .absent)
            let first = try await alipay.refund(bench.refund("R1", of: "P1", fen: 345)).answeredValue()
            #expect(first.state == .succeeded)
            #expect(first.succeededAt != nil)
            #expect(
                try await alipay.refund(bench.refund("R1", of: "P1", fen: 345)).answeredValue().state == .processing)
            #expect(await alipay.refund(bench.refund("R1", of: "P1", fen: 346)).refusedStanding == .numberTaken)
            let known = try await alipay.queryRefund(serial: "R1", paymentSerial: "P1").answeredValue()
            #expect(known.state == .succeeded)
            #expect(known.amount == Fen(345))
            let over = await alipay.refund(bench.refund("R2", of: "P1", fen: 12_001))
            #expect(over.refusedCode == "ACQ.REASON_TRADE_REFUND_FEE_ERR")
            #expect(
                try await alipay.refund(bench.refund("R3", of: "P1", fen: 12_000)).answeredValue().state == .succeeded)
            // TRADE_CLOSED now, but it was paid.
            let payment = try await alipay.queryPayment(serial: "P1").answeredValue()
            #expect(payment.state == .succeeded)
            #expect(payment.amount == Fen(12_345))
            let after = await alipay.refund(bench.refund("R4", of: "P1", fen: 1))
            #expect(after.refusedCode == "ACQ.TRADE_STATUS_ERROR")
            let strange = await alipay.refund(bench.refund("R5", of: "P9", fen: 1))
            #expect(strange.refusedCode == "ACQ.TRADE_NOT_EXIST")

            let notices = try await bench.notifications(3).map { body in
                _ = try AlipayNotify.verify(body: body, link: bench.link, now: SimulatorClock.realNow())
                return try alipay.notice(in: body)
            }
            for (notice, expected) in zip(notices.dropFirst(), ["R1", "R3"]) {
                guard case .refund(let serial, let payment, let refund) = notice else {
                    Issue.record("\(notice)")
                    continue
                }
                #expect(serial == expected && payment == "P1")
                #expect(refund.state == .succeeded && refund.amount == nil && refund.succeededAt != nil)
            }
        }
    }

    @Test func `a refund refused by the seller's balance moves nothing, and may be sent again`() async throws {
        try await AlipayBench.run { bench in
            let alipay = try bench.alipay()
            try await bench.paid("P1")
            try await bench.plantFault("refund", "refuse", ("sub_code", "ACQ.SELLER_BALANCE_NOT_ENOUGH"))
            let request = bench.refund("R1", of: "P1", fen: 345)
            #expect(await alipay.refund(request).refusedCode == "ACQ.SELLER_BALANCE_NOT_ENOUGH")
            #expect(try await alipay.queryRefund(serial: "R1", paymentSerial: "P1").answeredValue().state == .absent)
            #expect(try await alipay.refund(request).answeredValue().state == .succeeded)
        }
    }
}
