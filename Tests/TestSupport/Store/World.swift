import CustodyDomain
import CustodyStore
import Postgres

/// One tenant of a test, and the ways to bring it into useful states: through the verbs that production uses.
///
/// Each method plays our part and the counterparties': it asks, and then notes the answer that a worker would have got.
public struct World: Sendable {
    /// The store and its database.
    public let test: TestStore
    /// The tenant.
    public let tenantID: ID<Tenant>

    /// The store.
    public var store: Store { test.store }

    /// Puts a tenant that exists into a world.
    public init(test: TestStore, tenantID: ID<Tenant>) {
        self.test = test
        self.tenantID = tenantID
    }

    /// Runs work in a transaction of the tenant.
    public func run<Value>(_ body: (TenantTransaction) async throws -> Value) async throws -> Value {
        try await store.withTenant(tenantID, body)
    }

    /// Links all counterparties, with configurations that lead nowhere.
    public func link() async throws {
        try await run { tx in
            for counterparty in Counterparty.allCases {
                try await tx.setLink(counterparty, configuration: Array("{}".utf8))
            }
        }
    }

    /// A number that was never used.
    public func number(_ prefix: String) -> String {
        "\(prefix)-\(ID<Job>(at: Instant(seconds: 0)).text.suffix(20))"
    }

    /// The people behind a sub-merchant that nobody is.
    public static let details = SubMerchantDetails(
        name: "测试商贸有限公司", certificateNumber: "91310000MA1FL0000X", legalPersonName: "张三",
        legalPersonIDNumber: "310101199001010000", contactName: "李四", contactMobile: "13800000000"
    )

    /// Opens a sub-merchant, just accepted by us.
    public func submittedSubMerchant() async throws -> ID<SubMerchant> {
        try await run { tx in
            try await tx.openSubMerchant(
                outSubMerchantNo: number("shop"), kind: .company, displayName: "测试店", details: World.details
            ).id
        }
    }

    /// Opens a sub-merchant, and lets the custodian accept it and a bound settlement account.
    public func activeSubMerchant(bindsAccount: Bool = true) async throws -> ID<SubMerchant> {
        let id = try await submittedSubMerchant()
        try await run { tx in
            try await tx.noteReview(of: id, .reviewing, applicationNumber: number("app"))
            try await tx.noteReview(of: id, .active, subAccount: number("sub"))
        }
        if bindsAccount { _ = try await boundAccount(of: id) }
        return id
    }

    /// Binds a settlement account by SMS, to the end.
    public func boundAccount(of subMerchantID: ID<SubMerchant>) async throws -> ID<BankAccount> {
        let id = try await run { tx in
            let account = try await tx.bindAccount(
                to: subMerchantID,
                details: BankAccountDetails(
                    accountNumber: "6222021001116245702", accountName: "张三", mobile: "13800000000"),
                bankName: "中国工商银行", isCorporate: false, verification: .smsCode
            )
            try await tx.noteBinding(account.id, .toVerify, bindingNumber: number("bind"), triesLeft: 3)
            return account.id
        }
        try await run { tx in
            _ = try await tx.verifyAccount(of: subMerchantID, proof: AccountProofDetails(smsCode: "123456"))
            try await tx.noteBinding(id, .bound)
        }
        return id
    }

    /// An order as a platform would sync it; the parts sum to its amount.
    public func newOrder(
        _ parts: [(ID<SubMerchant>?, Fen)], outOrderNo: String? = nil, splitMode: String = "on_confirmation",
        expiresIn: Duration = .seconds(7200), idempotency: (claim: IdempotencyClaim, response: StoredResponse)? = nil
    ) async throws -> NewOrder {
        let now = try await run { $0.now }
        return NewOrder(
            id: ID(at: now), outOrderNo: outOrderNo ?? number("order"), amount: parts.map(\.1).sum(),
            description: "test goods", payer: "buyer-1", metadata: "{}", splitMode: splitMode,
            expiresAt: now + expiresIn,
            parts: parts.map { NewOrder.Part(subMerchantID: $0.0, amount: $0.1) }, idempotency: idempotency
        )
    }

