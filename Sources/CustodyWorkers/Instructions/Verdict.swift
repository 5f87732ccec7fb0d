import CustodyConnectors
import CustodyDomain
import CustodyStore

/// What a counterparty says of an instruction, in one form for all of them.
enum Verdict: Sendable {
    /// It has it, and will finish it later.
    case processing(finishBy: Instant?, number: String?)
    /// Done.
    case succeeded(number: String?, date: BusinessDate?)
    /// Done, and what the answer brought is noted in the transaction that ends the instruction.
    case noted(@Sendable (TenantTransaction) async throws -> Void)
    /// Failed, finally.
    case failed(Refusal)
    /// Done, and come back.
    case returned(number: String, reason: String)
    /// It does not know it; from an instant on that means that it never got it.
    case absent(safeAfter: Instant?)

    init(_ result: CustodianResult) {
        switch result.state {
        case .processing(let finishBy): self = .processing(finishBy: finishBy, number: result.bankNumber)
        case .succeeded: self = .succeeded(number: result.bankNumber, date: result.bankDate)
        case .failed(let refusal): self = .failed(refusal)
        case .returned(let number, _, let reason): self = .returned(number: number, reason: reason)
        case .absent(let safeAfter): self = .absent(safeAfter: safeAfter)
        }
    }
}

extension Reply {
    /// The same reply about something made of its value.
    func map<Other: Sendable>(_ transform: (Value) -> Other) -> Reply<Other> {
        switch self {
        case .answered(let value): .answered(transform(value))
        case .refused(let refusal): .refused(refusal)
        case .unknown(let doubt): .unknown(doubt)
        }
    }
}
