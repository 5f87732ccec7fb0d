import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation
import TestSupport
import Testing

extension EndToEndTests {
    /// Workers that are killed with -9 at the worst moments of an instruction.
    @Suite struct KilledWorkerTests {
        private let amount = Fen(50_000)

        @Test
        func `a callback ends the instruction of a worker that was killed between sending and recording`() async throws
        {
            try await SimulatedMarket.run { market in
                let first = try worker(of: market)
                let shop = try await market.shop()
                let (_, payment) = try await market.paidOrder(shop, amount)
                // WeChat Pay takes the refund, and does not say so for a minute.
                try await market.weChatFault("refund", "no_answer")
                let refund = try await market.world.run { tx in
                    try await tx.createRefund(
                        of: payment.id, outRefundNo: "R1", amount: amount, parts: nil, reason: nil)
                }
                try await eventually("WeChat Pay has the refund") {
                    market.weChat.count("POST", "/v3/refund/domestic/refunds") == 1
                }
                first.signal(SIGKILL)
                #expect(try await first.end(within: .seconds(5)).status == SIGKILL)
                #expect(try await market.instruction(refund.serial)?.state == "sent")

                // Its callback comes while nobody works; the lease of the dead worker is still held.
                let letters = market.inbox.count
                try await eventually("the callback comes") {
                    try await market.advance(.seconds(30))
                    return market.inbox.count > letters
                }
                let second = try worker(of: market)
                try await eventually("the refund is booked") {
                    try await market.world.run { try await $0.refund(refund.id) }.state == .succeeded
                }
                let instruction = try #require(try await market.instruction(refund.serial))
                #expect(instruction.state == "succeeded" && instruction.sent == 1 && instruction.doubt == nil)
                try await eventually("the dead worker's job is done", within: .seconds(90)) {
                    try await market.world.run { try await $0.hasJob(JobRequest(.sendRefund, refund.id)) } == false
                }
                #expect(market.weChat.count("POST", "/v3/refund/domestic/refunds") == 1)
                #expect(try await market.instruction(refund.serial)?.state == "succeeded")
                #expect(try await market.world.balance(.refunding) == .zero)
                try await end(second, market)
            }
        }

        @Test
        func `a worker that is killed between noting a prompt and the instruction's end loses nothing`() async throws {
            try await SimulatedMarket.run { market in
                let first = try worker(of: market)
                let shop = try await market.shop()
                try await market.world.withHeldEnds(of: .placePayment) { hold in
                    let order = try await market.world.order([(shop, amount)])
                    let payment = try await market.world.run { tx in
                        try await tx.createPayment(of: order.id, channel: .weChatPay, method: .native, payerID: nil)
                    }
                    try await eventually("the worker has the prompt, and is about to end the instruction") {
                        try await hold.waiting() == 1
                    }
                    first.signal(SIGKILL)
                    #expect(try await first.end(within: .seconds(5)).status == SIGKILL)
                    let before = try await market.world.run { try await $0.payment(payment.id) }
                    #expect(before.state == .created && before.prompt == nil)
                    try await hold.release()

                    let second = try worker(of: market)
                    try await eventually("the payment is placed again", within: .seconds(90)) {
                        try await market.world.run { try await $0.payment(payment.id) }.state == .paying
                    }
                    let after = try await market.world.run { try await $0.payment(payment.id) }
                    #expect(after.prompt?.contains("weixin://") == true)
                    let instruction = try #require(try await market.instruction(payment.serial))
                    #expect(instruction.state == "succeeded" && instruction.sent == 1 && instruction.asked == 1)
                    #expect(try await market.world.run { try await $0.hasJob(JobRequest(.pollPayment, payment.id)) })
                    try await market.pay(after)
                    try await eventually("it is paid") {
                        try await market.world.run { try await $0.payment(payment.id) }.state == .succeeded
                    }
                    try await end(second, market)
                }
            }
        }

        private func worker(of market: SimulatedMarket) throws -> CustodyProcess {
            try CustodyProcess(
                [
                    "work", "--database-url", CustodyProcess.url(market.database),
                    "--callback-base-url", market.callbackBase, "--concurrency", "4", "--connections", "4",
                ])
        }

        private func end(_ worker: CustodyProcess, _ market: SimulatedMarket) async throws {
            worker.signal(SIGTERM)
            #expect(try await worker.end(within: .seconds(20)).status == 0)
            #expect(try await market.world.violations() == [])
            #expect(try await market.lostJobs() == [])
        }
    }
}
