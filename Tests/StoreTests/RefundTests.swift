import CustodyDomain
import CustodyStore
import Postgres
import TestSupport
import Testing

@Suite("Refunds")
struct RefundTests {
    private func refund(
        _ world: World, _ payment: PaymentRecord, _ amount: Int64, number: String? = nil,
        parts: [(number: Int, amount: Fen)]? = nil
    ) async throws -> RefundRecord {
        try await world.run {
            try await $0.createRefund(
                of: payment.id, outRefundNo: number ?? world.number("r"), amount: Fen(amount), parts: parts, reason: "x"
            )
        }
    }

    @Test func `money goes back from what is held, in proportion, and out of the books when the channel says so`()
        async throws
    {
        let world = try await TestStore.make().world()
        let shop = try await world.activeSubMerchant()
        let (order, payment) = try await world.paidOrder([(shop, Fen(900)), (nil, Fen(100))])
        let refund = try await refund(world, payment, 101)
        #expect(refund.parts.map(\.amount).sum() == Fen(101))
        #expect(refund.parts.map(\.amount) == [Fen(91), Fen(10)])
        #expect(try await world.balance(.refunding) == Fen(101))
        try await world.run { try await $0.noteRefundProcessing(refund.id, refundNumber: "R1") }
        for _ in 0..<2 {
            try await world.run { try await $0.succeedRefund(refund.id, refundNumber: "R1", at: $0.now) }
        }
        #expect(try await world.balance(.refunding) == .zero)
        #expect(try await world.balance(.clearing(.weChatPay)) == Fen(899))
        #expect(try await world.run { try await $0.payment(payment.id).refunded } == Fen(101))
        #expect(try await world.run { try await $0.order(order.id).parts.map(\.held) } == [Fen(809), Fen(90)])
        #expect(try await world.run { try await $0.hasJob(JobRequest(.registerRefund, refund.id)) })
        // A failure said after the success changes nothing.
        try await world.run { try await $0.failRefund(refund.id, code: "X", message: "x") }
        #expect(try await world.run { try await $0.refund(refund.id).state } == .succeeded)
        #expect(try await world.violations() == [])
    }

    @Test func `a refund that failed is held again, to the fen`() async throws {
        let world = try await TestStore.make().world()
        let shop = try await world.activeSubMerchant()
        let (order, payment) = try await world.paidOrder([(shop, Fen(900)), (nil, Fen(100))])
        let refund = try await refund(world, payment, 1000)
        for _ in 0..<2 { try await world.run { try await $0.failRefund(refund.id, code: "X", message: "no") } }
        #expect(try await world.run { try await $0.order(order.id).parts.map(\.held) } == [Fen(900), Fen(100)])
        #expect(try await world.run { try await $0.payment(payment.id).refunded } == .zero)
        #expect(try await world.balance(.refunding) == .zero)
        try await world.run { try await $0.succeedRefund(refund.id, refundNumber: nil, at: $0.now) }
        #expect(try await world.run { try await $0.refund(refund.id).state } == .failed)
        #expect(try await world.violations() == [])
    }

