import AsyncHTTPClient
import CustodyDomain
import CustodyWire
import NIOCore
import NIOHTTP1

/// Callbacks: encrypted, signed, and repeated on the merchant's clock until answered 200 or 204.
extension WeChatPaySimulator {
    /// How long after a failed attempt the next one is made, in seconds.
    static let retryDelays: [Int64] = [
        15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10_800, 10_800, 10_800, 21_600, 21_600,
    ]

    /// A message on its way: the same bytes at every attempt, signed anew.
    struct Message: Sendable {
        let mchid: String
        let url: String
        let body: [UInt8]
        /// The operation that faults are planted under.
        let operation: String
        let serial: String
        let amount: Fen
    }

    /// Tells the merchant that an order was paid.
    ///
    /// - Returns: `delivered`, `failed`, `withheld` or `none`.
    func notifyPayment(_ mchid: String, _ order: WeChatPayMerchant.Order) async -> String {
        guard let merchant = merchants[mchid] else { return "none" }
        return await notify(
            merchant, "TRANSACTION.SUCCESS", "支付成功", "transaction", order.json(merchant), url: order.notifyURL,
            operation: "payment_callback", serial: order.outTradeNo, amount: order.total)
    }

    /// Tells the merchant that a combined order was paid.
    func notifyCombined(_ merchant: WeChatPayMerchant, _ order: WeChatPayMerchant.CombinedOrder) async -> String {
        guard let json = try? combinedJSON(order, merchant, clock.now(of: merchant.mchid)) else { return "none" }
        let total = order.orderKeys.compactMap { merchant.orders[$0]?.total }.sum()
        return await notify(
            merchant, "TRANSACTION.SUCCESS", "支付成功", "transaction", json, url: order.notifyURL,
            operation: "payment_callback", serial: order.combineNo, amount: total)
    }

    /// Tells the merchant how a refund ended.
    func notifyRefund(_ mchid: String, _ refund: WeChatPayMerchant.Refund) async {
        guard let merchant = merchants[mchid] else { return }
        let order = merchant.orders[refund.orderKey]
        let isDirect = order?.subMchid == nil
        let resource: JSON = [
            isDirect ? "mchid" : "sp_mchid": .string(mchid), "sub_mchid": JSON(order?.subMchid),
            "out_trade_no": JSON(order?.outTradeNo), "transaction_id": JSON(order?.transactionID),
            "out_refund_no": .string(refund.outRefundNo), "refund_id": .string(refund.refundID),
            "refund_status": .string(refund.status), "success_time": JSON(refund.succeededAt?.rfc3339Shanghai),
            "user_received_account": "支付用户零钱",
            "amount": [
                "total": JSON(order?.total.value), "refund": JSON(refund.amount.value),
                "payer_total": JSON(order?.total.value), "payer_refund": JSON(refund.amount.value),
            ],
        ]
        _ = await notify(
            merchant, "REFUND.\(refund.status)", "退款通知", "refund", resource.omittingNulls, url: refund.notifyURL,
            operation: "refund_callback", serial: refund.outRefundNo, amount: refund.amount)
    }

    /// Tells the receivers of a split, those that are merchants here and want to know; never the payer's side.
    func notifyReceivers(_ mchid: String, _ split: WeChatPaySplit, _ order: WeChatPayMerchant.Order) async {
        for receiver in split.receivers where receiver.result == "SUCCESS" && receiver.type == "MERCHANT_ID" {
            guard let merchant = merchants[receiver.account], let url = merchant.registration.profitSharingURL else {
                continue
            }
            let resource: JSON = [
                order.subMchid == nil ? "mchid" : "sp_mchid": .string(mchid), "sub_mchid": JSON(order.subMchid),
                "transaction_id": JSON(order.transactionID), "order_id": .string(split.orderID),
                "out_order_no": .string(split.outOrderNo),
                "receiver": [
                    "type": .string(receiver.type), "account": .string(receiver.account),
                    "amount": JSON(receiver.amount.value), "description": .string(receiver.description),
                ],
                "success_time": JSON(receiver.finishedAt?.rfc3339Shanghai),
            ]
            _ = await notify(
                merchant, "PROFITSHARING.SUCCESS", "分账", "profitsharing", resource.omittingNulls, url: url,
                operation: "split_callback", serial: split.outOrderNo, amount: receiver.amount)
        }
    }

