import AsyncHTTPClient
import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyStore
import CustodyWire
import CustodyWorkers
import Foundation
import TestSupport
import Testing

/// A platform whose custodian is CCB 惠市宝: the bank signs merchants, collects, and pays out by itself.
@Suite struct CCBDayTests {
    static let market = "41060860899999"

    /// - Parameter hasFiles: Whether the daily packages can be fetched, rather than are handed in by hand.
    static func custodian(hasFiles: Bool = false) throws -> CollectingMarket.Custodian {
        let keys = try CWP1KeyPair()
        let bank = try CCBSimulator(client: .shared)
        return CollectingMarket.Custodian(
            run: { try await bank.run() }, port: { try await bank.boundPort() }, clockName: market,
            register: { base, callbackURL in
                let answer = try await CollectingMarket.call(
                    "POST", base + "/control/markets",
                    [
                        "market_id": .string(market), "platform_public_key_pem": .string(keys.publicPEM),
                        "notify_url": .string(callbackURL),
                    ])
                let link = CCBLink(
                    baseURL: base, marketID: market, platformPrivateKeyPEM: keys.privatePEM,
                    bankPublicKeyPEM: answer["bank_public_key_pem"]?.string ?? "")
                // The platform is a merchant there like any other.
                let platform = try await CollectingMarket.call(
                    "POST", base + "/control/merchants", ["market_id": .string(market), "name": "平台"])
                let json = try JSON(parsing: try JSONEncoder().encode(link))
                let files: [JSON.Member] = hasFiles ? [.init("files_url", .string(base + "/files"))] : []
                return .object(
                    (json.members ?? []) + files + [.init("commission_account", platform["mkt_mrch_id"] ?? .null)])
            },
            verify: { request, link in
                let link = try JSONDecoder().decode(CCBLink.self, from: Data(link))
                let found = try CCBMessage.verify(method: request.method, body: request.body, link: link)
                return (found.notifyID, found.kind)
            },
            acknowledgement: { CCBMessage.acknowledgement(of: $0.body, at: SimulatorClock.realNow()) })
    }

    /// A merchant that the bank signs, once the platform heard of it.
    private static func signed(_ name: String, _ market: CollectingMarket) async throws -> SubMerchantRecord {
        let answer = try await market.control(
            "POST", "/merchants",
            ["market_id": .string(Self.market), "name": .string(name), "cert_no": "91310000MA1FL0000X"])
        let number = try #require(answer["mkt_mrch_id"]?.string)
        return try await Self.subMerchant(number, market)
    }

    private static func subMerchant(_ number: String, _ market: CollectingMarket) async throws -> SubMerchantRecord {
        var found: SubMerchantRecord?
        try await eventually("the platform hears of the merchant") {
            found = try await market.world.run { tx in
                try await tx.subMerchants(outSubMerchantNo: number, before: nil, limit: 1)
            }.first
            return found != nil
        }
        return try #require(found)
    }

    @Test func `merchants signed at the bank are the platform's, and leave when the bank says so`() async throws {
        try await CollectingMarket.working(.ccb, try Self.custodian()) { market in
            let shop = try await Self.signed("甲公司", market)
            #expect(shop.state == .active && shop.displayName == "甲公司")
            #expect(shop.details.certificateNumber == "91310000MA1FL0000X")
            #expect(shop.subAccount == shop.outSubMerchantNo)
            for (operation, name) in [("03", "乙公司"), ("02", "乙公司")] {
                try await market.control(
                    "POST", "/merchants",
                    [
                        "market_id": .string(Self.market), "operation": .string(operation), "name": .string(name),
                        "mkt_mrch_id": JSON(shop.subAccount),
                    ])
            }
            try await eventually("it left under its new name") {
                let now = try await market.world.run { try await $0.subMerchant(shop.id) }
                return now.state == .closed && now.displayName == "乙公司"
            }
        }
    }

