import CustodyDomain
import CustodyWire

/// CCB 惠市宝, for one platform's market: the bank collects, signs merchants itself and tells us of them, and splits by what
/// was said with the order once the receipt of goods is confirmed.
public struct CCBCustodian: Custodian {
    /// What it has: files where the link says where they lie.
    public let capabilities: Capabilities
    let codec: CCBCodec

    /// Reads the link's keys.
    ///
    /// - Parameter clock: Real time, for the numbers and times of messages; never a test clock.
    /// - Throws: When a key is not PEM.
    public init(link: CCBLink, outbound: Outbound, clock: @escaping @Sendable () -> Instant) throws {
        codec = try CCBCodec(link: link, outbound: outbound, clock: clock)
        capabilities = link.filesURL == nil ? .ccbWithoutFiles : .ccb
    }

    // MARK: - Collections

    /// gatherPlaceorder.
    public func collect(_ collection: CollectionInstruction, serial: String) async -> Reply<CustodianCollection> {
        let order = collection.order
        guard let code = CCBCustodian.methods[collection.method] else {
            return .refused(Refusal(code: "method", message: "the bank does not know this way to pay"))
        }
        guard let payee = order.parts.first(where: { !$0.isCommission }) else {
            return .refused(Refusal(code: "parts", message: "an order needs a payee"))
        }
        let seconds = max(60, (collection.expiresAt - codec.now).components.seconds)
        let parts = order.parts.enumerated().map { index, part -> JSON in
            [
                "Seq_No": .string(String(index + 1)), "Mkt_Mrch_Id": .string(part.account),
                "Amt": .string(part.amount.yuan),
            ]
        }
        return await codec.exchange(
            "gatherPlaceorder",
            [
                .init("Main_Ordr_No", .string(order.number)), .init("Pymd_Cd", .string(code)),
                .init("Py_Ordr_Tpcd", "04"), .init("Ccy", "156"), .init("Ordr_Tamt", .string(order.amount.yuan)),
                .init("Txn_Tamt", .string(order.amount.yuan)), .init("Clrg_Dt", JSON(order.confirmBy?.compact)),
                .init("Order_Time_Out", .string(String(seconds))),
                .init("Py_Rslt_Ntc_Sn", .string(codec.link.callbackIndex)),
                .init("Pgfc_Ret_Url_Adr", JSON(collection.returnURL ?? codec.link.returnURL)),
                .init("Sub_Openid", JSON(collection.payerID)), .init("Pay_Dsc", .string(collection.description)),
                .init(
                    "Orderlist",
                    [
                        [
                            "Mkt_Mrch_Id": .string(payee.account),
                            "Cmdty_Ordr_No": .string(CCBCustodian.subOrder(of: order.number)),
                            "Ordr_Amt": .string(order.amount.yuan), "Txnamt": .string(order.amount.yuan),
                            "Parlist": .array(parts),
                        ]
                    ]),
            ]
        ).reading { answer throws(Doubt) in
            CustodianCollection(
                state: .toPay(CCBCustodian.prompt(answer)), bankNumber: try answer.text("Py_Trn_No"),
                amount: order.amount)
        }
    }

    /// Ways to pay by the bank's codes. Source: the interface's design document; codes for others are not given there.
    private static let methods: [PaymentMethod: String] = [
        .page: "01", .h5: "03", .wap: "03", .jsapi: "05", .native: "07", .precreate: "07",
    ]

    private static func prompt(_ answer: JSON) -> PaymentPrompt? {
        if let code = answer["Pay_Qr_Code"]?.string, !code.isEmpty { return .code(code) }
        if let url = answer["Cshdk_Url"]?.string, !url.isEmpty { return .url(url) }
        guard let members = answer["Rtn_Par_Data"]?.members else { return nil }
        return .parameters(
            members.reduce(into: [:]) { parameters, member in parameters[member.name] = member.value.string })
    }

    /// The bank's only sub-order of an order of ours.
    private static func subOrder(of order: String) -> String { order + "01" }

    /// gatherEnquireOrder.
    public func queryCollection(number: String, serial: String) async -> Reply<CustodianCollection> {
        await enquire(number).reading(CCBCustodian.collection)
    }

    private func enquire(_ number: String) async -> Reply<JSON> {
        await codec.exchange("gatherEnquireOrder", [.init("Main_Ordr_No", .string(number))])
    }

