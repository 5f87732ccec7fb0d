import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyWire
import Testing

@Suite struct WeChatPayConnectorTests {
    typealias World = WeChatPayWorld

    @Test func `every method gives what the front end needs`() async throws {
        try await World.with { world in
            guard case .code(let code) = try answered(await world.channel.pay(world.order("NATIVE01"))) else {
                Issue.record("no code")
                return
            }
            #expect(code.hasPrefix("weixin://wxpay/"))
            guard case .url(let url) = try answered(await world.channel.pay(world.order("H5_00001", method: .h5)))
            else {
                Issue.record("no url")
                return
            }
            #expect(url.hasPrefix("https://"))
            let signingKey = try RSAVerifier(pem: try World.fixture("wx_merchant.pub.pem"))
            guard
                case .parameters(let jsapi) = try answered(
                    await world.channel.pay(world.order("JSAPI001", method: .jsapi)))
            else {
                Issue.record("no parameters")
                return
            }
            let jsapiMessage =
                "\(jsapi["appId"] ?? "")\n\(jsapi["timeStamp"] ?? "")\n\(jsapi["nonceStr"] ?? "")\n\(jsapi["package"] ?? "")\n"
            #expect(signingKey.isValid(base64: jsapi["paySign"] ?? "", for: Array(jsapiMessage.utf8)))
            guard
                case .parameters(let app) = try answered(await world.channel.pay(world.order("APP00001", method: .app)))
            else {
                Issue.record("no parameters")
                return
            }
            let appMessage =
                "\(app["appid"] ?? "")\n\(app["timestamp"] ?? "")\n\(app["noncestr"] ?? "")\n\(app["prepayid"] ?? "")\n"
            #expect(signingKey.isValid(base64: app["sign"] ?? "", for: Array(appMessage.utf8)))
            #expect(app["partnerid"] == World.mchid)
            #expect(refusalCode(await world.channel.pay(world.order("PAGE0001", method: .page))) != nil)
        }
    }

    @Test func `the same order again is the same order, another content is refused`() async throws {
        try await World.with { world in
            let order = world.order("REPEAT01")
            let first = try answered(await world.channel.pay(order))
            #expect(try answered(await world.channel.pay(order)) == first)
            #expect(refusalCode(await world.channel.pay(world.order("REPEAT01", 1))) == "OUT_TRADE_NO_USED")
            #expect(refusalCode(await world.channel.pay(world.order("BAD NUMBER"))) == "PARAM_ERROR")
            #expect(refusalCode(await world.channel.pay(world.order("ZERO0001", 0))) == "PARAM_ERROR")
        }
    }

    @Test func `a payment goes from absent over waiting to succeeded`() async throws {
        try await World.with { world in
            #expect(try answered(await world.channel.queryPayment(serial: "LIFE0001")).state == .absent)
            _ = try answered(await world.channel.pay(world.order("LIFE0001")))
            #expect(try answered(await world.channel.queryPayment(serial: "LIFE0001")).state == .waiting)
            try await world.control("POST", "/pay", ["mchid": .string(World.mchid), "out_trade_no": "LIFE0001"])
            let payment = try answered(await world.channel.queryPayment(serial: "LIFE0001"))
            #expect(payment.state == .succeeded)
            #expect(payment.amount == Fen(12_345))
            #expect(payment.transactionNumber?.hasPrefix("4200") == true)
            #expect(payment.paidAt != nil && payment.payerID != nil)
            #expect(refusalCode(await world.channel.pay(world.order("LIFE0001"))) == "ORDERPAID")
            #expect(refusalCode(await world.channel.closePayment(serial: "LIFE0001")) == "ORDERPAID")
        }
    }

