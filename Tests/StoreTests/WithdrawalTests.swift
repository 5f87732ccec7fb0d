import CustodyDomain
import CustodyStore
import Postgres
import TestSupport
import Testing

@Suite("Settlement and withdrawals")
struct WithdrawalTests {
    private func funded(_ amount: Fen = Fen(1000)) async throws -> (World, ID<SubMerchant>) {
        let world = try await TestStore.make().world()
        let shop = try await world.activeSubMerchant()
        try await world.settledIncome(amount, of: shop)
        return (world, shop)
    }

    @Test func `a withdrawal that failed, or came back, is available again`() async throws {
        let (world, shop) = try await funded()
        func withdraw(_ number: String) async throws -> WithdrawalRecord {
            try await world.run { try await $0.createWithdrawal(of: shop, outWithdrawalNo: number, amount: Fen(300)) }
        }
        let failed = try await withdraw("a")
        for _ in 0..<2 { try await world.run { try await $0.failWithdrawal(failed.id, code: "X", message: "no") } }
        #expect(try await world.balance(.available(.subMerchant(shop))) == Fen(1000))
        let paid = try await withdraw("b")
        for _ in 0..<2 { try await world.run { try await $0.succeedWithdrawal(paid.id, bankNumber: "B") } }
        try await world.run { try await $0.failWithdrawal(paid.id, code: "X", message: "too late") }
        #expect(try await world.run { try await $0.withdrawal(paid.id).state } == .succeeded)
        #expect(try await world.balance(.bankCash) == Fen(-300))
        for _ in 0..<2 { try await world.run { try await $0.returnWithdrawal(paid.id, number: "R", reason: "closed") } }
        #expect(try await world.run { try await $0.withdrawal(paid.id).state } == .returned)
        #expect(try await world.balance(.available(.subMerchant(shop))) == Fen(1000))
        #expect(try await world.balance(.bankCash) == .zero)
        // One that came back before we knew that it had succeeded.
        let unknown = try await withdraw("c")
        try await world.run { try await $0.returnWithdrawal(unknown.id, number: "R2", reason: "closed") }
        #expect(try await world.run { try await $0.withdrawal(unknown.id).succeededAt } != nil)
        #expect(try await world.balance(.available(.subMerchant(shop))) == Fen(1000))
        #expect(try await world.violations() == [])
    }

