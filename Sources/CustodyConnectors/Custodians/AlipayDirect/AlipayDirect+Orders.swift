import CustodyDomain
import CustodyWire

/// Collecting, confirming, splitting and refunding orders.
extension AlipayDirect {
    /// `alipay.trade.precreate`, `.create`, or a signed form, with the payee and the terms of its settlement.
    ///
    /// An order with a day of confirmation waits for it; another is frozen for its splits where there are any, or settles
    /// at once.
    public func collect(_ collection: CollectionInstruction, serial: String) async -> Reply<CustodianCollection> {
        if let refusal: Reply<CustodianCollection> = refusal(of: .collect) { return refusal }
        guard let product = AlipayProduct(collection.method) else {
            return .refused(
                Refusal(code: "METHOD_NOT_SUPPORTED", message: "Alipay has no \(collection.method.rawValue)"))
        }
        let payees = Set(collection.order.parts.filter { !$0.isCommission }.map(\.account))
        guard payees.count == 1, let payee = payees.first else {
            return .refused(Refusal(code: "ONE_PAYEE", message: "an order has exactly one payee"))
        }
        let order = ChannelOrder(
            serial: collection.order.number, method: collection.method, amount: collection.order.amount,
            description: collection.description, expiresAt: collection.expiresAt, callbackURL: notifyURL ?? "",
            payerID: collection.payerID)
        let content = JSON.object(
            (product.content(order).members ?? []) + AlipayDirect.terms(collection.order, payee, gateway.clock()))
        let request = gateway.request(product.method, content, notifyURL: notifyURL)
        switch await gateway.prompt(product, order, request) {
        case .answered(let prompt):
            return .answered(
                CustodianCollection(state: .toPay(prompt), bankNumber: nil, amount: collection.order.amount))
        case .refused(let refusal): return .refused(refusal)
        case .unknown(let doubt): return .unknown(doubt)
        }
    }

    /// `alipay.trade.query`.
    public func queryCollection(number: String, serial: String) async -> Reply<CustodianCollection> {
        let answer = await call(.queryCollection, "alipay.trade.query", ["out_trade_no": .string(number)])
        if case .refused(let refusal) = answer, refusal.code == AlipayCodes.tradeNotExist {
            return .answered(CustodianCollection(state: .absent, bankNumber: nil, amount: nil))
        }
        return answer.reading { node throws(Doubt) in
            guard node["out_trade_no"]?.string == number, let payment = ChannelPayment(alipayTrade: node) else {
                throw Doubt(.malformedAnswer, "trade.query")
            }
            return CustodianCollection(payment)
        }
    }

    /// `alipay.trade.close`; what Alipay does not have can no longer be found, and counts as closed.
    public func closeCollection(number: String, serial: String) async -> Reply<CustodianResult> {
        let answer = await call(.closeCollection, "alipay.trade.close", ["out_trade_no": .string(number)])
        if case .refused(let refusal) = answer, refusal.code == AlipayCodes.tradeNotExist {
            return .answered(AlipayDirect.done(nil))
        }
        return answer.reading { node throws(Doubt) in AlipayDirect.done(node["trade_no"]?.string) }
    }

    /// `alipay.trade.query`, for what is held.
    public func queryOrder(number: String, serial: String) async -> Reply<CustodianOrder> {
        switch await queryCollection(number: number, serial: serial) {
        case .answered(let collection):
            switch collection.state {
            case .absent: return .answered(CustodianOrder(state: .absent, held: nil))
            case .closed, .failed: return .answered(CustodianOrder(state: .cancelled, held: nil))
            case .toPay: return .answered(CustodianOrder(state: .intended, held: nil))
            case .paid: break
            }
        case .refused(let refusal): return .refused(refusal)
        case .unknown(let doubt): return .unknown(doubt)
        }
        return await trade(of: number, for: .queryOrder).reading { trade throws(Doubt) in
            CustodianOrder(state: trade.unsettled == .zero ? .finished : .funded, held: trade.unsettled)
        }
    }

