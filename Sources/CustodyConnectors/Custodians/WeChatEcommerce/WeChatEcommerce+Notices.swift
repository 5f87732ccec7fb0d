import CustodyDomain
import CustodyWire

/// What WeChat tells by itself.
extension WeChatEcommerce {
    /// A part of a split that reached the platform as its receiver, or went back from it (分账动账通知).
    public struct ProfitSharingNotice: Hashable, Sendable {
        /// Whether it went back.
        public let isReturn: Bool
        /// The number of the split, or of the return, as it was sent: with the part's place where there are several.
        public let number: String
        /// WeChat's number of it.
        public let bankNumber: String
        /// Whose order it is of.
        public let subMchid: String
        /// WeChat's number of the order's payment.
        public let transactionNumber: String
        /// Who has the money now.
        public let holder: String
        /// The amount.
        public let amount: Fen
    }

    /// What WeChat does about a sub-merchant that broke its rules (商户违规通知).
    public struct Violation: Hashable, Sendable {
        /// What happened.
        public enum Event: String, CaseIterable, Hashable, Sendable {
            /// It was punished.
            case punished = "VIOLATION.PUNISH"
            /// A payment was intercepted.
            case intercepted = "VIOLATION.INTERCEPT"
            /// It appealed.
            case appealed = "VIOLATION.APPEAL"
        }

        /// What happened.
        public let event: Event
        /// WeChat's number of the record; the same one may come again.
        public let recordNumber: String
        /// Who did it.
        public let subMchid: String
        /// The kind of risk, by WeChat's word, such as `PROHIBITED_BUSINESS_CATEGORIES`.
        public let riskType: String
        /// The same for people.
        public let riskDescription: String
        /// What is done about it, for people.
        public let plan: String
        /// What that means, for people.
        public let planDescription: String
        /// Since when.
        public let at: Instant?
    }

    /// Decrypts a callback that was verified when it came in.
    ///
    /// The number is ours; of one part of several, only that something happened is said, since the others may not be there
    /// yet: the instruction has to be asked for.
    ///
    /// - Throws: When it does not decrypt under our key, is about another platform, or says nothing readable.
    public func notice(in body: [UInt8]) throws(Doubt) -> CustodianNotice {
        let content = try pay.content(of: body)
        let resource = content.resource
        switch content.eventType {
        case "TRANSACTION.SUCCESS":
            guard let combined = try pay.combinedNotice(in: body) else { return .other(content.eventType) }
            return .collection(
                number: combined.serial, WeChatEcommerce.collection(try WeChatEcommerce.parts(of: combined)))
        case "REFUND.SUCCESS", "REFUND.ABNORMAL", "REFUND.CLOSED":
            try isOurs(resource)
            guard case .refund(let serial, _, let refund) = try pay.notice(in: body) else {
                throw Doubt(.malformedAnswer, "a refund callback that cannot be read")
            }
            let result = WeChatEcommerce.result(refund)
            // Our own numbers have no hyphen: it stands before the place of a part.
            guard let hyphen = serial.lastIndex(of: "-") else { return .instruction(.refund, serial: serial, result) }
            let part = CustodianResult(
                state: .processing(finishBy: nil), bankNumber: result.bankNumber, bankDate: nil)
            return .instruction(.refund, serial: String(serial[..<hyphen]), part)
        case "MCHWITHDRAW.CHANGE":
            // The platform's own names nobody; that it decrypts under the platform's key says whose it is.
            if resource["sp_mchid"] != nil || resource["sub_mchid"] != nil { try isOurs(resource) }
            let result =
                resource["total_amount"] == nil
                ? try WeChatEcommerce.withdrawal(resource) : try WeChatEcommerce.dayEndWithdrawal(resource).result
            return .instruction(.withdraw, serial: try resource.required("out_request_no"), result)
        default: return .other(content.eventType)
        }
    }

