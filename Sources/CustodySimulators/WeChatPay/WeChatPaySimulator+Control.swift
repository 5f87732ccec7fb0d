import CustodyDomain
import CustodyWire

/// The back door: registers merchants, pays as the buyer, plants differences, shows state.
extension WeChatPaySimulator {
    func answerControl(_ request: SimulatorRequest) async -> SimulatorResponse {
        let parts = request.pathParts
        switch (request.method, request.path) {
        case ("POST", "/control/merchants"): return register(request.json ?? .null)
        case ("POST", "/control/pay"): return await pay(request.json ?? .null)
        case ("POST", "/control/plant"): return plant(request.json ?? .null)
        case ("GET", _) where parts.count == 3 && parts[1] == "merchants":
            guard let merchant = merchants[parts[2]] else { return .controlError(404, "no such merchant") }
            return .json(state(of: merchant))
        default: return .controlError(404, "no such control")
        }
    }

    /// Registers a merchant, anew when it was known: its orders are forgotten then.
    private func register(_ json: JSON) -> SimulatorResponse {
        guard let mchid = json["mchid"]?.string, let appid = json["appid"]?.string,
            let apiV3Key = json["api_v3_key"]?.string, let serial = json["merchant_serial"]?.string,
            let pem = json["merchant_public_key_pem"]?.string
        else {
            return .controlError(
                400, "mchid, appid, api_v3_key, merchant_serial and merchant_public_key_pem are needed")
        }
        guard apiV3Key.utf8.count == 32 else { return .controlError(400, "api_v3_key has not 32 bytes") }
        let key = WeChatPayLink.PlatformKey(serial: serial, pem: pem)
        guard let publicKey = try? key.publicKeyPEM, let verifier = try? RSAVerifier(pem: publicKey) else {
            return .controlError(400, "merchant_public_key_pem cannot be read")
        }
        merchants[mchid] = WeChatPayMerchant(
            mchid: mchid, appid: appid, apiV3Key: apiV3Key, keys: [serial: verifier],
            marketID: json["market_id"]?.string ?? mchid, remitURL: json["remit_url"]?.string,
            callbacksAllowed: json["callbacks_allowed"]?.bool ?? true,
            callbacksByPublicKey: json["callbacks_signed_by"]?.string != "certificate")
        return .json([
            "mchid": .string(mchid),
            "platform_keys": .array(
                identity.platformKeys.map { ["serial": .string($0.serial), "pem": .string($0.pem)] }),
            "platform_certificate_serial": .string(identity.certificateSerial),
            "public_key_id": .string(identity.publicKeyID), "public_key_pem": .string(identity.publicKeyPEM),
        ])
    }

    /// The buyer pays.
    private func pay(_ json: JSON) async -> SimulatorResponse {
        guard let mchid = (json["mchid"] ?? json["merchant"])?.string,
            let outTradeNo = json["out_trade_no"]?.string, let merchant = merchants[mchid]
        else { return .controlError(404, "a known mchid and out_trade_no are needed") }
        let now = clock.now(of: mchid)
        guard var order = try? order(outTradeNo, merchant, now) else {
            return .controlError(404, "no such order")
        }
        guard order.state == .unpaid else { return .controlError(409, "the order is \(order.state.rawValue)") }
        order.state = .paid
        order.paidAt = now
        order.openid =
            json["openid"]?.string ?? order.request["payer"]?["openid"]?.string ?? "oSimulatedBuyer\(outTradeNo)"
        order.transactionID = freshNumber("4200", at: now, digits: 28)
        merchant.orders[outTradeNo] = order
        scheduleLump(merchant, BusinessDate(of: now))
        let callback = await notifyPayment(mchid, order)
        return .json([
            "transaction_id": JSON(order.transactionID), "paid_at": .string(now.rfc3339),
            "callback": .string(callback),
        ])
    }

