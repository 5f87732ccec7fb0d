import CustodyDomain
import CustodyWire

/// A withdrawal of what there was at the end of the day before (按日终余额预约提现).
struct WeChatPayDayEndWithdrawal {
    let outRequestNo: String
    let withdrawID: String
    let subMchid: String
    let request: JSON
    let total: Fen
    let createdAt: Instant
    /// `CREATED`, `PROCESSING`, `FINISHED`, `ABNORMAL`.
    var status = "CREATED"
    /// What of it arrived, what failed, and what came back.
    var succeeded = Fen.zero
    var failed = Fen.zero
    var returned = Fen.zero
    var reason: String?
    var updatedAt: Instant
}

extension WeChatPayRoute {
    /// Withdrawals by the balance of a day's end.
    static let dayEndWithdrawals: [WeChatPayRoute] = [
        WeChatPayRoute(
            "POST", "/v3/platsolution/ecommerce/withdraw/day-end-balance-withdraw", "day_end_withdraw", for: ecommerce,
            limits: [.perSecond(40)]
        ) { simulator, call throws(WeChatPayFailure) in
            .json(try simulator.acceptDayEndWithdrawal(call).json(call.merchant))
        },
        WeChatPayRoute(
            "GET", "/v3/platsolution/ecommerce/withdraw/day-end-balance-withdraw/out-request-no/{out_request_no}",
            "query_day_end_withdraw", for: ecommerce
        ) { simulator, call throws(WeChatPayFailure) in
            let key = WeChatPayMerchant.key(try call.query("sub_mchid"), call.parameter("out_request_no"))
            guard let found = call.merchant.dayEndWithdrawals[key],
                call.now < found.createdAt + .seconds(90 * 86_400)
            else { throw .absent("提现单不存在") }
            return .json(found.json(call.merchant))
        },
    ]
}

extension WeChatPaySimulator {
    /// Accepts a withdrawal of yesterday's balance, or gives the same one again.
    func acceptDayEndWithdrawal(_ call: WeChatPayCall) throws(WeChatPayFailure) -> WeChatPayDayEndWithdrawal {
        let (body, merchant) = (try call.body(), call.merchant)
        let sub = try call.subMerchant(body["sub_mchid"]?.string)
        let outRequestNo = try call.number("out_request_no", 1...32, isAlphanumeric: true)
        let key = WeChatPayMerchant.key(sub.subMchid, outRequestNo)
        if let known = merchant.dayEndWithdrawals[key] {
            guard known.request == body.sorted else { throw .conflict }
            guard call.now < known.createdAt + .seconds(Self.withdrawalNumberDays * 86_400) else {
                throw .invalid("当前请求已经超过有效期")
            }
            return known
        }
        try mayWithdraw(sub)
        if body["remark"] != nil { _ = try call.text("remark", 0...56) }
        if body["bank_memo"] != nil { _ = try call.text("bank_memo", 0...32) }
        _ = try call.notifyURL()
        let total = try dayEndAmount(call, sub.subMchid)
        let withdrawal = WeChatPayDayEndWithdrawal(
            outRequestNo: outRequestNo, withdrawID: freshNumber("1091", at: call.now, digits: 28),
            subMchid: sub.subMchid, request: body.sorted, total: total, createdAt: call.now, updatedAt: call.now)
        book(
            merchant, sub.subMchid, -total, .available, "提现", "提现", withdrawal.withdrawID, outRequestNo, call.now)
        merchant.dayEndWithdrawals[key] = withdrawal
        let mchid = merchant.mchid
        clock.schedule(mchid, at: call.now + .seconds(10)) { [self] at in
            await startDayEndWithdrawal(mchid, key, at)
        }
        clock.schedule(mchid, at: call.now + .seconds(60)) { [self] at in
            await finishDayEndWithdrawal(mchid, key, at)
        }
        return withdrawal
    }

    /// Yesterday's balance less what is to stay; by command, no more than there is now.
    private func dayEndAmount(_ call: WeChatPayCall, _ sub: String) throws(WeChatPayFailure) -> Fen {
        let body = try call.body()
        let start = BusinessDate(of: call.now).start
        guard call.now >= start + .seconds(10 * 3600) else { throw .invalid("日终余额尚未生成") }
        guard call.now < start + .seconds(23 * 3600 + 55 * 60) else { throw .invalid("23:55后不再受理按日终余额预约提现") }
        let account = call.merchant.accounts[sub] ?? WeChatPayAccount()
        let dayEnd = account.balances(before: start).available
        let base: Fen
        switch body["calculate_amount_type"]?.string {
        case "ONLY_DAY_END_BALANCE": base = dayEnd
        case "ALLOW_CURRENT_BALANCE": base = min(account.available, dayEnd)
        default: throw .parameter("calculate_amount_type无效")
        }
        var reserve = Fen.zero
        if let field = body["reserve_amount"] {
            guard let fen = field.integer, fen >= 0 else { throw .parameter("reserve_amount无效") }
            reserve = Fen(fen)
        }
        guard account.available >= base else { throw .notEnough("当前余额少于日终余额") }
        guard base > reserve else { throw .notEnough("日终余额不足") }
        guard base - reserve <= Self.withdrawalLimit else { throw .parameter("单笔提现金额不能超过8亿元") }
        return base - reserve
    }

