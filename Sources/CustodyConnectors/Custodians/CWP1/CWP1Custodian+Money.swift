import CustodyDomain
import CustodyWire

/// Orders, refunds, splits and withdrawals, and what became of them.
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
        let payee = order.parts.first { !$0.isCommission } ?? order.parts.first
        let splits = order.parts.map { part -> JSON in
            [
                "splitNo": .string(part.number), "acct": .string(part.account), "amt": .string(part.amount.yuan),
                "purpose": part.isCommission ? "COMMISSION" : "PAYEE",
            ]
        }
        body += [
            .init("ccy", "156"), .init("totalAmt", .string(order.amount.yuan)),
            .init(
                "subOrders",
                [
                    [
                        "subOrderNo": .string(CWP1Custodian.subOrder(of: order.number)),
                        "payeeSubAcct": .string(payee?.account ?? ""), "amt": .string(order.amount.yuan),
                        "splits": .array(splits),
                    ]
                ]),
        ]
        return await exchange("ORD.SYNC", serial: serial, body: .object(body)).reading(CWP1Custodian.result)
    }

    /// REF.CREATE; the bank takes each part from what is frozen for the order, then from what was split.
    public func refund(_ refund: RefundRegistration, serial: String) async -> Reply<CustodianResult> {
        let givers = refund.giveBack.map { giver -> JSON in
            [
                "splitNo": .string(giver.partNumber), "acct": .string(giver.account),
                "amt": .string(giver.amount.yuan),
            ]
        }
        return await exchange(
            "REF.CREATE", serial: serial,
            body: [
                "refundNo": .string(refund.number), "mainOrderNo": .string(refund.orderNumber),
                "amt": .string(refund.amount.yuan),
                "subOrders": [
                    [
                        "subOrderNo": .string(CWP1Custodian.subOrder(of: refund.orderNumber)),
                        "amt": .string(refund.amount.yuan), "giveBack": .array(givers),
                    ]
                ],
            ]
        ).reading(CWP1Custodian.result)
    }

    /// SPLIT.CREATE.
    public func split(_ split: SplitInstruction, serial: String) async -> Reply<CustodianResult> {
        let items = split.items.map { item -> JSON in
            ["splitNo": .string(item.number), "toAcct": .string(item.account), "amt": .string(item.amount.yuan)]
        }
        return await exchange(
            "SPLIT.CREATE", serial: serial,
            body: [
                "splitBatchNo": .string(split.number), "mainOrderNo": .string(split.orderNumber),
                "subOrderNo": .string(CWP1Custodian.subOrder(of: split.orderNumber)), "items": .array(items),
                "finish": .bool(split.isLast),
            ]
        ).reading(CWP1Custodian.result)
    }

    /// WDR.CREATE.
    public func withdraw(_ withdrawal: WithdrawalInstruction, serial: String) async -> Reply<CustodianResult> {
        await exchange(
            "WDR.CREATE", serial: serial,
            body: [
                "wdrNo": .string(withdrawal.number), "subAcct": .string(withdrawal.subAccount),
                "cardBindNo": .string(withdrawal.bindingNumber), "amt": .string(withdrawal.amount.yuan),
                "fee": "0.00", "speed": "T0", "memo": .string(withdrawal.memo),
            ]
        ).reading(CWP1Custodian.result)
    }

    /// TXN.QUERY, under a number of its own: a question is no instruction, and may not use up the instruction's number.
    public func query(
        _ operation: CustodianOperation, serial: String, sentOn: BusinessDate
    ) async -> Reply<CustodianResult> {
        let asked = await exchange(
            "TXN.QUERY", serial: "Q" + CWP1Signer.nonce().prefix(31),
            body: [
                "origTxnCode": .string(operation.txnCode), "origReqSeqNo": .string(serial),
                "origDate": .string(sentOn.compact),
            ]
        ).reading(CWP1Custodian.result)
        // A refusal of the question says nothing about the instruction.
        if case .refused(let refusal) = asked { return .unknown(Doubt(.systemError, refusal.code)) }
        return asked
    }

    /// The bank's only sub-order of an order of ours.
    private static func subOrder(of order: String) -> String { order + "-01" }

    /// What an answer says of its instruction.
    static func result(_ response: CWP1Response) throws(Doubt) -> CustodianResult {
        if response.returnCode.meaning == .businessFailed, response.txnCode != "TXN.QUERY" {
            return CustodianResult(
                state: .failed(response.refusal), bankNumber: response.bankNumber, bankDate: response.bankDate)
        }
        guard response.returnCode.meaning == .accepted else {
            throw Doubt(.systemError, response.returnCode.text)
        }
        return CustodianResult(
            state: try state(response.body),
            bankNumber: response.txnCode == "TXN.QUERY"
                ? response.body["origBankSeqNo"]?.string : response.bankNumber,
            bankDate: response.body.date("bankDate") ?? response.bankDate
        )
    }

    /// The state that a body tells, in an answer or a notification.
    static func state(_ body: JSON) throws(Doubt) -> CustodianResult.State {
        switch try body.text("status") {
        case "PROCESSING", "ACCEPTED", "PENDING", "DELAYED", "UNCERTAIN", "CHECKING", "VERIFYING", "REVIEWING",
            "SIGNING", "TO_VERIFY":
            return .processing(finishBy: body.instant("finishBy"))
        case "SUCCESS", "DONE", "SYNCED", "REGISTERED", "FUNDED", "ACTIVE", "BOUND", "CLOSED": return .succeeded
        case "FAILED", "EXPIRED": return .failed(failure(body))
        case "REJECTED":
            let item = body["items"]?.array?.first
            return .failed(
                Refusal(
                    code: item?["field"]?.string ?? "REJECTED", message: CWP1Text.masked(item?["reason"]?.string ?? ""))
            )
        case "RETURNED":
            return .returned(
                number: try body.text("returnNo"), on: body.date("returnDate"),
                reason: CWP1Text.masked(body["reason"]?.string ?? ""))
        case "NOT_FOUND": return .absent(safeAfter: body.instant("safeAfter"))
        case let other: throw Doubt(.malformedAnswer, "status \(other)")
        }
    }

    /// The code and sentence of a failure.
    static func failure(_ body: JSON) -> Refusal {
        Refusal(
            code: body["failCode"]?.string ?? body["status"]?.string ?? "FAILED",
            message: CWP1Text.masked(body["failMsg"]?.string ?? ""))
    }
}

