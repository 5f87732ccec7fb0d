import AsyncHTTPClient
import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyStore
import CustodyWire
import Foundation
import TestSupport
import Testing

/// A platform whose custodian is Alipay itself, 直付通: it collects, and pays out by itself.
@Suite struct AlipayDirectDayTests {
    static let appID = "2021000000000001"
    static let sellerID = "2088000000000000"

    static func custodian() throws -> CollectingMarket.Custodian {
        let (keys, gateway) = (try CWP1KeyPair(), try CWP1KeyPair())
        let alipay = try AlipaySimulator(
            keys: AlipayKeyPair(privateKeyPEM: gateway.privatePEM, publicKeyPEM: gateway.publicPEM), client: .shared)
        return CollectingMarket.Custodian(
            run: { try await alipay.run() }, port: { try await alipay.boundPort() }, clockName: appID,
            register: { base, callbackURL in
                _ = try await CollectingMarket.call(
                    "POST", base + "/control/merchants",
                    [
                        "app_id": .string(appID), "seller_id": .string(sellerID), "mode": "key",
                        "app_public_key_pem": .string(keys.publicPEM), "market_id": "M1",
                        "message_url": .string(callbackURL),
                    ])
                let link = AlipayLink(
                    gatewayURL: base + "/gateway.do", appID: appID, sellerID: sellerID,
                    appPrivateKeyPEM: keys.privatePEM, alipayPublicKeyPEM: gateway.publicPEM)
                try await Self.open(link)
                return try JSON(parsing: try JSONEncoder().encode(link))
            },
            verify: { request, link in
                let link = try JSONDecoder().decode(AlipayLink.self, from: Data(link))
                let found = try AlipayNotify.verify(body: request.body, link: link, now: SimulatorClock.realNow())
                return (found.notifyID, found.kind)
            },
            acknowledgement: { _ in Array(AlipayNotify.acknowledgement.utf8) })
    }

    /// Opens a sub-merchant there, with all that Alipay wants to know; its review is over when the market begins.
    private static func open(_ link: AlipayLink) async throws {
        let direct = try AlipayDirect(
            link: link, notifyURL: nil, outbound: Outbound(client: .shared, timeout: .seconds(10)),
            clock: { SimulatorClock.realNow() })
        var dossier = SubMerchantDossier()
        dossier.categoryCode = "A0001_B0199"
        dossier.settlementAccount = AccountBinding(
            subAccount: "", isCorporate: true, accountNumber: "6222000000001234", accountName: "测试商行", bankName: "中国银行",
            mobile: "13800000000", verification: .none)
        let reply = await direct.openSubMerchant(
            SubMerchantOpening(
                number: "M1", kind: .company, name: "测试商行", certificateNumber: "91310000MA1K000000",
                legalPersonName: "张三", legalPersonIDNumber: "310101199001010011", contactName: "李四",
                contactMobile: "13800000000", dossier: dossier),
            serial: "O1")
        guard case .answered = reply else { throw NeverHappened(description: "the application: \(reply)") }
    }

    private static func state(_ market: CollectingMarket) async throws -> JSON {
        try await market.control("GET", "/merchants/\(appID)")
    }

    private static func shop(_ market: CollectingMarket) async throws -> ID<SubMerchant> {
        let smid = try #require(try await state(market)["sub_merchants"]?.array?.first?["smid"]?.string)
        return try await market.shop(smid)
    }

    @Test func `an order is paid, refunded in part, confirmed with its split, matched, and paid out by Alipay`()
        async throws
    {
        try await CollectingMarket.working(.alipayDirect, try Self.custodian()) { market in
            let world = market.world
            try await world.settleAtOnce()
            let shop = try await Self.shop(market)
            let placed = try await market.placed([(shop, Fen(9000)), (nil, Fen(1000))], .alipay, .precreate)
            try await market.control(
                "POST", "/pay", ["app_id": .string(Self.appID), "out_trade_no": .string(placed.serial)])
            let payment = try await market.booked(placed)
            let date = try #require(payment.businessDate)
            let refund = try await world.run { tx in
                try await tx.createRefund(
                    of: payment.id, outRefundNo: "back", amount: Fen(1000), parts: [(number: 1, amount: Fen(1000))],
                    reason: nil)
            }
            try await eventually("the refund is done") {
                try await market.advance(.seconds(60))
                return try await world.run { try await $0.refund(refund.id) }.state == .succeeded
            }
            #expect(try await market.split(payment).state == .succeeded)
            #expect(try await market.balance(.pending(.subMerchant(shop))) == Fen(8000))

            try await market.advance(to: date.advanced(by: 1).start + .seconds(10 * 3600))
            try await eventually("the day is matched, and released") {
                try await market.balance(.pending(.subMerchant(shop))) == .zero
            }
            #expect(
                try await world.run {
                    try await $0.discrepancies(state: nil, on: nil, before: nil, limit: 10).map(\.kind)
                } == [])
            for account in [
                Account.clearing(.alipay), .feeReceivable, .bankCash, .suspense, .available(.platform),
                .available(.subMerchant(shop)),
            ] {
                #expect(try await market.balance(account) == .zero)
            }
            // Alipay paid the shop what these books say: its share, less the fee of what was not refunded.
            let payouts = try await Self.state(market)["sub_merchants"]?.array?.first?["payouts"]?.array ?? []
            #expect(payouts.compactMap { $0["amount_fen"]?.integer } == [7946])
        }
    }

    @Test func `a commission that Alipay does not let through fails the split, and the money stays held`() async throws
    {
        try await CollectingMarket.working(.alipayDirect, try Self.custodian()) { market in
            let shop = try await Self.shop(market)
            // More than the 30 % that may be split away.
            let placed = try await market.placed([(shop, Fen(5000)), (nil, Fen(5000))], .alipay, .precreate)
            try await market.control(
                "POST", "/pay", ["app_id": .string(Self.appID), "out_trade_no": .string(placed.serial)])
            let payment = try await market.booked(placed)
            let split = try await market.split(payment)
            #expect(split.state == .failed && split.failure?.isEmpty == false)
            #expect(try await market.balance(.held(.platform)) == Fen(5000))
            #expect(try await market.balance(.held(.subMerchant(shop))) == Fen(5000))
            // What Alipay lets through is split afterwards, though the order was confirmed for the first attempt.
            let less = try await market.world.run { tx in
                try await tx.createSplit(
                    of: payment.orderID, outSplitNo: "less", items: [(number: 2, amount: Fen(1000))])
            }
            try await eventually("less is split") {
                try await market.advance(.seconds(60))
                return try await market.world.run { try await $0.split(less.id) }.state == .succeeded
            }
            #expect(try await market.balance(.pending(.platform)) == Fen(1000))
        }
    }
}
