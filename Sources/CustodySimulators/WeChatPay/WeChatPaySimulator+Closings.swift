import CustodyDomain
import CustodyWire

/// An application to close a sub-merchant and pay out what it has (注销提现申请单).
struct WeChatPayClosing {
    let applymentID: String
    let outRequestNo: String
    let subMchid: String
    let request: JSON
    let isWithdrawing: Bool
    /// `ACCEPTED`, `REVIEWING`, `REJECTED`, `WAITING_MERCHANT_CONFIRM`, `REVOKED`, `SYSTEM_PROCESSING`, `CANCELED`,
    /// `FUND_PROCESSING`, `FINISH`.
    var state = "ACCEPTED"
    var description = "申请单已受理"
    /// What is paid out of the basic account, once it is.
    var amount = Fen.zero
    /// `PAY_PROCESSING`, `PAY_SUCCEED`, `PAY_FAIL`, `BANK_REFUNDED`; nil before.
    var payState: String?
    var modifiedAt: Instant
}

extension WeChatPayRoute {
    private static let closing = "/v3/ecommerce/account/apply-cancel-withdraw"

    /// The end of sub-merchants with the money they have left (注销提现).
    static let closings: [WeChatPayRoute] = [
        WeChatPayRoute("POST", closing, "close_account", for: ecommerce) { simulator, call throws(WeChatPayFailure) in
            let accepted = try simulator.acceptClosing(call)
            return .json([
                "applyment_id": .string(accepted.applymentID), "out_request_no": .string(accepted.outRequestNo),
            ])
        },
        WeChatPayRoute("POST", "\(closing)/confirm", "confirm_closing", for: ecommerce) {
            simulator, call throws(WeChatPayFailure) in
            let confirmed = try simulator.confirmClosing(call)
            return .json([
                "applyment_id": .string(confirmed.applymentID), "out_request_no": .string(confirmed.outRequestNo),
                "sub_mchid": .string(confirmed.subMchid),
            ])
        },
        WeChatPayRoute("GET", "\(closing)/out-request-no/{out_request_no}", "query_closing", for: ecommerce) {
            simulator, call throws(WeChatPayFailure) in
            guard let found = call.merchant.closings[call.parameter("out_request_no")] else {
                throw .absent("注销提现申请单不存在")
            }
            return .json(found.json(call.merchant))
        },
        WeChatPayRoute("GET", "\(closing)/applyment-id/{applyment_id}", "query_closing", for: ecommerce) {
            simulator, call throws(WeChatPayFailure) in
            let id = call.parameter("applyment_id")
            guard let found = call.merchant.closings.values.first(where: { $0.applymentID == id }) else {
                throw .absent("注销提现申请单不存在")
            }
            return .json(found.json(call.merchant))
        },
        WeChatPayRoute("GET", "\(closing)/validate-cancel/{sub_mchid}", "validate_closing", for: ecommerce) {
            simulator, call throws(WeChatPayFailure) in
            .json(try simulator.validateClosing(call))
        },
    ]
}

extension WeChatPaySimulator {
    /// Why a sub-merchant cannot be closed.
    private func blocks(_ sub: WeChatPaySubMerchant, _ merchant: WeChatPayMerchant) -> [(type: String, text: String)] {
        var blocks: [(String, String)] = []
        if sub.complaintCount > 0 { blocks.append(("CONSUMER_COMPLAINT_UNPROCESSED", "存在未处理的消费者投诉")) }
        if sub.isFrozen { blocks.append(("HAS_BLOCKING_CONTROL", "商户存在阻断注销的管控")) }
        let isMoving =
            merchant.withdrawals.values.contains { $0.mchid == sub.subMchid && $0.status == "CREATE_SUCCESS" }
            || merchant.dayEndWithdrawals.values.contains {
                $0.subMchid == sub.subMchid && ["CREATED", "PROCESSING"].contains($0.status)
            }
        if isMoving || (merchant.accounts[sub.subMchid]?.held ?? .zero) > .zero {
            blocks.append(("FUNDS_PENDING_PROCESSING", "商户存在待处理的资金"))
        }
        return blocks
    }

