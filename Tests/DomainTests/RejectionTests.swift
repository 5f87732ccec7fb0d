import CustodyDomain
import Foundation
import Testing

/// Refusals and defects: their codes and sentences.
@Suite struct RejectionTests {
    /// One of each.
    private static let all: [Rejection] = [
        .invalidField(pointer: "/a", reason: "r"), .unknownField(pointer: "/a"), .malformedBody(reason: "r"), .notFound,
        .idempotencyKeyReused, .idempotencyKeyInUse, .numberReused(field: "f"), .sandboxOnly, .clockMovesBackward,
        .linkMissing(counterparty: "bank"), .subMerchantNotActive(id: "i", state: "s"), .bankAccountPending,
        .bankAccountNotBound, .nothingToVerify(state: "s"), .closureBlocked(remaining: ["money", "orders"]),
        .splitSumMismatch(order: Fen(1), parts: Fen(2)), .orderState(state: "s", action: "a"),
        .orderExpired(at: Instant(seconds: 0)), .paymentOpen, .methodNotOfChannel(method: "m", channel: "c"),
        .paymentState(state: "s", action: "a"), .refundExceedsPayment(remaining: Fen(1), requested: Fen(2)),
        .refundExceedsHeld(part: 1, held: Fen(1), requested: Fen(2)),
        .splitExceedsHeld(part: 1, held: Fen(1), requested: Fen(2)), .nothingToSplit,
        .insufficientFunds(account: "a", available: Fen(1), requested: Fen(2)),
        .discrepancyState(state: "s", action: "a"), .fourEyes, .statementDefect(reason: "r", line: 7),
    ]

    @Test func `every refusal has a code of its own and a sentence that says what is wrong`() throws {
        let declared = try Document.read("Sources/CustodyDomain/Rejections/Rejection.swift")
            .components(separatedBy: "extension Rejection")[0].matches(of: #/(?m)^    case \w+/#).count
        #expect(RejectionTests.all.count == declared)
        #expect(Set(RejectionTests.all.map(\.code)).count == declared)
        for rejection in RejectionTests.all {
            #expect(rejection.code.wholeMatch(of: #/[a-z]+(_[a-z]+)*/#) != nil, "\(rejection.code)")
            #expect(
                rejection.detail.hasSuffix(".") && rejection.detail.first?.isUppercase == true, "\(rejection.detail)")
            #expect(!rejection.detail.contains("Optional") && !rejection.detail.contains("Fen("), "\(rejection.detail)")
        }
    }

    @Test func `figures in a refusal are the ones it was made of`() {
        #expect(Rejection.splitSumMismatch(order: Fen(10), parts: Fen(9)).detail.contains("sum to 9 fen"))
        #expect(Rejection.splitSumMismatch(order: Fen(10), parts: Fen(9)).detail.contains("amount is 10 fen"))
        let lacking = Rejection.insufficientFunds(account: "available", available: Fen(3), requested: Fen(4))
        #expect(lacking.detail == "The account available has 3 fen, not 4 fen.")
        #expect(Rejection.statementDefect(reason: "r", line: 7).detail.contains("line 7"))
        #expect(Rejection.statementDefect(reason: "r", line: nil).detail == "The statement was refused: r.")
    }

    @Test func `a defect names as much of its place as is known`() {
        #expect(StatementDefect("no amount").sentence == "no amount")
        #expect(
            StatementDefect("no amount", file: "f.csv", line: 3, column: "手续费").sentence
                == "f.csv, line 3, column 手续费: no amount")
        #expect(StatementDefect("no amount", column: "c").sentence == "column c: no amount")
    }

    @Test(arguments: [
        ("tradebill_all", "trade"), ("tradebill_success", "trade"), ("business_detail", "trade"), ("PAY", "PAY"),
        ("fundflow_basic", "fundflow_basic"), ("tradebill", "tradebill"),
    ])
    func `all trade bills of a channel's day are one series`(form: String, series: String) {
        #expect(StatementSummary(source: .weChatPay, form: form).series == series)
    }
}
