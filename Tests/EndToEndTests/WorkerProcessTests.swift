import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation
import TestSupport
import Testing

extension EndToEndTests {
    /// Worker processes that are killed, and ones that are asked to end.
    @Suite struct WorkerProcessTests {
        private let amount = Fen(50_000)

        @Test
        func `a worker killed between sending and recording leaves an instruction that is asked about, not sent twice`()
            async throws
        {
            try await SimulatedMarket.run { market in
                let first = try worker(of: market)
                let shop = try await market.shop()
                try await market.income(shop, amount)
                // The bank does what it is told, and does not say so for a minute.
                try await market.bankFault("WDR.CREATE", "execute_silence")
                let withdrawal = try await market.withdrawal(shop, amount)
                try await eventually("the bank has the instruction") {
                    market.bank.numbers("WDR.CREATE") == [withdrawal.serial]
                }
                try await eventually("the bank has done it") { try await market.withdrawableAtBank(shop) == 0 }
                first.signal(SIGKILL)
                let killed = try await first.end(within: .seconds(5))
                #expect(killed.status == SIGKILL)
                #expect(try await market.instruction(withdrawal.serial)?.state == "sent")
                #expect(try await market.state(withdrawal) == .requested)

                let second = try worker(of: market)
                // The lease of the dead worker ends by itself, in real time.
                try await eventually("the second worker asks", within: .seconds(90)) {
                    try #require(try await market.instruction(withdrawal.serial)).asked >= 1
                }
                try await eventually("the money is paid out") {
                    try await market.advance(.seconds(60))
                    return try await market.state(withdrawal) == .succeeded
                }
                #expect(market.bank.numbers("WDR.CREATE") == [withdrawal.serial])
                let instruction = try #require(try await market.instruction(withdrawal.serial))
                #expect(instruction.sent == 1 && instruction.asked >= 1)
                #expect(try await market.withdrawableAtBank(shop) == 0)
                #expect(try await market.world.balance(.available(.subMerchant(shop))) == .zero)
                #expect(try await market.world.balance(.withdrawing(.subMerchant(shop))) == .zero)

                second.signal(SIGTERM)
                #expect(try await second.end(within: .seconds(20)).status == 0)
                #expect(try await market.world.violations() == [])
                #expect(try await market.lostJobs() == [])
            }
        }

        @Test func `a worker that is asked to end finishes what it does, and ends well`() async throws {
            try await SimulatedMarket.run { market in
                let worker = try worker(of: market)
                let shop = try await market.shop()
                // Work under way: the bank takes three seconds to answer, which is longer than the signal takes to come.
                try await market.bankControl(
                    "POST", "/faults",
                    ["operation": "ORD.SYNC", "fault": "execute_silence", "count": 1, "seconds": 3])
                let order = try await market.world.order([(shop, amount)])
                try await eventually("the instruction is under way") { market.bank.numbers("ORD.SYNC").count == 1 }
                worker.signal(SIGTERM)
                let ended = try await worker.end(within: .seconds(20))
                #expect(ended.status == 0, "\(ended.errors.suffix(2000))")
                // What was under way is recorded: nothing is held by a lease, and the doubt stands in the instruction.
                #expect(try await market.lostJobs() == [])
                #expect(try await market.world.leasedJobs() == 0)
                #expect(try await market.world.run { try await $0.order(order.id) }.bankState == "pending")
                #expect(try await market.world.violations() == [])
            }
        }

        private func worker(of market: SimulatedMarket) throws -> CustodyProcess {
            try CustodyProcess(
                [
                    "work", "--database-url", CustodyProcess.url(market.database),
                    "--callback-base-url", market.callbackBase, "--concurrency", "4", "--connections", "4",
                ])
        }
    }
}
