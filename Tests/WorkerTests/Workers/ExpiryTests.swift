import CustodyDomain
import CustodyStore
import CustodyWire
import TestSupport
import Testing

/// What becomes of orders whose time to be paid is over, on the platform's own clock.
@Suite(.serialized) struct ExpiryTests {
    private let amount = Fen(12_345)

    private func state(_ order: OrderRecord, _ market: SimulatedMarket) async throws -> OrderState {
        try await market.world.run { try await $0.order(order.id) }.state
    }

    @Test func `an order that nobody began to pay is closed when it expires, not before`() async throws {
        try await SimulatedMarket.working { market in
            let shop = try await market.shop()
            let order = try await market.world.order([(shop, amount)])
            try await market.world.run { try await $0.startExpiring() }
            try await market.advance(order.expiresAt - (try await market.world.run { $0.now }) - .seconds(30))
            try await eventually("the watch has looked") {
                try await market.world.run { try await $0.jobsDue(within: .seconds(1)) } == 0
            }
            #expect(try await state(order, market) == .open)
            try await market.advance(.seconds(60))
            try await eventually("it is closed") { try await state(order, market) == .closed }
            let refused = try await rejection {
                _ = try await market.world.run {
                    try await $0.createPayment(of: order.id, channel: .weChatPay, method: .native, payerID: nil)
                }
            }
            #expect(refused == .orderState(state: "closed", action: "paid"))
            let events = try await market.world.run { try await $0.events(after: nil, limit: 200) }
            #expect(events.count { $0.type == "order.closed" && $0.subject == order.id.text } == 1)
            // One watch, however often it is started.
            try await market.world.run { try await $0.startExpiring() }
            #expect(try await market.world.jobCount(.expireOrders) == 1)
        }
    }

    @Test func `the payment of an order that expires is closed at the channel first`() async throws {
        try await SimulatedMarket.working { market in
            let shop = try await market.shop()
            let (order, payment) = try await market.placedPayment(shop, amount)
            // The channel says neither yes nor no: until it does, the order stays open.
            try await market.weChatFault("query", "system_error", count: 1000)
            try await market.weChatFault("close", "system_error", count: 1000)
            try await market.world.run { try await $0.startExpiring() }
            try await market.advance(order.expiresAt - (try await market.world.run { $0.now }) + .seconds(60))
            let asked = market.weChat.count("GET", "/v3/pay/transactions/out-trade-no/")
            try await eventually("the channel is asked") {
                try await market.advance(.seconds(60))
                return market.weChat.count("GET", "/v3/pay/transactions/out-trade-no/") > asked
            }
            #expect(try await state(order, market) == .open)
            #expect(try await market.world.run { try await $0.payment(payment.id) }.state == .paying)
            try await market.clearWeChatFaults()
            try await eventually("it is closed there, and then here") {
                try await market.advance(.seconds(60))
                return try await state(order, market) == .closed
            }
            #expect(try await market.world.run { try await $0.payment(payment.id) }.state == .closed)
        }
    }

    @Test func `an order that was paid just before it expires is paid, however late we hear of it`() async throws {
        try await SimulatedMarket.working { market in
            let shop = try await market.shop()
            market.inbox.hold()
            let (order, payment) = try await market.placedPayment(shop, amount)
            try await market.pay(payment)
            try await market.world.run { try await $0.startExpiring() }
            try await market.advance(order.expiresAt - (try await market.world.run { $0.now }) + .seconds(60))
            try await eventually("the question finds it paid") {
                try await market.advance(.seconds(60))
                return try await state(order, market) == .paid
            }
            #expect(try await market.world.balance(.held(.subMerchant(shop))) == amount)
        }
    }

    @Test func `a payment of an expired order that is placed too late is closed, not placed`() async throws {
        try await SimulatedMarket.working { market in
            let shop = try await market.shop()
            // Nobody knows whether the channel has it, until the order has expired.
            try await market.weChatFault("pay", "drop", count: 1000)
            let order = try await market.world.order([(shop, amount)])
            let payment = try await market.world.run { tx in
                try await tx.createPayment(of: order.id, channel: .weChatPay, method: .native, payerID: nil)
            }
            try await eventually("nobody knows") { try await market.instruction(payment.serial)?.doubt == "no_answer" }
            try await market.clearWeChatFaults()
            try await market.world.run { try await $0.startExpiring() }
            try await market.advance(order.expiresAt - (try await market.world.run { $0.now }) + .seconds(60))
            try await eventually("order and payment are closed") {
                try await market.advance(.seconds(60))
                return try await state(order, market) == .closed
            }
            #expect(try await market.world.run { try await $0.payment(payment.id) }.state == .closed)
            #expect(try await market.instruction(payment.serial)?.state == "failed")
        }
    }
}
