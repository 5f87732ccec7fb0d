import AsyncHTTPClient
import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyWire
import Foundation
import Synchronization

/// A bank simulator, a listener for its notifications, and our connector to one market: all over real sockets.
struct CWP1Bench: Sendable {
    /// Notifications in the order they came.
    final class Inbox: Sendable {
        struct Letter: Sendable {
            let path: String
            let headers: [(String, String)]
            let body: [UInt8]
        }

        private let letters = Mutex<[Letter]>([])
        /// How many of the next notifications are answered 500.
        let refusals = Mutex(0)

        var all: [Letter] { letters.withLock { $0 } }

        func receive(_ request: SimulatorRequest) -> SimulatorResponse {
            letters.withLock {
                $0.append(
                    Letter(
                        path: request.path, headers: request.headers.map { ($0.name, $0.value) }, body: request.body))
            }
            let isRefused = refusals.withLock { count in
                guard count > 0 else { return false }
                count -= 1
                return true
            }
            return .answer(
                status: isRefused ? 500 : 200, headers: [],
                body: CWP1Notification.acknowledgement(at: SimulatorClock.realNow()))
        }

        /// Those of a kind, once there are so many.
        func wait(_ txnCode: String, count: Int = 1) async throws -> [CWP1Notification] {
            let deadline = ContinuousClock.now + .seconds(10)
            while true {
                let found = all.compactMap { try? CWP1Notification(parsing: $0.body) }.filter {
                    $0.txnCode == txnCode
                }
                if found.count >= count { return found }
                guard ContinuousClock.now < deadline else { throw Missing(txnCode: txnCode, found: found.count) }
                try await Task.sleep(for: .milliseconds(5))
            }
        }
    }

    struct Missing: Error {
        let txnCode: String
        let found: Int
    }

    static let keys = Result { try CWP1KeyPair() }
    static let sm2Keys = Result { try CWP1KeyPair(.sm2SM3) }
    static let marketID = "M00000000001"

    let base: String
    let outbound: Outbound
    let link: CWP1Link
    let custodian: CWP1Custodian
    let inbox: Inbox
    let feeAccount: String
    let depositAccount: String
    let marketingAccount: String