    @Test func `an order is paid at the bank, refunded in part, confirmed, matched and paid out by the bank`()
        async throws
    {
        try await CollectingMarket.working(.ccb, try Self.custodian()) { market in
            let world = market.world
            try await world.settleAtOnce()
            let shop = try await Self.signed("甲公司", market).id
            let placed = try await market.placed([(shop, Fen(9500)), (nil, Fen(500))], .weChatPay, .h5)
            try await market.control(
                "POST", "/pay", ["market_id": .string(Self.market), "main_order_no": .string(placed.serial)])
            let payment = try await market.booked(placed)
            let date = try #require(payment.businessDate)
            let refund = try await world.run { tx in
                try await tx.createRefund(
                    of: payment.id, outRefundNo: "back", amount: Fen(1000), parts: nil, reason: nil)
            }
            try await eventually("the refund is done") {
                try await world.run { try await $0.refund(refund.id) }.state == .succeeded
            }
            // In parts the bank does not confirm; the money stays held.
            let part = try await world.run { tx in
                try await tx.createSplit(of: payment.orderID, outSplitNo: "part", items: [(number: 1, amount: Fen(1))])
            }
            try await eventually("a part is refused") {
                try await world.run { try await $0.split(part.id) }.state == .failed
            }
            #expect(try await market.balance(.held(.subMerchant(shop))) == Fen(8550))
            #expect(try await market.split(payment).state == .succeeded)
            let there = try await market.control("GET", "/orders/\(Self.market)/\(placed.serial)")
            #expect(there["confirmed"]?.bool == true && there["refunded_fen"]?.integer == 1000)

            try await Self.deliverReceipts(payment, date, market)
            try await eventually("the money is released, and paid out by the bank") {
                try await market.advance(.seconds(60))
                return try await market.balance(.pending(.subMerchant(shop))) == .zero
            }
            for party in [Account.Party.subMerchant(shop), .platform] {
                #expect(try await market.balance(.available(party)) == .zero)
            }
            for account in [Account.clearing(.weChatPay), .feeReceivable, .bankCash, .suspense] {
                #expect(try await market.balance(account) == .zero)
            }
            await #expect(throws: Rejection.self) {
                _ = try await world.boundAccount(of: shop)
                _ = try await world.run {
                    try await $0.createWithdrawal(of: shop, outWithdrawalNo: "none", amount: Fen(1))
                }
            }
        }
    }

    @Test func `the bank's package is fetched, and what it says of the day is matched and paid out`() async throws {
        try await CollectingMarket.working(.ccb, try Self.custodian(hasFiles: true)) { market in
            let world = market.world
            try await world.settleAtOnce()
            let shop = try await Self.signed("甲公司", market).id
            let placed = try await market.placed([(shop, Fen(9500)), (nil, Fen(500))], .weChatPay, .h5)
            try await market.control(
                "POST", "/pay", ["market_id": .string(Self.market), "main_order_no": .string(placed.serial)])
            let payment = try await market.booked(placed)
            let date = try #require(payment.businessDate)
            #expect(try await market.split(payment).state == .succeeded)
            try await market.advance(to: date.advanced(by: 1).start + .seconds(11 * 3600))
            try await eventually("the day is matched, and paid out") {
                try await market.balance(.pending(.subMerchant(shop))) == .zero
            }
            for account in [Account.clearing(.weChatPay), .feeReceivable, .bankCash, .suspense] {
                #expect(try await market.balance(account) == .zero)
            }
            let kept = try await world.run { tx in
                try await tx.statements(source: nil, on: date, before: nil, limit: 10).map(\.form).sorted()
            }
            #expect(kept == ["CHK", "DET", "SUM"])
        }
    }

    /// The bank's file of the day's receipts comes in.
    private static func deliverReceipts(
        _ payment: PaymentRecord, _ date: BusinessDate, _ market: CollectingMarket
    ) async throws {
        let header =
            "MAIN_ORDR_NO|MKT_MRCH_ID|MKT_MRCH_NM|TXN_DT|ORDR_NO|ORDR_TPCD|TXNAMT|HDCG|RCNCL_RSLT_STCD|TXN_TP_DSC"
            + "|LSSUBNK_DSC|PY_CRDTP_DSC|PYR_ACCNO|TXN_TM"
        let row =
            "\(payment.serial)|\(Self.market)000010|甲公司|\(date.compact)|\(payment.transactionNumber ?? "")|04|100.00|0.60"
            + "|00|微信支付|||62220212****0000|120500"
        let file = StatementFile(Array("\(header)\n\(row)\n".utf8), name: "\(Self.market)-\(date.compact)-chk.txt")
        let subject = StatementSubject(source: .bank, form: "CHK", date: date)
        let statement = try subject.verified(file)
        try await market.world.run { tx in
            _ = try await tx.keep(statement, subject: subject, fileName: file.name ?? "chk")
        }
    }
}
