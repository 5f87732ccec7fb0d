import CustodyDomain
import CustodyStore
import CustodyWire

/// An order as a platform sends it, checked for shape; its times and ids come with the transaction.
struct OrderRequest: Sendable {
    private let outOrderNo: String
    private let amount: Fen
    private let description: String
    private let payer: String?
    private let metadata: JSON
    private let splitMode: String
    private let expiresAt: Instant?
    private let expiresAtPointer: String
    private let parts: [NewOrder.Part]
    /// What makes the request recognisable; nil when it has no key, and for orders that come in a batch.
    let claim: IdempotencyClaim?

    private enum SplitMode: String, CaseIterable {
        case immediate
        case onConfirmation = "on_confirmation"
    }

    /// Reads an order.
    ///
    /// - Parameter pointer: Where it stands in the body.
    /// - Throws: ``Rejection/invalidField(pointer:reason:)`` and its like, ``Rejection/splitSumMismatch(order:parts:)``.
    init(_ json: JSON, at pointer: String, claim: IdempotencyClaim?) throws(Rejection) {
        var fields = try Fields(json, at: pointer)
        outOrderNo = try fields.number("out_order_no")
        amount = try fields.amount()
        try fields.currency()
        description = try fields.text("description", 1...127)
        payer = try fields.optionalText("payer", 1...64)
        metadata = try OrderRequest.metadata(fields.value("metadata"), fields)
        splitMode = (try fields.optionalWord("split_mode", of: SplitMode.self) ?? .onConfirmation).rawValue
        expiresAt = try fields.optionalInstant("expires_at")
        expiresAtPointer = pointer + "/expires_at"
        let parsed = try fields.elements("parts", 1...100) { element, place throws(Rejection) in
            var part = try Fields(element, at: place)
            let payee = try OrderRequest.payee(&part)
            let share: PartShare
            if let amount = try part.optionalAmount("amount") {
                if part.value("share_bp") != nil { throw part.refusal("share_bp", "excludes amount") }
                share = .amount(amount)
            } else if let points = try part.optionalInteger("share_bp", 1...10_000) {
                share = .basisPoints(Int(points))
            } else {
                throw part.refusal("amount", "is required, or share_bp")
            }
            try part.end()
            return (payee, share)
        }
        try fields.end()
        let amounts = try allocate(amount, to: parsed.map(\.1))
        for (index, share) in amounts.enumerated() where share <= .zero {
            throw .invalidField(pointer: "\(pointer)/parts/\(index)", reason: "comes to nothing")
        }
        parts = zip(parsed, amounts).map { NewOrder.Part(subMerchantID: $0.0, amount: $1) }
        self.claim = claim
    }

    private static func payee(_ part: inout Fields) throws(Rejection) -> ID<SubMerchant>? {
        let text = try part.text("payee", 1...64)
        if text == "platform" { return nil }
        guard let id = ID<SubMerchant>(text) else {
            throw part.refusal("payee", "must be platform or an id such as sub_…")
        }
        return id
    }

    private static func metadata(_ value: JSON?, _ fields: Fields) throws(Rejection) -> JSON {
        guard let value else { return [:] }
        guard let members = value.members, members.count <= 50,
            members.allSatisfy({ ($0.value.string?.utf8.count ?? .max) <= 500 && (1...64).contains($0.name.utf8.count) }
            )
        else { throw fields.refusal("metadata", "must be an object of at most 50 strings of at most 500 bytes") }
        return value
    }

    /// The order as it is to be stored, and its answer, both at the transaction's time.
    ///
    /// - Throws: ``Rejection/invalidField(pointer:reason:)`` when it would expire before it begins.
    func order(at now: Instant) throws(Rejection) -> (order: NewOrder, answer: JSON) {
        let id = ID<Order>(at: now)
        let expiry = expiresAt ?? now + .seconds(7200)
        guard expiry > now else {
            throw .invalidField(pointer: expiresAtPointer, reason: "must be later than now")
        }
        let answer = OrderRecord.json(
            id: id, outOrderNo: outOrderNo, amount: amount, description: description, payer: payer,
            metadata: metadata, state: OrderState.open.rawValue, splitMode: splitMode, splitState: "none",
            bankState: "pending", expiresAt: expiry, createdAt: now,
            parts: parts.enumerated().map { index, part in
                [
                    "number": JSON(index + 1), "payee": JSON(payee: part.subMerchantID), "amount": JSON(part.amount),
                    "held": JSON(part.amount), "split": 0, "refunded": 0,
                ]
            })
        let idempotency = claim.map { (claim: $0, response: StoredResponse(status: 201, body: answer.bytes)) }
        return (
            NewOrder(
                id: id, outOrderNo: outOrderNo, amount: amount, description: description, payer: payer,
                metadata: metadata.text, splitMode: splitMode, expiresAt: expiry, parts: parts,
                idempotency: idempotency),
            answer
        )
    }
}