    static func collection(_ answer: JSON) throws(Doubt) -> CustodianCollection {
        let state: CustodianCollection.State
        switch try answer.text("Ordr_Stcd") {
        case "1", "9": state = .toPay(nil)
        case "2": state = .paid(at: answer.instant("Pay_Time"), channelNumber: answer["Py_Trn_No"]?.string)
        case "3": state = .failed(Refusal(code: "3", message: "the payment failed"))
        case "4": state = .closed
        case "5": state = .absent
        case let other: throw Doubt(.malformedAnswer, "Ordr_Stcd \(other)")
        }
        return CustodianCollection(
            state: state, bankNumber: answer["Py_Trn_No"]?.string,
            amount: answer.yuan("Ordr_Amt") ?? answer.yuan("Ordr_Tamt"))
    }

    // MARK: - Refunds

    /// gatherEnquireOrder for the bank's numbers of the order, then refundOrder under our own, which is sent again with every
    /// further attempt.
    public func refund(_ refund: RefundRegistration, serial: String) async -> Reply<CustodianResult> {
        switch await order(refund.orderNumber) {
        case .refused(let refusal): return .refused(refusal)
        // Nothing but a question was asked: the refund itself was surely not sent.
        case .unknown(let doubt): return .unknown(Doubt(.unreachable, doubt.detail, retryAfter: doubt.retryAfter))
        case .answered(let order):
            let givers = refund.giveBack.enumerated().map { index, giver -> JSON in
                [
                    "Seq_No": .string(String(index + 1)), "Mkt_Mrch_Id": .string(giver.account),
                    "Amt": .string(giver.amount.yuan),
                ]
            }
            return await codec.exchange(
                "refundOrder",
                [
                    .init("Cust_Rfnd_Trcno", .string(serial)), .init("Py_Trn_No", .string(order.payment)),
                    .init("Rfnd_Amt", .string(refund.amount.yuan)), .init("Rfnd_Type", "00"),
                    .init(
                        "Sub_Ordr_List",
                        [
                            [
                                "Sub_Ordr_Id": .string(order.subOrder), "Rfnd_Amt": .string(refund.amount.yuan),
                                "Parlist": .array(givers),
                            ]
                        ]),
                ]
            ).reading(CCBCustodian.refundResult)
        }
    }

    /// The bank's numbers of an order.
    struct OrderNumbers: Sendable {
        let primary: String
        let payment: String
        let subOrder: String
    }

    private func order(_ number: String) async -> Reply<OrderNumbers> {
        await enquire(number).reading { answer throws(Doubt) in
            guard let subOrder = answer["Orderlist"]?.array?.first else {
                throw Doubt(.malformedAnswer, "no Orderlist")
            }
            return OrderNumbers(
                primary: try answer.text("Prim_Ordr_No"), payment: try answer.text("Py_Trn_No"),
                subOrder: try subOrder.text("Sub_Ordr_Id"))
        }
    }

    /// The state of a refund, in an answer or a notification.
    static func refundResult(_ answer: JSON) throws(Doubt) -> CustodianResult {
        let state: CustodianResult.State
        switch try answer.text("Refund_Rsp_St") {
        case "00": state = .succeeded
        case "01":
            state = .failed(
                Refusal(
                    code: answer["Rfnd_Fail_Cd"]?.string ?? "01",
                    message: CustodianText.masked(answer["Rsp_Inf"]?.string ?? "")))
        case "02", "03", "04", "0a", "0b": state = .processing(finishBy: nil)
        // The bank gives no time from which its not finding one can be believed.
        case "05": state = .absent(safeAfter: nil)
        case let other: throw Doubt(.malformedAnswer, "Refund_Rsp_St \(other)")
        }
        return CustodianResult(
            state: state, bankNumber: answer["Rfnd_Trcno"]?.string, bankDate: answer.date("Rfnd_Dt"))
    }

    /// enquireRefundOrder, by our own number. Nothing else can be asked for by a number of ours.
    public func query(
        _ operation: CustodianOperation, serial: String, sentOn: BusinessDate
    ) async -> Reply<CustodianResult> {
        guard operation == .refund else { return unsupported(.query) }
        return await codec.exchange("enquireRefundOrder", [.init("Cust_Rfnd_Trcno", .string(serial))])
            .reading(CCBCustodian.refundResult)
    }

    // MARK: - Confirmation and splits