    /// Runs a test against a bank whose market's clock stands at 2026-10-05 12:00 in Shanghai.
    static func run(
        reviewStep: Int64 = 120, release: String = "funded", algorithm: CWP1Algorithm = .rsaSHA256,
        terms: [JSON.Member] = [], _ body: @escaping @Sendable (CWP1Bench) async throws -> Void
    ) async throws {
        let inbox = Inbox()
        let listener = SimulatorServer { inbox.receive($0) }
        let bank = try BankSimulator(client: .shared)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await listener.run() }
            group.addTask { try await bank.run() }
            defer { group.cancelAll() }
            let bench = try await CWP1Bench(
                base: "http://127.0.0.1:\(bank.boundPort())",
                notifyURL: "http://127.0.0.1:\(listener.boundPort())/bank/callback/\(marketID)", inbox: inbox,
                keys: (algorithm == .rsaSHA256 ? keys : sm2Keys).get(),
                terms: .object(
                    [.init("review_step_seconds", JSON(reviewStep)), .init("release", .string(release))] + terms))
            try await body(bench)
        }
    }

    private init(base: String, notifyURL: String, inbox: Inbox, keys: CWP1KeyPair, terms: JSON) async throws {
        self.base = base
        self.inbox = inbox
        outbound = Outbound(client: .shared, timeout: .seconds(2))
        let answer = try await CWP1Bench.control(
            outbound, base, "POST", "markets",
            [
                "partner_id": "P0000001", "market_id": .string(CWP1Bench.marketID), "partner_serial": "P1",
                "partner_public_key_pem": .string(keys.publicPEM), "notify_url": .string(notifyURL),
                "terms": terms,
            ])
        feeAccount = answer["fee_account"]?.string ?? ""
        depositAccount = answer["deposit_account"]?.string ?? ""
        marketingAccount = answer["marketing_account"]?.string ?? ""
        link = CWP1Link(
            baseURL: base, partnerID: "P0000001", marketID: CWP1Bench.marketID, partnerSerial: "P1",
            partnerPrivateKeyPEM: keys.privatePEM,
            bankKeys: [
                .init(
                    serial: answer["bank_serial"]?.string ?? "", pem: answer["bank_public_key_pem"]?.string ?? "")
            ])
        custodian = try CWP1Custodian(link: link, outbound: outbound) { SimulatorClock.realNow() }
        try await clock("2026-10-05T12:00:00+08:00")
    }

    struct ControlFailed: Error { let text: String }

    private static func control(
        _ outbound: Outbound, _ base: String, _ method: String, _ path: String, _ body: JSON?
    ) async throws -> JSON {
        let answer = try await outbound.call(
            method, "\(base)/control/\(path)", headers: [("content-type", "application/json")],
            body: body?.bytes ?? [])
        guard answer.status == 200 else {
            throw ControlFailed(text: String(decoding: answer.body, as: UTF8.self))
        }
        return try JSON(parsing: answer.body)
    }

    @discardableResult
    func control(_ method: String, _ path: String, _ body: JSON? = nil) async throws -> JSON {
        try await CWP1Bench.control(outbound, base, method, path, body)
    }

    func clock(_ time: String) async throws {
        try await control(
            "PUT", "clock", ["merchant": .string(CWP1Bench.marketID), "now": .string(time)])
    }

    func fault(_ operation: String, _ fault: String, serial: String? = nil, _ more: [JSON.Member] = []) async throws {
        let match: JSON = (["merchant": .string(CWP1Bench.marketID), "serial": JSON(serial)] as JSON).omittingNulls
        try await control(
            "POST", "faults",
            .object(
                [
                    .init("operation", .string(operation)), .init("fault", .string(fault)), .init("match", match),
                ] + more))
    }

    func balances() async throws -> JSON { try await control("GET", "markets/\(CWP1Bench.marketID)/balances") }

    /// A sub-account's balances.
    func account(_ number: String) async throws -> JSON {
        let proof = try await balances()
        return proof["sub_accounts"]?.array?.first { $0["sub_acct"]?.string == number } ?? [:]
    }

    // MARK: - Shorthand for tests

    static func opening(_ number: String, name: String = "杭州某某商贸有限公司") -> SubMerchantOpening {
        SubMerchantOpening(
            number: number, kind: .company, name: name, certificateNumber: "91330100MA27XXXX0X",
            legalPersonName: "张三", legalPersonIDNumber: "330106199001011234", contactName: "李四",
            contactMobile: "13800138000")
    }

    /// An open merchant's sub-account.
    func openMerchant(_ number: String) async throws -> String {
        _ = await custodian.openSubMerchant(CWP1Bench.opening(number), serial: "OPEN-" + number)
        let deadline = ContinuousClock.now + .seconds(10)
        while ContinuousClock.now < deadline {
            if case .answered(let merchant) = await custodian.querySubMerchant(
                number: number, serial: "Q-" + CWP1Signer.nonce()), let account = merchant.subAccount
            {
                return account
            }
            try await Task.sleep(for: .milliseconds(10))
        }
        throw Missing(txnCode: "MCH.OPEN", found: 0)
    }

    /// A bound settlement account.
    func bind(_ account: String) async throws -> String {
        let bound = await custodian.bindAccount(CWP1Bench.card(account), serial: "BIND-" + CWP1Signer.nonce())
        guard case .answered(let binding) = bound else { throw ControlFailed(text: "\(bound)") }
        let slip = try await control("GET", "cards/\(binding.bindingNumber)")
        _ = await custodian.confirmAccount(
            bindingNumber: binding.bindingNumber,
            proof: .amount(
                Fen(slip["amount_fen"]?.integer ?? 0), instructionNumber: slip["instruction_no"]?.string ?? ""),
            serial: "CONF-" + CWP1Signer.nonce())
        return binding.bindingNumber
    }

    static func card(_ account: String, _ verification: AccountBinding.Verification = .smallAmount) -> AccountBinding {
        AccountBinding(
            subAccount: account, isCorporate: true, accountNumber: "6222021234567890123", accountName: "张三",
            bankName: "中国工商银行", mobile: "13800138000", verification: verification)
    }

    /// An order of 100.00 yuan: 95.00 for the merchant, 5.00 of commission.
    func order(_ number: String, _ account: String, isPaid: Bool, merchantPart: Int64 = 9500) -> OrderRegistration {
        OrderRegistration(
            number: number, amount: Fen(10000),
            parts: [
                .init(number: "S1", account: account, amount: Fen(merchantPart), isCommission: false),
                .init(number: "S2", account: feeAccount, amount: Fen(10000 - merchantPart), isCommission: true),
            ],
            payment: isPaid
                ? .init(
                    channel: .weChatPay, channelMerchantNumber: "1900000109", channelOrderNumber: "4200" + number,
                    paidAt: Instant(text: "20261005120000") ?? Instant(seconds: 0)) : nil)
    }

    /// The lump that pays orders of 100.00 yuan less 0.60 each.
    @discardableResult
    func credit(
        _ orders: [String], date: String = "2026-10-05", amount: Int64 = 10000, refunds: [JSON] = [], net: Int64 = 0
    ) async throws -> JSON {
        let items = orders.map { number -> JSON in
            [
                "kind": "payment", "channel_order_no": .string("4200" + number), "out_no": .string("PAY" + number),
                "amount_fen": JSON(amount), "fee_fen": 60,
            ]
        }
        return try await control(
            "POST", "credits",
            [
                "market_id": .string(CWP1Bench.marketID), "channel": "WXPAY", "business_date": .string(date),
                "net_fen": JSON(Int64(orders.count) * (amount - 60) + net), "items": .array(items + refunds),
            ])
    }
}
