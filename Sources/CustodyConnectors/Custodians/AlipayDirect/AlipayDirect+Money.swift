import CustodyDomain
import CustodyWire

/// Paying out of the platform's own account, and what Alipay tells by itself.
extension AlipayDirect {
    /// `alipay.fund.trans.uni.transfer`: from the platform's account to an Alipay user. Needs certificate mode.
    public func transfer(_ transfer: TransferInstruction, serial: String) async -> Reply<CustodianResult> {
        await call(
            .transfer, "alipay.fund.trans.uni.transfer",
            [
                "out_biz_no": .string(transfer.number), "trans_amount": .string(transfer.amount.yuan),
                "product_code": "TRANS_ACCOUNT_NO_PWD", "biz_scene": "DIRECT_TRANSFER",
                "order_title": .string(transfer.memo),
                "payee_info": ["identity": .string(transfer.to), "identity_type": "ALIPAY_USER_ID"],
            ]
        ).reading { node throws(Doubt) in try AlipayDirect.transferred(node) }
    }

    /// `alipay.fund.account.query`: the platform's own account.
    public func queryBalance(of account: String, serial: String) async -> Reply<CustodianBalance> {
        await call(
            .queryBalance, "alipay.fund.account.query",
            ["alipay_user_id": .string(account), "account_type": "ACCTRANS_ACCOUNT"]
        ).reading { node throws(Doubt) in
            let available = try node.amount("available_amount")
            let frozen = node.yuan("freeze_amount") ?? .zero
            return CustodianBalance(
                account: account, total: available + frozen, available: available, withdrawable: available,
                pending: .zero, frozen: frozen, inTransit: .zero)
        }
    }

    /// Transfers can be asked for by number alone; everything else is sent again, and answered with its first outcome.
    public func query(
        _ operation: CustodianOperation, serial: String, sentOn: BusinessDate
    ) async -> Reply<CustodianResult> {
        guard operation == .transfer else { return unsupported(.query) }
        let answer = await call(
            .query, "alipay.fund.trans.common.query",
            [
                "out_biz_no": .string(serial), "product_code": "TRANS_ACCOUNT_NO_PWD",
                "biz_scene": "DIRECT_TRANSFER",
            ])
        if case .refused(let refusal) = answer, refusal.code == "ORDER_NOT_EXIST" {
            return .answered(CustodianResult(state: .absent(safeAfter: nil), bankNumber: nil, bankDate: nil))
        }
        return answer.reading { node throws(Doubt) in try AlipayDirect.transferred(node) }
    }

    /// Reads a notification of a payment, or a message about a sub-merchant or a split.
    public func notice(in body: [UInt8]) throws(Doubt) -> CustodianNotice {
        guard let form = try? URLForm.decode(body) else { throw Doubt(.malformedAnswer, "no form") }
        var fields: [String: String] = [:]
        for field in form { fields[field.name] = field.value }
        guard let method = fields["msg_method"], !method.isEmpty else { return try collection(fields) }
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
        default: return .other(method)
        }
    }

    private func collection(_ fields: [String: String]) throws(Doubt) -> CustodianNotice {
        guard let type = fields["notify_type"] else { throw Doubt(.malformedAnswer, "no notify_type") }
        guard type == "trade_status_sync" else { return .other(type) }
        guard let number = fields["out_trade_no"], !number.isEmpty, let payment = ChannelPayment(alipayNotice: fields)
        else { throw Doubt(.malformedAnswer, "trade_status_sync") }
        return .collection(number: number, CustodianCollection(payment))
    }

    /// Reads what became of a transfer; one that a bank sent back failed after all.
    private static func transferred(_ node: JSON) throws(Doubt) -> CustodianResult {
        let state: CustodianResult.State
        let number = node["order_id"]?.string
        let reason = CustodianText.masked(node["fail_reason"]?.string ?? "")
        switch try node.text("status") {
        case "SUCCESS": state = .succeeded
        case "DEALING", "WAIT_PAY": state = .processing(finishBy: node.instant("arrival_time_end"))
        case "FAIL", "CLOSED":
            state = .failed(Refusal(code: node["error_code"]?.string ?? "FAIL", message: reason))
        case "REFUND": state = .returned(number: number ?? "", on: nil, reason: reason)
        case let other: throw Doubt(.malformedAnswer, "status \(other)")
        }
        return CustodianResult(
            state: state, bankNumber: number, bankDate: node.instant("pay_date").map { BusinessDate(of: $0) })
    }
}
