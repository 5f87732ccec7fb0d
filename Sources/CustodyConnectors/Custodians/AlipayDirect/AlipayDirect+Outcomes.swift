import CustodyDomain
import CustodyWire

/// What became of an instruction, asked for and told.
extension AlipayDirect {
    /// Transfers and applications can be asked for by number alone; the rest needs what it was about.
    public func query(
        _ operation: CustodianOperation, serial: String, sentOn: BusinessDate
    ) async -> Reply<CustodianResult> {
        switch operation {
        case .transfer: return await queryTransfer(serial)
        case .openSubMerchant, .resubmitSubMerchant: return await queryApplication(of: serial, isChange: false)
        case .modifySubMerchant: return await queryApplication(of: serial, isChange: true)
        default: return unsupported(.query)
        }
    }

    /// Asks by the business number, and by the order it belongs to.
    public func query(
        _ operation: CustodianOperation, serial: String, sentOn: BusinessDate, about subject: InstructionSubject
    ) async -> Reply<CustodianResult> {
        switch (operation, subject.orderNumber) {
        case (.refund, let order?): return await queryRefund(subject.number, of: order)
        case (.split, let order?):
            return await querySplit(number: subject.number, orderNumber: order, serial: serial)
                .reading { split throws(Doubt) in
                    CustodianResult(state: AlipayDirect.outcome(of: split), bankNumber: nil, bankDate: nil)
                }
        case (.confirmSettlement, let order?): return await queryConfirmation(subject.number, of: order)
        case (.collect, _):
            return await queryCollection(number: subject.number, serial: serial).reading { found throws(Doubt) in
                let isKnown = found.state != .absent
                return CustodianResult(
                    state: isKnown ? .succeeded : .absent(safeAfter: nil), bankNumber: found.bankNumber, bankDate: nil)
            }
        default: return await query(operation, serial: subject.number, sentOn: sentOn)
        }
    }

    /// What a split as a whole came to: one that Alipay carried out has failed where a receiver got nothing.
    private static func outcome(of split: CustodianSplit) -> CustodianResult.State {
        guard split.state == .succeeded else { return split.state }
        let failures = split.items.compactMap { item -> Refusal? in
            if case .failed(let refusal) = item.state { refusal } else { nil }
        }
        guard let first = failures.first else { return .succeeded }
        return .failed(
            failures.count == split.items.count
                ? first : Refusal(code: "PARTLY_FAILED", message: "some receivers got nothing: \(first.code)"))
    }

    /// `alipay.fund.trans.common.query`.
    private func queryTransfer(_ number: String) async -> Reply<CustodianResult> {
        let answer = await call(
            .query, "alipay.fund.trans.common.query",
            [
                "out_biz_no": .string(number), "product_code": "TRANS_ACCOUNT_NO_PWD",
                "biz_scene": "DIRECT_TRANSFER",
            ])
        if case .refused(let refusal) = answer, refusal.code == "ORDER_NOT_EXIST" { return .answered(.absentResult) }
        return answer.reading { node throws(Doubt) in try AlipayDirect.transferred(node) }
    }

    /// `alipay.trade.fastpay.refund.query`; without `refund_status` it was not received, or failed.
    private func queryRefund(_ number: String, of order: String) async -> Reply<CustodianResult> {
        let answer = await call(
            .query, "alipay.trade.fastpay.refund.query",
            [
                "out_trade_no": .string(order), "out_request_no": .string(number),
                "query_options": ["gmt_refund_pay", "deposit_back_info"],
            ])
        if case .refused(let refusal) = answer, refusal.code == AlipayCodes.tradeNotExist {
            return .answered(.absentResult)
        }
        return answer.reading { node throws(Doubt) in
            guard let status = node["refund_status"]?.string, !status.isEmpty else { return .absentResult }
            guard node["out_request_no"]?.string == number, status == "REFUND_SUCCESS" || status == "REFUND_PROCESSING"
            else { throw Doubt(.malformedAnswer, "fastpay.refund.query") }
            return CustodianResult(
                state: status == "REFUND_SUCCESS" ? .succeeded : .processing(finishBy: nil),
                bankNumber: node["trade_no"]?.string, bankDate: nil)
        }
    }

