import CustodyDomain
import CustodyWire

extension WeChatPayRoute {
    /// Applications at an ordinary service provider (特约商户进件): the same review under other names.
    static let ordinaryApplyments: [WeChatPayRoute] = [
        WeChatPayRoute(
            "POST", "/v3/applyment4sub/applyment", "applyment", for: [.serviceProvider], limits: [.perSecond(15)]
        ) { simulator, call throws(WeChatPayFailure) in
            .json(["applyment_id": JSON(try simulator.acceptOrdinaryApplyment(call).applymentID)])
        },
        WeChatPayRoute(
            "GET", "/v3/applyment4sub/applyment/business_code/{out_request_no}", "query_applyment",
            for: [.serviceProvider]
        ) { simulator, call throws(WeChatPayFailure) in
            .json(try simulator.applyment(call).ordinaryJSON)
        },
        WeChatPayRoute(
            "GET", "/v3/applyment4sub/applyment/applyment_id/{applyment_id}", "query_applyment",
            for: [.serviceProvider]
        ) { simulator, call throws(WeChatPayFailure) in
            .json(try simulator.applyment(call).ordinaryJSON)
        },
    ]
}

extension WeChatPaySimulator {
    /// Takes an application; after a rejection, the same code takes the corrected form.
    func acceptOrdinaryApplyment(_ call: WeChatPayCall) throws(WeChatPayFailure) -> WeChatPayApplyment {
        let (body, merchant) = (try call.body(), call.merchant)
        let code = try call.number("business_code", 1...124)
        if let known = merchant.applyments[code], known.state != "REJECTED" {
            throw .invalid("该业务申请编号存在审核中或已完成的申请单")
        }
        guard let name = body["business_info"]?["merchant_shortname"]?.string, (1...64).contains(name.utf8.count)
        else { throw .parameter("business_info.merchant_shortname无效") }
        guard body["subject_info"]?["subject_type"]?.string != nil else { throw .parameter("缺少subject_info") }
        for field in ["contact_name", "mobile_phone"] {
            _ = try opened(call, body["contact_info"]?[field], "contact_info.\(field)")
        }
        let account = body["bank_account_info"]
        var applyment =
            merchant.applyments[code]
            ?? WeChatPayApplyment(
                outRequestNo: code, applymentID: 2_000_002_124_775_691 + Int64(merchant.applyments.count),
                request: body, name: name, createdAt: call.now, since: call.now)
        applyment.request = body
        applyment.state = "CHECKING"
        applyment.round += 1
        applyment.accountName = try opened(call, account?["account_name"], "account_name")
        applyment.settlement = .init(
            accountType: account?["bank_account_type"]?.string == "BANK_ACCOUNT_TYPE_CORPORATE"
                ? "ACCOUNT_TYPE_BUSINESS" : "ACCOUNT_TYPE_PRIVATE",
            bank: account?["account_bank"]?.string ?? "",
            accountNumber: try opened(call, account?["account_number"], "account_number"))
        merchant.applyments[code] = applyment
        planApplyment(merchant, code, at: call.now)
        return applyment
    }
}

extension WeChatPayApplyment {
    private static let ordinaryStates = [
        "CHECKING": "AUDITING", "ACCOUNT_NEED_VERIFY": "TO_BE_CONFIRMED", "AUDITING": "AUDITING",
        "REJECTED": "REJECTED", "NEED_SIGN": "TO_BE_SIGNED", "FINISH": "FINISHED", "FROZEN": "FINISHED",
        "CANCELED": "CANCELED",
    ]

    /// The application as a query of a service provider's shows it.
    var ordinaryJSON: JSON {
        let name = Self.ordinaryStates[state] ?? "EDITTING"
        let isToSign = state == "NEED_SIGN" || state == "ACCOUNT_NEED_VERIFY"
        let url = "https://pay.weixin.qq.com/public/apply4sub_sign/s?applymentId=\(applymentID)"
        let json: JSON = [
            "business_code": .string(outRequestNo), "applyment_id": JSON(applymentID), "sub_mchid": JSON(subMchid),
            "sign_url": isToSign ? .string(url) : .null, "applyment_state": .string("APPLYMENT_STATE_\(name)"),
            "applyment_state_msg": .string(Self.descriptions[state] ?? ""),
            "audit_detail": state == "REJECTED" ? .array(auditDetail) : .null,
        ]
        return json.omittingNulls
    }
}
