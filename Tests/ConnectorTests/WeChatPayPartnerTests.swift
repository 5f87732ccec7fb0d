import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyWire
import Testing

/// Payments of sub-merchants: single and combined orders, and refunds out of every purse.
@Suite struct WeChatPayPartnerTests {
    typealias World = WeChatPayWorld

    @Test(arguments: ["service_provider", "ecommerce"])
    func `a sub-merchant's order is placed, paid, asked for and closed`(_ kind: String) async throws {
        try await World.with(kind: kind) { world in
            for method in [PaymentMethod.native, .jsapi, .app, .h5] {
                _ = try answered(await world.channel.pay(world.order("SUB\(method.rawValue)01", method: method)))
            }
            let transactionID = try await world.paid("SUBPAID1")
            let payment = try answered(await world.channel.queryPayment(serial: "SUBPAID1"))
            #expect(payment.state == .succeeded && payment.transactionNumber == transactionID)
            let request = try #require(world.inbox.requests(to: "/callback").first)
            #expect(
                try world.channel.notice(in: request.body)
                    == .payment(serial: "SUBPAID1", merchantNumber: World.mchid, payment))
            let stranger = try world.connector { $0.partner?.subMchid = "1900009999" }
            #expect(throws: Doubt.self) { try stranger.notice(in: request.body) }
            #expect(refusalCode(await stranger.pay(world.order("SUBOTHER"))) == "NO_AUTH")
            #expect(try answered(await world.channel.closePayment(serial: "SUBnative01")).state == .closed)
            #expect(refusalCode(await world.channel.closePayment(serial: "SUBPAID1")) == "ORDERPAID")
            // The fee is taken at once; the rest is held for splitting.
            #expect(try await world.funds(World.subMchid) == World.Funds(0, 12_345 - 74))
        }
    }

    static func combined(_ world: World, _ serial: String, method: PaymentMethod = .native) -> WeChatPayCombinedOrder {
        WeChatPayCombinedOrder(
            serial: serial, method: method,
            parts: [
                .init(subMchid: World.subMchid, serial: serial + "-1", amount: Fen(10_000), description: "茶"),
                .init(
                    subMchid: World.subMchid, serial: serial + "-2", amount: Fen(5000), description: "杯",
                    sharesProfit: false),
            ],
            expiresAt: world.simulator.clock.now(of: World.mchid) + .seconds(3600), callbackURL: world.callbackURL,
            payerID: "oBuyer")
    }

    @Test func `a combined order is one payment of several orders`() async throws {
        try await World.with(kind: "ecommerce") { world in
            for method in [PaymentMethod.native, .jsapi, .app, .h5] {
                let order = Self.combined(world, "CB\(method.rawValue)01", method: method)
                _ = try answered(await world.channel.payCombined(order))
            }
            let order = Self.combined(world, "COMBINE01")
            let first = try answered(await world.channel.payCombined(order))
            #expect(try answered(await world.channel.payCombined(order)) == first)
            #expect(try answered(await world.channel.queryCombined(serial: "COMBINE99")) == nil)
            let waiting = try #require(try answered(await world.channel.queryCombined(serial: "COMBINE01")))
            #expect(waiting.parts.map(\.payment.state) == [.waiting, .waiting])
            // Its parts cannot be asked for singly.
            #expect(refusalCode(await world.channel.queryPayment(serial: "COMBINE01-1")) == "INVALID_REQUEST")

            try await world.control(
                "POST", "/pay", ["mchid": .string(World.mchid), "combine_out_trade_no": "COMBINE01"])
            let paid = try #require(try answered(await world.channel.queryCombined(serial: "COMBINE01")))
            #expect(paid.parts.map(\.payment.state) == [.succeeded, .succeeded])
            #expect(paid.parts.map(\.payment.amount) == [Fen(10_000), Fen(5000)])
            let request = try #require(world.inbox.requests(to: "/callback").first)
            #expect(try world.channel.combinedNotice(in: request.body) == paid)
            #expect(try world.channel.notice(in: request.body) == .other("TRANSACTION.SUCCESS"))
            #expect(refusalCode(await world.channel.closeCombined(order)) == "ORDERPAID")
            #expect(try await world.funds(World.subMchid) == World.Funds(5000 - 30, 10_000 - 60))

            let other = Self.combined(world, "CBnative01")
            #expect(try answered(await world.channel.closeCombined(other)).state == .closed)
            #expect(try answered(await world.channel.closeCombined(other)).state == .closed)
            // A refund goes by part.
            let refund = ChannelRefundRequest(
                serial: "CR1", paymentSerial: "COMBINE01-2", amount: Fen(5000), paymentAmount: Fen(5000), reason: nil,
                callbackURL: world.callbackURL)
            #expect(try answered(await world.channel.refund(refund)).state == .processing)
            #expect(try await world.funds(World.subMchid) == World.Funds(0, 10_000 - 60))
        }
    }

    @Test func `a closing that names other parts is refused`() async throws {
        try await World.with(kind: "ecommerce") { world in
            let order = Self.combined(world, "COMBINE02")
            _ = try answered(await world.channel.payCombined(order))
            let half = WeChatPayCombinedOrder(
                serial: order.serial, method: .native, parts: [order.parts[0]], expiresAt: order.expiresAt,
                callbackURL: order.callbackURL)
            #expect(refusalCode(await world.channel.closeCombined(half)) == "PARAM_ERROR")
        }
    }

    @Test func `a refund takes held money first, and by command from elsewhere`() async throws {
        try await World.with(kind: "ecommerce") { world in
            try await world.setClock("2026-10-05T12:00:00+08:00")
            try await world.paid("PURSE001", 10_000)
            let first = world.refund("P1", of: "PURSE001", 1000, total: 10_000)
            #expect(try answered(await world.channel.refund(first)).state == .processing)
            #expect(try answered(await world.channel.refund(first)).state == .processing)
            // 1000 less the fee of 6 that comes back.
            #expect(try await world.funds(World.subMchid) == World.Funds(0, 9940 - 994))
            try await world.setClock("2026-10-05T12:00:10+08:00")
            #expect(
                try answered(await world.channel.queryRefund(serial: "P1", paymentSerial: "PURSE001")).state
                    == .succeeded)

            let available = world.refund("P2", of: "PURSE001", 500, total: 10_000)
            guard
                case .refused(let short) = await world.channel.refund(
                    available, from: .divided(available: Fen(500), unsplit: .zero))
            else {
                Issue.record("paid from nothing")
                return
            }
            #expect(short.code == "NOT_ENOUGH")
            #expect(short.standing == .forNow(retryAfter: .seconds(1800)))
            try await world.control(
                "POST", "/sub-merchants",
                [
                    "merchant": .string(World.mchid), "sub_mchid": .string(World.subMchid), "to_platform": true,
                    "add_available_fen": 5000,
                ])
            // The platform advances it, and is paid back when the sub-merchant has money.
            let advanced = try answered(await world.channel.refund(available, from: .platformAdvance))
            #expect(try await world.funds(World.mchid).available == 5000 - 497)
            try await world.setClock("2026-10-05T12:00:20+08:00")
            let number = try #require(advanced.refundNumber)
            #expect(refusalCode(await world.channel.returnAdvance(refundNumber: number)) == "NOT_ENOUGH")
            try await world.control(
                "POST", "/sub-merchants",
                [
                    "merchant": .string(World.mchid), "sub_mchid": .string(World.subMchid),
                    "add_available_fen": 1000,
                ])
            let back = try answered(await world.channel.returnAdvance(refundNumber: number))
            #expect(back.state == .succeeded && back.amount == Fen(497))
            #expect(try answered(await world.channel.queryAdvanceReturn(refundNumber: number)) == back)
            #expect(try answered(await world.channel.returnAdvance(refundNumber: number)) == back)
            #expect(try await world.funds(World.mchid).available == 5000)
            #expect(try await world.funds(World.subMchid).available == 503)
        }
    }

    @Test func `a refund that is stuck goes to a card, sealed for WeChat alone`() async throws {
        try await World.with(kind: "ecommerce") { world in
            try await world.setClock("2026-10-05T12:00:00+08:00")
            try await world.paid("STUCK001", 10_000)
            try await world.fault("refund_result", "abnormal")
            let number = try #require(
                try answered(await world.channel.refund(world.refund("A1", of: "STUCK001", 10_000, total: 10_000)))
                    .refundNumber)
            try await world.setClock("2026-10-05T12:00:10+08:00")
            #expect(
                try answered(await world.channel.queryRefund(serial: "A1", paymentSerial: "STUCK001")).state
                    == .abnormal)
            for channel in [world.channel, try world.connector { $0.platformKeys = [] }] {
                let answer = await channel.resolveAbnormalRefund(
                    serial: "A1", paymentSerial: "STUCK001", refundNumber: number,
                    by: .userBankCard(bankType: "CMB_DEBIT", account: "6222021234567890123", holder: "张三"))
                guard case .answered(let refund) = answer else {
                    // The second one finds it under way.
                    #expect(refusalCode(answer) == "INVALID_REQUEST")
                    continue
                }
                #expect(refund.state == .processing)
            }
            try await world.setClock("2026-10-05T12:00:20+08:00")
            #expect(
                try answered(await world.channel.queryRefund(serial: "A1", paymentSerial: "STUCK001")).state
                    == .succeeded)
        }
    }

    @Test func `the bills of a partner's day are there, plain and sealed`() async throws {
        try await World.with(kind: "ecommerce") { world in
            try await world.setClock("2026-10-05T12:00:00+08:00")
            try await world.paid("BILLED01", 10_000)
            _ = try answered(await world.channel.refund(world.refund("B1", of: "BILLED01", 100, total: 10_000)))
            let day = try #require(BusinessDate("2026-10-05"))
            try await world.setClock("2026-10-06T09:59:00+08:00")
            #expect(
                try answered(
                    await world.channel.fetchSubMerchantFundFlow(of: day, subMchid: World.subMchid, into: .ofTests)
                ).isNotReady)
            try await world.setClock("2026-10-06T10:00:00+08:00")
            guard case .file(let trades) = try answered(await world.channel.fetch(.trades, of: day, into: .ofTests))
            else {
                Issue.record("no trade bill")
                return
            }
            let rows = try StatementContent(reading: trades, from: .weChatPay).lines
            #expect(rows.map(\.reference) == ["BILLED01", "B1"])
            for subMchid in [World.subMchid, nil] {
                guard
                    case .file(let flows) = try answered(
                        await world.channel.fetchSubMerchantFundFlow(of: day, subMchid: subMchid, into: .ofTests))
                else {
                    Issue.record("no fund-flow bill")
                    return
                }
                // The reader holds every balance against the one before it.
                let rows = try StatementContent(reading: flows, from: .weChatPay).lines
                #expect(rows.map(\.amount) == [Fen(10_000), Fen(-60), Fen(-99)])
                #expect(rows.last?.details["账户结余(元)"] == "98.41")
            }
            #expect(
                try answered(await world.channel.fetch(.fundFlow(account: "BASIC"), of: day, into: .ofTests)).isEmpty)
            #expect(try answered(await world.channel.fetch(.profitSharing, of: day, into: .ofTests)).isEmpty)
            #expect(try answered(await world.channel.fetch(.failedWithdrawals, of: day, into: .ofTests)).isEmpty)
            try await world.fault("download", "corrupt")
            #expect(
                doubt(await world.channel.fetchSubMerchantFundFlow(of: day, subMchid: nil, into: .ofTests))
                    == .badSignature)
        }
    }

    @Test func `amounts that ask for trouble get it only where the merchant was registered so`() async throws {
        try await World.with(kind: "ecommerce", registering: [.init("magic_amounts", true)]) { world in
            #expect(doubt(await world.channel.pay(world.order("MAGIC001", 990_001))) == .systemError)
            let payment = try answered(await world.channel.queryPayment(serial: "MAGIC001"))
            #expect(payment.state == .waiting)
        }
        try await World.with(kind: "ecommerce") { world in
            _ = try answered(await world.channel.pay(world.order("MAGIC002", 990_001)))
        }
    }
}
