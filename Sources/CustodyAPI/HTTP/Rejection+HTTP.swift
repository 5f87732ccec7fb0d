import CustodyDomain
import HTTPTypes

extension Rejection {
    /// The status that this refusal is answered with.
    var status: HTTPResponse.Status {
        switch self {
        case .malformedBody, .unknownField, .invalidField: .badRequest
        case .notFound: .notFound
        case .numberReused, .idempotencyKeyInUse, .paymentOpen, .bankAccountPending, .orderState, .paymentState,
            .discrepancyState:
            .conflict
        case .idempotencyKeyReused, .sandboxOnly, .clockMovesBackward, .linkMissing, .subMerchantNotActive,
            .bankAccountNotBound, .nothingToVerify, .closureBlocked, .splitSumMismatch, .orderExpired,
            .methodNotOfChannel, .refundExceedsPayment, .refundExceedsHeld, .splitExceedsHeld, .nothingToSplit,
            .insufficientFunds, .fourEyes, .statementDefect:
            .unprocessableContent
        }
    }
}