    /// Syncs an open order.
    public func order(
        _ parts: [(ID<SubMerchant>?, Fen)], splitMode: String = "on_confirmation"
    ) async throws -> OrderRecord {
        let order = try await newOrder(parts, splitMode: splitMode)
        return try await run { tx in
            _ = try await tx.createOrders([order])
            return try await tx.order(order.id)
        }
    }

    /// Opens a payment of an order that the buyer can pay now.
    public func payingPayment(
        of orderID: ID<Order>, channel: ChannelKind = .weChatPay
    ) async throws -> PaymentRecord {
        try await run { tx in
            let payment = try await tx.createPayment(
                of: orderID, channel: channel, method: channel == .weChatPay ? .native : .precreate, payerID: nil
            )
            try await tx.notePrompt(payment.id, #"{"code_url":"weixin://wxpay/bizpayurl?pr=test"}"#)
            return try await tx.payment(payment.id)
        }
    }

    /// Lets the buyer pay, now.
    @discardableResult
    public func succeed(_ id: ID<Payment>) async throws -> PaymentSuccess {
        try await run { tx in
            try await tx.succeed(id, transactionNumber: number("trade"), paidAt: tx.now, payerID: "openid-1")
        }
    }

    /// Syncs an order and lets the buyer pay it.
    public func paidOrder(
        _ parts: [(ID<SubMerchant>?, Fen)], channel: ChannelKind = .weChatPay, splitMode: String = "on_confirmation"
    ) async throws -> (order: OrderRecord, payment: PaymentRecord) {
        let order = try await order(parts, splitMode: splitMode)
        let payment = try await payingPayment(of: order.id, channel: channel)
        try await succeed(payment.id)
        return try await run { (try await $0.order(order.id), try await $0.payment(payment.id)) }
    }

    /// Splits everything that an order holds, to the end.
    @discardableResult
    public func split(_ orderID: ID<Order>) async throws -> SplitRecord {
        try await run { tx in
            let split = try await tx.createSplit(of: orderID, outSplitNo: number("split"), items: nil)
            try await tx.noteSplitProcessing(split.id)
            try await tx.succeedSplit(split.id)
            return try await tx.split(split.id)
        }
    }

    /// Says that a channel's day was matched without a difference.
    ///
    /// Why by SQL: matching is a verb of its own with tests of its own, and needs statements; its outcome is one row.
    public func markMatched(_ channel: ChannelKind, _ date: BusinessDate) async throws {
        try await test.withConnection(as: .superuser) { connection in
            _ = try await connection.query(
                """
                INSERT INTO custody.reconciliation (tenant_id, id, channel, business_date, state, created_at, finished_at)
                VALUES (\(tenantID), gen_random_uuid(), \(channel.rawValue), \(date), 'done', now(), now())
                ON CONFLICT (tenant_id, channel, business_date) DO UPDATE SET state = 'done', finished_at = now()
                """
            )
        }
    }

    /// Sets the terms so that what is matched is available at once, and paid out only when asked.
    public func settleAtOnce(withdrawsAutomatically: Bool = false) async throws {
        try await run { tx in
            try await tx.setSettlementTerms(
                SettlementTerms(
                    schedule: SettlementSchedule(days: 0, calendar: .natural), minimum: Fen(1),
                    withdrawsAutomatically: withdrawsAutomatically)
            )
        }
    }

    /// Brings a sub-merchant's income to where it may be withdrawn: an order paid, split, matched and settled.
    @discardableResult
    public func settledIncome(_ amount: Fen, of subMerchantID: ID<SubMerchant>) async throws -> OrderRecord {
        let (order, payment) = try await paidOrder([(subMerchantID, amount)])
        try await split(order.id)
        try await settleAtOnce()
        if let date = payment.businessDate { try await markMatched(payment.channel, date) }
        _ = try await run { try await $0.settle() }
        return try await run { try await $0.order(order.id) }
    }

    /// The balance of an account now.
    public func balance(_ account: Account) async throws -> Fen { try await run { try await $0.balance(of: account) } }

    /// What is wrong with the tenant's books: nothing, after every test.
    public func violations() async throws -> [LedgerViolation] { try await run { try await $0.ledgerViolations() } }
}