    /// A confirmation is among the order's settlements once it was taken.
    private func queryConfirmation(_ number: String, of order: String) async -> Reply<CustodianResult> {
        await trade(of: order, for: .query).reading { trade throws(Doubt) in
            trade.confirmations.contains { $0.number == number } ? AlipayDirect.done(trade.number) : .absentResult
        }
    }

    /// `ant.merchant.expand.indirect.zftorder.query`: the last application to open a sub-merchant, or to change it.
    private func queryApplication(of number: String, isChange: Bool) async -> Reply<CustodianResult> {
        let answer = await call(
            .query, "ant.merchant.expand.indirect.zftorder.query", ["external_id": .string(number)])
        if case .refused(let refusal) = answer, refusal.code.hasSuffix("ORDER_NOT_EXIST") {
            return .answered(.absentResult)
        }
        return answer.reading { node throws(Doubt) in
            let order = (node["orders"]?.array ?? []).last {
                let type = $0["apply_type"]?.string ?? ""
                return type.contains("CREATE") != isChange
            }
            guard let order else { return .absentResult }
            let state: CustodianResult.State
            switch try order.text("status") {
            case "99": state = .succeeded
            case "-1":
                let reason = order["reason"]?.string ?? order["fk_audit_memo"]?.string ?? ""
                state = .failed(Refusal(code: "REJECTED", message: CustodianText.masked(reason)))
            case "031", "0", "1": state = .processing(finishBy: nil)
            case let other: throw Doubt(.malformedAnswer, "status \(other)")
            }
            return CustodianResult(state: state, bankNumber: order["order_id"]?.string, bankDate: nil)
        }
    }

    /// Reads a notification of a payment or refund, or a message about a sub-merchant, a split or a transfer.
    public func notice(in body: [UInt8]) throws(Doubt) -> CustodianNotice {
        guard let form = try? URLForm.decode(body) else { throw Doubt(.malformedAnswer, "no form") }
        var fields: [String: String] = [:]
        for field in form { fields[field.name] = field.value }
        guard let method = fields["msg_method"], !method.isEmpty else { return try payment(fields) }
        guard let content = try? JSON(parsing: fields["biz_content"] ?? "") else {
            throw Doubt(.malformedAnswer, "biz_content")
        }
        switch method {
        case "ant.merchant.expand.indirect.zft.passed", "ant.merchant.expand.indirect.zft.rejected":
            return .subMerchant(number: try content.text("external_id"))
        case "alipay.trade.order.settle.notify":
            var states: [CustodianResult.State] = []
            for detail in content["royalty_detail_list"]?.array ?? [] { states.append(try AlipayDirect.state(detail)) }
            // One receiver that failed makes the split as a whole a matter for the query, item by item.
            let isDone = states.allSatisfy { $0 == .succeeded }
            return .instruction(
                .split, serial: try content.text("out_request_no"),
                CustodianResult(
                    state: isDone ? .succeeded : .processing(finishBy: nil),
                    bankNumber: content["settle_no"]?.string, bankDate: nil))
        case "alipay.fund.trans.order.changed":
            return .instruction(
                .transfer, serial: try content.text("out_biz_no"), try AlipayDirect.transferred(content))
        default: return .other(method)
        }
    }

    private func payment(_ fields: [String: String]) throws(Doubt) -> CustodianNotice {
        guard let type = fields["notify_type"] else { throw Doubt(.malformedAnswer, "no notify_type") }
        guard type == "trade_status_sync" else { return .other(type) }
        guard let number = fields["out_trade_no"], !number.isEmpty, let payment = ChannelPayment(alipayNotice: fields)
        else { throw Doubt(.malformedAnswer, "trade_status_sync") }
        // `refund_fee` sums all refunds so far; which one this is about stands in `out_biz_no`.
        if let refund = fields["out_biz_no"], !refund.isEmpty, fields["refund_fee"] != nil {
            return .instruction(
                .refund, serial: refund,
                CustodianResult(state: .succeeded, bankNumber: fields["trade_no"], bankDate: nil))
        }
        return .collection(number: number, CustodianCollection(payment))
    }
}