    @Test func `closing is final, may be repeated, and knows no absent order`() async throws {
        try await World.with { world in
            _ = try answered(await world.channel.pay(world.order("CLOSE001")))
            #expect(try answered(await world.channel.closePayment(serial: "CLOSE001")).state == .closed)
            #expect(try answered(await world.channel.closePayment(serial: "CLOSE001")).state == .closed)
            #expect(try answered(await world.channel.queryPayment(serial: "CLOSE001")).state == .closed)
            #expect(try answered(await world.channel.closePayment(serial: "CLOSE002")).state == .absent)
            #expect(refusalCode(await world.channel.pay(world.order("CLOSE001"))) == "ORDERCLOSED")
            await #expect(throws: (any Error).self) {
                try await world.control("POST", "/pay", ["mchid": .string(World.mchid), "out_trade_no": "CLOSE001"])
            }
        }
    }

    @Test func `a callback is signed, decrypts, and says what the query says`() async throws {
        try await World.with { world in
            try await world.paid("CALL0001")
            let request = try #require(world.inbox.requests(to: "/callback").first)
            let now = SimulatorClock.realNow()
            let (id, type) = try WeChatPayCallback.verify(
                headers: request.headers, body: request.body, link: world.link, now: now)
            #expect(id.hasPrefix("EV-"))
            #expect(type == "TRANSACTION.SUCCESS")
            let payment = try answered(await world.channel.queryPayment(serial: "CALL0001"))
            #expect(
                try world.channel.notice(in: request.body)
                    == .payment(serial: "CALL0001", merchantNumber: World.mchid, payment))
            #expect(throws: WeChatPayCallback.Rejection.signature(.stale)) {
                try WeChatPayCallback.verify(
                    headers: request.headers, body: request.body, link: world.link, now: now + .seconds(301))
            }
            #expect(throws: Doubt.self) { try world.channel.notice(in: Array("{}".utf8)) }
        }
    }

    @Test func `refunds are bounded by the payment, repeatable, and end on virtual time`() async throws {
        try await World.with { world in
            try await world.setClock("2026-10-05T12:00:00+08:00")
            #expect(
                refusalCode(await world.channel.refund(world.refund("R0", of: "REFUND01", 1))) == "RESOURCE_NOT_EXISTS")
            try await world.paid("REFUND01")
            let first = world.refund("R1", of: "REFUND01", 345)
            let accepted = try answered(await world.channel.refund(first))
            #expect(accepted.state == .processing && accepted.amount == Fen(345))
            #expect(try answered(await world.channel.refund(first)).refundNumber == accepted.refundNumber)
            #expect(
                refusalCode(await world.channel.refund(world.refund("R1", of: "REFUND01", 346))) == "INVALID_REQUEST")
            #expect(
                refusalCode(await world.channel.refund(world.refund("R2", of: "REFUND01", 12_001))) == "INVALID_REQUEST"
            )
            #expect(
                refusalCode(await world.channel.refund(world.refund("R3", of: "REFUND01", 1, total: 12_346)))
                    == "INVALID_REQUEST")
            #expect(
                try answered(await world.channel.queryRefund(serial: "R9", paymentSerial: "REFUND01")).state == .absent)
            #expect(try answered(await world.channel.queryPayment(serial: "REFUND01")).state == .succeeded)

            try await world.setClock("2026-10-05T12:01:00+08:00")
            let done = try answered(await world.channel.queryRefund(serial: "R1", paymentSerial: "REFUND01"))
            #expect(done.state == .succeeded && done.succeededAt != nil)
            let callback = try #require(world.inbox.requests(to: "/callback").last)
            #expect(
                try world.channel.notice(in: callback.body)
                    == .refund(serial: "R1", paymentSerial: "REFUND01", done))
        }
    }

    @Test func `fifty refunds are accepted and not one more`() async throws {
        try await World.with { world in
            try await world.paid("FIFTY001")
            for index in 1...50 {
                _ = try answered(await world.channel.refund(world.refund("F\(index)", of: "FIFTY001", 1)))
            }
            #expect(
                refusalCode(await world.channel.refund(world.refund("F51", of: "FIFTY001", 1))) == "INVALID_REQUEST")
        }
    }

    @Test(arguments: [("closed", ChannelRefund.State.closed), ("abnormal", .abnormal)])
    func `a refund may end badly`(_ fault: String, _ state: ChannelRefund.State) async throws {
        try await World.with { world in
            try await world.setClock("2026-10-05T12:00:00+08:00")
            try await world.paid("BADEND01")
            try await world.fault("refund_result", fault)
            _ = try answered(await world.channel.refund(world.refund("B1", of: "BADEND01", 345)))
            try await world.setClock("2026-10-05T12:01:00+08:00")
            #expect(
                try answered(await world.channel.queryRefund(serial: "B1", paymentSerial: "BADEND01")).state == state)
            let callback = try #require(world.inbox.requests(to: "/callback").last)
            guard case .refund(_, _, let refund) = try world.channel.notice(in: callback.body) else {
                Issue.record("no refund")
                return
            }
            #expect(refund.state == state)
        }
    }
}