    @Test func `more than was paid, or than is held, does not go back`() async throws {
        let world = try await TestStore.make().world()
        let shop = try await world.activeSubMerchant()
        let (order, payment) = try await world.paidOrder([(shop, Fen(900)), (nil, Fen(100))])
        #expect(
            try await rejection { _ = try await self.refund(world, payment, 1001) }
                == .refundExceedsPayment(remaining: Fen(1000), requested: Fen(1001)))
        #expect(
            try await rejection {
                _ = try await self.refund(world, payment, 101, parts: [(number: 2, amount: Fen(101))])
            } == .refundExceedsHeld(part: 2, held: Fen(100), requested: Fen(101)))
        #expect(
            try await rejection {
                _ = try await self.refund(world, payment, 10, parts: [(number: 1, amount: Fen(9))])
            } == .splitSumMismatch(order: Fen(10), parts: Fen(9)))
        #expect(
            try await rejection {
                _ = try await self.refund(world, payment, 10, parts: [(number: 3, amount: Fen(10))])
            }?.code == "invalid_field")
        _ = try await world.run {
            try await $0.createSplit(of: order.id, outSplitNo: "s", items: [(number: 1, amount: Fen(900))])
        }
        #expect(
            try await rejection { _ = try await self.refund(world, payment, 101) }
                == .refundExceedsHeld(part: 0, held: Fen(100), requested: Fen(101)))
        #expect(try await self.refund(world, payment, 100).parts.map(\.number) == [2])
        #expect(try await world.violations() == [])
    }

    @Test(arguments: [Int64(0), -5]) func `nothing, or less, is no refund`(_ amount: Int64) async throws {
        let world = try await TestStore.make().world()
        let (_, payment) = try await world.paidOrder([(nil, Fen(100)), (nil, Fen(100))])
        let refused = try await rejection { _ = try await self.refund(world, payment, amount) }
        #expect(refused?.code == "invalid_field")
        let named = try await rejection {
            _ = try await self.refund(
                world, payment, 10,
                parts: [(number: 1, amount: Fen(10) - Fen(amount)), (number: 2, amount: Fen(amount))])
        }
        #expect(named?.code == "invalid_field")
    }

    @Test func `a part named twice is refused`() async throws {
        let world = try await TestStore.make().world()
        let (_, payment) = try await world.paidOrder([(nil, Fen(100))])
        let refused = try await rejection {
            _ = try await self.refund(
                world, payment, 120, parts: [(number: 1, amount: Fen(60)), (number: 1, amount: Fen(60))])
        }
        #expect(refused?.code == "refund_exceeds_payment")
        let within = try await rejection {
            _ = try await self.refund(
                world, payment, 100, parts: [(number: 1, amount: Fen(60)), (number: 1, amount: Fen(40))])
        }
        #expect(within?.code == "invalid_field")
    }

    @Test func `only what was paid can be refunded`() async throws {
        let world = try await TestStore.make().world()
        let order = try await world.order([(nil, Fen(10))])
        let payment = try await world.payingPayment(of: order.id)
        #expect(
            try await rejection { _ = try await self.refund(world, payment, 1) }
                == .paymentState(state: "paying", action: "refunded"))
    }

    @Test func `the same number is the same refund, and no other`() async throws {
        let world = try await TestStore.make().world()
        let (_, payment) = try await world.paidOrder([(nil, Fen(60)), (nil, Fen(40))])
        let parts = [(number: 2, amount: Fen(4)), (number: 1, amount: Fen(6))]
        let first = try await refund(world, payment, 10, number: "A", parts: parts)
        #expect(try await refund(world, payment, 10, number: "A", parts: parts).id == first.id)
        #expect(try await refund(world, payment, 10, number: "A").id == first.id)
        for (amount, parts) in [(11, nil), (10, [(number: 1, amount: Fen(10))])]
            as [(Int64, [(number: Int, amount: Fen)]?)]
        {
            #expect(
                try await rejection { _ = try await self.refund(world, payment, amount, number: "A", parts: parts) }
                    == .numberReused(field: "out_refund_no"))
        }
        let other = try await world.paidOrder([(nil, Fen(100))]).payment
        #expect(
            try await rejection { _ = try await self.refund(world, other, 10, number: "A") }
                == .numberReused(field: "out_refund_no"))
        #expect(try await world.run { try await $0.payment(payment.id).refunded } == Fen(10))
    }

    @Test func `the same number used for two payments at once is one refund and one refusal`() async throws {
        let world = try await TestStore.make().world()
        for round in 0..<5 {
            var payments: [PaymentRecord] = []
            for _ in 0..<2 { payments.append(try await world.paidOrder([(nil, Fen(100))]).payment) }
            let both = payments
            let results = await together(2) { try await self.refund(world, both[$0], 5, number: "r\(round)") }
            #expect(results.filter(\.isSuccess).count == 1, "\(results)")
            #expect(results.compactMap(\.rejection) == [.numberReused(field: "out_refund_no")])
        }
    }

    @Test func `sixteen at once never give back more than was paid`() async throws {
        let world = try await TestStore.make().world()
        let (_, payment) = try await world.paidOrder([(nil, Fen(60)), (nil, Fen(40))])
        let results = await together(16) { _ in try await self.refund(world, payment, 9) }
        #expect(results.filter(\.isSuccess).count == 11)
        #expect(results.compactMap(\.rejection).map(\.code) == Array(repeating: "refund_exceeds_payment", count: 5))
        #expect(try await world.balance(.refunding) == Fen(99))
        #expect(try await world.violations() == [])
    }

    @Test func `refunds and splits at once never share a fen`() async throws {
        let world = try await TestStore.make().world()
        let (order, payment) = try await world.paidOrder([(nil, Fen(100))])
        let results = await together(16) { index in
            if index.isMultiple(of: 2) {
                _ = try await self.refund(world, payment, 15)
            } else {
                _ = try await world.run {
                    try await $0.createSplit(
                        of: order.id, outSplitNo: "s\(index)", items: [(number: 1, amount: Fen(15))])
                }
            }
        }
        #expect(results.filter(\.isSuccess).count == 6)
        #expect(results.allSatisfy { $0.isSuccess || $0.rejection != nil })
        #expect(try await world.run { try await $0.order(order.id).parts[0].held } == Fen(10))
        #expect(try await world.violations() == [])
    }
}
