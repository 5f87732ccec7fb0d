import CustodyDomain
import CustodyWire

extension WeChatPayRoute {
    /// Balances and withdrawals (余额, 提现), of sub-merchants and of the platform itself.
    static let funds: [WeChatPayRoute] = [
        WeChatPayRoute("GET", "/v3/ecommerce/fund/balance/{sub_mchid}", "balance", for: ecommerce) {
            simulator, call throws(WeChatPayFailure) in
            let sub = try call.subMerchant(call.parameter("sub_mchid")).subMchid
            return .json(try simulator.balance(call, sub, call.request.queryField("account_type") ?? "BASIC"))
        },
        WeChatPayRoute("GET", "/v3/ecommerce/fund/enddaybalance/{sub_mchid}", "day_end_balance", for: ecommerce) {
            simulator, call throws(WeChatPayFailure) in
            let sub = try call.subMerchant(call.parameter("sub_mchid")).subMchid
            return .json(try simulator.dayEndBalance(call, sub))
        },
        WeChatPayRoute("GET", "/v3/merchant/fund/balance/{account_type}", "balance") {
            simulator, call throws(WeChatPayFailure) in
            .json(try simulator.balance(call, call.merchant.mchid, call.parameter("account_type")))
        },
        WeChatPayRoute("GET", "/v3/merchant/fund/dayendbalance/{account_type}", "day_end_balance") {
            simulator, call throws(WeChatPayFailure) in
            .json(try simulator.dayEndBalance(call, call.merchant.mchid))
        },
        WeChatPayRoute("POST", "/v3/ecommerce/fund/withdraw", "withdraw", for: ecommerce, limits: [.perSecond(40)]) {
            simulator, call throws(WeChatPayFailure) in
            let sub = try call.subMerchant(try call.body()["sub_mchid"]?.string)
            return .json(try simulator.acceptWithdrawal(call, sub.subMchid, sub).acceptance)
        },
        WeChatPayRoute("POST", "/v3/merchant/fund/withdraw", "withdraw", limits: [.perSecond(40)]) {
            simulator, call throws(WeChatPayFailure) in
            .json(try simulator.acceptWithdrawal(call, call.merchant.mchid, nil).acceptance)
        },
        WeChatPayRoute(
            "GET", "/v3/ecommerce/fund/withdraw/out-request-no/{out_request_no}", "query_withdraw", for: ecommerce
        ) { simulator, call throws(WeChatPayFailure) in
            let sub = try call.query("sub_mchid")
            let key = WeChatPayMerchant.key(sub, call.parameter("out_request_no"))
            return .json(try simulator.withdrawal(call, key).json(call.merchant))
        },
        WeChatPayRoute("GET", "/v3/ecommerce/fund/withdraw/{withdraw_id}", "query_withdraw", for: ecommerce) {
            simulator, call throws(WeChatPayFailure) in
            let sub = try call.query("sub_mchid")
            let found = call.merchant.withdrawals.first {
                $0.value.withdrawID == call.parameter("withdraw_id") && $0.value.mchid == sub
            }
            return .json(try simulator.withdrawal(call, found?.key ?? "").json(call.merchant))
        },
        WeChatPayRoute(
            "GET", "/v3/merchant/fund/withdraw/out-request-no/{out_request_no}", "query_withdraw"
        ) { simulator, call throws(WeChatPayFailure) in
            let key = WeChatPayMerchant.key(call.merchant.mchid, call.parameter("out_request_no"))
            return .json(try simulator.withdrawal(call, key).json(call.merchant))
        },
        WeChatPayRoute("GET", "/v3/merchant/fund/withdraw/withdraw-id/{withdraw_id}", "query_withdraw") {
            simulator, call throws(WeChatPayFailure) in
            let found = call.merchant.withdrawals.first { $0.value.withdrawID == call.parameter("withdraw_id") }
            return .json(try simulator.withdrawal(call, found?.key ?? "").json(call.merchant))
        },
    ]
}

extension WeChatPaySimulator {
    func balance(_ call: WeChatPayCall, _ mchid: String, _ type: String) throws(WeChatPayFailure) -> JSON {
        guard ["BASIC", "OPERATION", "FEES", "DEPOSIT"].contains(type) else { throw .parameter("account_type无效") }
        let account = type == "BASIC" ? call.merchant.accounts[mchid] : nil
        return [
            "sub_mchid": mchid == call.merchant.mchid ? .null : .string(mchid), "account_type": .string(type),
            "available_amount": JSON((account?.available ?? .zero).value),
            "pending_amount": JSON((account?.held ?? .zero).value),
        ]
    }

