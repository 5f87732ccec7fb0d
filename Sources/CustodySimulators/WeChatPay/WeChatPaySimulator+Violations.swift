import CustodyDomain
import CustodyWire

extension WeChatPayRoute {
    private static let violationURL = "/v3/merchant-risk-manage/violation-notifications"

    /// Where a partner is told of what its sub-merchants did wrong (商户违规通知回调地址).
    static let violations: [WeChatPayRoute] = [
        WeChatPayRoute("POST", violationURL, "create_violation_url", for: partners) {
            simulator, call throws(WeChatPayFailure) in
            guard call.merchant.violationURL == nil else {
                throw WeChatPayFailure(400, "RESOURCE_ALREADY_EXISTS", "回调地址已存在")
            }
            return try simulator.setViolationURL(call)
        },
        WeChatPayRoute("PUT", violationURL, "change_violation_url", for: partners) {
            simulator, call throws(WeChatPayFailure) in
            guard call.merchant.violationURL != nil else { throw .absent("回调地址不存在") }
            return try simulator.setViolationURL(call)
        },
        WeChatPayRoute("GET", violationURL, "query_violation_url", for: partners) {
            simulator, call throws(WeChatPayFailure) in
            guard let url = call.merchant.violationURL else { throw .absent("回调地址不存在") }
            return .json(["notify_url": .string(url)])
        },
        WeChatPayRoute("DELETE", violationURL, "delete_violation_url", for: partners) {
            simulator, call throws(WeChatPayFailure) in
            guard call.merchant.violationURL != nil else { throw .absent("回调地址不存在") }
            call.merchant.violationURL = nil
            return .noContent
        },
    ]
}

extension WeChatPaySimulator {
    func setViolationURL(_ call: WeChatPayCall) throws(WeChatPayFailure) -> WeChatPayAnswer {
        guard let url = try call.notifyURL() else { throw .parameter("缺少notify_url") }
        call.merchant.violationURL = url
        return .json(["notify_url": .string(url)])
    }

    /// A sub-merchant is punished, what it does is intercepted, or it appealed; its platform is told.
    func punish(_ merchant: WeChatPayMerchant, _ json: JSON) async -> SimulatorResponse {
        let event = json["event"]?.string ?? "PUNISH"
        guard ["PUNISH", "INTERCEPT", "APPEAL"].contains(event) else {
            return .controlError(400, "event is PUNISH, INTERCEPT or APPEAL")
        }
        guard let number = json["sub_mchid"]?.string, let sub = merchant.subMerchants[number] else {
            return .controlError(404, "no such sub-merchant")
        }
        if let isFrozen = json["frozen"]?.bool { merchant.subMerchants[number]?.isFrozen = isFrozen }
        let now = clock.now(of: merchant.mchid)
        let recordID = json["record_id"]?.string ?? freshNumber("8000", at: now, digits: 20)
        let resource: JSON = [
            "sub_mchid": .string(number), "company_name": .string(sub.name), "record_id": .string(recordID),
            "punish_plan": json["punish_plan"] ?? "关闭提现权限", "punish_time": .string(now.rfc3339Shanghai),
            "punish_description": json["punish_description"] ?? "商户涉嫌违规经营，提现权限已关闭",
            "risk_type": json["risk_type"] ?? "PROHIBITED_BUSINESS_CATEGORIES",
            "risk_description": json["risk_description"] ?? "涉嫌经营禁止类目",
        ]
        let callback = await notify(
            merchant, "VIOLATION.\(event)", "商户违规通知", "violation", resource, url: merchant.violationURL,
            operation: "violation_callback", serial: recordID, amount: .zero)
        return .json(["record_id": .string(recordID), "callback": .string(callback)])
    }
}