    @Test func `a withdrawal is refused without money, account or an active sub-merchant`() async throws {
        let (world, shop) = try await funded()
        func withdraw(_ amount: Int64, of id: ID<SubMerchant>) async throws -> Rejection? {
            try await rejection {
                _ = try await world.run {
                    try await $0.createWithdrawal(of: id, outWithdrawalNo: world.number("w"), amount: Fen(amount))
                }
            }
        }
        #expect(
            try await withdraw(1001, of: shop)
                == .insufficientFunds(account: "available", available: Fen(1000), requested: Fen(1001)))
        #expect(try await withdraw(0, of: shop)?.code == "invalid_field")
        #expect(try await withdraw(-1, of: shop)?.code == "invalid_field")
        _ = try await world.run { try await $0.setFrozen(true, shop) }
        #expect(try await withdraw(1, of: shop) == .subMerchantNotActive(id: shop.text, state: "frozen"))
        _ = try await world.run { try await $0.setFrozen(false, shop) }
        // Another account on its way freezes withdrawals.
        _ = try await world.run {
            try await $0.bindAccount(
                to: shop, details: BankAccountDetails(accountNumber: "62220000", accountName: "x", mobile: "1"),
                bankName: "x", isCorporate: false, verification: .smallAmount)
        }
        #expect(try await withdraw(1, of: shop) == .bankAccountNotBound)
        let unbound = try await world.activeSubMerchant(bindsAccount: false)
        #expect(try await withdraw(1, of: unbound) == .bankAccountNotBound)
    }

    @Test func `sixteen at once never withdraw more than is available`() async throws {
        let (world, shop) = try await funded()
        let results = await together(16) { index in
            try await world.run {
                try await $0.createWithdrawal(of: shop, outWithdrawalNo: "w\(index)", amount: Fen(90))
            }
        }
        #expect(results.filter(\.isSuccess).count == 11)
        #expect(results.compactMap(\.rejection).map(\.code) == Array(repeating: "insufficient_funds", count: 5))
        #expect(try await world.balance(.available(.subMerchant(shop))) == Fen(10))
        #expect(try await world.violations() == [])
    }

    @Test func `the same number at once is one withdrawal, told to everybody`() async throws {
        let (world, shop) = try await funded()
        let results = await together(8) { _ in
            try await world.run { try await $0.createWithdrawal(of: shop, outWithdrawalNo: "same", amount: Fen(90)).id }
        }
        #expect(Set(results.compactMap { try? $0.get() }).count == 1)
        #expect(!results.contains { !$0.isSuccess }, "\(results)")
        #expect(try await world.balance(.available(.subMerchant(shop))) == Fen(910))
        let refused = try await rejection {
            _ = try await world.run { try await $0.createWithdrawal(of: shop, outWithdrawalNo: "same", amount: Fen(1)) }
        }
        #expect(refused == .numberReused(field: "out_withdrawal_no"))
    }

    @Test func `nothing is released before its day is matched, nor before it is due`() async throws {
        let world = try await TestStore.make().world()
        let shop = try await world.activeSubMerchant()
        let (order, payment) = try await world.paidOrder([(shop, Fen(100))])
        try await world.split(order.id)
        #expect(try await world.run { try await $0.settle() } == nil)
        let date = try #require(payment.businessDate)
        try await world.markMatched(.alipay, date)
        #expect(try await world.run { try await $0.settle() } == nil)
        try await world.markMatched(.weChatPay, date)
        // Matched, but T+1: not due today.
        #expect(try await world.run { try await $0.settle() } == nil)
        try await world.run { try await $0.setClock(to: date.advanced(by: 1).start + .seconds(36_000)) }
        let run = try #require(try await world.run { try await $0.settle() })
        #expect(run.released == Fen(100))
        #expect(run.releasedParts == 1)
        // The terms pay out by themselves.
        #expect(run.withdrawals == 1)
        #expect(try await world.balance(.withdrawing(.subMerchant(shop))) == Fen(100))
        #expect(try await world.run { try await $0.settle() } == nil)
        #expect(try await world.run { try await $0.settlementRuns(before: nil, limit: 9) } == [run])
        #expect(try await world.violations() == [])
    }

    @Test func `an open discrepancy keeps its payment's money pending`() async throws {
        let world = try await TestStore.make().world()
        let shop = try await world.activeSubMerchant()
        try await world.settleAtOnce()
        let (order, payment) = try await world.paidOrder([(shop, Fen(100))])
        try await world.split(order.id)
        let date = try #require(payment.businessDate)
        try await world.markMatched(.weChatPay, date)
        try await world.test.withConnection(as: .superuser) { connection in
            _ = try await connection.query(
                """
                INSERT INTO custody.discrepancy (
                    tenant_id, id, reconciliation_id, kind, channel, business_date, reference, payment_id, suspense_fen,
                    due_at, created_at
                )
                SELECT tenant_id, gen_random_uuid(), id, 'shortage', channel, business_date, 'x', \(payment.id), 0, now(), now()
                  FROM custody.reconciliation WHERE tenant_id = \(world.tenantID)
                """)
        }
        #expect(try await world.run { try await $0.settle() } == nil)
        let blocked = try await rejection { _ = try await world.run { try await $0.closeSubMerchant(shop) } }
        #expect(blocked?.code == "closure_blocked")
        try await world.test.withConnection(as: .superuser) { connection in
            _ = try await connection.query(
                """
                UPDATE custody.discrepancy SET state = 'resolved', resolved_at = now() WHERE tenant_id = \(world.tenantID)
                """)
        }
        #expect(try await world.run { try await $0.settle() }?.released == Fen(100))
    }

    @Test func `eight settlement runs at once release everything once`() async throws {
        let world = try await TestStore.make().world()
        let shop = try await world.activeSubMerchant()
        try await world.settleAtOnce()
        for _ in 0..<5 {
            let (order, payment) = try await world.paidOrder([(shop, Fen(10)), (nil, Fen(1))])
            try await world.split(order.id)
            if let date = payment.businessDate { try await world.markMatched(.weChatPay, date) }
        }
        let results = await together(8) { _ in try await world.run { try await $0.settle() } }
        #expect(!results.contains { !$0.isSuccess })
        #expect(results.compactMap { try? $0.get() }.map(\.released).sum() == Fen(55))
        #expect(try await world.balance(.available(.subMerchant(shop))) == Fen(50))
        #expect(try await world.balance(.available(.platform)) == Fen(5))
        #expect(try await world.violations() == [])
    }
}
