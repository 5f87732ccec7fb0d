/// States and the moves between them; docs/states.md draws each, and the database allows no other state.
public protocol StateMachine: RawRepresentable, CaseIterable, Hashable, Sendable where RawValue == String {
    /// Where each state may go; a state that is not here, or goes nowhere, is an end.
    static var moves: [Self: Set<Self>] { get }
}

extension StateMachine {
    /// Whether a row in this state may be put into the other.
    public func canMove(to next: Self) -> Bool { Self.moves[self]?.contains(next) ?? false }

    /// Whether nothing more can happen.
    public var isFinal: Bool { Self.moves[self]?.isEmpty ?? true }
}

/// Where a sub-merchant's opening is.
public enum SubMerchantState: String, StateMachine {
    /// Accepted by us, on its way to the custodian.
    case submitted
    /// Under review there.
    case reviewing
    /// Refused for named fields.
    case rejected
    /// Open.
    case active
    /// Receives, but cannot withdraw.
    case frozen
    /// Being closed.
    case closing
    /// Closed.
    case closed

    /// The moves.
    public static let moves: [SubMerchantState: Set<SubMerchantState>] = [
        .submitted: [.reviewing, .rejected, .active],
        .reviewing: [.rejected, .active],
        .rejected: [.submitted],
        .active: [.frozen, .closing],
        .frozen: [.active],
        .closing: [.active, .closed],
        .closed: [],
    ]
}

/// Where the binding of a settlement account is.
public enum BankAccountState: String, StateMachine {
    /// On its way to the custodian.
    case submitted
    /// Waits for the proof that only its holder can give.
    case toVerify = "to_verify"
    /// The proof is on its way to the custodian.
    case verifying
    /// In force.
    case bound
    /// Refused.
    case failed
    /// The proof did not come in time.
    case expired
    /// Another account took its place.
    case replaced

    /// The moves.
    public static let moves: [BankAccountState: Set<BankAccountState>] = [
        .submitted: [.toVerify, .bound, .failed],
        .toVerify: [.verifying, .expired, .failed],
        .verifying: [.toVerify, .bound, .failed, .expired],
        .bound: [.replaced],
        .failed: [], .expired: [], .replaced: [],
    ]
}

/// Where an order is.
public enum OrderState: String, StateMachine {
    /// May be paid.
    case open
    /// Paid; its money is held until it is split.
    case paid
    /// Closed unpaid.
    case closed

    /// The moves. A closed order becomes paid when the buyer was faster than the channel's close.
    public static let moves: [OrderState: Set<OrderState>] = [.open: [.paid, .closed], .closed: [.paid], .paid: []]
}

/// Where a payment is.
public enum PaymentState: String, StateMachine {
    /// Accepted by us, on its way to the channel.
    case created
    /// The buyer can pay.
    case paying
    /// Paid: said so by the channel's callback or its answer to our query, never by a timeout.
    case succeeded
    /// Can no longer be paid.
    case closed
    /// The channel refused it.
    case failed

    /// The moves. A closed or refused payment may still turn out paid, and money that came is never dropped.
    public static let moves: [PaymentState: Set<PaymentState>] = [
        .created: [.paying, .succeeded, .closed, .failed],
        .paying: [.succeeded, .closed],
        .closed: [.succeeded],
        .failed: [.succeeded],
        .succeeded: [],
    ]
}

/// Where a refund, split or withdrawal is. Only withdrawals come back.
public enum TransferState: String, StateMachine {
    /// Accepted by us; the money is set aside.
    case requested
    /// Accepted by the counterparty.
    case processing
    /// Done.
    case succeeded
    /// Failed; the money is back where it was.
    case failed
    /// Done, and come back days later (退票).
    case returned

    /// The moves.
    public static let moves: [TransferState: Set<TransferState>] = [
        .requested: [.processing, .succeeded, .failed],
        .processing: [.succeeded, .failed],
        .succeeded: [.returned],
        .failed: [], .returned: [],
    ]
}

/// Where an instruction to a counterparty is.
public enum InstructionState: String, StateMachine {
    /// Numbered and stored, surely not sent.
    case prepared
    /// Perhaps sent: whatever happens now, it is asked about before it is sent again under the same number.
    case sent
    /// The counterparty has it, and will finish it later.
    case accepted
    /// Done.
    case succeeded
    /// Failed, finally.
    case failed

    /// The moves. One that waits to be sent again may be overtaken: what it is about ends by another way.
    public static let moves: [InstructionState: Set<InstructionState>] = [
        .prepared: [.sent, .succeeded, .failed],
        .sent: [.prepared, .accepted, .succeeded, .failed],
        .accepted: [.succeeded, .failed],
        .succeeded: [], .failed: [],
    ]
}

/// Where a discrepancy is.
public enum DiscrepancyState: String, StateMachine {
    /// Nobody has proposed anything.
    case open
    /// A resolution waits for a second person.
    case proposed
    /// Resolved by a posting.
    case resolved

    /// The moves. What clears itself the next day is resolved without a proposal.
    public static let moves: [DiscrepancyState: Set<DiscrepancyState>] = [
        .open: [.proposed, .resolved], .proposed: [.open, .resolved], .resolved: [],
    ]
}

/// Where a statement that a day should bring is.
public enum ExpectedStatementState: String, StateMachine {
    /// It is not there yet, and need not be.
    case waiting
    /// It should be there, and is not: somebody should ask why.
    case overdue
    /// Its file is kept.
    case received
    /// Nothing happened that day; that is kept too.
    case empty
    /// It will not come by itself, or its file is not to be trusted: the job is a dead letter, with the reason.
    case refused

    /// The moves. A corrected file may come at any time, and a person may ask again, or bring a file in by hand.
    public static let moves: [ExpectedStatementState: Set<ExpectedStatementState>] = [
        .waiting: [.overdue, .received, .empty, .refused],
        .overdue: [.received, .empty, .refused],
        .received: [.empty, .refused],
        .empty: [.received, .refused],
        .refused: [.waiting, .overdue, .received, .empty],
    ]
}
