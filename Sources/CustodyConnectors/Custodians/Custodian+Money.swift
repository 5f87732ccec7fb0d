import CustodyDomain

/// A withdrawal to a bound account.
public struct WithdrawalInstruction: Hashable, Sendable {
    /// Our number of the withdrawal.
    public let number: String
    /// The sub-account at the custodian it leaves.
    public let subAccount: String
    /// The binding it goes to.
    public let bindingNumber: String
    /// The amount that arrives.
    public let amount: Fen
    /// What the receiver reads.
    public let memo: String
    /// What the platform charges for it, on top of the amount.
    public let fee: Fen
    /// How fast it is.
    public let speed: WithdrawalSpeed

    /// Makes a withdrawal.
    public init(
        number: String, subAccount: String, bindingNumber: String, amount: Fen, memo: String, fee: Fen = .zero,
        speed: WithdrawalSpeed = .sameDay
    ) {
        self.number = number
        self.subAccount = subAccount
        self.bindingNumber = bindingNumber
        self.amount = amount
        self.memo = memo
        self.fee = fee
        self.speed = speed
    }
}

/// Money of an account that may not be used (冻结).
public struct FreezeInstruction: Hashable, Sendable {
    /// Our number of the freeze.
    public let number: String
    /// The account at the custodian.
    public let account: String
    /// The amount.
    public let amount: Fen
    /// Why, for whoever reads the custodian's records.
    public let reason: String
    /// The order it is about, if it is about one.
    public let orderNumber: String?

    /// Makes an instruction.
    public init(number: String, account: String, amount: Fen, reason: String, orderNumber: String? = nil) {
        self.number = number
        self.account = account
        self.amount = amount
        self.reason = reason
        self.orderNumber = orderNumber
    }
}

/// Frozen money, or a part of it, set free (解冻).
public struct FreezeRelease: Hashable, Sendable {
    /// Our number of the release.
    public let number: String
    /// The freeze.
    public let freezeNumber: String
    /// The amount, no more than what is left of the freeze.
    public let amount: Fen
    /// Why.
    public let reason: String

    /// Makes an instruction.
    public init(number: String, freezeNumber: String, amount: Fen, reason: String) {
        self.number = number
        self.freezeNumber = freezeNumber
        self.amount = amount
        self.reason = reason
    }
}

/// Money moved between the platform's function accounts, or from one of them to a sub-merchant (功能户调拨).
public struct TransferInstruction: Hashable, Sendable {
    /// What it is for.
    public enum Purpose: String, CaseIterable, Hashable, Sendable {
        /// A marketing campaign.
        case marketing
        /// A top-up of a sub-merchant's part.
        case subsidy
        /// A fee.
        case fee
        /// A deposit.
        case deposit
        /// The correction of a difference.
        case adjustment
    }

    /// Our number of the transfer.
    public let number: String
    /// The account it leaves.
    public let from: String
    /// The account it reaches.
    public let to: String
    /// The amount.
    public let amount: Fen
    /// What it is for.
    public let purpose: Purpose
    /// What both sides read.
    public let memo: String

    /// Makes an instruction.
    public init(number: String, from: String, to: String, amount: Fen, purpose: Purpose, memo: String) {
        self.number = number
        self.from = from
        self.to = to
        self.amount = amount
        self.purpose = purpose
        self.memo = memo
    }
}

/// Incoming money given to the account it belongs to (认领).
public struct SuspenseAssignment: Hashable, Sendable {
    /// Our number of the assignment.
    public let number: String
    /// The custodian's number of the entry.
    public let entryNumber: String
    /// The account that gets it.
    public let account: String
    /// The amount, no more than what is left of the entry.
    public let amount: Fen
    /// Why.
    public let memo: String

    /// Makes an instruction.
    public init(number: String, entryNumber: String, account: String, amount: Fen, memo: String) {
        self.number = number
        self.entryNumber = entryNumber
        self.account = account
        self.amount = amount
        self.memo = memo
    }
}

/// Incoming money nobody is known to own (挂账).
public struct SuspenseEntry: Hashable, Sendable {
    /// The custodian's number of it.
    public let number: String
    /// What arrived.
    public let amount: Fen
    /// What of it is not assigned yet.
    public let left: Fen
    /// Who sent it, as far as the custodian shows.
    public let payer: String?
    /// The payer's words.
    public let memo: String?
    /// The custodian's accounting date.
    public let bankDate: BusinessDate?

    /// Makes an entry.
    public init(
        number: String, amount: Fen, left: Fen, payer: String?, memo: String?, bankDate: BusinessDate?
    ) {
        self.number = number
        self.amount = amount
        self.left = left
        self.payer = payer
        self.memo = memo
        self.bankDate = bankDate
    }
}
