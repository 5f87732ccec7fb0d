import CustodyDomain
import CustodyWire

extension WeChatPayRoute {
    /// Applications of sub-merchants (进件).
    static let applyments: [WeChatPayRoute] = [
        WeChatPayRoute("POST", "/v3/ecommerce/applyments", "applyment", for: ecommerce, limits: [.perSecond(15)]) {
            simulator, call throws(WeChatPayFailure) in
            .json(try simulator.acceptApplyment(call).acceptance)
        },
        WeChatPayRoute(
            "GET", "/v3/ecommerce/applyments/out-request-no/{out_request_no}", "query_applyment", for: ecommerce
        ) { simulator, call throws(WeChatPayFailure) in
            .json(try simulator.applyment(call).json(call.merchant))
        },
        WeChatPayRoute("GET", "/v3/ecommerce/applyments/{applyment_id}", "query_applyment", for: ecommerce) {
            simulator, call throws(WeChatPayFailure) in
            .json(try simulator.applyment(call).json(call.merchant))
        },
        WeChatPayRoute(
            "POST", "/v3/ecommerce/applyments/out-request-no/{out_request_no}/revoke", "revoke_applyment",
            for: ecommerce
        ) { simulator, call throws(WeChatPayFailure) in
            .json(try simulator.revokeApplyment(call).acceptance)
        },
        WeChatPayRoute(
            "POST", "/v3/ecommerce/applyments/{applyment_id}/revoke", "revoke_applyment", for: ecommerce
        ) { simulator, call throws(WeChatPayFailure) in
            .json(try simulator.revokeApplyment(call).acceptance)
        },
    ]
}

extension WeChatPaySimulator {
    private static let organizations: Set<String> = ["2401", "2500", "4", "2", "3", "2502", "1708"]
    /// Who may not be paid to a company's account.
    private static let persons: Set<String> = ["2401", "2500"]

    /// Takes an application; after a rejection, the same number takes the corrected form.
    func acceptApplyment(_ call: WeChatPayCall) throws(WeChatPayFailure) -> WeChatPayApplyment {
        let (body, merchant) = (try call.body(), call.merchant)
        let outRequestNo = try call.number("out_request_no", 1...124)
        let known = merchant.applyments[outRequestNo]
        if let known, known.state != "REJECTED" {
            // Sealing the same field twice gives different text, so that a repeat is told by what is in the open.
            guard known.request["organization_type"] == body["organization_type"],
                known.request["merchant_shortname"] == body["merchant_shortname"]
            else { throw .conflict }
            return known
        }
        guard Self.emptyField(body) == nil else { throw .parameter("不能传空值") }
        guard let organization = body["organization_type"]?.string, Self.organizations.contains(organization) else {
            throw .parameter("organization_type无效")
        }
        let shortName = try call.text("merchant_shortname", 1...64)
        guard body["sales_scene_info"]?["store_name"]?.string != nil else { throw .parameter("缺少sales_scene_info") }
        let license = body["business_license_info"]
        guard Self.persons.contains(organization) || license?["merchant_name"]?.string != nil else {
            throw .parameter("缺少business_license_info")
        }
        let contact = body["contact_info"]
        for name in ["contact_name", "mobile_phone"] {
            guard try !opened(call, contact?[name], "contact_info.\(name)").isEmpty else { throw .parameter(name) }
        }
        for name in ["id_card_name", "id_card_number"] where body["id_card_info"]?[name] != nil {
            _ = try opened(call, body["id_card_info"]?[name], "id_card_info.\(name)")
        }
        var applyment =
            known
            ?? WeChatPayApplyment(
                outRequestNo: outRequestNo,
                applymentID: 2_000_002_124_775_691 + Int64(merchant.applyments.count), request: body,
                name: "", createdAt: call.now, since: call.now)
        applyment.request = body
        applyment.name = license?["merchant_name"]?.string ?? shortName
        applyment.state = "CHECKING"
        applyment.auditDetail = []
        applyment.round += 1
        if let account = body["account_info"] {
            applyment.accountName = try opened(call, account["account_name"], "account_name")
            applyment.settlement = .init(
                accountType: account["bank_account_type"]?.string == "74"
                    ? "ACCOUNT_TYPE_BUSINESS" : "ACCOUNT_TYPE_PRIVATE",
                bank: account["account_bank"]?.string ?? "",
                accountNumber: try opened(call, account["account_number"], "account_number"))
        }
        merchant.applyments[outRequestNo] = applyment
        planApplyment(merchant, outRequestNo, at: call.now)
        return applyment
    }