extension CustodianOperation {
    /// The bank's name of the operation.
    var txnCode: String {
        switch self {
        case .openSubMerchant: "MCH.OPEN"
        case .closeSubMerchant: "MCH.CLOSE"
        case .bindAccount: "CARD.BIND"
        case .confirmAccount: "CARD.CONFIRM"
        case .syncOrder: "ORD.SYNC"
        case .refund: "REF.CREATE"
        case .split: "SPLIT.CREATE"
        case .withdraw: "WDR.CREATE"
        case .resubmitSubMerchant: "MCH.RESUBMIT"
        case .modifySubMerchant: "MCH.MODIFY"
        case .querySubMerchant: "MCH.QUERY"
        case .uploadMaterial: "MCH.MATERIAL"
        case .importSubMerchants: "MCH.IMPORT"
        case .changeAccount: "CARD.CHANGE"
        case .unbindAccount: "CARD.UNBIND"
        case .addReceiver: "RCV.ADD"
        case .removeReceiver: "RCV.REMOVE"
        case .cancelOrder: "ORD.CANCEL"
        case .queryOrder: "ORD.QUERY"
        case .collect: "PAY.CREATE"
        case .queryCollection: "PAY.QUERY"
        case .closeCollection: "PAY.CLOSE"
        case .confirmSettlement: "SETTLE.CONFIRM"
        case .reverseSplit: "SPLIT.REVERSE"
        case .querySplit: "SPLIT.QUERY"
        case .freeze: "FRZ.CREATE"
        case .release: "FRZ.RELEASE"
        case .transfer: "XFER.CREATE"
        case .listSuspense: "SUSP.LIST"
        case .assignSuspense: "SUSP.ASSIGN"
        case .undoSuspense: "SUSP.UNDO"
        case .queryBalance: "BAL.QUERY"
        case .queryDayEndBalance: "BAL.DAYEND"
        case .listTransactions: "TXN.LIST"
        case .submitBatch: "BATCH.CREATE"
        case .queryBatch: "BATCH.QUERY"
        case .listFiles: "FILE.LIST"
        case .fetchFile: "FILE.APPLY"
        case .bankDay: "SYS.DATE"
        case .query: "TXN.QUERY"
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
