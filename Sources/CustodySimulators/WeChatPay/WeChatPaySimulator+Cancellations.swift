import CustodyDomain
import CustodyWire

extension WeChatPayRoute {
    /// The end of sub-merchants without money (注销).
    static let cancellations: [WeChatPayRoute] = [
        WeChatPayRoute("POST", "/v3/ecommerce/account/cancel-applications", "cancel_account", for: ecommerce) {
            simulator, call throws(WeChatPayFailure) in
            .json(try simulator.acceptCancellation(call).json)
        },
        WeChatPayRoute(
            "GET", "/v3/ecommerce/account/cancel-applications/out-apply-no/{out_apply_no}", "query_cancellation",
            for: ecommerce
        ) { simulator, call throws(WeChatPayFailure) in
            guard let cancellation = call.merchant.cancellations[call.parameter("out_apply_no")] else {
                throw .absent("注销申请单不存在")
            }
            return .json(cancellation.json)
        },
    ]
}

extension WeChatPaySimulator {
    /// Takes an application to close a sub-merchant; with money left it is refused a minute later.
    func acceptCancellation(_ call: WeChatPayCall) throws(WeChatPayFailure) -> WeChatPayCancellation {
        let (body, merchant) = (try call.body(), call.merchant)
        let number = try call.number("out_apply_no", 1...32, isAlphanumeric: true)
        if let known = merchant.cancellations[number] {
            guard known.request == body.sorted else { throw .conflict }
            return known
        }
        let sub = try call.subMerchant(body["sub_mchid"]?.string)
        guard !sub.isClosed else { throw .invalid("二级商户已注销") }
        let cancellation = WeChatPayCancellation(
            outApplyNo: number, subMchid: sub.subMchid, request: body.sorted, updatedAt: call.now)
        merchant.cancellations[number] = cancellation
        let mchid = merchant.mchid
        clock.schedule(mchid, at: call.now + .seconds(60)) { [self] at in
            await finishCancellation(mchid, number, at)
        }
        return cancellation
    }

    private func finishCancellation(_ mchid: String, _ number: String, _ at: Instant) {
        guard let merchant = merchants[mchid], var cancellation = merchant.cancellations[number] else { return }
        let account = merchant.accounts[cancellation.subMchid]
        if account == nil || (account?.available == .zero && account?.held == .zero) {
            cancellation.state = "CANCEL_SUCCESS"
            merchant.subMerchants[cancellation.subMchid]?.isClosed = true
        } else {
            cancellation.state = "REJECTED"
            cancellation.rejectReason = "商户账户余额不为0"
        }
        cancellation.updatedAt = at
        merchant.cancellations[number] = cancellation
    }
}

extension WeChatPayCancellation {
    /// The application as the API shows it.
    var json: JSON {
        let json: JSON = [
            "out_apply_no": .string(outApplyNo), "sub_mchid": .string(subMchid), "cancel_state": .string(state),
            "reject_reason": JSON(rejectReason), "update_time": .string(updatedAt.rfc3339Shanghai),
        ]
        return json.omittingNulls
    }
}