    /// Tells a receiver that a part it got went back, where it wants to know. The receiver that the notice names is
    /// whoever has the money now.
    func notifyReturn(_ mchid: String, _ key: String) async {
        guard let giver = merchants[mchid], let back = giver.splitReturns[key], let split = giver.splits[back.splitKey],
            let order = giver.orders[split.orderKey], let merchant = merchants[back.returnMchid],
            let url = merchant.registration.profitSharingURL
        else { return }
        let resource: JSON = [
            order.subMchid == nil ? "mchid" : "sp_mchid": .string(mchid), "sub_mchid": JSON(order.subMchid),
            "transaction_id": JSON(order.transactionID), "order_id": .string(back.returnNo),
            "out_order_no": .string(back.outReturnNo),
            "receiver": [
                "type": "MERCHANT_ID", "account": .string(order.subMchid ?? mchid), "amount": JSON(back.amount.value),
                "description": back.request["description"] ?? .null,
            ],
            "success_time": JSON(back.finishedAt?.rfc3339Shanghai),
        ]
        _ = await notify(
            merchant, "PROFITSHARING.RETURN", "分账回退", "profitsharing", resource.omittingNulls, url: url,
            operation: "return_callback", serial: back.outReturnNo, amount: back.amount)
    }

    /// Tells the merchant that a withdrawal moved.
    func notifyWithdrawal(_ merchant: WeChatPayMerchant, _ withdrawal: WeChatPayWithdrawal) async {
        _ = await notify(
            merchant, "MCHWITHDRAW.CHANGE", "提现状态变更", "mch_withdraw", withdrawal.json(merchant),
            url: withdrawal.request["notify_url"]?.string, operation: "withdraw_callback",
            serial: withdrawal.outRequestNo, amount: withdrawal.amount)
    }

    /// Seals, signs and sends a notice.
    ///
    /// - Returns: `delivered`, `failed`, `withheld` or `none`.
    func notify(
        _ merchant: WeChatPayMerchant, _ event: String, _ summary: String, _ type: String, _ resource: JSON,
        url: String?, operation: String, serial: String, amount: Fen
    ) async -> String {
        guard merchant.registration.callbacksAllowed, let url,
            let body = envelope(merchant, event, summary, type, resource)
        else { return "none" }
        return await start(
            Message(
                mchid: merchant.mchid, url: url, body: body, operation: operation, serial: serial, amount: amount))
    }

    /// Sends what must be refused: a callback whose signature is a probe.
    ///
    /// - Returns: The status of the answer.
    func probe(_ merchant: WeChatPayMerchant, url: String) async -> Int? {
        guard
            let body = envelope(merchant, "TRANSACTION.SUCCESS", "支付成功", "transaction", ["probe": true])
        else { return nil }
        let headers = identity.headers(
            signing: body, byPublicKey: merchant.registration.callbacksByPublicKey, flaw: .probe)
        return await post(url, body, headers: headers, timeout: .seconds(5))
    }

    private func envelope(
        _ merchant: WeChatPayMerchant, _ event: String, _ summary: String, _ type: String, _ resource: JSON
    ) -> [UInt8]? {
        guard let cipher = try? WeChatPayCipher(apiV3Key: merchant.apiV3Key),
            let sealed = try? cipher.seal(
                resource.bytes, nonce: String(WeChatPayRequestSigner.freshNonce().prefix(12)), associatedData: type)
        else { return nil }
        let body: JSON = [
            "id": .string("EV-" + WeChatPayRequestSigner.freshNonce()),
            "create_time": .string(clock.now(of: merchant.mchid).rfc3339Shanghai),
            "resource_type": "encrypt-resource", "event_type": .string(event), "summary": .string(summary),
            "resource": [
                "original_type": .string(type), "algorithm": "AEAD_AES_256_GCM",
                "ciphertext": .string(sealed.ciphertext), "associated_data": .string(type),
                "nonce": .string(sealed.nonce),
            ],
        ]
        return body.bytes
    }

