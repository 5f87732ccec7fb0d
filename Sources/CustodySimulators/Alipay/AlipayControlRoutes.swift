import CustodyDomain
import CustodyWire

/// The back door of operators and tests: merchants, buyers, planted differences.
struct AlipayControlRoutes: Sendable {
    let world: AlipayWorld
    let gateway: AlipayGatewayRoutes
    let notifier: AlipayNotifier
    let publicKeyPEM: String

    /// Answers `/control/…`; nil for what is not its own.
    func answer(_ request: SimulatorRequest) async -> SimulatorResponse? {
        let parts = request.pathParts
        guard parts.first == "control", parts.count >= 2 else { return nil }
        switch (request.method, parts[1], parts.count) {
        case ("POST", "merchants", 2): return register(request.json)
        case ("GET", "merchants", 3): return show(parts[2], only: request.queryField("out_trade_no"))
        case ("POST", "pay", 2): return await buy(request.json, onlyOpens: false)
        case ("POST", "open", 2): return await buy(request.json, onlyOpens: true)
        case ("POST", "plant", 2): return plant(request.json)
        case ("POST", "deposits", 2), ("POST", "rejections", 2), ("POST", "freeze", 2), ("POST", "returns", 2):
            return act(parts[1], request.json)
        case ("POST", "signatures", 2): return await sign(request.json)
        default: return nil
        }
    }

    private func register(_ json: JSON?) -> SimulatorResponse {
        guard let json, let appID = json["app_id"]?.string, let sellerID = json["seller_id"]?.string,
            let pem = json["app_public_key_pem"]?.string, let verifier = try? RSAVerifier(pem: pem)
        else { return .controlError(400, "app_id, seller_id and app_public_key_pem are needed") }
        var merchant = AlipayMerchant(
            appID: appID, sellerID: sellerID, verifier: verifier, marketID: json["market_id"]?.string ?? "",
            remitURL: json["remit_url"]?.string)
        merchant.messageURL = json["message_url"]?.string
        merchant.rateLimit = json["rate_limit"]?.integer.map { Int(clamping: $0) }
        merchant.hasMagicAmounts = json["magic_amounts"]?.bool ?? false
        merchant.royaltyRatio = min(100, max(0, json["royalty_ratio"]?.integer ?? 30))
        for limit in json["method_limits"]?.members ?? [] {
            merchant.methodLimits[limit.name] = limit.value.integer.map { Int(clamping: $0) }
        }
        merchant.notifiesEnd = json["notify_end"]?.bool ?? false
        merchant.needsSignatures = json["signatures"]?.bool ?? false
        merchant.registeredOn = json["registered_on"]?.string.flatMap { BusinessDate($0) }
        if let key = json["encrypt_key"]?.string {
            guard let cipher = AlipayCipher(base64: key) else {
                return .controlError(400, "encrypt_key is no AES key in base64")
            }
            merchant.cipher = cipher
        }
        var answer: [JSON.Member] = [.init("app_id", .string(appID))]
        if json["mode"]?.string == "certificate" {
            guard let authority = try? gateway.authority.authority(),
                let issued = try? authority.issue(appID: appID, publicKeyPEM: pem)
            else {
                return .controlError(400, "the public key cannot be certified")
            }
            merchant.mode = .certificate(appSerial: issued.serial, rootSerial: authority.rootSerial)
            answer += [
                .init("app_certificate_pem", .string(issued.pem)),
                .init("alipay_certificate_pem", .string(authority.alipayPEM)),
                .init("alipay_root_certificate_pem", .string(authority.rootPEM)),
            ]
        } else {
            answer.append(.init("alipay_public_key_pem", .string(publicKeyPEM)))
        }
        world.register(merchant)
        return .json(.object(answer))
    }

    /// What an operator does to a merchant, beyond buyers and bills.
    private func act(_ deed: String, _ json: JSON?) -> SimulatorResponse {
        guard let json, let appID = json["merchant"]?.string else { return .controlError(400, "merchant is needed") }
        do throws(AlipayWorld.Failure) {
            switch deed {
            case "deposits":
                guard let amount = json["amount_fen"]?.integer, amount > 0 else { break }
                return .json(["balance_fen": JSON(try world.deposit(appID, Fen(amount)).value)])
            case "rejections":
                guard let name = json["name_contains"]?.string else { break }
                try world.refuse(appID, nameContains: name, reason: json["reason"]?.string ?? "资料不符")
                return .json(["name_contains": .string(name)])
            case "freeze":
                guard let smid = json["smid"]?.string, let isFrozen = json["frozen"]?.bool else { break }
                try world.freeze(appID, smid: smid, isFrozen)
                return .json(["smid": .string(smid), "frozen": .bool(isFrozen)])
            default:
                guard let smid = json["smid"]?.string else { break }
                return .json(["returned_fen": JSON(try world.returnPayouts(appID, smid: smid).value)])
            }
        } catch {
            return .json(["error": .string(error.message), "sub_code": .string(error.subCode)], status: 404)
        }
        return .controlError(400, "something that \(deed) needs is missing")
    }

