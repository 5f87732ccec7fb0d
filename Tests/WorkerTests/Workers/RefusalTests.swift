import CustodyDomain
import CustodyStore
import CustodyWire
import TestSupport
import Testing

/// What becomes of an instruction that is refused: finally, only for now, or because something stands under its number.
@Suite(.serialized) struct RefusalTests {
    private let amount = Fen(50_000)

    @Test func `a payment that is placed again, and then refused, has failed`() async throws {
        try await SimulatedMarket.working { market in
            let shop = try await market.shop()
            // The first try reaches nobody's ears; the second is refused: 43 characters, but 129 bytes.
            try await market.weChatFault("pay", "drop")
            let now = try await market.world.run { $0.now }
            let order = NewOrder(
                id: ID(at: now), outOrderNo: market.world.number("order"), amount: amount,
                description: String(repeating: "货", count: 43), payer: nil, metadata: "{}",
                splitMode: "on_confirmation", expiresAt: now + .seconds(7200),
                parts: [NewOrder.Part(subMerchantID: shop, amount: amount)], idempotency: nil)
            let payment = try await market.world.run { tx in
                _ = try await tx.createOrders([order])
                return try await tx.createPayment(of: order.id, channel: .weChatPay, method: .native, payerID: nil)
            }
            try await eventually("nobody knows") { try await market.instruction(payment.serial)?.doubt == "no_answer" }
            try await eventually("it has failed") {
                try await market.advance(.seconds(10))
                return try await market.world.run { try await $0.payment(payment.id) }.state == .failed
            }
            let instruction = try #require(try await market.instruction(payment.serial))
            #expect(instruction.state == "failed" && instruction.sent == 1 && instruction.asked == 1)
        }
    }

    @Test func `a binding that is sent again, and then refused, has failed`() async throws {
        try await SimulatedMarket.working { market in
            let shop = try await market.shop()
            try await market.bankFault("CARD.BIND", "no_answer")
            try await market.bankReject("CARD.BIND", "100001")
            let account = try await market.world.run { tx in
                try await tx.bindAccount(
                    to: shop,
                    details: BankAccountDetails(
                        accountNumber: "6222021001116245703", accountName: "张三", mobile: "13800000000"),
                    bankName: "中国工商银行", isCorporate: false, verification: .smsCode)
            }
            try await eventually("it has failed") {
                try await market.advance(.seconds(10))
                return try await market.world.run { try await $0.bankAccount(account.id) }.state == .failed
            }
            let numbers = market.bank.numbers("CARD.BIND").suffix(2)
            #expect(numbers.count == 2 && Set(numbers).count == 1)
            let instruction = try #require(try await market.instruction(numbers.first ?? ""))
            #expect(instruction.state == "failed" && instruction.sent == 1 && instruction.asked == 1)
        }
    }

    @Test(arguments: [("reject", "100301"), ("rate_limited", "rate_limited")])
    func `one that is refused only for now is sent again under the same number`(
        _ fault: String, _ doubt: String
    ) async throws {
        try await SimulatedMarket.working { market in
            let shop = try await market.shop()
            try await market.income(shop, amount)
            try await market.bankFault("WDR.CREATE", fault)
            let withdrawal = try await market.withdrawal(shop, amount)
            try await eventually("it is refused") { try await market.instruction(withdrawal.serial)?.doubt == doubt }
            #expect(try await market.instruction(withdrawal.serial)?.state == "prepared")
            try await eventually("it is paid out") {
                try await market.advance(.seconds(120))
                return try await market.state(withdrawal) == .succeeded
            }
            #expect(market.bank.numbers("WDR.CREATE") == [withdrawal.serial, withdrawal.serial])
            // Nothing was sent, so there was nothing to ask.
            #expect(try #require(try await market.instruction(withdrawal.serial)).sent == 2)
            #expect(try await market.withdrawableAtBank(shop) == 0)
        }
    }

    @Test func `one whose number is taken is asked about, and is no failure`() async throws {
        try await SimulatedMarket.working { market in
            let shop = try await market.shop()
            try await market.income(shop, amount)
            try await market.bankReject("WDR.CREATE", "200002")
            let withdrawal = try await market.withdrawal(shop, amount)
            try await eventually("its number is taken") {
                try await market.instruction(withdrawal.serial)?.doubt == "200002"
            }
            // Not sent again: something stands there. The money stays where it is meanwhile.
            #expect(try await market.instruction(withdrawal.serial)?.state == "sent")
            #expect(try await market.state(withdrawal) == .requested)
            #expect(try await market.world.balance(.withdrawing(.subMerchant(shop))) == amount)
            try await eventually("the bank is asked, and does not know it") {
                try await market.advance(.seconds(5))
                return try await market.instruction(withdrawal.serial)?.doubt == "absent"
            }
            #expect(market.bank.numbers("WDR.CREATE") == [withdrawal.serial])
            try await eventually("when that is sure it is sent again, and paid out") {
                try await market.advance(.seconds(120))
                return try await market.state(withdrawal) == .succeeded
            }
            #expect(market.bank.numbers("WDR.CREATE") == [withdrawal.serial, withdrawal.serial])
            #expect(try await market.withdrawableAtBank(shop) == 0)
        }
    }

    @Test func `a question that is refused says nothing about the instruction`() async throws {
        try await SimulatedMarket.working { market in
            let shop = try await market.shop()
            try await market.income(shop, amount)
            try await market.bankFault("WDR.CREATE", "execute_no_answer")
            try await market.bankReject("TXN.QUERY", "100001")
            let withdrawal = try await market.withdrawal(shop, amount)
            try await eventually("the question is refused") {
                try await market.advance(.seconds(2))
                return (try await market.instruction(withdrawal.serial)?.asked ?? 0) >= 1
            }
            #expect(try await market.state(withdrawal) != .failed)
            try await eventually("it is paid out") {
                try await market.advance(.seconds(120))
                return try await market.state(withdrawal) == .succeeded
            }
            #expect(market.bank.numbers("WDR.CREATE") == [withdrawal.serial])
            #expect(try await market.withdrawableAtBank(shop) == 0)
        }
    }
}

extension SimulatedMarket {
    /// Lets the bank refuse the next request of a kind with a code.
    func bankReject(_ operation: String, _ code: String) async throws {
        try await bankControl(
            "POST", "/faults",
            ["operation": .string(operation), "fault": "reject", "count": 1, "ret_code": .string(code)])
    }
}
