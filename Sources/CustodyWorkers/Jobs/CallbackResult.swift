import CustodyConnectors
import CustodyDomain
import CustodyStore

/// What came of a callback whose signature was good, as its record says.
///
/// The raw values are stable codes; docs/operating/bad-input.md lists those that something is wrong with.
enum CallbackResult: String, CaseIterable, Hashable, Sendable {
    /// What it says is booked now.
    case booked
    /// It was known before.
    case known
    /// The payment's order was closed: booked, and on its way back to the buyer.
    case refunded
    /// The order was paid by another payment already: left to reconciliation.
    case secondForOrder = "second_for_order"
    /// The counterparty says that it still goes on.
    case processing
    /// The counterparty says that it failed or was closed, and so it is noted.
    case closed
    /// A hint, followed by asking.
    case asked
    /// Nothing here acts on what it is about.
    case kept

    // Signed, and yet wrong: nothing is done on its word.

    /// About another merchant, sub-merchant or application than the link's.
    case anotherMerchant = "another_merchant"
    /// About a payment that we never had with this channel.
    case unknownPayment = "unknown_payment"
    /// About a refund that we never had with this channel.
    case unknownRefund = "unknown_refund"
    /// About a refund of ours, which it says belongs to another payment.
    case anotherPayment = "another_payment"
    /// About an instruction that we never sent.
    case unknownInstruction = "unknown_instruction"
    /// About a sub-merchant that we never opened.
    case unknownSubMerchant = "unknown_sub_merchant"
    /// Another amount than ours, or than was told before under the same number.
    case amountDiffers = "amount_differs"
    /// It calls itself done and lacks what every done one has.
    case incomplete
    /// Its content does not decrypt under our key, or was changed.
    case undecryptable
    /// Its content is not what the protocol says.
    case unreadable

    /// Whether something is wrong with it, so that the audit trail says so.
    var isSuspect: Bool {
        switch self {
        case .booked, .known, .refunded, .secondForOrder, .processing, .closed, .asked, .kept: false
        case .anotherMerchant, .unknownPayment, .unknownRefund, .anotherPayment, .unknownInstruction,
            .unknownSubMerchant, .amountDiffers, .incomplete, .undecryptable, .unreadable:
            true
        }
    }

    /// Whether it may become readable when we are mended: a key of ours is wrong, or a word of theirs is new to us.
    var mayHeal: Bool { self == .undecryptable || self == .unreadable }

    /// What came of a payment that the channel calls paid.
    init(_ success: PaymentSuccess) {
        switch success {
        case .booked: self = .booked
        case .known: self = .known
        case .refunded: self = .refunded
        case .secondForOrder: self = .secondForOrder
        }
    }

    /// What came of money that the bank calls credited.
    init(_ outcome: CreditOutcome) {
        switch outcome {
        case .booked: self = .booked
        case .known: self = .known
        case .contradicted: self = .amountDiffers
        }
    }

    /// Why a callback says nothing.
    init(_ doubt: Doubt) {
        if doubt == .anotherMerchant {
            self = .anotherMerchant
        } else {
            self = doubt.reason == .badSignature ? .undecryptable : .unreadable
        }
    }
}
