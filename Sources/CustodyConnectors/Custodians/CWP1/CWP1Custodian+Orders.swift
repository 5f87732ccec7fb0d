import CustodyDomain
import CustodyWire

/// Orders, refunds and splits.
extension CWP1Custodian {
    /// ORD.SYNC: without channelOrderNo and payTime it is an intention (SYNCED), with them a receipt (REGISTERED).
    ///
    /// An order is one sub-order at the bank, whose splits are the order's parts.
    public func syncOrder(_ order: OrderRegistration, serial: String) async -> Reply<CustodianResult> {
        var body: [JSON.Member] = [.init("mainOrderNo", .string(order.number))]
        if let payment = order.payment {
            body += [
                .init("channel", .string(payment.channel.bankWord)),
                .init("channelMerchantNo", .string(payment.channelMerchantNumber)),
                .init("channelOrderNo", .string(payment.channelOrderNumber)),
                .init("payTime", .string(payment.paidAt.shanghaiCompact)),
            ]
        }
        return await exchange(.syncOrder, serial: serial, body: .object(body + CWP1Custodian.subOrders(order)))
            .reading(CWP1Custodian.result)
    }

    private static func subOrders(_ order: OrderRegistration) -> [JSON.Member] {
        let payee = order.parts.first { !$0.isCommission } ?? order.parts.first
        let splits = order.parts.map { part -> JSON in
            [
                "splitNo": .string(part.number), "acct": .string(part.account), "amt": .string(part.amount.yuan),
                "purpose": part.isCommission ? "COMMISSION" : "PAYEE",
            ]
        }
        let subOrder: JSON = [
            "subOrderNo": .string(subOrder(of: order.number)), "payeeSubAcct": .string(payee?.account ?? ""),
            "amt": .string(order.amount.yuan), "confirmBy": JSON(order.confirmBy?.compact), "splits": .array(splits),
        ]
        return [
            .init("ccy", "156"), .init("totalAmt", .string(order.amount.yuan)),
            .init("subOrders", [subOrder.omittingNulls]),
        ]
    }

    /// ORD.CANCEL.
    public func cancelOrder(number: String, serial: String) async -> Reply<CustodianResult> {
        await exchange(.cancelOrder, serial: serial, body: ["mainOrderNo": .string(number)])
            .reading(CWP1Custodian.result)
    }

    /// ORD.QUERY.
    public func queryOrder(number: String, serial: String) async -> Reply<CustodianOrder> {
        await exchange(.queryOrder, serial: serial, body: ["mainOrderNo": .string(number)])
            .reading { response throws(Doubt) in
                let state: CustodianOrder.State
                switch try response.body.text("status") {
                case "SYNCED": state = .intended
                case "REGISTERED": state = .registered
                case "FUNDED": state = .funded
                case "FINISHED": state = .finished
                case "CANCELLED": state = .cancelled
                case "NOT_FOUND": state = .absent
                case let other: throw Doubt(.malformedAnswer, "status \(other)")
                }
                return CustodianOrder(state: state, held: response.body.yuan("heldAmt"))
            }
    }

    /// PAY.CREATE: the bank collects.
    public func collect(_ collection: CollectionInstruction, serial: String) async -> Reply<CustodianCollection> {
        let body: [JSON.Member] = [
            .init("mainOrderNo", .string(collection.order.number)),
            .init("payMethod", .string(collection.method.rawValue.uppercased())),
            .init("goods", .string(collection.description)),
            .init("expireAt", .string(collection.expiresAt.shanghaiCompact)),
            .init("payerId", JSON(collection.payerID)), .init("returnUrl", JSON(collection.returnURL)),
        ]
        return await exchange(
            .collect, serial: serial, body: .object(body + CWP1Custodian.subOrders(collection.order))
        ).reading(CWP1Custodian.collection)
    }

    /// PAY.QUERY.
    public func queryCollection(number: String, serial: String) async -> Reply<CustodianCollection> {
        await exchange(.queryCollection, serial: serial, body: ["mainOrderNo": .string(number)])
            .reading(CWP1Custodian.collection)
    }

    /// PAY.CLOSE.
    public func closeCollection(number: String, serial: String) async -> Reply<CustodianResult> {
        await exchange(.closeCollection, serial: serial, body: ["mainOrderNo": .string(number)])
            .reading(CWP1Custodian.result)
    }

    /// REF.CREATE; the bank takes each part from what is frozen for the order, then from what was split.
    public func refund(_ refund: RefundRegistration, serial: String) async -> Reply<CustodianResult> {
        await exchange(
            .refund, serial: serial,
            body: [
                "refundNo": .string(refund.number), "mainOrderNo": .string(refund.orderNumber),
                "amt": .string(refund.amount.yuan), "fundsFrom": JSON(refund.source?.word),
                "subOrders": [
                    [
                        "subOrderNo": .string(CWP1Custodian.subOrder(of: refund.orderNumber)),
                        "amt": .string(refund.amount.yuan),
                        "giveBack": .array(refund.giveBack.map { CWP1Custodian.item($0, account: "acct") }),
                    ]
                ],
            ]
        ).reading(CWP1Custodian.result)
    }