    /// `alipay.trade.settle.confirm`: of all that is left, or of the amount of the parts.
    ///
    /// What is confirmed together with a commission stays frozen until the order's last split.
    public func confirmSettlement(
        _ confirmation: SettlementConfirmation, serial: String
    ) async -> Reply<CustodianResult> {
        let trade: AlipayDirectTrade
        switch await self.trade(of: confirmation.orderNumber, for: .confirmSettlement) {
        case .answered(let found): trade = found
        case .refused(let refusal): return .refused(refusal)
        case .unknown(let doubt): return .unknown(doubt)
        }
        // What is left changes with every confirmation, so a repetition would be another request: it is found instead.
        if trade.confirmations.contains(where: { $0.number == confirmation.number }) {
            return .answered(AlipayDirect.done(trade.number))
        }
        let left: Fen
        switch await receivables(of: trade) {
        case .answered(let receivables): left = receivables.unconfirmed
        case .refused(let refusal): return .refused(refusal)
        case .unknown(let doubt): return .unknown(doubt)
        }
        // Nothing waits: all of it was confirmed under other numbers, as for a split that then failed.
        guard left > .zero else { return .answered(AlipayDirect.done(trade.number)) }
        // The order less its refunds: what waits, and what was confirmed, less what came back of that.
        let whole = left + trade.confirmations.map(\.amount).sum() - trade.returned
        let asked = confirmation.parts.map(\.amount).sum()
        let isFrozen = confirmation.parts.contains(where: \.isCommission)
        let detail = JSON.object([
            .init("trans_in_type", "defaultSettle"), .init("amount", .string(whole.yuan)),
            .init("settle_entity_id", JSON(trade.subMerchant)), .init("settle_entity_type", "SecondMerchant"),
            .init("actual_amount", .string((confirmation.parts.isEmpty ? left : asked).yuan)),
        ]).omittingNulls
        return await call(
            .confirmSettlement, "alipay.trade.settle.confirm",
            [
                "out_request_no": .string(confirmation.number), "trade_no": .string(trade.number),
                "settle_info": ["settle_detail_infos": [detail]],
                "extend_params": isFrozen ? ["royalty_freeze": "true"] : .null,
            ]
        ).reading { node throws(Doubt) in
            guard node["out_request_no"]?.string == confirmation.number else {
                throw Doubt(.malformedAnswer, "trade.settle.confirm")
            }
            return AlipayDirect.done(node["trade_no"]?.string)
        }
    }

    /// `alipay.trade.order.settle`, each receiver by itself; the payee's own item is what the last split leaves.
    public func split(_ split: SplitInstruction, serial: String) async -> Reply<CustodianResult> {
        let trade: AlipayDirectTrade
        switch await self.trade(of: split.orderNumber, for: .split) {
        case .answered(let found): trade = found
        case .refused(let refusal): return .refused(refusal)
        case .unknown(let doubt): return .unknown(doubt)
        }
        let items = split.items.filter { $0.account != trade.subMerchant }
        return await call(
            .split, "alipay.trade.order.settle",
            [
                "out_request_no": .string(split.number), "trade_no": .string(trade.number),
                // The last split sets the rest free: where a receiver gets nothing, nothing may happen at all.
                "royalty_mode": split.isLast ? "sync" : "async",
                "royalty_parameters": items.isEmpty
                    ? .null
                    : .array(
                        items.map {
                            [
                                "royalty_type": "transfer",
                                "trans_in_type": .string(AlipayAccountKind($0.account).name),
                                "trans_in": .string($0.account), "amount": .string($0.amount.yuan),
                                "royalty_scene": $0.isCommission ? "平台服务费" : "其他",
                            ]
                        }),
                "extend_params": split.isLast ? ["royalty_finish": "true"] : .null,
            ]
        ).reading { node throws(Doubt) in
            CustodianResult(state: .processing(finishBy: nil), bankNumber: try node.text("settle_no"), bankDate: nil)
        }
    }

    /// `alipay.trade.order.settle.query`; Alipay knows an item by its receiver.
    public func querySplit(number: String, orderNumber: String, serial: String) async -> Reply<CustodianSplit> {
        let trade: AlipayDirectTrade
        switch await self.trade(of: orderNumber, for: .querySplit) {
        case .answered(let found): trade = found
        case .refused(let refusal): return .refused(refusal)
        case .unknown(let doubt): return .unknown(doubt)
        }
        let answer = await call(
            .querySplit, "alipay.trade.order.settle.query",
            ["out_request_no": .string(number), "trade_no": .string(trade.number)])
        if case .refused(let refusal) = answer, refusal.code.hasSuffix("SETTLE_NOT_EXIST") {
            return .answered(CustodianSplit(state: .absent(safeAfter: nil), items: []))
        }
        return answer.reading { node throws(Doubt) in
            let details = node["royalty_detail_list"]?.array ?? []
            var items: [CustodianSplit.Item] = []
            for detail in details {
                items.append(.init(number: try detail.text("trans_in"), state: try AlipayDirect.state(detail)))
            }
            let isOpen = items.contains { if case .processing = $0.state { true } else { false } }
            return CustodianSplit(state: isOpen ? .processing(finishBy: nil) : .succeeded, items: items)
        }
    }