    /// Says whether a sub-merchant could be closed now, and what it has.
    func validateClosing(_ call: WeChatPayCall) throws(WeChatPayFailure) -> JSON {
        let sub = try call.subMerchant(call.parameter("sub_mchid"))
        let account = call.merchant.accounts[sub.subMchid] ?? WeChatPayAccount()
        let blocks = sub.isClosed ? [] : blocks(sub, call.merchant)
        let isAllowed = blocks.isEmpty && !sub.isClosed
        let json: JSON = [
            "sub_mchid": .string(sub.subMchid), "merchant_state": sub.isClosed ? "HAS_BEEN_CANCELLED" : "NORMAL",
            "validate_result": isAllowed ? "ALLOW_CANCEL_WITHDRAW" : "NOT_ALLOW_CANCEL_WITHDRAW",
            "account_info": [
                [
                    "out_account_type": "BASIC_ACCOUNT",
                    "amount": JSON((account.available + account.held).value),
                ]
            ],
            "block_reasons": blocks.isEmpty
                ? .null : .array(blocks.map { ["type": .string($0.type), "description": .string($0.text)] }),
        ]
        return json.omittingNulls
    }

    /// Takes an application; its number may come again.
    func acceptClosing(_ call: WeChatPayCall) throws(WeChatPayFailure) -> WeChatPayClosing {
        let (body, merchant) = (try call.body(), call.merchant)
        let number = try call.number("out_request_no", 1...32, isAlphanumeric: true)
        let sub = try call.subMerchant(body["sub_mchid"]?.string)
        let withdraw = body["withdraw"]?.string ?? "APPLY_WITHDRAW"
        guard ["APPLY_WITHDRAW", "NOT_APPLY_WITHDRAW"].contains(withdraw) else { throw .parameter("withdraw无效") }
        if let known = merchant.closings[number] {
            // The same field sealed twice is different text.
            guard known.subMchid == sub.subMchid, known.isWithdrawing == (withdraw == "APPLY_WITHDRAW") else {
                throw .conflict
            }
            return known
        }
        guard !sub.isClosed else { throw .invalid("二级商户已注销") }
        let isOpen = merchant.closings.values.contains {
            $0.subMchid == sub.subMchid && !["REJECTED", "REVOKED", "CANCELED", "FINISH"].contains($0.state)
        }
        guard !isOpen else { throw .invalid("存在处理中的注销提现申请单") }
        try checkPayee(call)
        let hasMoney = (merchant.accounts[sub.subMchid]?.available ?? .zero) > .zero
        guard withdraw == "APPLY_WITHDRAW" || !hasMoney else { throw .invalid("商户账户余额不为0，须申请提取资金") }
        let closing = WeChatPayClosing(
            applymentID: freshNumber("2000", at: call.now, digits: 20), outRequestNo: number, subMchid: sub.subMchid,
            request: body.sorted, isWithdrawing: withdraw == "APPLY_WITHDRAW", modifiedAt: call.now)
        merchant.closings[number] = closing
        plan(merchant.mchid, number, after: 10, from: "ACCEPTED", at: call.now)
        return closing
    }

    /// The account that money would go to: sealed where it is personal.
    private func checkPayee(_ call: WeChatPayCall) throws(WeChatPayFailure) {
        guard let payee = try call.body()["payee_info"], let account = payee["bank_account_info"],
            ["ACCOUNT_TYPE_CORPORATE", "ACCOUNT_TYPE_PERSONAL"].contains(payee["account_type"]?.string ?? ""),
            account["account_bank"]?.string?.isEmpty == false
        else { throw .parameter("payee_info无效") }
        for name in ["account_name", "account_number"] {
            guard try !opened(call, account[name], name).isEmpty else { throw .parameter("\(name)无效") }
        }
        guard payee["account_type"]?.string == "ACCOUNT_TYPE_PERSONAL" else { return }
        for name in ["identification_name", "identification_no"] {
            guard try !opened(call, payee["identity_info"]?[name], name).isEmpty else {
                throw .parameter("\(name)无效")
            }
        }
    }