    /// mergeNoticeArrival: what was said with the order is split. A second one of the same order changes nothing.
    public func confirmSettlement(
        _ confirmation: SettlementConfirmation, serial: String
    ) async -> Reply<CustodianResult> {
        guard confirmation.parts.isEmpty else {
            return .refused(Refusal(code: "partial", message: "the bank confirms an order as a whole"))
        }
        switch await order(confirmation.orderNumber) {
        case .refused(let refusal): return .refused(refusal)
        case .unknown(let doubt): return .unknown(Doubt(.unreachable, doubt.detail, retryAfter: doubt.retryAfter))
        case .answered(let order):
            return await codec.exchange(
                "mergeNoticeArrival",
                [.init("Prim_Ordr_No", .string(order.primary)), .init("Sub_Ordr_Id", .string(order.subOrder))]
            ).reading { answer throws(Doubt) in
                CustodianResult(state: .succeeded, bankNumber: order.primary, bankDate: answer.date("Clrg_Dt"))
            }
        }
    }

    /// subAccountEnquire.
    public func querySplit(number: String, orderNumber: String, serial: String) async -> Reply<CustodianSplit> {
        switch await order(orderNumber) {
        case .refused(let refusal): return .refused(refusal)
        case .unknown(let doubt): return .unknown(doubt)
        case .answered(let order):
            return await codec.exchange("subAccountEnquire", [.init("Prim_Ordr_No", .string(order.primary))])
                .reading(CCBCustodian.splitResult)
        }
    }

    private static func splitResult(_ answer: JSON) throws(Doubt) -> CustodianSplit {
        var items: [CustodianSplit.Item] = []
        for item in answer["Clrg_List"]?.array ?? [] {
            let state: CustodianResult.State
            switch try item.text("Clrg_Stcd") {
            case "1": state = .processing(finishBy: nil)
            case "2": state = .succeeded
            case "4": state = .failed(Refusal(code: "4", message: "the split is abnormal"))
            case let other: throw Doubt(.malformedAnswer, "Clrg_Stcd \(other)")
            }
            items.append(.init(number: try item.text("Mkt_Mrch_Id"), state: state))
        }
        let isOpen = items.isEmpty || items.contains { if case .processing = $0.state { true } else { false } }
        return CustodianSplit(state: isOpen ? .processing(finishBy: nil) : .succeeded, items: items)
    }

    // MARK: - Merchants

    /// enquireMkMrchOrder, by the bank's number: merchants have no other there.
    public func querySubMerchant(number: String, serial: String) async -> Reply<CustodianSubMerchant> {
        await codec.exchange("enquireMkMrchOrder", [.init("Mkt_Mrch_Id", .string(number))])
            .reading { answer throws(Doubt) in
                let found = answer["Mrch_List"]?.array?.first { $0["Mkt_Mrch_Id"]?.string == number }
                return CustodianSubMerchant(
                    state: found == nil ? .absent : found?["Opr_Tp"]?.string == "02" ? .closed : .active,
                    applicationNumber: nil, subAccount: found == nil ? nil : number)
            }
    }

    // MARK: - Notices

    /// Reads a notification that ``CCBMessage/verify(method:body:link:)`` let in.
    public func notice(in body: [UInt8]) throws(Doubt) -> CustodianNotice {
        let message: JSON
        do { message = try JSON(parsing: body) } catch { throw Doubt(.malformedAnswer, "no JSON") }
        switch CCBMessage.notificationKind(message) {
        case "refund":
            return .instruction(
                .refund, serial: try message.text("Cust_Rfnd_Trcno"), try CCBCustodian.refundResult(message))
        case "payment":
            return .collection(number: try message.text("Main_Ordr_No"), try CCBCustodian.collection(message))
        case "merchant": return .signedSubMerchant(try CCBCustodian.signedSubMerchant(message))
        case let other: return .other(other)
        }
    }

    private static func signedSubMerchant(_ message: JSON) throws(Doubt) -> SignedSubMerchant {
        let change: SignedSubMerchant.Change
        switch try message.text("Opr_Tp") {
        case "01": change = .added
        case "02": change = .removed
        case "03": change = .modified
        case let other: throw Doubt(.malformedAnswer, "Opr_Tp \(other)")
        }
        return SignedSubMerchant(
            change: change, merchantNumber: try message.text("Mkt_Mrch_Id"), number: nil,
            name: try message.text("Mkt_Mrch_Nm"), certificateNumber: message["Crdt_No"]?.string,
            account: message["Clrg_Acc_No"]?.string)
    }
}
