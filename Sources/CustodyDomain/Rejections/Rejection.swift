/// A refusal that the caller can understand and act on; never a fault of ours.
///
/// Codes are part of the interface: they never change their meaning. docs/errors.md lists all of them.
public enum Rejection: Error, Hashable, Sendable {
    // The request itself.
    /// A field is missing, of the wrong type or out of its range; by JSON pointer.
    case invalidField(pointer: String, reason: String)
    /// A field that this request does not have; by JSON pointer.
    case unknownField(pointer: String)
    /// Not JSON, or JSON that readers could disagree about.
    case malformedBody(reason: String)
    /// The thing does not exist, or is another tenant's, which is the same.
    case notFound
    /// The same idempotency key came with another request.
    case idempotencyKeyReused
    /// A request with the same idempotency key is still running.
    case idempotencyKeyInUse
    /// The platform's own number was used for something else already; names the number's field.
    case numberReused(field: String)
    /// Only sandbox platforms can do this.
    case sandboxOnly
    /// A test clock only moves forward.
    case clockMovesBackward
    /// How the counterparty is reached has not been configured for the platform.
    case linkMissing(counterparty: String)

    // Sub-merchants.
    /// A sub-merchant that takes part must be active at the custodian.
    case subMerchantNotActive(id: String, state: String)
    /// A settlement account is bound, or on its way to be.
    case bankAccountPending
    /// No settlement account is bound and verified.
    case bankAccountNotBound
    /// The settlement account waits for no proof.
    case nothingToVerify(state: String)
    /// The sub-merchant cannot be closed: what remains.
    case closureBlocked(remaining: [String])

    // Orders.
    /// The parts do not sum to the order's amount.
    case splitSumMismatch(order: Fen, parts: Fen)
    /// The order is not in a state that allows this.
    case orderState(state: String, action: String)
    /// The order can no longer be paid.
    case orderExpired(at: Instant)
    /// Another payment of the order is still open, or succeeded.
    case paymentOpen
    /// The channel does not know this way of paying.
    case methodNotOfChannel(method: String, channel: String)

    // Payments and refunds.
    /// The payment is not in a state that allows this.
    case paymentState(state: String, action: String)
    /// More would go back than was paid.
    case refundExceedsPayment(remaining: Fen, requested: Fen)
    /// More would go back than is held for these parts; by part number: what is held, what was asked.
    case refundExceedsHeld(part: Int, held: Fen, requested: Fen)

    // Settlement.
    /// More would be split than is held for a part.
    case splitExceedsHeld(part: Int, held: Fen, requested: Fen)
    /// Nothing is held any more.
    case nothingToSplit
    /// An account lacks money: which, and how much of it there is.
    case insufficientFunds(account: String, available: Fen, requested: Fen)

    // Reconciliation.
    /// The discrepancy or resolution is not in a state that allows this.
    case discrepancyState(state: String, action: String)
    /// Whoever proposes does not decide.
    case fourEyes
    /// The statement was refused whole.
    case statementDefect(reason: String, line: Int?)
}

extension Rejection {
    /// The stable code.
    public var code: String {
        switch self {
        case .invalidField: "invalid_field"
        case .unknownField: "unknown_field"
        case .malformedBody: "malformed_body"
        case .notFound: "not_found"
        case .idempotencyKeyReused: "idempotency_key_reused"
        case .idempotencyKeyInUse: "idempotency_key_in_use"
        case .numberReused: "number_reused"
        case .sandboxOnly: "sandbox_only"
        case .clockMovesBackward: "clock_moves_backward"
        case .linkMissing: "link_missing"
        case .subMerchantNotActive: "sub_merchant_not_active"
        case .bankAccountPending: "bank_account_pending"
        case .bankAccountNotBound: "bank_account_not_bound"
        case .nothingToVerify: "nothing_to_verify"
        case .closureBlocked: "closure_blocked"
        case .splitSumMismatch: "split_sum_mismatch"
        case .orderState: "order_state"
        case .orderExpired: "order_expired"
        case .paymentOpen: "payment_open"
        case .methodNotOfChannel: "method_not_of_channel"
        case .paymentState: "payment_state"
        case .refundExceedsPayment: "refund_exceeds_payment"
        case .refundExceedsHeld: "refund_exceeds_held"
        case .splitExceedsHeld: "split_exceeds_held"
        case .nothingToSplit: "nothing_to_split"
        case .insufficientFunds: "insufficient_funds"
        case .discrepancyState: "discrepancy_state"
        case .fourEyes: "four_eyes"
        case .statementDefect: "statement_defect"
        }
    }

    /// What went wrong, in one clear sentence without personal data.
    public var detail: String {
        switch self {
        case .invalidField(let pointer, let reason): "The field \(pointer) \(reason)."
        case .unknownField(let pointer): "There is no field \(pointer) in this request."
        case .malformedBody(let reason): "The body is not acceptable JSON: \(reason)."
        case .notFound: "There is no such thing."
        case .idempotencyKeyReused: "This Idempotency-Key was used for another request."
        case .idempotencyKeyInUse: "A request with this Idempotency-Key is still running."
        case .numberReused(let field): "This \(field) was used with other content before."
        case .sandboxOnly: "Only sandbox platforms have a test clock."
        case .clockMovesBackward: "A test clock only moves forward."
        case .linkMissing(let counterparty): "The platform has no link to \(counterparty) configured."
        case .subMerchantNotActive(let id, let state): "The sub-merchant \(id) is \(state), not active."
        case .bankAccountPending: "A settlement account is being bound already."
        case .bankAccountNotBound: "The sub-merchant has no settlement account bound and verified."
        case .nothingToVerify(let state): "The settlement account is \(state) and waits for no proof."
        case .closureBlocked(let remaining): "The sub-merchant cannot be closed: \(remaining.joined(separator: ", "))."
        case .splitSumMismatch(let order, let parts):
            "The parts sum to \(parts.value) fen, but the order's amount is \(order.value) fen."
        case .orderState(let state, let action): "The order is \(state): it cannot be \(action)."
        case .orderExpired(let instant): "The order expired at \(instant.rfc3339)."
        case .paymentOpen: "Another payment of this order is open or has succeeded."
        case .methodNotOfChannel(let method, let channel): "The method \(method) does not exist at \(channel)."
        case .paymentState(let state, let action): "The payment is \(state): it cannot be \(action)."
        case .refundExceedsPayment(let remaining, let requested):
            "Only \(remaining.value) fen of the payment can still go back, not \(requested.value) fen."
        case .refundExceedsHeld(let part, let held, let requested):
            "Only \(held.value) fen are held for part \(part), not \(requested.value) fen."
        case .splitExceedsHeld(let part, let held, let requested):
            "Only \(held.value) fen are held for part \(part), not \(requested.value) fen."
        case .nothingToSplit: "Nothing of the order is held any more."
        case .insufficientFunds(let account, let available, let requested):
            "The account \(account) has \(available.value) fen, not \(requested.value) fen."
        case .discrepancyState(let state, let action): "The discrepancy is \(state): it cannot be \(action)."
        case .fourEyes: "A resolution is decided by another person than the one who proposed it."
        case .statementDefect(let reason, let line):
            "The statement was refused\(line.map { " at line \($0)" } ?? ""): \(reason)."
        }
    }
}
