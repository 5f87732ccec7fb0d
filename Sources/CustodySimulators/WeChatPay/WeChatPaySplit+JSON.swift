import CustodyDomain
import CustodyWire

extension WeChatPaySplit {
    /// The split as the API shows it: to an e-commerce platform under other names than to others.
    func json(_ merchant: WeChatPayMerchant, isFinish: Bool = false) -> JSON {
        let isEcommerce = merchant.kind == .ecommerce
        let order = merchant.orders[orderKey]
        let parts = receivers.map { receiver -> JSON in
            let json: JSON = [
                "type": .string(receiver.type),
                isEcommerce ? "receiver_account" : "account": .string(receiver.account),
                "receiver_mchid": isEcommerce && receiver.type == "MERCHANT_ID" ? .string(receiver.account) : .null,
                "amount": JSON(receiver.amount.value), "description": .string(receiver.description),
                "result": .string(receiver.result), "fail_reason": JSON(receiver.failReason),
                "detail_id": .string(receiver.detailID), "create_time": .string(createdAt.rfc3339Shanghai),
                "finish_time": .string((receiver.finishedAt ?? Instant(seconds: 0)).rfc3339Shanghai),
            ]
            return json.omittingNulls
        }
        let json: JSON = [
            "sub_mchid": JSON(order?.subMchid), "transaction_id": JSON(order?.transactionID),
            "out_order_no": .string(outOrderNo), "order_id": .string(orderID),
            isEcommerce ? "status" : "state": isFinish ? .null : .string(status),
            "receivers": isFinish ? .null : .array(parts),
            "finish_amount": isFinish ? .null : JSON(finishAmount?.value),
            "finish_description": isFinish ? .null : JSON(finishDescription),
        ]
        return json.omittingNulls
    }
}

extension WeChatPaySplitReturn {
    /// The return as the API shows it.
    func json(_ merchant: WeChatPayMerchant) -> JSON {
        let isEcommerce = merchant.kind == .ecommerce
        let split = merchant.splits[splitKey]
        let json: JSON = [
            "sub_mchid": request["sub_mchid"] ?? .null, "order_id": JSON(split?.orderID),
            "out_order_no": JSON(split?.outOrderNo), "out_return_no": .string(outReturnNo),
            isEcommerce ? "return_no" : "return_id": .string(returnNo), "return_mchid": .string(returnMchid),
            "amount": JSON(amount.value), "description": request["description"] ?? .null,
            "result": .string(result == "FAILED" && isEcommerce ? "FAIL" : result), "fail_reason": JSON(failReason),
            "create_time": .string(createdAt.rfc3339Shanghai),
            "finish_time": .string((finishedAt ?? Instant(seconds: 0)).rfc3339Shanghai),
        ]
        return json.omittingNulls
    }
}