    func dayEndBalance(_ call: WeChatPayCall, _ mchid: String) throws(WeChatPayFailure) -> JSON {
        guard let date = BusinessDate(try call.query("date")) else { throw .parameter("date无效") }
        let today = BusinessDate(of: call.now)
        guard date < today, date >= today.advanced(by: -90) else { throw .parameter("只能查询90天内的日终余额") }
        let end = date.advanced(by: 1).start
        guard call.now >= end + .seconds(10 * 3600) else { throw .invalid("日终余额尚未生成") }
        let (available, held) = call.merchant.accounts[mchid]?.balances(before: end) ?? (.zero, .zero)
        return [
            "sub_mchid": mchid == call.merchant.mchid ? .null : .string(mchid), "account_type": "BASIC",
            "available_amount": JSON(available.value), "pending_amount": JSON(held.value),
        ]
    }

    /// What may be withdrawn at once.
    static let withdrawalLimit = Fen(80_000_000_000)
    /// How long a number of a withdrawal may be used again.
    static let withdrawalNumberDays: Int64 = 6

    /// Accepts a withdrawal, or gives the same one again. The money leaves the account at once.
    ///
    /// One for which there is too little money stays as `INIT`: sent again within six days, it is tried again.
    func acceptWithdrawal(
        _ call: WeChatPayCall, _ mchid: String, _ sub: WeChatPaySubMerchant?
    ) throws(WeChatPayFailure) -> WeChatPayWithdrawal {
        let (body, merchant) = (try call.body(), call.merchant)
        let outRequestNo = try call.number("out_request_no", 1...32, isAlphanumeric: true)
        let key = WeChatPayMerchant.key(mchid, outRequestNo)
        if let known = merchant.withdrawals[key] {
            guard known.request == body.sorted else { throw .conflict }
            guard call.now < known.createdAt + .seconds(Self.withdrawalNumberDays * 86_400) else {
                throw .invalid("当前请求已经超过有效期")
            }
            guard known.status == "INIT" else { return known }
            return try pay(known, key, sub, call)
        }
        let amount = try call.amount(body["amount"], "amount")
        guard amount <= Self.withdrawalLimit else { throw .parameter("单笔提现金额不能超过8亿元") }
        if body["remark"] != nil { _ = try call.text("remark", 0...56) }
        if body["bank_memo"] != nil { _ = try call.text("bank_memo", 0...32) }
        if let type = body["account_type"]?.string, !["BASIC", "OPERATION", "FEES"].contains(type) {
            throw .parameter("account_type无效")
        }
        _ = try call.notifyURL()
        let withdrawal = WeChatPayWithdrawal(
            outRequestNo: outRequestNo, withdrawID: freshNumber("1090", at: call.now, digits: 28), mchid: mchid,
            request: body.sorted, amount: amount, createdAt: call.now, updatedAt: call.now)
        return try pay(withdrawal, key, sub, call)
    }

    /// Takes the money of a withdrawal out of its account, if it may leave.
    private func pay(
        _ withdrawal: WeChatPayWithdrawal, _ key: String, _ sub: WeChatPaySubMerchant?, _ call: WeChatPayCall
    ) throws(WeChatPayFailure) -> WeChatPayWithdrawal {
        let merchant = call.merchant
        try mayWithdraw(sub)
        merchant.withdrawals[key] = withdrawal
        let type = withdrawal.request["account_type"]?.string ?? "BASIC"
        let available = type == "BASIC" ? merchant.accounts[withdrawal.mchid]?.available ?? .zero : .zero
        guard available >= withdrawal.amount else { throw .notEnough("可用余额不足") }
        var withdrawal = withdrawal
        withdrawal.status = "CREATE_SUCCESS"
        withdrawal.updatedAt = call.now
        book(
            merchant, withdrawal.mchid, -withdrawal.amount, .available, "提现", "提现", withdrawal.withdrawID,
            withdrawal.outRequestNo, call.now)
        merchant.withdrawals[key] = withdrawal
        // The platform's own is only reserved: it is done on the next day.
        let dueAt =
            sub == nil
            ? BusinessDate(of: call.now).advanced(by: 1).start + .seconds(9 * 3600) : call.now + .seconds(60)
        let spMchid = merchant.mchid
        clock.schedule(spMchid, at: dueAt) { [self] at in await finishWithdrawal(spMchid, key, at) }
        return withdrawal
    }

    /// Whether a sub-merchant's money may leave; nil for the platform's own.
    func mayWithdraw(_ sub: WeChatPaySubMerchant?) throws(WeChatPayFailure) {
        guard let sub else { return }
        guard !sub.isClosed, !sub.isFrozen else { throw WeChatPayFailure(403, "NO_AUTH", "商户状态异常，不能提现") }
        guard sub.settlement?.verifyResult != "VERIFY_FAIL" else {
            throw WeChatPayFailure(400, "ACCOUNT_NOT_VERIFIED", "结算银行卡验证失败，不能提现")
        }
    }

