import CustodyDomain
import Foundation
import Testing

/// States and moves, held against the database's and against what must be true of any of them.
@Suite struct StateMachineTests {
    /// The states that the database takes for a column of a table, in their order.
    private static func stored(_ table: String) throws -> [String] {
        let sql = try Document.sources("sql/migrations", ending: ".sql").joined(separator: "\n")
        let body = try #require(
            sql.components(separatedBy: " TABLE \(table) (").dropFirst().first?.components(separatedBy: "\n)")
                .first)
        let check = try #require(
            body.firstMatch(of: #/\n    state text[^\n]*?CHECK \(\s*state IN \(([^)]*)\)/#), "\(table)")
        return check.1.matches(of: #/'([a-z_]+)'/#).map { String($0.1) }
    }

    private func check<Machine: StateMachine>(
        _ machine: Machine.Type, _ table: String, from start: Machine, lacking: Set<Machine> = []
    ) throws {
        let states = Set(Machine.allCases)
        #expect(
            try Set(StateMachineTests.stored(table)) == Set(states.subtracting(lacking).map(\.rawValue)), "\(table)")
        // From its first state a row comes everywhere, and stands still nowhere but at an end.
        var reached: Set<Machine> = [start]
        var open = [start]
        while let state = open.popLast() {
            for next in Machine.moves[state] ?? [] where reached.insert(next).inserted { open.append(next) }
        }
        #expect(reached == states, "\(machine)")
        for state in states {
            #expect(!state.canMove(to: state), "\(machine) \(state)")
            #expect(state.isFinal == states.allSatisfy { !state.canMove(to: $0) })
            var later = Set(Machine.moves[state] ?? [])
            var more = Array(later)
            while let next = more.popLast() {
                for further in Machine.moves[next] ?? [] where later.insert(further).inserted { more.append(further) }
            }
            #expect(state.isFinal || later.contains { $0.isFinal }, "\(machine) \(state) never ends")
        }
    }

    @Test func `the database knows the states that the rules know, and each of them leads to an end`() throws {
        try check(SubMerchantState.self, "sub_merchant", from: .submitted)
        try check(BankAccountState.self, "bank_account", from: .submitted)
        try check(OrderState.self, "trade_order", from: .open)
        try check(PaymentState.self, "payment", from: .created)
        // Only payouts come back.
        for table in ["refund", "split"] {
            try check(TransferState.self, table, from: .requested, lacking: [.returned])
        }
        try check(TransferState.self, "withdrawal", from: .requested)
        try check(InstructionState.self, "instruction", from: .prepared)
        try check(DiscrepancyState.self, "discrepancy", from: .open)
        // A day's file may come again at any time: there is no end.
        let expected = try StateMachineTests.stored("expected_statement")
        #expect(Set(expected) == Set(ExpectedStatementState.allCases.map(\.rawValue)))
    }

    @Test func `money that came is never dropped, and what is done is never undone by a late word`() {
        // Whatever we believed of a payment, it may turn out paid; once paid, nothing else.
        for state in PaymentState.allCases where state != .succeeded { #expect(state.canMove(to: .succeeded)) }
        #expect(PaymentState.succeeded.isFinal && OrderState.paid.isFinal)
        for state in OrderState.allCases where state != .paid { #expect(state.canMove(to: .paid)) }
        // A payout that succeeded comes back; it does not fail, nor does one that failed succeed.
        #expect(TransferState.moves[.succeeded] == [.returned])
        #expect(!TransferState.failed.canMove(to: .succeeded) && TransferState.failed.isFinal)
        // An instruction that was taken is never as if it had not been sent.
        #expect(!InstructionState.accepted.canMove(to: .prepared) && !InstructionState.accepted.canMove(to: .sent))
        // A closed sub-merchant stays closed, and one that is frozen is not closed over the freeze.
        #expect(SubMerchantState.closed.isFinal && !SubMerchantState.frozen.canMove(to: .closing))
        // A discrepancy is resolved by somebody, and then stays so.
        #expect(DiscrepancyState.resolved.isFinal && BankAccountState.replaced.isFinal)
    }
}
