import CustodyDomain
import CustodyStore
import Postgres
import TestSupport
import Testing

@Suite("Payments")
struct PaymentTests {
    @Test func `a payment is refused for what the channel, the order or the links do not allow`() async throws {
        let test = try await TestStore.make()
        let world = try await test.world()
        func pay(_ id: ID<Order>, _ channel: ChannelKind, _ method: PaymentMethod) async throws -> Rejection? {
            try await rejection {
                _ = try await world.run {
                    try await $0.createPayment(of: id, channel: channel, method: method, payerID: nil)
                }
            }
        }
        let open = try await world.order([(nil, Fen(10))])
        #expect(try await pay(open.id, .alipay, .native) == .methodNotOfChannel(method: "native", channel: "alipay"))
        #expect(try await pay(open.id, .alipay, .page) == nil)
        #expect(try await pay(open.id, .alipay, .page) == .paymentOpen)
        let closed = try await world.order([(nil, Fen(10))])
        _ = try await world.run { try await $0.closeOrder(closed.id) }
        #expect(try await pay(closed.id, .alipay, .page) == .orderState(state: "closed", action: "paid"))
        let paid = try await world.paidOrder([(nil, Fen(10))]).order
        #expect(try await pay(paid.id, .alipay, .page) == .orderState(state: "paid", action: "paid"))
        let late = try await world.order([(nil, Fen(10))])
        try await world.run { try await $0.setClock(to: late.expiresAt) }
        #expect(try await pay(late.id, .alipay, .page) == .orderExpired(at: late.expiresAt))
        let unlinked = World(test: test, tenantID: try await test.freshTenant())
        let order = try await unlinked.order([(nil, Fen(10))])
        let refused = try await rejection {
            _ = try await unlinked.run {
                try await $0.createPayment(of: order.id, channel: .weChatPay, method: .native, payerID: nil)
            }
        }
        #expect(refused == .linkMissing(counterparty: "wechat_pay"))
    }

    @Test func `of sixteen payments opened at once one is`() async throws {
        let world = try await TestStore.make().world()
        let order = try await world.order([(nil, Fen(10))])
        let results = await together(16) { _ in
            try await world.run {
                try await $0.createPayment(of: order.id, channel: .alipay, method: .page, payerID: nil)
            }
        }
        #expect(results.filter(\.isSuccess).count == 1)
        #expect(results.compactMap(\.rejection) == Array(repeating: .paymentOpen, count: 15))
    }

    @Test func `a payment that was closed or failed makes room for another`() async throws {
        let world = try await TestStore.make().world()
        let order = try await world.order([(nil, Fen(10))])
        let first = try await world.payingPayment(of: order.id)
        try await world.run { try await $0.failPayment(first.id, code: "X", message: "too late to fail") }
        #expect(try await world.run { try await $0.payment(first.id).state } == .paying)
        try await world.run { try await $0.closePayment(first.id) }
        #expect(try await world.run { try await $0.payment(first.id).state } == .closed)
        let second = try await world.run {
            try await $0.createPayment(of: order.id, channel: .alipay, method: .page, payerID: nil)
        }
        try await world.run { try await $0.failPayment(second.id, code: "X", message: "refused") }
        #expect(try await world.run { try await $0.payment(second.id).failure } == "refused")
        let third = try await world.payingPayment(of: order.id)
        #expect(try await world.succeed(third.id) == .booked)
        // The first turns out paid after all: left to reconciliation, and nothing is booked.
        #expect(try await world.succeed(first.id) == .secondForOrder)
        #expect(try await world.balance(.held(.platform)) == Fen(10))
        #expect(try await world.violations() == [])
    }

    @Test func `a success is booked once, however often and however simultaneously it is said`() async throws {
        let world = try await TestStore.make().world()
        let shop = try await world.activeSubMerchant()
        let order = try await world.order([(shop, Fen(90)), (nil, Fen(10))])
        let payment = try await world.payingPayment(of: order.id)
        let results = await together(8) { _ in try await world.succeed(payment.id) }
        let outcomes = results.compactMap { try? $0.get() }
        #expect(outcomes.filter { $0 == .booked }.count == 1)
        #expect(outcomes.filter { $0 == .known }.count == 7)
        #expect(try await world.balance(.held(.subMerchant(shop))) == Fen(90))
        #expect(try await world.balance(.held(.platform)) == Fen(10))
        #expect(try await world.balance(.clearing(.weChatPay)) == Fen(100))
        let events = try await world.run { try await $0.events(after: nil, limit: 100) }
        #expect(events.filter { $0.type == "payment.succeeded" }.count == 1)
        #expect(try await world.run { try await $0.hasJob(JobRequest(.registerReceipt, order.id)) })
    }

    @Test func `a success of an order that was closed meanwhile goes back to the buyer`() async throws {
        let world = try await TestStore.make().world()
        let shop = try await world.activeSubMerchant()
        let order = try await world.order([(shop, Fen(90)), (nil, Fen(10))], splitMode: "immediate")
        let payment = try await world.payingPayment(of: order.id)
        _ = try await world.run { try await $0.closeOrder(order.id) }
        try await world.run { try await $0.closePayment(payment.id) }
        #expect(try await world.succeed(payment.id) == .refunded)
        #expect(try await world.succeed(payment.id) == .known)
        #expect(try await world.balance(.refunding) == Fen(100))
        #expect(try await world.balance(.held(.subMerchant(shop))) == .zero)
        let refunds = try await world.run { try await $0.refunds(payment: payment.id, before: nil, limit: 9) }
        #expect(refunds.map(\.amount) == [Fen(100)])
        #expect(try await world.run { try await $0.hasJob(JobRequest(.sendRefund, refunds[0].id)) })
        #expect(try await world.run { try await $0.splits(of: order.id) }.isEmpty)
        #expect(try await world.violations() == [])
    }

    @Test func `an order that splits at once is split when it is paid`() async throws {
        let world = try await TestStore.make().world()
        let shop = try await world.activeSubMerchant()
        let (order, _) = try await world.paidOrder([(shop, Fen(90)), (nil, Fen(10))], splitMode: "immediate")
        let splits = try await world.run { try await $0.splits(of: order.id) }
        #expect(splits.map { $0.parts.map(\.amount) } == [[Fen(90), Fen(10)]])
        #expect(splits[0].isLast)
        #expect(try await world.run { try await $0.hasJob(JobRequest(.sendSplit, splits[0].id)) })
    }

    @Test func `payments are listed by order and state, the youngest first, in pages`() async throws {
        let world = try await TestStore.make().world()
        var ids: [ID<Payment>] = []
        for _ in 0..<3 { ids.append(try await world.paidOrder([(nil, Fen(1))]).payment.id) }
        let sorted = Array(ids.sorted().reversed())
        let first = try await world.run { try await $0.payments(order: nil, state: .succeeded, before: nil, limit: 2) }
        #expect(first.map(\.id) == Array(sorted.prefix(2)))
        let rest = try await world.run {
            try await $0.payments(order: nil, state: nil, before: first[1].id, limit: 2)
        }
        #expect(rest.map(\.id) == [sorted[2]])
        #expect(
            try await world.run { try await $0.payments(order: nil, state: .closed, before: nil, limit: 2) }.isEmpty)
    }
}