    /// The platform says that the sub-merchant wants it.
    func confirmClosing(_ call: WeChatPayCall) throws(WeChatPayFailure) -> WeChatPayClosing {
        let (body, merchant) = (try call.body(), call.merchant)
        let id = body["applyment_id"]?.string
        let number =
            body["out_request_no"]?.string ?? merchant.closings.values.first { $0.applymentID == id }?.outRequestNo
        guard let number, var closing = merchant.closings[number], closing.subMchid == body["sub_mchid"]?.string else {
            throw .absent("注销提现申请单不存在")
        }
        guard try call.text("operator_identification", 1...100).isEmpty == false,
            let time = body["confirm_time"]?.string, Instant(text: time) != nil,
            body["cancel_contract_version"]?.string?.isEmpty == false
        else { throw .parameter("confirm_time或cancel_contract_version无效") }
        if closing.state == "WAITING_MERCHANT_CONFIRM" {
            closing.state = "SYSTEM_PROCESSING"
            closing.description = "系统处理中"
            closing.modifiedAt = call.now
            merchant.closings[number] = closing
            plan(merchant.mchid, number, after: 60, from: "SYSTEM_PROCESSING", at: call.now)
        } else if !["SYSTEM_PROCESSING", "FUND_PROCESSING", "CANCELED", "FINISH"].contains(closing.state) {
            throw .invalid("申请单不是待商户确认状态")
        }
        return closing
    }

    private func plan(_ mchid: String, _ number: String, after seconds: Int64, from state: String, at now: Instant) {
        clock.schedule(mchid, at: now + .seconds(seconds)) { [self] at in
            await advanceClosing(mchid, number, from: state, at)
        }
    }

    /// An application takes its next step, if it is where it was.
    private func advanceClosing(_ mchid: String, _ number: String, from state: String, _ at: Instant) {
        guard let merchant = merchants[mchid], var closing = merchant.closings[number], closing.state == state,
            let sub = merchant.subMerchants[closing.subMchid]
        else { return }
        closing.modifiedAt = at
        switch state {
        case "ACCEPTED":
            (closing.state, closing.description) = ("REVIEWING", "审核中")
            plan(mchid, number, after: 60, from: "REVIEWING", at: at)
        case "REVIEWING":
            let fault = outcome("closing_result", merchant, serial: number, amount: .zero)
            let block = blocks(sub, merchant).first?.text
            if fault?.fault == "processing" { return }
            if fault?.fault == "rejected" || block != nil {
                (closing.state, closing.description) = (
                    "REJECTED", fault?.parameters["reason"]?.string ?? block ?? "证明材料不清晰"
                )
            } else {
                (closing.state, closing.description) = ("WAITING_MERCHANT_CONFIRM", "待商户确认注销")
                plan(mchid, number, after: 30 * 86_400, from: "WAITING_MERCHANT_CONFIRM", at: at)
            }
        case "WAITING_MERCHANT_CONFIRM":
            (closing.state, closing.description) = ("REVOKED", "超过30天未经商户确认，已撤销")
        case "SYSTEM_PROCESSING": close(&closing, merchant, at)
        case "FUND_PROCESSING": payOut(&closing, merchant, at)
        default: return
        }
        merchant.closings[number] = closing
    }

