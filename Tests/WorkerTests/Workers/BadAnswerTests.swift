import CustodyDomain
import CustodyStore
import CustodyWire
import TestSupport
import Testing

/// What becomes of an instruction whose answer proves nothing: it was done, and only asking by its number may tell.
@Suite(.serialized) struct BadAnswerTests {
    /// What a counterparty's answer is spoiled by, after it did what it was asked, and how its instruction is called then.
    static let bank = [
        ("bad_signature", "bad_signature"), ("no_signature", "bad_signature"), ("stale_time", "bad_signature"),
        ("unknown_status", "malformed_answer"), ("execute_html", "malformed_answer"),
        ("execute_empty", "malformed_answer"),
    ]
    static let weChat = [
        ("bad_signature", "bad_signature"), ("unsigned", "bad_signature"), ("stale_timestamp", "bad_signature"),
        ("unknown_serial", "bad_signature"), ("unknown_state", "malformed_answer"), ("html", "bad_signature"),
        ("empty_answer", "malformed_answer"), ("empty_unsigned", "bad_signature"),
    ]

    @Test func `a bank's answer that proves nothing fails no payout and sends none twice`() async throws {
        let each = Fen(1000)
        try await SimulatedMarket.working { market in
            let shop = try await market.shop()
            try await market.income(shop, Fen(each.value * Int64(BadAnswerTests.bank.count)))
            var serials: [String] = []
            for (number, (fault, doubt)) in BadAnswerTests.bank.enumerated() {
                try await market.bankFault("WDR.CREATE", fault)
                let withdrawal = try await market.withdrawal(shop, each)
                serials.append(withdrawal.serial)
                try await eventually("nobody knows after \(fault)") {
                    try await market.instruction(withdrawal.serial)?.doubt == doubt
                }
                // The money is neither back nor gone: it waits for the bank's word.
                #expect(try await market.state(withdrawal) != .failed, "\(fault)")
                #expect(try await market.world.balance(.withdrawing(.subMerchant(shop))) == each, "\(fault)")
                try await eventually("the bank is asked after \(fault), and has paid out") {
                    try await market.advance(.seconds(300))
                    return try await market.state(withdrawal) == .succeeded
                }
                #expect(market.bank.numbers("WDR.CREATE") == serials, "\(fault)")
                let left = each.value * Int64(BadAnswerTests.bank.count - number - 1)
                #expect(try await market.withdrawableAtBank(shop) == left, "\(fault)")
                #expect(try await market.world.balance(.available(.subMerchant(shop))) == Fen(left), "\(fault)")
            }
        }
    }

    @Test(arguments: ["html", "empty"])
    func `a page or nothing instead of a bank's answer fails no payout, and the number stays the same`(
        _ fault: String
    ) async throws {
        let amount = Fen(1000)
        try await SimulatedMarket.working { market in
            let shop = try await market.shop()
            try await market.income(shop, amount)
            // Nothing was done: that is only believed when the bank says so for good.
            try await market.bankFault("WDR.CREATE", fault)
            let withdrawal = try await market.withdrawal(shop, amount)
            try await eventually("nobody knows") {
                try await market.instruction(withdrawal.serial)?.doubt == "malformed_answer"
            }
            #expect(try await market.world.balance(.withdrawing(.subMerchant(shop))) == amount)
            try await eventually("it is sent again, and paid out") {
                try await market.advance(.seconds(120))
                #expect(try await market.state(withdrawal) != .failed)
                return try await market.state(withdrawal) == .succeeded
            }
            #expect(market.bank.numbers("WDR.CREATE") == [withdrawal.serial, withdrawal.serial])
            #expect(try await market.withdrawableAtBank(shop) == 0)
        }
    }

    @Test func `a channel's answer that proves nothing fails no refund and sends none twice`() async throws {
        let each = Fen(100)
        try await SimulatedMarket.working { market in
            let shop = try await market.shop()
            let whole = Fen(each.value * Int64(BadAnswerTests.weChat.count))
            let (_, payment) = try await market.paidOrder(shop, whole)
            for (number, (fault, doubt)) in BadAnswerTests.weChat.enumerated() {
                try await market.weChatControl(
                    "POST", "/faults",
                    ["operation": "refund", "fault": .string(fault), "count": 1, "executed": true])
                let refund = try await market.world.run { tx in
                    try await tx.createRefund(
                        of: payment.id, outRefundNo: "R\(number)", amount: each, parts: nil, reason: nil)
                }
                try await eventually("nobody knows after \(fault)") {
                    // The channel's callback may be faster than our question.
                    let isDone = try await market.world.run { try await $0.refund(refund.id) }.state == .succeeded
                    if isDone { return true }
                    return try await market.instruction(refund.serial)?.doubt == doubt
                }
                #expect(try await market.world.run { try await $0.refund(refund.id) }.state != .failed, "\(fault)")
                try await eventually("the refund of \(fault) is booked") {
                    try await market.advance(.seconds(30))
                    return try await market.world.run { try await $0.refund(refund.id) }.state == .succeeded
                }
                #expect(market.weChat.count("POST", "/v3/refund/domestic/refunds") == number + 1, "\(fault)")
            }
            #expect(try await market.world.balance(.held(.subMerchant(shop))) == .zero)
            #expect(try await market.world.balance(.refunding) == .zero)
            #expect(try await market.world.balance(.clearing(.weChatPay)) == .zero)
        }
    }
}