    /// A sub-merchant opens the page it was sent, and signs.
    private func sign(_ json: JSON?) async -> SimulatorResponse {
        guard let json, let appID = json["merchant"]?.string, let number = json["external_id"]?.string else {
            return .controlError(400, "merchant and external_id are needed")
        }
        do {
            try await world.sign(appID, externalID: number)
            return .json(["external_id": .string(number)])
        } catch {
            return .json(["error": .string(error.message), "sub_code": .string(error.subCode)], status: 404)
        }
    }

    /// The buyer opens what our front end gave, or scans a code, and pays.
    private func buy(_ json: JSON?, onlyOpens: Bool) async -> SimulatorResponse {
        guard let json else { return .controlError(400, "no JSON") }
        do {
            guard let (appID, outTradeNo) = try target(json) else {
                return .controlError(400, "form, order_string, or app_id with out_trade_no or qr_code is needed")
            }
            let trade = try world.buy(
                appID, outTradeNo: outTradeNo, buyerID: json["buyer_id"]?.string ?? "2088102116773037",
                onlyOpens: onlyOpens)
            if !onlyOpens, let merchant = world.merchant(appID), let paidAt = trade.paidAt {
                let notifyID = "\(BusinessDate(of: paidAt).compact)00222\(world.nextNumber())"
                if let notification = trade.notification(of: merchant, notifyID: notifyID) {
                    await notifier.send(notification)
                }
            }
            return .json([
                "out_trade_no": .string(outTradeNo), "trade_no": .string(trade.tradeNo),
                "trade_status": .string(trade.status.rawValue), "amount_fen": JSON(trade.amount.value),
            ])
        } catch {
            return .json(["error": .string(error.message), "sub_code": .string(error.subCode)], status: 409)
        }
    }

    /// Which trade the buyer means; a form or an order string makes it come into being.
    private func target(_ json: JSON) throws(AlipayWorld.Failure) -> (appID: String, outTradeNo: String)? {
        if let text = json["form"]?.string {
            guard let fields = AlipayControlRoutes.fields(ofForm: text) else { return nil }
            return try open(fields)
        }
        if let text = json["order_string"]?.string {
            guard let fields = try? URLForm.decode(text.utf8) else { return nil }
            return try open(fields)
        }
        guard let appID = json["app_id"]?.string else { return nil }
        if let code = json["qr_code"]?.string {
            return world.merchant(appID)?.codes[code].map { (appID, $0) }
        }
        return json["out_trade_no"]?.string.map { (appID, $0) }
    }

    private func open(_ fields: [URLForm.Field]) throws(AlipayWorld.Failure) -> (appID: String, outTradeNo: String) {
        let call = try gateway.verified(fields)
        guard ["alipay.trade.page.pay", "alipay.trade.wap.pay", "alipay.trade.app.pay"].contains(call.method) else {
            throw .init("isv.invalid-method", "不存在的方法名")
        }
        let trade = try world.place(call.appID, call.content, notifyURL: call.notifyURL, isOpened: true)
        return (call.appID, trade.outTradeNo)
    }

    /// The fields that a browser would send with the form.
    private static func fields(ofForm html: String) -> [URLForm.Field]? {
        let attribute = { (marker: String) -> String? in
            guard let start = html.firstRange(of: marker)?.upperBound,
                let end = html[start...].firstIndex(of: "\"")
            else { return nil }
            return String(html[start..<end]).replacing("&quot;", with: "\"").replacing("&lt;", with: "<")
                .replacing("&gt;", with: ">").replacing("&amp;", with: "&")
        }
        guard let action = attribute("action=\""), let content = attribute("name=\"biz_content\" value=\""),
            let query = action.split(separator: "?", maxSplits: 1).last,
            let fields = try? URLForm.decode(query.utf8)
        else { return nil }
        return fields + [.init("biz_content", content)]
    }

