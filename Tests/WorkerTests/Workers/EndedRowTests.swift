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

    @Test func `a payment that is found paid when it is placed again is booked`() async throws {
        try await SimulatedMarket.working { market in
            market.inbox.hold()
            let payment = try await doubtful(market)
            try await market.pay(payment)
            // No callback comes: placing it again is refused, since it stands there, paid.
            try await eventually("it is booked") {
                try await market.advance(.seconds(10))
                return try await market.world.run { try await $0.payment(payment.id) }.state == .succeeded
            }
            let instruction = try #require(try await market.instruction(payment.serial))
            #expect(instruction.state == "succeeded" && instruction.sent == 1)
            let order = try await market.world.run { try await $0.order(payment.orderID) }
            #expect(order.state == .paid)
            #expect(try await market.world.balance(.clearing(.weChatPay)) == amount)
        }
    }

    @Test func `a payment whose number stands for something else at the channel is closed there, and has failed`()
        async throws
    {
        try await SimulatedMarket.working { market in
            let payment = try await doubtful(market)
            // As if the channel had been asked for a fen more than we ask for now.
            try await market.world.setAmount(amount - Fen(1), of: payment.id)
            try await eventually("it has failed") {
                try await market.advance(.seconds(10))
                return try await market.world.run { try await $0.payment(payment.id) }.state == .failed
            }
            #expect(try await market.instruction(payment.serial)?.state == "failed")
            #expect(market.weChat.count("POST", "/v3/pay/transactions/out-trade-no/\(payment.serial)/close") == 1)
            // Nobody can pay it at the channel any more.
            await #expect(throws: SimulatedMarket.ControlFailed.self) { try await market.pay(payment) }
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

    @Test func `an instruction that no job is about gets its job back`() async throws {
        try await SimulatedMarket.working { market in
            let payment = try await doubtful(market)
            try await market.world.loseJobs(.placePayment)
            #expect(try await market.world.run { try await $0.adoptInstructions() } == 1)
            #expect(try await market.world.run { try await $0.adoptInstructions() } == 0)
            try await eventually("the payment is placed") {
                try await market.world.run { try await $0.payment(payment.id) }.state == .paying
            }
            #expect(try await market.instruction(payment.serial)?.state == "succeeded")
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