    /// `alipay.trade.refund`: who gives back how much is said, or all of it would come from the payee.
    public func refund(_ refund: RefundRegistration, serial: String) async -> Reply<CustodianResult> {
        let trade: AlipayDirectTrade
        switch await self.trade(of: refund.orderNumber, for: .refund) {
        case .answered(let found): trade = found
        case .refused(let refusal): return .refused(refusal)
        case .unknown(let doubt): return .unknown(doubt)
        }
        let givers = refund.giveBack.filter { $0.account != trade.subMerchant && $0.amount > .zero }
        let settled: String?
        switch await confirmation(of: trade, toGiveBack: refund.amount - givers.map(\.amount).sum()) {
        case .answered(let number): settled = number
        case .refused(let refusal): return .refused(refusal)
        case .unknown(let doubt): return .unknown(doubt)
        }
        return await call(
            .refund, "alipay.trade.refund",
            [
                "out_trade_no": .string(refund.orderNumber), "out_request_no": .string(refund.number),
                "refund_amount": .string(refund.amount.yuan),
                "refund_royalty_parameters": givers.isEmpty
                    ? .null
                    : .array(
                        givers.map {
                            [
                                "royalty_type": "transfer",
                                "trans_out_type": .string(AlipayAccountKind($0.account).name),
                                "trans_out": .string($0.account), "amount": .string($0.amount.yuan),
                            ]
                        }),
                "related_settle_confirm_no": JSON(settled),
            ]
        ).reading { node throws(Doubt) in
            // N: repeated, or not done yet. Both are asked for by the channel's own query of refunds.
            CustodianResult(
                state: try node.text("fund_change") == "Y" ? .succeeded : .processing(finishBy: nil),
                bankNumber: node["trade_no"]?.string, bankDate: nil)
        }
    }

    /// The confirmation that a refund goes back against; nil where money that waits for its confirmation is enough.
    private func confirmation(of trade: AlipayDirectTrade, toGiveBack amount: Fen) async -> Reply<String?> {
        guard let last = trade.confirmations.last else { return .answered(nil) }
        return await receivables(of: trade).reading { receivables throws(Doubt) in
            if amount <= receivables.unconfirmed { return nil }
            return (trade.confirmations.last { $0.amount >= amount } ?? last).number
        }
    }

    /// What came of one receiver's item.
    static func state(_ detail: JSON) throws(Doubt) -> CustodianResult.State {
        switch try detail.text("state") {
        case "SUCCESS": .succeeded
        case "PROCESSING": .processing(finishBy: nil)
        case "FAIL":
            .failed(
                Refusal(
                    code: detail["error_code"]?.string ?? "FAIL",
                    message: CustodianText.masked(detail["error_desc"]?.string ?? "")))
        case let other: throw Doubt(.malformedAnswer, "state \(other)")
        }
    }

    /// The payee, what is settled to it, and when.
    private static func terms(_ order: OrderRegistration, _ payee: String, _ now: Instant) -> [JSON.Member] {
        var info: [JSON.Member] = [
            .init(
                "settle_detail_infos",
                [
                    [
                        "trans_in_type": "defaultSettle", "amount": .string(order.amount.yuan),
                        "settle_entity_id": .string(payee), "settle_entity_type": "SecondMerchant",
                    ]
                ])
        ]
        var members: [JSON.Member] = [.init("sub_merchant", ["merchant_id": .string(payee)])]
        if let confirmBy = order.confirmBy {
            let days = confirmBy.daysSinceEpoch - BusinessDate(of: now).daysSinceEpoch
            info.append(.init("settle_period_time", .string("\(min(365, max(1, days)))d")))
        } else if order.parts.contains(where: \.isCommission) {
            members.append(.init("extend_params", ["royalty_freeze": "true"]))
        }
        return members + [.init("settle_info", .object(info))]
    }
}

extension CustodianCollection {
    /// A payment of the channel's as a collection.
    init(_ payment: ChannelPayment) {
        let state: State
        switch payment.state {
        case .waiting: state = .toPay(nil)
        case .succeeded: state = .paid(at: payment.paidAt, channelNumber: payment.transactionNumber)
        case .closed: state = .closed
        case .absent: state = .absent
        }
        self.init(state: state, bankNumber: payment.transactionNumber, amount: payment.amount)
    }
}