    /// SETTLE.CONFIRM.
    public func confirmSettlement(
        _ confirmation: SettlementConfirmation, serial: String
    ) async -> Reply<CustodianResult> {
        await exchange(
            .confirmSettlement, serial: serial,
            body: [
                "confirmNo": .string(confirmation.number), "mainOrderNo": .string(confirmation.orderNumber),
                "subOrderNo": .string(CWP1Custodian.subOrder(of: confirmation.orderNumber)),
                "items": confirmation.parts.isEmpty
                    ? .null : .array(confirmation.parts.map { CWP1Custodian.item($0, account: "acct") }),
            ]
        ).reading(CWP1Custodian.result)
    }

    /// SPLIT.CREATE.
    public func split(_ split: SplitInstruction, serial: String) async -> Reply<CustodianResult> {
        await exchange(
            .split, serial: serial,
            body: [
                "splitBatchNo": .string(split.number), "mainOrderNo": .string(split.orderNumber),
                "subOrderNo": .string(CWP1Custodian.subOrder(of: split.orderNumber)),
                "items": .array(split.items.map { CWP1Custodian.item($0, account: "toAcct") }),
                "finish": .bool(split.isLast),
            ]
        ).reading(CWP1Custodian.result)
    }

    /// SPLIT.REVERSE.
    public func reverseSplit(_ reversal: SplitReversal, serial: String) async -> Reply<CustodianResult> {
        await exchange(
            .reverseSplit, serial: serial,
            body: [
                "reverseNo": .string(reversal.number), "splitBatchNo": .string(reversal.splitNumber),
                "mainOrderNo": .string(reversal.orderNumber),
                "items": .array(reversal.items.map { CWP1Custodian.item($0, account: "acct") }),
            ]
        ).reading(CWP1Custodian.result)
    }

    /// SPLIT.QUERY.
    public func querySplit(number: String, orderNumber: String, serial: String) async -> Reply<CustodianSplit> {
        await exchange(
            .querySplit, serial: serial,
            body: ["splitBatchNo": .string(number), "mainOrderNo": .string(orderNumber)]
        ).reading { response throws(Doubt) in
            var items: [CustodianSplit.Item] = []
            for item in response.body["items"]?.array ?? [] {
                items.append(.init(number: try item.text("splitNo"), state: try CWP1Custodian.state(item)))
            }
            return CustodianSplit(state: try CWP1Custodian.state(response.body), items: items)
        }
    }

    /// The bank's only sub-order of an order of ours.
    private static func subOrder(of order: String) -> String { order + "-01" }

    private static func item(_ part: OrderRegistration.Part, account: String) -> JSON {
        .object([
            .init("splitNo", .string(part.number)), .init(account, .string(part.account)),
            .init("amt", .string(part.amount.yuan)),
        ])
    }

    private static func item(_ giver: RefundRegistration.Giver, account: String) -> JSON {
        .object([
            .init("splitNo", .string(giver.partNumber)), .init(account, .string(giver.account)),
            .init("amt", .string(giver.amount.yuan)),
        ])
    }

    /// What an answer, or a notification's body in an answer's place, says of a collection.
    static func collection(_ response: CWP1Response) throws(Doubt) -> CustodianCollection {
        if response.returnCode.meaning == .businessFailed {
            return CustodianCollection(state: .failed(response.refusal), bankNumber: response.bankNumber, amount: nil)
        }
        return try collection(response.body, bankNumber: response.bankNumber)
    }

    static func collection(_ body: JSON, bankNumber: String?) throws(Doubt) -> CustodianCollection {
        let state: CustodianCollection.State
        switch try body.text("status") {
        case "TO_PAY": state = .toPay(prompt(body["payParams"]))
        case "PAID":
            state = .paid(at: body.instant("payTime"), channelNumber: body["channelOrderNo"]?.string)
        case "FAILED": state = .failed(failure(body))
        case "EXPIRED", "CLOSED": state = .closed
        case "NOT_FOUND": state = .absent
        case let other: throw Doubt(.malformedAnswer, "status \(other)")
        }
        return CustodianCollection(
            state: state, bankNumber: body["bankSeqNo"]?.string ?? bankNumber, amount: body.yuan("totalAmt"))
    }

    private static func prompt(_ parameters: JSON?) -> PaymentPrompt? {
        guard let parameters else { return nil }
        if let code = parameters["codeUrl"]?.string { return .code(code) }
        if let url = parameters["url"]?.string { return .url(url) }
        if let form = parameters["form"]?.string { return .form(form) }
        var found: [String: String] = [:]
        for member in parameters.members ?? [] { found[member.name] = member.value.string }
        return .parameters(found)
    }
}

extension RefundSource {
    /// The bank's word for it.
    fileprivate var word: String {
        switch self {
        case .held: "FROZEN"
        case .available: "AVAILABLE"
        case .platformAdvance: "PLATFORM_ADVANCE"
        }
    }
}

extension ChannelKind {
    /// The bank's name of the channel.
    var bankWord: String {
        switch self {
        case .weChatPay: "WXPAY"
        case .alipay: "ALIPAY"
        }
    }

    /// The channel of a bank's name.
    init?(bankWord: String) {
        guard let kind = ChannelKind.allCases.first(where: { $0.bankWord == bankWord }) else { return nil }
        self = kind
    }
}