    /// Reads a callback about a part that the platform received or gave back; nil when it is about another thing.
    public func profitSharingNotice(in body: [UInt8]) throws(Doubt) -> ProfitSharingNotice? {
        let content = try pay.content(of: body)
        let resource = content.resource
        guard ["PROFITSHARING.SUCCESS", "PROFITSHARING.RETURN"].contains(content.eventType) else { return nil }
        try isOurs(resource)
        guard let receiver = resource["receiver"], let amount = receiver["amount"]?.integer else {
            throw Doubt(.malformedAnswer, "a receiver that cannot be read")
        }
        return ProfitSharingNotice(
            isReturn: content.eventType == "PROFITSHARING.RETURN", number: try resource.required("out_order_no"),
            bankNumber: try resource.required("order_id"), subMchid: try resource.required("sub_mchid"),
            transactionNumber: try resource.required("transaction_id"), holder: try receiver.required("account"),
            amount: Fen(amount))
    }

    /// Reads a callback about a sub-merchant that broke WeChat's rules; nil when it is about another thing.
    public func violation(in body: [UInt8]) throws(Doubt) -> Violation? {
        let content = try pay.content(of: body)
        guard let event = Violation.Event(rawValue: content.eventType) else { return nil }
        let resource = content.resource
        return Violation(
            event: event, recordNumber: try resource.required("record_id"),
            subMchid: try resource.required("sub_mchid"), riskType: try resource.required("risk_type"),
            riskDescription: resource["risk_description"]?.string ?? "",
            plan: resource["punish_plan"]?.string ?? "", planDescription: resource["punish_description"]?.string ?? "",
            at: resource["punish_time"]?.string.flatMap { Instant(text: $0) })
    }

    /// Where violations are told, as WeChat has it; nil when nowhere.
    public func violationURL() async -> Reply<String?> {
        await pay.exchange.call("GET", Self.violations).reading(orAbsent: nil) { answer throws(Doubt) in
            try answer.required("notify_url")
        }
    }

    /// Has violations told at an address, whether there was one before or not.
    public func setViolationURL(_ url: String) async -> Reply<String> {
        let body: JSON = ["notify_url": .string(url)]
        let first = await pay.exchange.call("POST", Self.violations, body: body.bytes)
        guard case .error(let refusal) = first, refusal.isAny("RESOURCE_ALREADY_EXISTS") else {
            return first.reading { answer throws(Doubt) in try answer.required("notify_url") }
        }
        return await pay.exchange.call("PUT", Self.violations, body: body.bytes).reading { answer throws(Doubt) in
            try answer.required("notify_url")
        }
    }

    /// Has violations told nowhere; doing it again changes nothing.
    public func removeViolationURL() async -> Reply<CustodianResult> {
        let done = CustodianResult(state: .succeeded, bankNumber: nil, bankDate: nil)
        let request = WeChatPayExchange.Request(method: "DELETE", path: Self.violations)
        return await pay.exchange.call(request).reading(orAbsent: done) { _ throws(Doubt) in done }
    }

    private static let violations = "/v3/merchant-risk-manage/violation-notifications"

    private func isOurs(_ resource: JSON) throws(Doubt) {
        guard let platform = resource["sp_mchid"]?.string, platform == link.mchid else {
            throw Doubt(.malformedAnswer, "a callback about another platform")
        }
    }

    /// The parts of a combined payment.
    static func parts(of combined: WeChatPayCombinedPayment) throws(Doubt) -> [Part] {
        var parts: [Part] = []
        for part in combined.parts {
            guard let subMchid = part.subMchid, let amount = part.payment.amount else {
                throw Doubt(.malformedAnswer, "a part that is nobody's")
            }
            parts.append(
                Part(
                    index: parts.count, count: combined.parts.count, subMchid: subMchid, outTradeNo: part.serial,
                    amount: amount, payment: part.payment))
        }
        return parts
    }
}