    private func startDayEndWithdrawal(_ mchid: String, _ key: String, _ at: Instant) {
        guard merchants[mchid]?.dayEndWithdrawals[key]?.status == "CREATED" else { return }
        merchants[mchid]?.dayEndWithdrawals[key]?.status = "PROCESSING"
        merchants[mchid]?.dayEndWithdrawals[key]?.updatedAt = at
    }

    /// The bank has paid, or has not, or a part of it.
    func finishDayEndWithdrawal(_ mchid: String, _ key: String, _ at: Instant) async {
        guard let merchant = merchants[mchid], var withdrawal = merchant.dayEndWithdrawals[key],
            ["CREATED", "PROCESSING"].contains(withdrawal.status)
        else { return }
        let fault = outcome(
            "day_end_withdraw_result", merchant, serial: withdrawal.outRequestNo, amount: withdrawal.total)
        switch fault?.fault {
        case "processing": return
        case "delayed":
            clock.schedule(mchid, at: at + .seconds(fault?.seconds ?? 1800)) { [self] at in
                await finishDayEndWithdrawal(mchid, key, at)
            }
            return
        case "failed":
            let part = fault?.parameters["fail_fen"]?.integer.map(Fen.init) ?? withdrawal.total
            withdrawal.failed = min(part, withdrawal.total)
            withdrawal.reason = "户名与账号不符"
        case "returned":
            let days = fault?.parameters["after_days"]?.integer ?? 1
            clock.schedule(mchid, at: at + .seconds(days * 86_400)) { [self] at in
                await returnDayEndWithdrawal(mchid, key, at)
            }
        default: break
        }
        withdrawal.succeeded = withdrawal.total - withdrawal.failed
        withdrawal.status = withdrawal.failed == .zero ? "FINISHED" : "ABNORMAL"
        withdrawal.updatedAt = at
        book(
            merchant, withdrawal.subMchid, withdrawal.failed, .available, "提现失败", "提现", withdrawal.withdrawID,
            withdrawal.outRequestNo, at)
        merchant.dayEndWithdrawals[key] = withdrawal
        await notifyDayEndWithdrawal(merchant, withdrawal)
    }

    /// The bank sends back what it had paid.
    private func returnDayEndWithdrawal(_ mchid: String, _ key: String, _ at: Instant) async {
        guard let merchant = merchants[mchid], var withdrawal = merchant.dayEndWithdrawals[key],
            withdrawal.succeeded > .zero
        else { return }
        book(
            merchant, withdrawal.subMchid, withdrawal.succeeded, .available, "提现退票", "提现", withdrawal.withdrawID,
            withdrawal.outRequestNo, at)
        withdrawal.returned = withdrawal.succeeded
        withdrawal.succeeded = .zero
        withdrawal.status = "ABNORMAL"
        withdrawal.reason = "收款银行退票"
        withdrawal.updatedAt = at
        merchant.dayEndWithdrawals[key] = withdrawal
        await notifyDayEndWithdrawal(merchant, withdrawal)
    }

    private func notifyDayEndWithdrawal(
        _ merchant: WeChatPayMerchant, _ withdrawal: WeChatPayDayEndWithdrawal
    ) async {
        _ = await notify(
            merchant, "MCHWITHDRAW.CHANGE", "提现状态变更", "mch_withdraw", withdrawal.json(merchant),
            url: withdrawal.request["notify_url"]?.string, operation: "withdraw_callback",
            serial: withdrawal.outRequestNo, amount: withdrawal.total)
    }
}

extension WeChatPayDayEndWithdrawal {
    /// The withdrawal as the API shows it.
    func json(_ merchant: WeChatPayMerchant) -> JSON {
        let settlement = merchant.subMerchants[subMchid]?.settlement
        let json: JSON = [
            "sp_mchid": .string(merchant.mchid), "sub_mchid": .string(subMchid), "status": .string(status),
            "withdraw_id": .string(withdrawID), "out_request_no": .string(outRequestNo),
            "total_amount": JSON(total.value), "success_amount": JSON(succeeded.value),
            "fail_amount": JSON(failed.value), "refund_amount": JSON(returned.value),
            "create_time": .string(createdAt.rfc3339Shanghai), "update_time": .string(updatedAt.rfc3339Shanghai),
            "reason": JSON(reason), "remark": request["remark"] ?? .null, "bank_memo": request["bank_memo"] ?? .null,
            "account_type": "BASIC",
            "account_number": .string(settlement.map { String($0.accountNumber.suffix(4)) } ?? ""),
            "account_bank": .string(settlement?.bank ?? ""),
        ]
        return json.omittingNulls
    }
}