    /// The sub-merchant is no more; its money is on its way.
    private func close(_ closing: inout WeChatPayClosing, _ merchant: WeChatPayMerchant, _ at: Instant) {
        merchant.subMerchants[closing.subMchid]?.isClosed = true
        guard closing.isWithdrawing else {
            (closing.state, closing.description) = ("CANCELED", "商户号已注销")
            return
        }
        closing.amount = merchant.accounts[closing.subMchid]?.available ?? .zero
        closing.payState = "PAY_PROCESSING"
        (closing.state, closing.description) = ("FUND_PROCESSING", "资金处理中")
        book(
            merchant, closing.subMchid, -closing.amount, .available, "注销提现", "提现", closing.applymentID,
            closing.outRequestNo, at)
        plan(merchant.mchid, closing.outRequestNo, after: 60, from: "FUND_PROCESSING", at: at)
    }

    /// The bank has paid, or has not.
    private func payOut(_ closing: inout WeChatPayClosing, _ merchant: WeChatPayMerchant, _ at: Instant) {
        let fault = outcome(
            "closing_payment_result", merchant, serial: closing.outRequestNo, amount: closing.amount)
        if fault?.fault == "processing" { return }
        (closing.state, closing.description) = ("FINISH", "处理完成")
        closing.payState = fault?.fault == "failed" ? "PAY_FAIL" : "PAY_SUCCEED"
        if fault?.fault == "failed" { giveBack(closing, merchant, at) }
        guard fault?.fault == "returned" else { return }
        let (mchid, number) = (merchant.mchid, closing.outRequestNo)
        let days = fault?.parameters["after_days"]?.integer ?? 1
        clock.schedule(mchid, at: at + .seconds(days * 86_400)) { [self] at in
            await returnClosing(mchid, number, at)
        }
    }

    private func returnClosing(_ mchid: String, _ number: String, _ at: Instant) {
        guard let merchant = merchants[mchid], let closing = merchant.closings[number],
            closing.payState == "PAY_SUCCEED"
        else { return }
        giveBack(closing, merchant, at)
        merchant.closings[number]?.payState = "BANK_REFUNDED"
        merchant.closings[number]?.modifiedAt = at
    }

    private func giveBack(_ closing: WeChatPayClosing, _ merchant: WeChatPayMerchant, _ at: Instant) {
        book(
            merchant, closing.subMchid, closing.amount, .available, "注销提现退回", "提现", closing.applymentID,
            closing.outRequestNo, at)
    }
}

extension WeChatPayClosing {
    /// The application as a query shows it.
    func json(_ merchant: WeChatPayMerchant) -> JSON {
        let withdrawal: [String: String] = [
            "PAY_PROCESSING": "WITHDRAW_PROCESSING", "PAY_SUCCEED": "WITHDRAW_SUCCEED",
            "PAY_FAIL": "WITHDRAW_EXCEPTION", "BANK_REFUNDED": "WITHDRAW_EXCEPTION",
        ]
        let left = payState == nil ? merchant.accounts[subMchid]?.available ?? .zero : amount
        let confirmation: JSON = [
            "confirm_cancel_url": .string("https://pay.weixin.qq.com/public/cancel/s?applymentId=\(applymentID)")
        ]
        let json: JSON = [
            "applyment_id": .string(applymentID), "out_request_no": .string(outRequestNo),
            "cancel_state": .string(state), "cancel_state_description": .string(description),
            "withdraw": isWithdrawing ? "APPLY_WITHDRAW" : "NOT_APPLY_WITHDRAW",
            "withdraw_state": JSON(payState.flatMap { withdrawal[$0] }),
            "account_withdraw_result": payState.map {
                [
                    [
                        "out_account_type": "BASIC_ACCOUNT", "pay_state": .string($0),
                        "state_description": .string($0 == "PAY_SUCCEED" ? "付款成功" : "付款未成功"),
                    ]
                ]
            } ?? .null,
            "modify_time": .string(modifiedAt.rfc3339Shanghai), "sub_mchid": .string(subMchid),
            "account_info": [["out_account_type": "BASIC_ACCOUNT", "amount": JSON(left.value)]],
            "confirm_cancel": state == "WAITING_MERCHANT_CONFIRM" ? confirmation : .null,
        ]
        return json.omittingNulls
    }
}