    func finishWithdrawal(_ mchid: String, _ key: String, _ at: Instant) async {
        guard let merchant = merchants[mchid], let withdrawal = merchant.withdrawals[key],
            withdrawal.status == "CREATE_SUCCESS"
        else { return }
        let fault = outcome("withdraw_result", merchant, serial: withdrawal.outRequestNo, amount: withdrawal.amount)
        switch fault?.fault {
        case "processing": return
        case "delayed":
            clock.schedule(mchid, at: at + .seconds(fault?.seconds ?? 1800)) { [self] at in
                await finishWithdrawal(mchid, key, at)
            }
        case "failed":
            let reason = fault?.parameters["reason"]?.string ?? "户名与账号不符"
            await move(merchant, key, to: "FAIL", reason: reason, at)
        case "closed": await move(merchant, key, to: "CLOSE", reason: "提现单已关闭", at)
        case "returned":
            await move(merchant, key, to: "SUCCESS", reason: nil, at)
            let days = fault?.parameters["after_days"]?.integer ?? 1
            clock.schedule(mchid, at: at + .seconds(days * 86_400)) { [self] at in
                await returnWithdrawal(mchid, key, at)
            }
        default: await move(merchant, key, to: "SUCCESS", reason: nil, at)
        }
    }

    private func returnWithdrawal(_ mchid: String, _ key: String, _ at: Instant) async {
        guard let merchant = merchants[mchid] else { return }
        await move(merchant, key, to: "REFUND", reason: "收款银行退票", at)
    }

    /// A withdrawal goes to another state, if it may; what did not arrive is the merchant's again.
    ///
    /// - Returns: Whether it went there.
    @discardableResult
    func move(
        _ merchant: WeChatPayMerchant, _ key: String, to status: String, reason: String?, _ at: Instant
    ) async -> Bool {
        guard var withdrawal = merchant.withdrawals[key] else { return false }
        let next: Set<String> =
            switch withdrawal.status {
            case "INIT": ["CLOSE"]
            case "CREATE_SUCCESS": ["SUCCESS", "FAIL", "CLOSE"]
            case "SUCCESS": ["REFUND"]
            default: []
            }
        guard next.contains(status) else { return false }
        let isPaid = withdrawal.status != "INIT"
        withdrawal.status = status
        withdrawal.reason = reason
        withdrawal.updatedAt = at
        merchant.withdrawals[key] = withdrawal
        if isPaid, ["FAIL", "CLOSE", "REFUND"].contains(status) {
            book(
                merchant, withdrawal.mchid, withdrawal.amount, .available, status == "REFUND" ? "提现退票" : "提现失败",
                "提现", withdrawal.withdrawID, withdrawal.outRequestNo, at)
        }
        await notifyWithdrawal(merchant, withdrawal)
        return true
    }

    func withdrawal(_ call: WeChatPayCall, _ key: String) throws(WeChatPayFailure) -> WeChatPayWithdrawal {
        guard let withdrawal = call.merchant.withdrawals[key] else { throw .absent("提现单不存在") }
        return withdrawal
    }
}

extension WeChatPayWithdrawal {
    /// What is answered when it is asked for.
    var acceptance: JSON {
        [
            "sub_mchid": request["sub_mchid"] ?? .null, "withdraw_id": .string(withdrawID),
            "out_request_no": .string(outRequestNo), "account_type": request["account_type"] ?? "BASIC",
        ]
    }

    /// The withdrawal as a query shows it.
    func json(_ merchant: WeChatPayMerchant) -> JSON {
        let settlement = merchant.subMerchants[mchid]?.settlement
        // The platform's own names nobody: who asks is who owns it.
        let isOwn = mchid == merchant.mchid
        let json: JSON = [
            "sub_mchid": isOwn ? .null : .string(mchid), "sp_mchid": isOwn ? .null : .string(merchant.mchid),
            "status": .string(status), "withdraw_id": .string(withdrawID), "out_request_no": .string(outRequestNo),
            "amount": JSON(amount.value), "create_time": .string(createdAt.rfc3339Shanghai),
            "update_time": .string(updatedAt.rfc3339Shanghai), "reason": JSON(reason),
            "remark": request["remark"] ?? .null, "bank_memo": request["bank_memo"] ?? .null,
            "account_type": request["account_type"] ?? "BASIC",
            "account_number": JSON(settlement.map { String($0.accountNumber.suffix(4)) }),
            "account_bank": JSON(settlement?.bank),
            "solution": isOwn ? .string(reason == nil ? "" : "请核对银行账户信息后重新发起提现") : .null,
        ]
        return json.omittingNulls
    }
}
