import CustodyDomain
import CustodyStore
import CustodyWire
import TestSupport
import Testing

/// Instructions whose row ends by another way than their answer.
@Suite(.serialized) struct EndedRowTests {
    private let amount = Fen(50_000)

    @Test func `a payment that is paid while its placing is in doubt ends the instruction`() async throws {
        try await SimulatedMarket.working { market in
            let payment = try await doubtful(market)
            // The channel has it, and its buyer got at the code by another way.
            try await market.pay(payment)
            try await eventually("it is booked") {
                try await market.world.run { try await $0.payment(payment.id) }.state == .succeeded
            }
            let instruction = try #require(try await market.instruction(payment.serial))
            #expect(instruction.state == "succeeded" && instruction.doubt == nil)
        }
    }

    @Test func `a payment that is closed while its placing is in doubt ends the instruction`() async throws {
        try await SimulatedMarket.working { market in
            let payment = try await doubtful(market)
            _ = try await market.world.run { try await $0.closeOrder(payment.orderID) }
            try await eventually("it is closed at the channel, and here") {
                try await market.world.run { try await $0.payment(payment.id) }.state == .closed
            }
            #expect(try await market.instruction(payment.serial)?.state == "failed")
            #expect(market.weChat.count("POST", "/v3/pay/transactions/out-trade-no/") == 1)
        }
    }

    @Test func `a job that finds its row ended ends the instruction as well`() async throws {
        try await SimulatedMarket.working { market in
            let payment = try await doubtful(market)
            try await market.world.setState("failed", of: payment.id)
            try await eventually("the instruction is ended") {
                try await market.advance(.seconds(10))
                return try await market.instruction(payment.serial)?.state == "failed"
            }
            try await eventually("its job is done") {
                try await market.world.run { try await $0.hasJob(JobRequest(.placePayment, payment.id)) } == false
            }
        }
    }

    /// A payment that the channel has, without our knowing.
    private func doubtful(_ market: SimulatedMarket) async throws -> PaymentRecord {
        let shop = try await market.shop()
        try await market.weChatFault("pay", "drop_answer")
        let order = try await market.world.order([(shop, amount)])
        let payment = try await market.world.run { tx in
            try await tx.createPayment(of: order.id, channel: .weChatPay, method: .native, payerID: nil)
        }
        try await eventually("nobody knows") { try await market.instruction(payment.serial)?.doubt == "no_answer" }
        return payment
    }
}