    private func start(_ message: Message) async -> String {
        merchants[message.mchid]?.openCallbacks += 1
        let overtaken = merchants[message.mchid]?.overtaken ?? []
        merchants[message.mchid]?.overtaken = []
        let outcome = await attempt(message, 0, mayFail: true)
        for earlier in overtaken { _ = await attempt(earlier, 0, mayFail: false) }
        return outcome
    }

    /// Makes one attempt, and plans the next when it fails.
    private func attempt(_ message: Message, _ count: Int, mayFail: Bool) async -> String {
        let fault =
            mayFail
            ? faults.take(
                message.operation, merchant: message.mchid, serial: message.serial, amount: message.amount) : nil
        switch fault?.fault {
        case "no_callback":
            merchants[message.mchid]?.openCallbacks -= 1
            return "withheld"
        case "delay_callback":
            let at = clock.now(of: message.mchid) + .seconds(fault?.parameters["seconds"]?.integer ?? 60)
            clock.schedule(message.mchid, at: at) { [self] _ in _ = await attempt(message, count, mayFail: false) }
            return "withheld"
        case "out_of_order":
            merchants[message.mchid]?.overtaken.append(message)
            return "withheld"
        default: break
        }
        let flaw: WeChatPayIdentity.Flaw =
            switch fault?.fault {
            case "bad_signature": .badSignature
            case "stale_timestamp": .stale
            case "unknown_serial": .unknownSerial
            case "probe": .probe
            default: .none
            }
        let times = fault?.fault == "duplicate_callback" ? Int(fault?.parameters["times"]?.integer ?? 2) : 1
        let byPublicKey = merchants[message.mchid]?.registration.callbacksByPublicKey ?? true
        // Copies travel side by side, as WeChat's own repeats sometimes do.
        let isDelivered = await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<max(times, 1) {
                group.addTask { [self] in await post(message, flaw, byPublicKey) }
            }
            var isDelivered = true
            for await isAnswered in group where !isAnswered { isDelivered = false }
            return isDelivered
        }
        if isDelivered {
            merchants[message.mchid]?.openCallbacks -= 1
            merchants[message.mchid]?.deliveredCallbacks += 1
            return "delivered"
        }
        merchants[message.mchid]?.failedAttempts += 1
        guard count < Self.retryDelays.count else {
            merchants[message.mchid]?.openCallbacks -= 1
            return "failed"
        }
        let at = clock.now(of: message.mchid) + .seconds(Self.retryDelays[count])
        clock.schedule(message.mchid, at: at) { [self] _ in _ = await attempt(message, count + 1, mayFail: true) }
        return "failed"
    }

    private nonisolated func post(
        _ message: Message, _ flaw: WeChatPayIdentity.Flaw, _ byPublicKey: Bool
    ) async -> Bool {
        let headers = identity.headers(signing: message.body, byPublicKey: byPublicKey, flaw: flaw)
        let status = await post(message.url, message.body, headers: headers, timeout: .seconds(5))
        return status == 200 || status == 204
    }

    /// Posts JSON; the status, or nil when no answer came in time.
    nonisolated func post(
        _ url: String, _ body: [UInt8], headers: [(name: String, value: String)] = [], timeout: TimeAmount
    ) async -> Int? {
        var request = HTTPClientRequest(url: url)
        request.method = .POST
        for (name, value) in headers { request.headers.add(name: name, value: value) }
        request.headers.add(name: "Content-Type", value: "application/json")
        request.headers.add(name: "User-Agent", value: "Mozilla/4.0")
        request.body = .bytes(body)
        guard let response = try? await client.execute(request, timeout: timeout) else { return nil }
        _ = try? await response.body.collect(upTo: 1 << 20)
        return Int(response.status.code)
    }
}