    private func plant(_ json: JSON?) -> SimulatorResponse {
        guard let appID = json?["merchant"]?.string, let kind = json?["kind"]?.string else {
            return .controlError(400, "merchant and kind are needed")
        }
        let outTradeNo = json?["out_trade_no"]?.string
        let amount = json?["amount_fen"]?.integer.map(Fen.init)
        let difference: AlipayWorld.Difference
        switch (kind, outTradeNo, amount, json?["fee_fen"]?.integer.map(Fen.init)) {
        case ("surplus", _, let amount?, _): difference = .surplus(amount)
        case ("late", let outTradeNo?, _, _): difference = .late(outTradeNo: outTradeNo)
        case ("fee", let outTradeNo?, _, let fee?): difference = .fee(outTradeNo: outTradeNo, fee)
        case ("amount", let outTradeNo?, let amount?, _): difference = .amount(outTradeNo: outTradeNo, amount)
        default: return .controlError(400, "kind is surplus, late, fee or amount, with what it needs")
        }
        do {
            return .json(["out_trade_no": .string(try world.plant(difference, at: appID))])
        } catch {
            return .json(["error": .string(error.message), "sub_code": .string(error.subCode)], status: 404)
        }
    }

    private func show(_ appID: String, only outTradeNo: String?) -> SimulatorResponse {
        guard let merchant = world.merchant(appID) else { return .controlError(404, "no such merchant") }
        let now = world.clock.now(of: appID)
        let books = AlipayBooks(merchant)
        let deliveries = Dictionary(grouping: notifier.deliveries(of: appID), by: \.outTradeNo)
        let trades = merchant.trades.values.filter { outTradeNo == nil || $0.outTradeNo == outTradeNo }
            .sorted { $0.tradeNo < $1.tradeNo }
        return .json([
            "app_id": .string(appID), "seller_id": .string(merchant.sellerID),
            "market_id": .string(merchant.marketID), "now": .string(now.rfc3339),
            "balance_fen": JSON(books.balance(of: merchant.sellerID).value), "books": books.json,
            "sub_merchants": .array(merchant.subMerchants.map { AlipayControlRoutes.view($0, books) }),
            "transfers": .array(
                merchant.transfers.map {
                    ["out_biz_no": .string($0.outBizNo), "status": .string($0.status.rawValue)]
                }),
            "trades": .array(trades.map { AlipayControlRoutes.view($0, deliveries[$0.outTradeNo] ?? []) }),
            "remittances": .array(
                merchant.remittances.map {
                    [
                        "business_date": .string($0.date.iso), "net_fen": JSON($0.net.value),
                        "items": JSON($0.items), "accepted": .bool($0.isAccepted),
                    ]
                }),
        ])
    }

    private static func view(_ subMerchant: AlipaySubMerchant, _ books: AlipayBooks) -> JSON {
        [
            "external_id": .string(subMerchant.externalID), "smid": JSON(subMerchant.smid),
            "status": .string(subMerchant.status.rawValue), "frozen": .bool(subMerchant.isFrozen),
            "deleted": .bool(subMerchant.isDeleted), "pending_fen": JSON(subMerchant.pending.value),
            "held_fen": JSON((subMerchant.smid.map { books.held($0) } ?? .zero).value),
            "balance_fen": JSON((subMerchant.smid.map { books.balance(of: $0) } ?? .zero).value),
            "payouts": .array(
                subMerchant.payouts.map {
                    [
                        "date": .string($0.date.iso), "amount_fen": JSON($0.amount.value),
                        "target": .string($0.target), "returned": .bool($0.isReturned),
                        "batch_no": .string($0.batchNumber),
                    ]
                }),
        ]
    }

    private static func view(_ trade: AlipayTrade, _ deliveries: [AlipayNotifier.Delivery]) -> JSON {
        [
            "out_trade_no": .string(trade.outTradeNo), "trade_no": .string(trade.tradeNo),
            "trade_status": .string(trade.status.rawValue), "opened": .bool(trade.isOpened),
            "amount_fen": JSON(trade.amount.value), "refunded_fen": JSON(trade.refunded.value),
            "allocated_fen": JSON(trade.allocated.value), "released_fen": JSON(trade.released.value),
            "confirmed_fen": JSON(trade.confirmed.value),
            "paid_at": JSON(trade.paidAt?.rfc3339),
            "refunds": .array(
                trade.refunds.map {
                    ["out_request_no": .string($0.outRequestNo), "amount_fen": JSON($0.amount.value)]
                }),
            "notifies": .array(
                deliveries.map {
                    [
                        "notify_id": .string($0.notifyID), "out_request_no": JSON($0.outRequestNo),
                        "attempts": JSON($0.attempts), "acknowledged": .bool($0.isAcknowledged),
                    ]
                }),
        ]
    }
}