    private func plant(_ json: JSON) -> SimulatorResponse {
        guard let mchid = json["merchant"]?.string, let merchant = merchants[mchid] else {
            return .controlError(404, "no such merchant")
        }
        let now = clock.now(of: mchid)
        if json["kind"]?.string == "surplus" {
            guard let amount = json["amount_fen"]?.integer, amount > 0 else {
                return .controlError(400, "amount_fen is needed")
            }
            let outTradeNo = json["out_trade_no"]?.string ?? freshNumber("SURPLUS", at: now, digits: 28)
            var order = WeChatPayMerchant.Order(
                outTradeNo: outTradeNo, request: .null, method: "native", description: "surplus", attach: "",
                total: Fen(amount), notifyURL: nil, expiresAt: nil, createdAt: now, prompt: .null)
            order.state = .paid
            order.paidAt = now
            order.openid = "oNobody"
            order.transactionID = freshNumber("4200", at: now, digits: 28)
            merchant.orders[outTradeNo] = order
            scheduleLump(merchant, BusinessDate(of: now))
            return .json(["out_trade_no": .string(outTradeNo), "transaction_id": JSON(order.transactionID)])
        }
        guard let outTradeNo = json["out_trade_no"]?.string, let order = merchant.orders[outTradeNo],
            let paidAt = order.paidAt
        else { return .controlError(404, "no such paid order") }
        switch json["kind"]?.string {
        case "late":
            merchant.lateOrders.insert(outTradeNo)
            scheduleLump(merchant, BusinessDate(of: paidAt).advanced(by: 1))
        case "fee":
            guard let fee = json["fee_fen"]?.integer else { return .controlError(400, "fee_fen is needed") }
            merchant.plantedFees[outTradeNo] = Fen(fee)
        case "amount":
            guard let amount = json["amount_fen"]?.integer, amount > 0 else {
                return .controlError(400, "amount_fen is needed")
            }
            merchant.plantedAmounts[outTradeNo] = Fen(amount)
        default: return .controlError(400, "kind is surplus, late, fee or amount")
        }
        return .json(["out_trade_no": .string(outTradeNo), "transaction_id": JSON(order.transactionID)])
    }

    private func state(of merchant: WeChatPayMerchant) -> JSON {
        let orders = merchant.orders.values.sorted { ($0.createdAt, $0.outTradeNo) < ($1.createdAt, $1.outTradeNo) }
        let refunds = merchant.refunds.values.sorted {
            ($0.createdAt, $0.outRefundNo) < ($1.createdAt, $1.outRefundNo)
        }
        return [
            "mchid": .string(merchant.mchid), "now": .string(clock.now(of: merchant.mchid).rfc3339),
            "paid_fen": JSON(orders.filter { $0.paidAt != nil }.map(\.total).sum().value),
            "refunded_fen": JSON(refunds.filter { $0.status == "SUCCESS" }.map(\.amount).sum().value),
            "callbacks": [
                "open": JSON(merchant.openCallbacks), "delivered": JSON(merchant.deliveredCallbacks),
                "failed_attempts": JSON(merchant.failedAttempts),
            ],
            "orders": .array(
                orders.map {
                    [
                        "out_trade_no": .string($0.outTradeNo), "state": .string($0.state.rawValue),
                        "total_fen": JSON($0.total.value), "transaction_id": JSON($0.transactionID),
                        "paid_at": JSON($0.paidAt?.rfc3339),
                    ]
                }),
            "refunds": .array(
                refunds.map {
                    [
                        "out_refund_no": .string($0.outRefundNo), "out_trade_no": .string($0.outTradeNo),
                        "refund_id": .string($0.refundID), "amount_fen": JSON($0.amount.value),
                        "status": .string($0.status),
                    ]
                }),
            "lumps": .array(
                merchant.lumps.map {
                    [
                        "business_date": .string($0.date.iso), "net_fen": JSON($0.net.value),
                        "item_count": JSON($0.itemCount), "answer_status": JSON($0.answer),
                    ]
                }),
        ]
    }
}