    /// The path of a field that was sent empty; absent ones are fine, empty ones are not.
    private static func emptyField(_ json: JSON) -> String? {
        for member in json.members ?? [] {
            switch member.value {
            case .null, .string(""): return member.name
            case .object: if let found = emptyField(member.value) { return "\(member.name).\(found)" }
            default: continue
            }
        }
        return nil
    }

    /// A minute later the next state comes by itself, where the merchant was registered so or a fault says so.
    func planApplyment(_ merchant: WeChatPayMerchant, _ outRequestNo: String, at now: Instant) {
        guard let applyment = merchant.applyments[outRequestNo], !["FINISH", "CANCELED"].contains(applyment.state)
        else { return }
        let (mchid, round, state) = (merchant.mchid, applyment.round, applyment.state)
        if let days = Self.patience[state] {
            clock.schedule(mchid, at: now + .seconds(days * 86_400)) { [self] at in
                await expireApplyment(mchid, outRequestNo, round, state, at)
            }
        }
        guard merchant.registration.applymentsMove else { return }
        clock.schedule(mchid, at: now + .seconds(60)) { [self] at in
            await advanceApplyment(mchid, outRequestNo, round, state, at)
        }
    }

    /// How many days an application waits for somebody: for the account's verification, and for the signature.
    private static let patience: [String: Int64] = ["ACCOUNT_NEED_VERIFY": 10, "NEED_SIGN": 30]

    /// Nobody came: an account that was not verified is refused, what was not signed is void.
    private func expireApplyment(
        _ mchid: String, _ outRequestNo: String, _ round: Int, _ state: String, _ at: Instant
    ) {
        guard let merchant = merchants[mchid], let applyment = merchant.applyments[outRequestNo],
            applyment.round == round, applyment.state == state
        else { return }
        let isUnsigned = state == "NEED_SIGN"
        let detail: JSON = ["param_name": "account_info", "reject_reason": "账户验证超时"]
        _ = moveApplyment(
            merchant, outRequestNo, to: isUnsigned ? "CANCELED" : "REJECTED", detail: isUnsigned ? [] : [detail],
            subMchid: nil, at)
    }

    private func advanceApplyment(
        _ mchid: String, _ outRequestNo: String, _ round: Int, _ state: String, _ at: Instant
    ) {
        guard let merchant = merchants[mchid], let applyment = merchant.applyments[outRequestNo],
            applyment.round == round, applyment.state == state
        else { return }
        let fault = outcome("applyment_result", merchant, serial: outRequestNo, amount: .zero)
        if fault?.fault == "rejected" {
            let detail: JSON = [
                "param_name": fault?.parameters["param_name"] ?? "business_license_copy",
                "reject_reason": fault?.parameters["reject_reason"] ?? "营业执照照片不清晰",
            ]
            _ = moveApplyment(merchant, outRequestNo, to: "REJECTED", detail: [detail], subMchid: nil, at)
            return
        }
        let next = ["CHECKING": "ACCOUNT_NEED_VERIFY", "ACCOUNT_NEED_VERIFY": "AUDITING", "AUDITING": "NEED_SIGN"]
        _ = moveApplyment(
            merchant, outRequestNo, to: state == "NEED_SIGN" ? "FINISH" : next[state] ?? state, detail: [],
            subMchid: nil, at)
    }

