import AsyncHTTPClient
import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyStore
import CustodyWire
import Foundation
import TestSupport
import Testing

/// A platform whose custodian is WeChat Pay itself, 电商收付通.
@Suite struct WeChatEcommerceDayTests {
    static let mchid = "1900000109"
    static let shops = ["1900001121", "1900001122"]

    static func custodian() throws -> CollectingMarket.Custodian {
        let keys = try CWP1KeyPair()
        let apiKey = "Test0nlyAPIv3KeyTest0nlyAPIv3Key"
        let simulator = try WeChatPaySimulator(client: .shared)
        return CollectingMarket.Custodian(
            run: { try await simulator.run() }, port: { try await simulator.boundPort() }, clockName: mchid,
            register: { base, _ in
                let answer = try await CollectingMarket.call(
                    "POST", base + "/control/merchants",
                    [
                        "mchid": .string(mchid), "appid": "wx8888888888888888", "api_v3_key": .string(apiKey),
                        "merchant_serial": "TEST0001", "merchant_public_key_pem": .string(keys.publicPEM),
                        "market_id": "M1", "kind": "ecommerce",
                        "sub_merchants": .array(
                            shops.map { ["sub_mchid": .string($0), "account_number": "6222021234567890123"] }),
                    ])
                let link = WeChatPayLink(
                    baseURL: base, mchid: mchid, appid: "wx8888888888888888", merchantSerial: "TEST0001",
                    merchantPrivateKeyPEM: keys.privatePEM, apiV3Key: apiKey,
                    platformKeys: (answer["platform_keys"]?.array ?? []).map {
                        .init(serial: $0["serial"]?.string ?? "", pem: $0["pem"]?.string ?? "")
                    },
                    partner: .init(kind: .ecommerce, subMchid: nil, sharesProfit: true))
                let json = try JSON(parsing: try JSONEncoder().encode(link))
                return .object((json.members ?? []) + [.init("fee_basis_points", 60)])
            },
            verify: { request, link in
                let link = try JSONDecoder().decode(WeChatPayLink.self, from: Data(link))
                let found = try WeChatPayCallback.verify(
                    headers: request.headers, body: request.body, link: link, now: SimulatorClock.realNow())
                return (found.notificationID, found.eventType)
            },
            acknowledgement: { _ in [] })
    }

    private static func funds(_ market: CollectingMarket) async throws -> [String: Fen] {
        let accounts = try await market.control("GET", "/merchants/\(mchid)")["accounts"]?.members ?? []
        return accounts.reduce(into: [:]) { funds, account in
            let value = account.value
            funds[account.name] = Fen(
                (value["available_fen"]?.integer ?? 0) + (value["held_fen"]?.integer ?? 0))
        }
    }

    @Test func `an order of two payees is paid, refunded in part, split, matched, paid out and returned`() async throws
    {
        try await CollectingMarket.working(.weChatEcommerce, try Self.custodian()) { market in
            let world = market.world
            let (a, b) = (try await market.shop(Self.shops[0]), try await market.shop(Self.shops[1]))
            try await world.settleAtOnce()
            let placed = try await market.placed(
                [(a, Fen(7000)), (b, Fen(3000)), (nil, Fen(1000))], .weChatPay, .native)
            try await market.control(
                "POST", "/pay", ["mchid": .string(Self.mchid), "combine_out_trade_no": .string(placed.serial)])
            let payment = try await market.booked(placed)
            let date = try #require(payment.businessDate)
            #expect(try await market.balance(.held(.subMerchant(a))) == Fen(7000))
            #expect(try await market.balance(.clearing(.weChatPay)) == Fen(11_000))
            #expect(try await world.run { try await $0.order(payment.orderID) }.bankState == "registered")

            let refund = try await world.run { tx in
                try await tx.createRefund(
                    of: payment.id, outRefundNo: "back", amount: Fen(1100), parts: nil, reason: "one less")
            }
            try await eventually("the refund is done") {
                try await market.advance(.seconds(60))
                return try await world.run { try await $0.refund(refund.id) }.state == .succeeded
            }
            #expect(try await market.split(payment).state == .succeeded)
            #expect(try await market.balance(.pending(.platform)) == Fen(900))
            #expect(try await market.balance(.held(.subMerchant(a))) == .zero)

            // The next day: the custodian's own bill is the proof, and its fees are the payees'.
            try await market.advance(to: date.advanced(by: 1).start + .seconds(10 * 3600 + 1800))
            try await eventually("the day is matched") {
                try await world.run { try await $0.reconciliations(on: date, before: nil, limit: 10) }
                    .contains { $0.state == "done" }
            }
            #expect(
                try await world.run {
                    try await $0.discrepancies(state: nil, on: nil, before: nil, limit: 10).map(\.kind)
                } == [])
            try await eventually("the money is released") {
                try await market.balance(.available(.platform)) == Fen(900)
            }
            try await Self.expectAgreement(market, a, b)
            try await Self.payOutAndReturn(market, a)
            try await Self.expectAgreement(market, a, b)
            #expect(try await market.balance(.clearing(.weChatPay)) == .zero)
            #expect(try await market.balance(.feeReceivable) == .zero)
            #expect(try await market.balance(.suspense) == .zero)
        }
    }

    /// What we say of each party is what WeChat Pay says, to the fen.
    private static func expectAgreement(
        _ market: CollectingMarket, _ a: ID<SubMerchant>, _ b: ID<SubMerchant>
    ) async throws {
        let funds = try await funds(market)
        #expect(try await market.balance(.available(.subMerchant(a))) == funds[shops[0]])
        #expect(try await market.balance(.available(.subMerchant(b))) == funds[shops[1]])
        #expect(try await market.balance(.available(.platform)) == funds[mchid])
        #expect(try await market.balance(.bankCash) == funds.values.reduce(.zero, +))
    }

    private static func payOutAndReturn(_ market: CollectingMarket, _ shop: ID<SubMerchant>) async throws {
        let world = market.world
        let available = try await market.balance(.available(.subMerchant(shop)))
        try await market.control(
            "POST", "/faults",
            ["operation": "withdraw_result", "fault": "returned", "after_days": 2, "count": 1])
        let withdrawal = try await world.run { tx in
            try await tx.createWithdrawal(of: shop, outWithdrawalNo: "all", amount: available)
        }
        try await eventually("it is paid out") {
            try await market.advance(.seconds(60))
            return try await world.run { try await $0.withdrawal(withdrawal.id) }.state == .succeeded
        }
        #expect(try await market.balance(.available(.subMerchant(shop))) == .zero)
        try await eventually("it comes back") {
            try await market.advance(.seconds(86_400))
            return try await world.run { try await $0.withdrawal(withdrawal.id) }.state == .returned
        }
        #expect(try await market.balance(.available(.subMerchant(shop))) == available)
    }

    @Test func `an order that nobody pays is closed there`() async throws {
        try await CollectingMarket.working(.weChatEcommerce, try Self.custodian()) { market in
            let shop = try await market.shop(Self.shops[0])
            let payment = try await market.placed([(shop, Fen(500))], .weChatPay, .native)
            _ = try await market.world.run { try await $0.closeOrder(payment.orderID) }
            try await eventually("the payment is closed") {
                try await market.world.run { try await $0.payment(payment.id) }.state == .closed
            }
            await #expect(throws: SimulatedMarket.ControlFailed.self) {
                try await market.control(
                    "POST", "/pay", ["mchid": .string(Self.mchid), "combine_out_trade_no": .string(payment.serial)])
            }
        }
    }
}
