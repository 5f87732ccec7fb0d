import CustodyDomain
import CustodyStore
import CustodyWire
import TestSupport
import Testing

/// What WeChat Pay tells us, late, often, and in any order.
@Suite(.serialized) struct CallbackTests {
    private let amount = Fen(12_345)

    @Test func `callbacks that come three times and in any order book once`() async throws {
        try await SimulatedMarket.working { market in
            let shop = try await market.shop()
            market.inbox.hold()
            var payments: [PaymentRecord] = []
            for _ in 0..<3 {
                let (_, payment) = try await market.placedPayment(shop, amount)
                try await market.pay(payment)
                payments.append(payment)
            }
            try await market.deliverHeld(times: 3)
            for payment in payments {
                try await eventually("the payment is booked") {
                    try await market.world.run { try await $0.payment(payment.id) }.state == .succeeded
                }
            }
            // One refund, whose callbacks come again together with the payments' own.
            let refund = try await market.world.run { tx in
                try await tx.createRefund(
                    of: payments[0].id, outRefundNo: "R1", amount: Fen(345), parts: nil, reason: nil)
            }
            try await eventually("the channel ends the refund") {
                try await market.advance(.seconds(30))
                return market.inbox.count > 3
            }
            try await market.deliverHeld(times: 3)
            try await eventually("the refund is booked") {
                try await market.world.run { try await $0.refund(refund.id) }.state == .succeeded
            }
            try await eventually("all callbacks are processed") { try await market.world.openCallbacks() == 0 }
            let held = try await market.world.balance(.held(.subMerchant(shop)))
            #expect(held == Fen(amount.value * 3 - 345))
            #expect(try await market.world.balance(.clearing(.weChatPay)) == held)
            #expect(try await market.world.balance(.refunding) == .zero)
        }
    }

    @Test func `a payment that succeeds after its order was closed goes back to the buyer`() async throws {
        try await SimulatedMarket.working { market in
            let shop = try await market.shop()
            market.inbox.hold()
            let (order, payment) = try await market.placedPayment(shop, amount)
            try await market.pay(payment)
            // The buyer has paid, and we do not know it yet.
            _ = try await market.world.run { try await $0.closeOrder(order.id) }
            try await market.deliverHeld(times: 1)
            try await eventually("the money is back") {
                try await market.advance(.seconds(30))
                let refunded = try await market.world.run { try await $0.payment(payment.id) }.refunded
                let clearing = try await market.world.balance(.clearing(.weChatPay))
                return refunded == amount && clearing == .zero
            }
            #expect(try await market.world.balance(.held(.subMerchant(shop))) == .zero)
            #expect(try await market.world.balance(.refunding) == .zero)
            #expect(market.weChat.count("POST", "/v3/refund/domestic/refunds") == 1)
        }
    }

    @Test func `a refund that the channel closes is held again`() async throws {
        try await SimulatedMarket.working { market in
            let shop = try await market.shop()
            let (_, payment) = try await market.paidOrder(shop, amount)
            try await market.weChatFault("refund_result", "closed")
            let refund = try await market.world.run { tx in
                try await tx.createRefund(of: payment.id, outRefundNo: "R1", amount: amount, parts: nil, reason: nil)
            }
            #expect(try await market.world.balance(.refunding) == amount)
            try await eventually("the channel closes it") {
                try await market.advance(.seconds(30))
                return try await market.world.run { try await $0.refund(refund.id) }.state == .failed
            }
            #expect(try await market.world.balance(.refunding) == .zero)
            #expect(try await market.world.balance(.held(.subMerchant(shop))) == amount)
            #expect(try await market.world.run { try await $0.payment(payment.id) }.refunded == .zero)
        }
    }

    @Test func `a callback about another amount is not booked`() async throws {
        try await SimulatedMarket.working { market in
            let shop = try await market.shop()
            market.inbox.hold()
            let (_, payment) = try await market.placedPayment(shop, amount)
            // As if the channel had been paid a fen more than was asked for.
            try await market.world.setAmount(amount - Fen(1), of: payment.id)
            try await market.pay(payment)
            try await market.deliverHeld(times: 1)
            try await eventually("the callbacks are processed") { try await market.world.openCallbacks() == 0 }
            #expect(try await market.world.run { try await $0.payment(payment.id) }.state == .paying)
            #expect(try await market.world.balance(.clearing(.weChatPay)) == .zero)
            #expect(try await market.world.balance(.held(.subMerchant(shop))) == .zero)
        }
    }
}