    /// An application goes to another state, if it may; with its signature comes the sub-merchant's number.
    func moveApplyment(
        _ merchant: WeChatPayMerchant, _ outRequestNo: String, to state: String, detail: [JSON], subMchid: String?,
        _ at: Instant
    ) -> Bool {
        guard var applyment = merchant.applyments[outRequestNo],
            WeChatPayApplyment.transitions[applyment.state]?.contains(state) == true
        else { return false }
        applyment.state = state
        applyment.since = at
        applyment.auditDetail = detail
        if state == "NEED_SIGN" || state == "FINISH" {
            let number = applyment.subMchid ?? subMchid ?? String(1_900_010_000 + applyment.applymentID % 100_000)
            applyment.subMchid = number
            if state == "FINISH" {
                applyment.isSigned = true
                var sub = merchant.subMerchants[number] ?? WeChatPaySubMerchant(subMchid: number, name: applyment.name)
                sub.settlement = sub.settlement ?? applyment.settlement
                sub.isFrozen = false
                merchant.subMerchants[number] = sub
            }
        }
        if state == "FROZEN", let number = applyment.subMchid { merchant.subMerchants[number]?.isFrozen = true }
        merchant.applyments[outRequestNo] = applyment
        planApplyment(merchant, outRequestNo, at: at)
        return true
    }

    func applyment(_ call: WeChatPayCall) throws(WeChatPayFailure) -> WeChatPayApplyment {
        let id = Int64(call.parameter("applyment_id"))
        let found =
            call.merchant.applyments[call.parameter("out_request_no")]
            ?? call.merchant.applyments.values.first { $0.applymentID == id }
        guard let found else { throw .absent("申请单不存在") }
        return found
    }

    func revokeApplyment(_ call: WeChatPayCall) throws(WeChatPayFailure) -> WeChatPayApplyment {
        let applyment = try applyment(call)
        guard
            moveApplyment(
                call.merchant, applyment.outRequestNo, to: "CANCELED", detail: [], subMchid: nil, call.now)
        else { throw .invalid("申请单当前状态不可撤销") }
        return applyment
    }
}

extension WeChatPayApplyment {
    /// What is answered when it is handed in.
    var acceptance: JSON { ["applyment_id": JSON(applymentID), "out_request_no": .string(outRequestNo)] }

    /// The application as a query shows it; personal fields sealed for the merchant.
    func json(_ merchant: WeChatPayMerchant) -> JSON {
        var members: [JSON.Member] = [
            .init("applyment_id", JSON(applymentID)), .init("out_request_no", .string(outRequestNo)),
            .init("applyment_state", .string(state)),
            .init("applyment_state_desc", .string(Self.descriptions[state] ?? "")),
            .init("sign_state", state == "NEED_SIGN" ? "UNSIGNED" : isSigned ? "SIGNED" : "NOT_SIGNABLE"),
        ]
        if let subMchid { members.append(.init("sub_mchid", .string(subMchid))) }
        if state == "NEED_SIGN" {
            members.append(
                .init(
                    "sign_url", .string("https://pay.weixin.qq.com/public/apply4ec_sign/s?applymentId=\(applymentID)")))
        }
        if state == "REJECTED" { members.append(.init("audit_detail", .array(auditDetail))) }
        if state == "ACCOUNT_NEED_VERIFY" {
            func sealed(_ text: String) -> JSON {
                JSON(
                    try? WeChatPaySensitiveField.encrypted(
                        text, publicKeyPEM: merchant.registration.publicKeyPEM))
            }
            let validation: JSON = [
                "account_name": sealed(accountName), "account_no": sealed(settlement?.accountNumber ?? ""),
                "pay_amount": JSON(124), "destination_account_number": "7222223333322332",
                "destination_account_name": "财付通支付科技有限公司", "destination_account_bank": "招商银行威盛大厦支行",
                "city": "深圳", "remark": "入驻账户验证",
                "deadline": .string((since + .seconds(10 * 86_400)).shanghaiWallClock),
            ]
            members += [
                .init("account_validation", validation.omittingNulls),
                .init(
                    "legal_validation_url",
                    .string("https://pay.weixin.qq.com/public/apply4ec_sign/v?applymentId=\(applymentID)")),
            ]
        }
        return .object(members)
    }
}
