import CustodyDomain
import CustodyStore
import Postgres
import TestSupport
import Testing

@Suite("Sub-merchants and their accounts")
struct SubMerchantTests {
    private func open(_ world: World, _ number: String, name: String = "店") async throws -> SubMerchantRecord {
        try await world.run {
            try await $0.openSubMerchant(
                outSubMerchantNo: number, kind: .company, displayName: name, details: World.details)
        }
    }

    @Test func `one is opened once under one number, and may be corrected when it was rejected`() async throws {
        let world = try await TestStore.make().world()
        let shop = try await open(world, "A")
        #expect(try await open(world, "A").id == shop.id)
        #expect(
            try await rejection { _ = try await self.open(world, "A", name: "other") }
                == .numberReused(field: "out_sub_merchant_no"))
        try await world.run { _ = try await $0.noteReview(of: shop.id, .rejected, objections: #"[{"field":"name"}]"#) }
        let corrected = try await open(world, "A", name: "other")
        #expect(corrected.id == shop.id)
        #expect(corrected.state == .submitted)
        #expect(corrected.objections == "[]")
        #expect(try await world.run { try await $0.hasJob(JobRequest(.openSubMerchant, shop.id)) })
    }

    @Test func `the same number at once is one sub-merchant`() async throws {
        let world = try await TestStore.make().world()
        let results = await together(8) { _ in try await self.open(world, "A").id }
        #expect(!results.contains { !$0.isSuccess }, "\(results)")
        #expect(Set(results.compactMap { try? $0.get() }).count == 1)
    }

    @Test func `a review moves along its states only, and says so once`() async throws {
        let world = try await TestStore.make().world()
        let shop = try await world.submittedSubMerchant()
        #expect(try await world.run { try await $0.noteReview(of: shop, .closed) } == false)
        #expect(try await world.run { try await $0.noteReview(of: shop, .reviewing) })
        #expect(try await world.run { try await $0.noteReview(of: shop, .reviewing) } == false)
        let results = await together(6) { _ in
            try await world.run { try await $0.noteReview(of: shop, .active, subAccount: "S-\(shop.text)") }
        }
        #expect(results.filter { (try? $0.get()) == true }.count == 1)
        let events = try await world.run { try await $0.events(after: nil, limit: 50) }
        #expect(events.filter { $0.type == "sub_merchant.active" }.count == 1)
    }

    @Test func `one is frozen and thawed, and nobody else is`() async throws {
        let world = try await TestStore.make().world()
        let shop = try await world.activeSubMerchant()
        #expect(try await world.run { try await $0.setFrozen(true, shop).state } == .frozen)
        #expect(try await world.run { try await $0.setFrozen(true, shop).state } == .frozen)
        #expect(try await world.run { try await $0.setFrozen(false, shop).state } == .active)
        let submitted = try await world.submittedSubMerchant()
        #expect(
            try await rejection { _ = try await world.run { try await $0.setFrozen(true, submitted) } }
                == .subMerchantNotActive(id: submitted.text, state: "submitted"))
    }

    @Test func `one closes when nothing remains`() async throws {
        let world = try await TestStore.make().world()
        let shop = try await world.activeSubMerchant()
        let order = try await world.order([(shop, Fen(10))])
        #expect(
            try await rejection { _ = try await world.run { try await $0.closeSubMerchant(shop) } }
                == .closureBlocked(remaining: ["1 open orders"]))
        _ = try await world.run { try await $0.closeOrder(order.id) }
        let (paid, payment) = try await world.paidOrder([(shop, Fen(10))])
        #expect(
            try await rejection { _ = try await world.run { try await $0.closeSubMerchant(shop) } }
                == .closureBlocked(remaining: ["10 fen held"]))
        _ = try await world.run {
            try await $0.createRefund(of: payment.id, outRefundNo: "r", amount: paid.amount, parts: nil, reason: nil)
        }
        #expect(try await world.run { try await $0.closeSubMerchant(shop).state } == .closing)
        #expect(try await world.run { try await $0.closeSubMerchant(shop).state } == .closing)
        #expect(try await world.run { try await $0.noteReview(of: shop, .closed) })
    }

    @Test func `one account is on its way at a time, and a bound one takes the place of the one before`() async throws {
        let world = try await TestStore.make().world()
        let shop = try await world.activeSubMerchant()
        let bind: () async throws -> BankAccountRecord = {
            try await world.run {
                try await $0.bindAccount(
                    to: shop, details: BankAccountDetails(accountNumber: "6222999", accountName: "x", mobile: "1"),
                    bankName: "x", isCorporate: true, verification: .smallAmount)
            }
        }
        let second = try await bind()
        #expect(second.lastFour == "2999")
        #expect(try await rejection { _ = try await bind() } == .bankAccountPending)
        #expect(
            try await rejection {
                _ = try await world.run {
                    try await $0.verifyAccount(of: shop, proof: AccountProofDetails(smsCode: "1"))
                }
            } == .nothingToVerify(state: "submitted"))
        try await world.run {
            try await $0.noteBinding(second.id, .toVerify, bindingNumber: "B-\(second.id.text)", triesLeft: 3)
        }
        let proof = AccountProofDetails(amount: Fen(17), instructionNumber: "I1")
        let verifying = try await world.run { try await $0.verifyAccount(of: shop, proof: proof) }
        #expect(verifying.proof == proof)
        try await world.run { try await $0.noteBinding(second.id, .toVerify, triesLeft: 2, failure: ("E", "wrong")) }
        #expect(try await world.run { try await $0.bankAccount(second.id).proof } == nil)
        #expect(try await world.run { try await $0.bankAccount(second.id).triesLeft } == 2)
        _ = try await world.run { try await $0.verifyAccount(of: shop, proof: proof) }
        try await world.run { try await $0.noteBinding(second.id, .bound) }
        let all = try await world.run { try await $0.bankAccounts(of: shop) }
        #expect(all.map(\.state) == [.bound, .replaced])
        #expect(try await world.run { try await $0.bankAccount(bindingNumber: "B-\(second.id.text)")?.id } == second.id)
        let submitted = try await world.submittedSubMerchant()
        let refused = try await rejection { _ = try await world.boundAccount(of: submitted) }
        #expect(refused == .subMerchantNotActive(id: submitted.text, state: "submitted"))
    }
}
