import CustodyDomain
import CustodyStore
import Postgres
import TestSupport
import Testing

@Suite("Splits")
struct SplitTests {
    private func split(
        _ world: World, _ order: OrderRecord, _ items: [(number: Int, amount: Fen)]?, number: String? = nil
    ) async throws -> SplitRecord {
        try await world.run {
            try await $0.createSplit(of: order.id, outSplitNo: number ?? world.number("s"), items: items)
        }
    }

    @Test func `held money is pending when the custodian split it, once`() async throws {
        let world = try await TestStore.make().world()
        let shop = try await world.activeSubMerchant()
        let (order, _) = try await world.paidOrder([(shop, Fen(900)), (nil, Fen(100))])
        let first = try await split(world, order, [(number: 1, amount: Fen(400))])
        #expect(!first.isLast)
        #expect(try await world.balance(.held(.subMerchant(shop))) == Fen(900))
        for _ in 0..<2 { try await world.run { try await $0.succeedSplit(first.id) } }
        #expect(try await world.balance(.held(.subMerchant(shop))) == Fen(500))
        #expect(try await world.balance(.pending(.subMerchant(shop))) == Fen(400))
        #expect(try await world.run { try await $0.order(order.id).splitState } == "partial")
        let last = try await split(world, order, nil)
        #expect(last.isLast)
        #expect(last.parts.map(\.amount) == [Fen(500), Fen(100)])
        try await world.run { try await $0.succeedSplit(last.id) }
        #expect(try await world.run { try await $0.order(order.id).splitState } == "finished")
        #expect(try await rejection { _ = try await self.split(world, order, nil) } == .nothingToSplit)
        #expect(try await world.violations() == [])
    }

    @Test func `an order is not finished while another of its splits may still fail`() async throws {
        let world = try await TestStore.make().world()
        let (order, _) = try await world.paidOrder([(nil, Fen(100))])
        let a = try await split(world, order, [(number: 1, amount: Fen(40))])
        let b = try await split(world, order, nil)
        try await world.run { try await $0.succeedSplit(a.id) }
        #expect(try await world.run { try await $0.order(order.id).splitState } == "partial")
        try await world.run { try await $0.failSplit(b.id, code: "X", message: "no") }
        #expect(try await world.run { try await $0.order(order.id).splitState } == "partial")
        let c = try await split(world, order, nil)
        #expect(c.parts.map(\.amount) == [Fen(60)])
        try await world.run { try await $0.succeedSplit(c.id) }
        #expect(try await world.run { try await $0.order(order.id).splitState } == "finished")
        #expect(try await world.violations() == [])
    }

    @Test func `a split that failed is held again`() async throws {
        let world = try await TestStore.make().world()
        let (order, _) = try await world.paidOrder([(nil, Fen(100))])
        let made = try await split(world, order, nil)
        try await world.run { try await $0.noteSplitProcessing(made.id) }
        for _ in 0..<2 { try await world.run { try await $0.failSplit(made.id, code: "X", message: "no") } }
        try await world.run { try await $0.succeedSplit(made.id) }
        #expect(try await world.run { try await $0.split(made.id).state } == .failed)
        #expect(try await world.run { try await $0.order(order.id).parts[0].held } == Fen(100))
        #expect(try await world.violations() == [])
    }

    @Test func `a split is refused for what is not held, not there, or not paid`() async throws {
        let world = try await TestStore.make().world()
        let (order, _) = try await world.paidOrder([(nil, Fen(100))])
        #expect(
            try await rejection { _ = try await self.split(world, order, [(number: 1, amount: Fen(101))]) }
                == .splitExceedsHeld(part: 1, held: Fen(100), requested: Fen(101)))
        for items in [
            [(number: 2, amount: Fen(1))], [(number: 1, amount: Fen(0))], [(number: 1, amount: Fen(-1))],
            [(number: 1, amount: Fen(60)), (number: 1, amount: Fen(60))],
        ] {
            #expect(try await rejection { _ = try await self.split(world, order, items) }?.code == "invalid_field")
        }
        #expect(try await rejection { _ = try await self.split(world, order, []) } == .nothingToSplit)
        let open = try await world.order([(nil, Fen(10))])
        #expect(
            try await rejection { _ = try await self.split(world, open, nil) }
                == .orderState(state: "open", action: "split"))
        #expect(try await world.violations() == [])
    }

    @Test func `the same number is the same split, in whatever order its parts are named`() async throws {
        let world = try await TestStore.make().world()
        let (order, _) = try await world.paidOrder([(nil, Fen(100)), (nil, Fen(50))])
        let items = [(number: 2, amount: Fen(20)), (number: 1, amount: Fen(10))]
        let first = try await split(world, order, items, number: "A")
        #expect(try await split(world, order, items, number: "A").id == first.id)
        #expect(try await split(world, order, items.reversed(), number: "A").id == first.id)
        #expect(
            try await rejection { _ = try await self.split(world, order, [(number: 1, amount: Fen(10))], number: "A") }
                == .numberReused(field: "out_split_no"))
        let other = try await world.paidOrder([(nil, Fen(100))]).order
        #expect(
            try await rejection { _ = try await self.split(world, other, nil, number: "A") }
                == .numberReused(field: "out_split_no"))
    }

    @Test func `sixteen at once never split more than is held`() async throws {
        let world = try await TestStore.make().world()
        let (order, _) = try await world.paidOrder([(nil, Fen(100))])
        let results = await together(16) { _ in try await self.split(world, order, [(number: 1, amount: Fen(9))]) }
        #expect(results.filter(\.isSuccess).count == 11)
        #expect(results.compactMap(\.rejection).map(\.code) == Array(repeating: "split_exceeds_held", count: 5))
        for split in results.compactMap({ try? $0.get() }) {
            try await world.run { try await $0.succeedSplit(split.id) }
        }
        #expect(try await world.balance(.pending(.platform)) == Fen(99))
        #expect(try await world.violations() == [])
    }
}
