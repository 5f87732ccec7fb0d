import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation
import Postgres

extension SimulatedMarket {
    /// What an instruction came to, as it is stored.
    public struct InstructionState: Sendable {
        /// Its state.
        public let state: String
        /// Why nobody can tell; nil when somebody can.
        public let doubt: String?
        /// How often it was sent.
        public let sent: Int
        /// How often it was asked about.
        public let asked: Int
        /// Whether it is past its time.
        public let isOverdue: Bool
    }

    /// The instruction of a number.
    public func instruction(_ serial: String) async throws -> InstructionState? {
        try await world.test.withConnection(as: .superuser) { connection in
            let rows = try await connection.query(
                """
                SELECT state, doubt, send_count, query_count, is_overdue FROM custody.instruction
                 WHERE tenant_id = \(world.tenantID) AND serial = \(serial)
                """)
            return try rows.first.map { row in
                InstructionState(
                    state: try row.get("state"), doubt: try row.get("doubt"), sent: try row.get("send_count"),
                    asked: try row.get("query_count"), isOverdue: try row.get("is_overdue"))
            }
        }
    }

    /// Jobs that nobody will do: held by a lease that has ended, or buried.
    public func lostJobs() async throws -> [String] {
        try await world.test.withConnection(as: .superuser) { connection in
            try await connection.query(
                """
                SELECT kind || ' leased' AS what FROM custody.job WHERE lease_until < now()
                UNION ALL SELECT kind || ' dead: ' || reason FROM custody.job_dead
                """
            ).map { try $0.get("what") }
        }
    }

    /// A sub-merchant that the bank reviewed, with a settlement account that it verified.
    public func shop() async throws -> ID<SubMerchant> {
        let id = try await world.submittedSubMerchant()
        try await eventually("the bank opens the sub-merchant") {
            try await advance(.seconds(60))
            return try await world.run { try await $0.subMerchant(id) }.state == .active
        }
        let account = try await world.run { tx in
            try await tx.bindAccount(
                to: id,
                details: BankAccountDetails(
                    accountNumber: "6222021001116245702", accountName: "张三", mobile: "13800000000"),
                bankName: "中国工商银行", isCorporate: false, verification: .smsCode)
        }
        try await eventually("the bank asks for the code") {
            try await world.run { try await $0.bankAccount(account.id) }.state == .toVerify
        }
        let binding = try await world.run { try await $0.bankAccount(account.id) }.bindingNumber ?? ""
        let code = try await bankControl("GET", "/cards/\(binding)")["sms_code"]?.string ?? ""
        _ = try await world.run { tx in
            try await tx.verifyAccount(of: id, proof: AccountProofDetails(smsCode: code))
        }
        try await eventually("the account is bound") {
            try await world.run { try await $0.bankAccount(account.id) }.state == .bound
        }
        return id
    }

    /// A payment that its buyer can pay now.
    public func placedPayment(
        _ shop: ID<SubMerchant>, _ amount: Fen
    ) async throws -> (order: OrderRecord, payment: PaymentRecord) {
        let order = try await world.order([(shop, amount)])
        let payment = try await world.run { tx in
            try await tx.createPayment(of: order.id, channel: .weChatPay, method: .native, payerID: nil)
        }
        try await eventually("the payment is placed") {
            try await world.run { try await $0.payment(payment.id) }.state == .paying
        }
        return (order, try await world.run { try await $0.payment(payment.id) })
    }

    /// Lets the buyer pay.
    public func pay(_ payment: PaymentRecord) async throws {
        try await weChatControl(
            "POST", "/pay",
            ["mchid": .string(SimulatedMarket.mchid), "out_trade_no": .string(payment.serial)])
    }

    /// An order paid through WeChat Pay, and known to the bank.
    public func paidOrder(
        _ shop: ID<SubMerchant>, _ amount: Fen
    ) async throws -> (order: OrderRecord, payment: PaymentRecord) {
        let (order, placed) = try await placedPayment(shop, amount)
        try await pay(placed)
        try await eventually("the receipt is registered") {
            try await world.run { try await $0.order(order.id) }.bankState == "registered"
        }
        return try await world.run { (try await $0.order(order.id), try await $0.payment(placed.id)) }
    }

    /// Brings income to where it may be withdrawn, here and at the bank.
    public func income(_ shop: ID<SubMerchant>, _ amount: Fen) async throws {
        let (order, payment) = try await paidOrder(shop, amount)
        guard let date = payment.businessDate, let number = payment.transactionNumber else {
            throw NeverHappened(description: "a paid payment has a day and a number")
        }
        try await bankControl(
            "POST", "/credits",
            [
                "market_id": .string(SimulatedMarket.marketID), "channel": "WXPAY", "business_date": .string(date.iso),
                "net_fen": JSON(amount.value),
                "items": [
                    [
                        "kind": "payment", "channel_order_no": .string(number), "out_no": .string(payment.serial),
                        "amount_fen": JSON(amount.value), "fee_fen": 0,
                    ]
                ],
            ])
        let split = try await world.run { tx in
            try await tx.createSplit(of: order.id, outSplitNo: world.number("split"), items: nil)
        }
        try await eventually("the split is done") {
            try await world.run { try await $0.split(split.id) }.state == .succeeded
        }
        try await world.settleAtOnce()
        try await world.markMatched(.weChatPay, date)
        _ = try await world.run { try await $0.settle() }
    }

    /// Asks for a payout.
    public func withdrawal(_ shop: ID<SubMerchant>, _ amount: Fen) async throws -> WithdrawalRecord {
        try await world.run { tx in
            try await tx.createWithdrawal(of: shop, outWithdrawalNo: world.number("wdr"), amount: amount)
        }
    }

    /// Where a payout is.
    public func state(_ withdrawal: WithdrawalRecord) async throws -> TransferState {
        try await world.run { try await $0.withdrawal(withdrawal.id) }.state
    }

    /// What a shop may withdraw by the bank's own book.
    public func withdrawableAtBank(_ shop: ID<SubMerchant>) async throws -> Int64? {
        let account = try await world.run { try await $0.subAccounts(of: [shop]) }[shop]
        let proof = try await bankControl("GET", "/markets/\(SimulatedMarket.marketID)/balances")
        return proof["sub_accounts"]?.array?.first { $0["sub_acct"]?.string == account }?["withdrawable_fen"]?.integer
    }
}
