import CustodyDomain

/// What an instruction was about: enough to find it at a custodian that keeps no numbers of instructions.
public struct InstructionSubject: Hashable, Sendable {
    /// Our number of what was instructed: the refund's, the split's, the withdrawal's, or the custodian's of a binding.
    public let number: String
    /// The order it belongs to, if it belongs to one.
    public let orderNumber: String?
    /// What it undoes, if it undoes something: a reversal's split.
    public let parentNumber: String?
    /// The account at the custodian whose money it is, if it is one account's.
    public let account: String?

    /// Makes a subject.
    public init(number: String, orderNumber: String? = nil, parentNumber: String? = nil, account: String? = nil) {
        self.parentNumber = parentNumber
        self.number = number
        self.orderNumber = orderNumber
        self.account = account
    }
}

extension Custodian {
    /// By the instruction's number alone.
    public func query(
        _ operation: CustodianOperation, serial: String, sentOn: BusinessDate, about subject: InstructionSubject
    ) async -> Reply<CustodianResult> {
        await query(operation, serial: serial, sentOn: sentOn)
    }
}
