import CustodyDomain
import CustodyStore
import Postgres
import TestSupport
import Testing

@Suite("The way of money through the books")
struct WorldTests {
    @Test func `an order is paid, split, settled and withdrawn, and every step stands in the books`() async throws {
        let world = try await TestStore.make().world()
        let shop = try await world.activeSubMerchant()
        let order = try await world.settledIncome(Fen(9_900), of: shop)
        #expect(order.state == .paid)
        #expect(order.splitState == "finished")
        #expect(try await world.balance(.available(.subMerchant(shop))) == Fen(9_900))
        #expect(try await world.balance(.clearing(.weChatPay)) == Fen(9_900))
        #expect(try await world.balance(.held(.subMerchant(shop))) == .zero)
        let withdrawal = try await world.run { tx in
            let made = try await tx.createWithdrawal(of: shop, outWithdrawalNo: "w-1", amount: Fen(9_000))
            try await tx.noteWithdrawalProcessing(made.id)
            return made
        }
        #expect(try await world.balance(.withdrawing(.subMerchant(shop))) == Fen(9_000))
        try await world.run { try await $0.succeedWithdrawal(withdrawal.id, bankNumber: "B1") }
        #expect(try await world.balance(.withdrawing(.subMerchant(shop))) == .zero)
        #expect(try await world.balance(.available(.subMerchant(shop))) == Fen(900))
        #expect(try await world.violations() == [])
    }
}
