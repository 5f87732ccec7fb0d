import CustodyDomain
import CustodyWire

extension WeChatPayRoute {
    /// Settlement accounts of sub-merchants (结算账户).
    static let settlements: [WeChatPayRoute] = [
        WeChatPayRoute(
            "POST", "/v3/apply4sub/sub_merchants/{sub_mchid}/modify-settlement", "modify_settlement", for: partners,
            limits: [.perMinute(20)]
        ) { simulator, call throws(WeChatPayFailure) in
            .json(["application_no": .string(try simulator.changeSettlement(call).applicationNo)])
        },
        WeChatPayRoute(
            "GET", "/v3/apply4sub/sub_merchants/{sub_mchid}/application/{application_no}", "query_modification",
            for: partners
        ) { simulator, call throws(WeChatPayFailure) in
            let change = call.merchant.settlementChanges[call.parameter("application_no")]
            guard let change, change.subMchid == call.parameter("sub_mchid") else { throw .absent("申请单不存在") }
            return .json(change.json)
        },
        WeChatPayRoute("GET", "/v3/apply4sub/sub_merchants/{sub_mchid}/settlement", "settlement", for: partners) {
            simulator, call throws(WeChatPayFailure) in
            guard let settlement = try call.subMerchant(call.parameter("sub_mchid")).settlement else {
                throw .absent("结算账户不存在")
            }
            return .json(settlement.json)
        },
    ]
}

extension WeChatPaySimulator {
    /// Takes a change of the settlement account: at most five a day.
    func changeSettlement(_ call: WeChatPayCall) throws(WeChatPayFailure) -> WeChatPaySettlementChange {
        let (body, merchant) = (try call.body(), call.merchant)
        let sub = try call.subMerchant(call.parameter("sub_mchid"))
        guard let type = body["account_type"]?.string, ["ACCOUNT_TYPE_BUSINESS", "ACCOUNT_TYPE_PRIVATE"].contains(type)
        else { throw .parameter("account_type无效") }
        guard let area = body["bank_address_code"]?.string, !area.isEmpty else {
            throw .parameter("缺少bank_address_code")
        }
        if let mode = body["modify_mode"]?.string, mode != "MODIFY_MODE_ASYNC" { throw .parameter("modify_mode无效") }
        let today = merchant.settlementChanges.values.filter {
            $0.subMchid == sub.subMchid && BusinessDate(of: $0.createdAt) == BusinessDate(of: call.now)
        }
        guard today.count < 5 else { throw .ruleLimit("每日修改结算账户次数超限") }
        guard !today.contains(where: { $0.result == "AUDITING" }) else { throw .invalid("存在审核中的修改申请单") }
        let change = WeChatPaySettlementChange(
            applicationNo: freshNumber("1023", at: call.now, digits: 24), subMchid: sub.subMchid,
            settlement: .init(
                accountType: type, bank: try call.text("account_bank", 1...128),
                accountNumber: try opened(call, body["account_number"], "account_number")),
            accountName: body["account_name"] == nil
                ? sub.name : try opened(call, body["account_name"], "account_name"),
            createdAt: call.now)
        merchant.settlementChanges[change.applicationNo] = change
        let (mchid, number) = (merchant.mchid, change.applicationNo)
        clock.schedule(mchid, at: call.now + .seconds(60)) { [self] at in
            await finishSettlementChange(mchid, number, at)
        }
        return change
    }

    private func finishSettlementChange(_ mchid: String, _ number: String, _ at: Instant) {
        guard let merchant = merchants[mchid], var change = merchant.settlementChanges[number],
            change.result == "AUDITING"
        else { return }
        let fault = outcome("settlement_result", merchant, serial: number, amount: .zero)
        switch fault?.fault {
        case "processing": return
        case "delayed":
            clock.schedule(mchid, at: at + .seconds(fault?.seconds ?? 86_400)) { [self] at in
                await finishSettlementChange(mchid, number, at)
            }
            return
        case "failed":
            change.result = "AUDIT_FAIL"
            change.failReason = fault?.parameters["verify_fail_reason"]?.string ?? "开户名称与商户主体不一致"
        default:
            change.result = "AUDIT_SUCCESS"
            merchant.subMerchants[change.subMchid]?.settlement = change.settlement
            // A name that a small remittance must prove is proved later, or not.
            if let result = fault?.parameters["verify_result"]?.string {
                merchant.subMerchants[change.subMchid]?.settlement?.verifyResult = result
            }
        }
        change.finishedAt = at
        merchant.settlementChanges[number] = change
    }
}

extension WeChatPaySubMerchant.Settlement {
    /// The account as a query shows it: masked.
    var json: JSON {
        let json: JSON = [
            "account_type": .string(accountType), "account_bank": .string(bank),
            "account_number": .string(
                String(repeating: "*", count: max(0, accountNumber.count - 4)) + accountNumber.suffix(4)),
            "verify_result": .string(verifyResult), "verify_fail_reason": JSON(failReason),
        ]
        return json.omittingNulls
    }
}

extension WeChatPaySettlementChange {
    /// The application as a query shows it: masked.
    var json: JSON {
        var members = (settlement.json.members ?? []).filter { !$0.name.hasPrefix("verify") }
        members += [
            .init("account_name", .string(String(accountName.prefix(1)) + "*")),
            .init("verify_result", .string(result)),
        ]
        if let failReason { members.append(.init("verify_fail_reason", .string(failReason))) }
        if let finishedAt { members.append(.init("verify_finish_time", .string(finishedAt.rfc3339Shanghai))) }
        return .object(members)
    }
}
