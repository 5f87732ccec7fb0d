import CustodyDomain
import CustodyWire

/// The back door: registers merchants, pays as the buyer, plants differences, shows state.
extension WeChatPaySimulator {
    func answerControl(_ request: SimulatorRequest) async -> SimulatorResponse {
        let parts = request.pathParts
        let json = request.json ?? .null
        switch (request.method, request.path) {
        case ("POST", "/control/merchants"): return register(json)
        case ("POST", "/control/certificates"): return rotate(json)
        case ("POST", "/control/pay"): return await pay(json)
        case ("POST", "/control/plant"): return plant(json)
        case ("POST", "/control/sub-merchants"), ("POST", "/control/applyments"), ("POST", "/control/withdrawals"),
            ("POST", "/control/violations"), ("POST", "/control/probe"):
            guard let merchant = json["merchant"]?.string.flatMap({ merchants[$0] }) else {
                return .controlError(404, "no such merchant")
            }
            return await decide(parts[1], merchant, json)
        case ("GET", _) where parts.count == 3 && parts[1] == "merchants":
            guard let merchant = merchants[parts[2]] else { return .controlError(404, "no such merchant") }
            return .json(state(of: merchant))
        default: return .controlError(404, "no such control")
        }
    }

    private func decide(_ what: String, _ merchant: WeChatPayMerchant, _ json: JSON) async -> SimulatorResponse {
        switch what {
        case "sub-merchants": return changeSubMerchant(merchant, json)
        case "applyments": return moveApplyment(merchant, json)
        case "withdrawals": return await moveWithdrawal(merchant, json)
        case "violations": return await punish(merchant, json)
        default: return await sendProbe(merchant, json)
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
        guard let kind = WeChatPayMerchant.Kind(rawValue: json["kind"]?.string ?? "direct") else {
            return .controlError(400, "kind is direct, service_provider or ecommerce")
        }
        var registration = WeChatPayMerchant.Registration(
            appid: appid, apiV3Key: apiV3Key, keys: [serial: verifier], publicKeyPEM: publicKey,
            marketID: json["market_id"]?.string ?? mchid)
        registration.kind = kind
        registration.remitURL = json["remit_url"]?.string
        registration.profitSharingURL = json["profit_sharing_url"]?.string
        registration.callbacksAllowed = json["callbacks_allowed"]?.bool ?? true
        registration.callbacksByPublicKey = json["callbacks_signed_by"]?.string != "certificate"
        registration.applymentsMove = json["applyments_move"]?.bool ?? false
        registration.hasMagicAmounts = json["magic_amounts"]?.bool ?? false
        registration.mayAdvance = json["may_advance"]?.bool ?? true
        for member in json["rate_limits"]?.members ?? [] {
            registration.rateLimits[member.name] = member.value.integer.map { Int(clamping: $0) }
        }
        let merchant = WeChatPayMerchant(mchid: mchid, registration: registration)
        for sub in json["sub_merchants"]?.array ?? [] { _ = changeSubMerchant(merchant, sub) }
        merchants[mchid] = merchant
        return .json([
            "mchid": .string(mchid),
            "platform_keys": .array(
                identity.platformKeys.map { ["serial": .string($0.serial), "pem": .string($0.pem)] }),
            "platform_certificate_serial": .string(identity.certificateSerial),
            "public_key_id": .string(identity.publicKeyID), "public_key_pem": .string(identity.publicKeyPEM),
        ])
    }

    /// Adds a platform certificate, signs with another, or withdraws one.
    private func rotate(_ json: JSON) -> SimulatorResponse {
        var added: String?
        if json["add"]?.bool == true {
            guard let serial = try? identity.addCertificate() else { return .controlError(500, "no certificate") }
            added = serial
        }
        if let serial = json["sign_with"]?.string, !identity.sign(with: serial) {
            return .controlError(404, "no such certificate")
        }
        if let serial = json["retire"]?.string, !identity.retireCertificate(serial) {
            return .controlError(409, "no such certificate, or the one that signs")
        }
        return .json([
            "added": JSON(added), "signs_with": .string(identity.certificateSerial),
            "serials": .array(identity.certificates.map { .string($0.serial) }),
        ])
    }

    /// Opens a sub-merchant without an application, or changes one: ratio, money, settlement account.
    private func changeSubMerchant(_ merchant: WeChatPayMerchant, _ json: JSON) -> SimulatorResponse {
        guard let number = json["sub_mchid"]?.string else { return .controlError(400, "sub_mchid is needed") }
        var sub =
            merchant.subMerchants[number]
            ?? WeChatPaySubMerchant(subMchid: number, name: json["name"]?.string ?? "特约商户\(number)")
        if let ratio = json["max_ratio"]?.integer { sub.maxRatio = ratio }
        if let isFrozen = json["frozen"]?.bool { sub.isFrozen = isFrozen }
        if let count = json["complaints"]?.integer { sub.complaintCount = count }
        if let account = json["account_number"]?.string {
            sub.settlement = .init(
                accountType: json["account_type"]?.string ?? "ACCOUNT_TYPE_BUSINESS",
                bank: json["account_bank"]?.string ?? "工商银行", accountNumber: account)
        }
        if let result = json["verify_result"]?.string {
            sub.settlement?.verifyResult = result
            sub.settlement?.failReason = json["verify_fail_reason"]?.string
        }
        merchant.subMerchants[number] = sub
        if let money = json["add_available_fen"]?.integer {
            let (owner, now) = (
                json["to_platform"]?.bool == true ? merchant.mchid : number, clock.now(of: merchant.mchid)
            )
            let flow = freshNumber("7000", at: now, digits: 28)
            book(merchant, owner, Fen(money), .available, "充值", "充值", flow, flow, now)
            merchant.deposited += Fen(money)
        }
        return .json(["sub_mchid": .string(number)])
    }

    /// Decides about an application.
    private func moveApplyment(_ merchant: WeChatPayMerchant, _ json: JSON) -> SimulatorResponse {
        guard let number = json["out_request_no"]?.string, let state = json["state"]?.string,
            merchant.applyments[number] != nil
        else { return .controlError(404, "a known out_request_no and state are needed") }
        let isMoved = moveApplyment(
            merchant, number, to: state, detail: json["audit_detail"]?.array ?? [],
            subMchid: json["sub_mchid"]?.string, clock.now(of: merchant.mchid))
        guard isMoved else { return .controlError(409, "not from \(merchant.applyments[number]?.state ?? "")") }
        return .json([
            "state": .string(state), "sub_mchid": JSON(merchant.applyments[number]?.subMchid),
        ])
    }

    /// Decides about a withdrawal.
    private func moveWithdrawal(_ merchant: WeChatPayMerchant, _ json: JSON) async -> SimulatorResponse {
        guard let number = json["out_request_no"]?.string, let state = json["state"]?.string else {
            return .controlError(400, "out_request_no and state are needed")
        }
        let key = WeChatPayMerchant.key(json["sub_mchid"]?.string ?? merchant.mchid, number)
        let isMoved = await move(
            merchant, key, to: state, reason: json["reason"]?.string ?? "收款银行退票", clock.now(of: merchant.mchid))
        guard isMoved else { return .controlError(409, "no such withdrawal, or not to this state") }
        return .json(["state": .string(state)])
    }

    private func sendProbe(_ merchant: WeChatPayMerchant, _ json: JSON) async -> SimulatorResponse {
        guard let url = json["url"]?.string else { return .controlError(400, "url is needed") }
        return .json(["status": JSON(await probe(merchant, url: url).map { Int64($0) })])
    }

    /// The buyer pays.
    private func pay(_ json: JSON) async -> SimulatorResponse {
        guard let mchid = (json["mchid"] ?? json["merchant"])?.string, let merchant = merchants[mchid] else {
            return .controlError(404, "a known mchid and out_trade_no are needed")
        }
        let now = clock.now(of: mchid)
        if let combineNo = json["combine_out_trade_no"]?.string {
            return await payCombined(merchant, combineNo, openid: json["openid"]?.string, now)
        }
        guard let outTradeNo = json["out_trade_no"]?.string,
            let found = try? order(WeChatPayMerchant.key(json["sub_mchid"]?.string, outTradeNo), merchant, now)
        else { return .controlError(404, "no such order") }
        guard found.state == .unpaid, found.combineNo == nil else {
            return .controlError(409, "the order is \(found.state.rawValue)")
        }
        let payer = found.request["payer"]
        let order = settlePaid(
            found, merchant,
            openid: json["openid"]?.string ?? (payer?["openid"] ?? payer?["sp_openid"])?.string
                ?? "oSimulatedBuyer\(outTradeNo)", at: now)
        let callback = await notifyPayment(mchid, order)
        return .json([
            "transaction_id": JSON(order.transactionID), "paid_at": .string(now.rfc3339),
            "callback": .string(callback),
        ])
    }

    private func payCombined(
        _ merchant: WeChatPayMerchant, _ combineNo: String, openid: String?, _ now: Instant
    ) async -> SimulatorResponse {
        guard let combined = merchant.combinedOrders[combineNo] else { return .controlError(404, "no such order") }
        let parts = combined.orderKeys.compactMap { try? order($0, merchant, now) }
        guard parts.allSatisfy({ $0.state == .unpaid }) else { return .controlError(409, "the order is not unpaid") }
        for part in parts {
            settlePaid(part, merchant, openid: openid ?? "oSimulatedBuyer\(combineNo)", at: now)
        }
        let callback = await notifyCombined(merchant, combined)
        return .json([
            "transaction_ids": .array(combined.orderKeys.map { JSON(merchant.orders[$0]?.transactionID) }),
            "paid_at": .string(now.rfc3339), "callback": .string(callback),
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
            order = settlePaid(order, merchant, openid: "oNobody", at: now)
            return .json(["out_trade_no": .string(outTradeNo), "transaction_id": JSON(order.transactionID)])
        }
        guard let outTradeNo = json["out_trade_no"]?.string,
            let order = merchant.orders[WeChatPayMerchant.key(json["sub_mchid"]?.string, outTradeNo)],
            let paidAt = order.paidAt
        else { return .controlError(404, "no such paid order") }
        switch json["kind"]?.string {
        case "late":
            merchant.lateOrders.insert(order.key)
            scheduleLump(merchant, BusinessDate(of: paidAt).advanced(by: 1))
        case "fee":
            guard let fee = json["fee_fen"]?.integer else { return .controlError(400, "fee_fen is needed") }
            merchant.plantedFees[order.key] = Fen(fee)
        case "amount":
            guard let amount = json["amount_fen"]?.integer, amount > 0 else {
                return .controlError(400, "amount_fen is needed")
            }
            merchant.plantedAmounts[order.key] = Fen(amount)
        default: return .controlError(400, "kind is surplus, late, fee or amount")
        }
        return .json(["out_trade_no": .string(outTradeNo), "transaction_id": JSON(order.transactionID)])
    }
}
