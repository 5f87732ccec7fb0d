import CustodyDomain
import CustodyStore
import CustodyWire
import TestSupport
import Testing

/// What becomes of an instruction when the bank does not simply say yes; the bank is a simulator behind a real socket.
@Suite(.serialized) struct InstructionTests {
    private let amount = Fen(50_000)

    @Test func `an instruction that was executed without an answer is asked about, never sent twice`() async throws {
        try await SimulatedMarket.working { market in
            let shop = try await market.shop()
            try await market.income(shop, amount)
            try await market.bankFault("WDR.CREATE", "execute_no_answer")
            let withdrawal = try await market.withdrawal(shop, amount)
            try await eventually("the bank is asked, and has it") {
                try await market.advance(.seconds(20))
                return try await market.state(withdrawal) == .processing
            }
            try await eventually("the money is paid out") {
                try await market.advance(.seconds(300))
                return try await market.state(withdrawal) == .succeeded
            }
            #expect(market.bank.numbers("WDR.CREATE") == [withdrawal.serial])
            let instruction = try #require(try await market.instruction(withdrawal.serial))
            #expect(instruction.sent == 1 && instruction.asked >= 1)
            #expect(try await market.withdrawableAtBank(shop) == 0)
            #expect(try await market.world.balance(.available(.subMerchant(shop))) == .zero)
        }
    }

    @Test func `an instruction that reached nobody is sent again under the same number`() async throws {
        try await SimulatedMarket.working { market in
            let shop = try await market.shop()
            try await market.income(shop, amount)
            // Nobody listens on port 1; what the worker remembers of the old address is forgotten after five seconds.
            try await market.link(bankBase: "http://127.0.0.1:1")
            try await Task.sleep(for: .milliseconds(5500))
            let withdrawal = try await market.withdrawal(shop, amount)
            try await eventually("nobody is there") {
                try await market.instruction(withdrawal.serial)?.doubt == "unreachable"
            }
            #expect(market.bank.numbers("WDR.CREATE") == [])
            try await market.link()
            try await eventually("it is sent again") {
                try await market.advance(.seconds(60))
                return try await market.state(withdrawal) == .succeeded
            }
            #expect(market.bank.numbers("WDR.CREATE") == [withdrawal.serial])
            #expect(try #require(try await market.instruction(withdrawal.serial)).sent >= 2)
            #expect(try await market.withdrawableAtBank(shop) == 0)
        }
    }

    @Test func `one that the bank does not know waits until that is sure, and is sent again under the same number`()
        async throws
    {
        try await SimulatedMarket.working { market in
            let shop = try await market.shop()
            try await market.income(shop, amount)
            try await market.bankFault("WDR.CREATE", "no_answer")
            let withdrawal = try await market.withdrawal(shop, amount)
            try await eventually("the bank does not know it") {
                try await market.advance(.seconds(2))
                return try await market.instruction(withdrawal.serial)?.doubt == "absent"
            }
            // The bank's word holds ten minutes after it was first asked; until then it may still be on its way.
            let asked = try #require(try await market.instruction(withdrawal.serial)).asked
            try await eventually("the bank is asked again") {
                try await market.advance(.seconds(2))
                return try #require(try await market.instruction(withdrawal.serial)).asked > asked
            }
            #expect(market.bank.numbers("WDR.CREATE") == [withdrawal.serial])
            try await eventually("it is sent again, and paid out") {
                try await market.advance(.seconds(120))
                return try await market.state(withdrawal) == .succeeded
            }
            #expect(market.bank.numbers("WDR.CREATE") == [withdrawal.serial, withdrawal.serial])
            #expect(try await market.withdrawableAtBank(shop) == 0)
        }
    }

    @Test func `one that the bank fails puts the money back where it was`() async throws {
        try await SimulatedMarket.working { market in
            let shop = try await market.shop()
            try await market.income(shop, amount)
            try await market.bankFault("WDR.CREATE", "failed")
            let withdrawal = try await market.withdrawal(shop, amount)
            #expect(try await market.world.balance(.available(.subMerchant(shop))) == .zero)
            try await eventually("it fails") {
                try await market.advance(.seconds(120))
                return try await market.state(withdrawal) == .failed
            }
            #expect(try await market.world.balance(.available(.subMerchant(shop))) == amount)
            #expect(try await market.world.balance(.withdrawing(.subMerchant(shop))) == .zero)
            #expect(try await market.withdrawableAtBank(shop) == amount.value)
        }
    }

    @Test func `one that is in process past its time is overdue, and still asked about`() async throws {
        try await SimulatedMarket.working { market in
            let shop = try await market.shop()
            try await market.income(shop, amount)
            try await market.bankFault("WDR.CREATE", "processing")
            let withdrawal = try await market.withdrawal(shop, amount)
            try await eventually("it is in process") { try await market.state(withdrawal) == .processing }
            #expect(try await market.instruction(withdrawal.serial)?.isOverdue == false)
            try await market.advance(.seconds(3 * 3600))
            try await eventually("it is overdue") {
                try await market.advance(.seconds(600))
                return try await market.instruction(withdrawal.serial)?.isOverdue == true
            }
            let asked = try #require(try await market.instruction(withdrawal.serial)).asked
            try await eventually("it is asked about again") {
                try await market.advance(.seconds(600))
                return try #require(try await market.instruction(withdrawal.serial)).asked > asked
            }
            #expect(market.bank.numbers("WDR.CREATE") == [withdrawal.serial])
            #expect(try await market.state(withdrawal) == .processing)
            #expect(try await market.world.balance(.withdrawing(.subMerchant(shop))) == amount)
        }
    }

    @Test func `a payout that comes back days later is available again`() async throws {
        try await SimulatedMarket.working { market in
            let shop = try await market.shop()
            try await market.income(shop, amount)
            let account = try #require(try await market.world.run { try await $0.subAccounts(of: [shop]) }[shop])
            try await market.bankControl(
                "POST", "/returns",
                [
                    "market_id": .string(SimulatedMarket.marketID), "sub_acct": .string(account), "after_days": 2,
                ])
            let withdrawal = try await market.withdrawal(shop, amount)
            try await eventually("it is paid out") {
                try await market.advance(.seconds(120))
                return try await market.state(withdrawal) == .succeeded
            }
            #expect(try await market.world.balance(.available(.subMerchant(shop))) == .zero)
            try await market.advance(.seconds(2 * 86_400 + 3600))
            try await eventually("it comes back") {
                try await market.advance(.seconds(60))
                return try await market.state(withdrawal) == .returned
            }
            #expect(try await market.world.balance(.available(.subMerchant(shop))) == amount)
            #expect(try await market.withdrawableAtBank(shop) == amount.value)
            #expect(market.bank.numbers("WDR.CREATE") == [withdrawal.serial])
        }
    }
}
