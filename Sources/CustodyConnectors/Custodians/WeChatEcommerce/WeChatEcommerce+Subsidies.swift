import CustodyDomain
import CustodyWire

/// What the platform adds to orders of its sub-merchants (补差).
extension WeChatEcommerce {
    /// An addition to one payee's part of an order, announced when the order was placed.
    public struct SubsidyInstruction: Hashable, Sendable {
        /// Our number of the addition, or of what goes back of it.
        public let number: String
        /// The order.
        public let orderNumber: String
        /// The payee's account.
        public let account: String
        /// The amount: what was announced, and less only after a refund.
        public let amount: Fen
        /// What both sides read, to 80 bytes.
        public let memo: String
        /// Our number of the refund that makes it less, or that it goes back with.
        public let refundNumber: String?
        /// What it goes back from; nil leaves it to WeChat.
        public let source: RefundSource?

        /// Makes an instruction.
        public init(
            number: String, orderNumber: String, account: String, amount: Fen, memo: String,
            refundNumber: String? = nil, source: RefundSource? = nil
        ) {
            self.number = number
            self.orderNumber = orderNumber
            self.account = account
            self.amount = amount
            self.memo = memo
            self.refundNumber = refundNumber
            self.source = source
        }
    }

    /// `POST /v3/ecommerce/subsidies/create`: once per part, before anything of it is split. Sent again, it is one addition.
    public func subsidise(_ subsidy: SubsidyInstruction) async -> Reply<CustodianResult> {
        await send(subsidy, "create") { part, refundID in
            [
                "sub_mchid": .string(part.subMchid), "transaction_id": JSON(part.payment.transactionNumber),
                "amount": JSON(subsidy.amount.value), "description": .string(Self.shortened(subsidy.memo, to: 80)),
                "refund_id": JSON(refundID), "out_subsidy_no": .string(subsidy.number),
            ]
        }
    }

    /// `POST /v3/ecommerce/subsidies/return`: gives back what was added, once per refund, which must be named.
    public func returnSubsidy(_ subsidy: SubsidyInstruction) async -> Reply<CustodianResult> {
        guard subsidy.refundNumber != nil else {
            return .refused(Refusal(code: "PARAM_ERROR", message: "an addition goes back with a refund"))
        }
        guard subsidy.source != .platformAdvance else {
            return .refused(Refusal(code: Refusal.unsupportedCode, message: "an addition goes back to the platform"))
        }
        return await send(subsidy, "return") { part, refundID in
            var source = JSON.null
            if let from = subsidy.source {
                source = [
                    [
                        "account": from == .held ? "UNAVAILABLE" : "AVAILABLE",
                        "amount": JSON(subsidy.amount.value),
                    ]
                ]
            }
            return [
                "sub_mchid": .string(part.subMchid), "transaction_id": JSON(part.payment.transactionNumber),
                "out_order_no": .string(subsidy.number), "refund_id": JSON(refundID),
                "amount": JSON(subsidy.amount.value), "description": .string(Self.shortened(subsidy.memo, to: 80)),
                "from": source,
            ]
        }
    }

    /// `POST /v3/ecommerce/subsidies/cancel`: nothing will be added, because of a refund; then the part may be split.
    public func cancelSubsidy(
        orderNumber: String, account: String, memo: String
    ) async -> Reply<CustodianResult> {
        let instruction = SubsidyInstruction(
            number: "", orderNumber: orderNumber, account: account, amount: .zero, memo: memo)
        return await send(instruction, "cancel") { part, _ in
            [
                "sub_mchid": .string(part.subMchid), "transaction_id": JSON(part.payment.transactionNumber),
                "description": .string(Self.shortened(memo, to: 80)),
            ]
        }
    }

    private func send(
        _ subsidy: SubsidyInstruction, _ verb: String, _ body: (Part, String?) -> JSON
    ) async -> Reply<CustodianResult> {
        let found = await paidParts(of: subsidy.orderNumber)
        guard case .answered(let parts) = found else { return found.reading { _ throws(Doubt) in .absentResult } }
        guard let part = parts.first(where: { $0.subMchid == subsidy.account }) else {
            return .refused(Refusal(code: "NO_PAYEE", message: "the order has no part of this account's"))
        }
        var refundID: String?
        if let number = subsidy.refundNumber {
            let refund = await serving(part.subMchid).queryRefund(
                serial: WeChatEcommerce.number(number, part), paymentSerial: part.outTradeNo)
            guard case .answered(let known) = refund else { return refund.reading { _ throws(Doubt) in .absentResult } }
            guard let id = known.refundNumber else {
                return .refused(Refusal(code: "RESOURCE_NOT_EXISTS", message: "WeChat has no such refund"))
            }
            refundID = id
        }
        let path = "/v3/ecommerce/subsidies/\(verb)"
        return await pay.exchange.call("POST", path, body: body(part, refundID).omittingNulls.bytes)
            .reading { answer throws(Doubt) in
                guard answer["transaction_id"]?.string == part.payment.transactionNumber else {
                    throw Doubt(.malformedAnswer, "the answer is about another order")
                }
                let number = (answer["subsidy_refund_id"] ?? answer["subsidy_id"])?.string
                let state: CustodianResult.State
                switch answer["result"]?.string {
                case "SUCCESS": state = .succeeded
                case "FAIL", "REFUND":
                    state = .failed(Refusal(code: "FAIL", message: answer["description"]?.string ?? ""))
                default: throw Doubt(.malformedAnswer, "result of a subsidy")
                }
                return CustodianResult(state: state, bankNumber: number, bankDate: nil)
            }
    }
}
