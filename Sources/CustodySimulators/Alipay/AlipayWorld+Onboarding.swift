import CustodyDomain
import CustodyWire

/// Opening indirect merchants (直付通进件): an application, its review, the merchant's signature, its number.
extension AlipayWorld {
    /// How long a review takes.
    static let reviewTime = Duration.seconds(3600)

    /// The certificate that belongs to each kind of merchant.
    private static let certificateTypes = [
        "01": "201", "02": "218", "03": "204", "04": "206", "05": "219", "06": "100", "07": "201",
    ]

    /// `ant.merchant.expand.indirect.zft.create` and `.simplecreate`, and `.modify` of one that is open.
    ///
    /// A refused application is handed in again under its `external_id`; one under review or open is not.
    func apply(_ appID: String, _ content: JSON, type: String) throws(Failure) -> String {
        try AlipayWorld.check(content, isSimple: type == "ZFT_SIMPLE_CREATE")
        let orderID = nextNumber(of: appID, kind: "00502")
        try change(appID) { merchant, now throws(Failure) in
            let externalID = content.alipayText("external_id") ?? ""
            if let index = merchant.subMerchants.firstIndex(where: { $0.externalID == externalID && !$0.isDeleted }) {
                let known = merchant.subMerchants[index]
                guard known.status != .reviewing else { throw Failure("ORDER_IN_PROCESS", "存在审核中的申请单") }
                guard known.status == .failed || type == "ZFT_MODIFY" else {
                    throw Failure("EXTERNAL_ID_EXIST", "商户编号已存在")
                }
                guard known.status == .failed else {
                    // What is open stays open under its number; only what was said about it changes.
                    merchant.subMerchants[index].content = content
                    merchant.subMerchants[index].name = content.alipayText("name") ?? known.name
                    merchant.subMerchants[index].applyType = type
                    return
                }
                merchant.subMerchants.remove(at: index)
            } else if type == "ZFT_MODIFY" {
                throw Failure("MERCHANT_NOT_EXIST", "商户不存在")
            }
            merchant.subMerchants.append(
                AlipaySubMerchant(
                    externalID: externalID, orderID: orderID, applyType: type, name: content.alipayText("name") ?? "",
                    content: content, appliedAt: now))
        }
        clock.schedule(appID, at: clock.now(of: appID) + AlipayWorld.reviewTime) { [weak self] _ in
            await self?.review(appID, orderID)
        }
        return orderID
    }

    /// `ant.merchant.expand.indirect.zft.settlementmodify`: another account, checked at once.
    func changeAccount(_ appID: String, _ content: JSON) throws(Failure) -> String {
        let orderID = nextNumber(of: appID, kind: "00502")
        return try change(appID) { merchant, _ throws(Failure) in
            guard let index = content.alipayText("smid").flatMap({ merchant.subMerchant($0) }),
                !merchant.subMerchants[index].isDeleted
            else { throw Failure("MERCHANT_NOT_EXIST", "商户不存在") }
            guard let rule = content["default_settle_rule"] else { throw Failure("INVALID_PARAMETER", "参数有误") }
            try AlipayWorld.checkSettlement(content, rule)
            var members = (merchant.subMerchants[index].content.members ?? []).filter {
                !["default_settle_rule", "biz_cards", "alipay_logon_id"].contains($0.name)
            }
            members += (content.members ?? []).filter { $0.name != "smid" }
            merchant.subMerchants[index].content = .object(members)
            merchant.subMerchants[index].cardAlias = AlipayWorld.cardAlias(content)
            return orderID
        }
    }

    /// `ant.merchant.expand.indirect.zftorder.query`: by either number.
    func applications(_ appID: String, _ content: JSON) throws(Failure) -> [AlipaySubMerchant] {
        try change(appID) { merchant, _ throws(Failure) in
            let found = merchant.subMerchants.filter { subMerchant in
                if let orderID = content.alipayText("order_id") { return subMerchant.orderID == orderID }
                return subMerchant.externalID == content["external_id"]?.string
            }
            guard !found.isEmpty else { throw Failure("ORDER_NOT_EXIST", "申请单不存在") }
            return found
        }
    }

    /// `ant.merchant.expand.indirect.zftsubsettle.query`.
    func account(_ appID: String, _ content: JSON) throws(Failure) -> AlipaySubMerchant {
        try change(appID) { merchant, _ throws(Failure) in
            guard let index = content.alipayText("smid").flatMap({ merchant.subMerchant($0) }) else {
                throw Failure("MERCHANT_NOT_EXIST", "商户不存在")
            }
            return merchant.subMerchants[index]
        }
    }

    /// `ant.merchant.expand.indirect.zft.delete`: refused while money or unsettled orders remain.
    func delete(_ appID: String, _ content: JSON) throws(Failure) {
        try change(appID) { merchant, now throws(Failure) in
            guard let smid = content.alipayText("smid"), let index = merchant.subMerchant(smid) else {
                throw Failure("MERCHANT_NOT_EXIST", "商户不存在")
            }
            let isBusy = merchant.trades.values.contains { trade in
                trade.terms?.smid == smid && trade.status == .success
                    && trade.amount - trade.refunded - trade.allocated > trade.released
            }
            guard !isBusy, merchant.subMerchants[index].pending == .zero else {
                throw Failure("MERCHANT_HAS_UNSETTLED_FUND", "商户存在未结算资金")
            }
            merchant.subMerchants[index].isDeleted = true
        }
    }

    /// Freezes or thaws a sub-merchant.
    func freeze(_ appID: String, smid: String, _ isFrozen: Bool) throws(Failure) {
        try change(appID) { merchant, _ throws(Failure) in
            guard let index = merchant.subMerchant(smid) else { throw Failure("MERCHANT_NOT_EXIST", "商户不存在") }
            merchant.subMerchants[index].isFrozen = isFrozen
        }
    }

    /// Refuses the applications of names like this.
    func refuse(_ appID: String, nameContains: String, reason: String) throws(Failure) {
        try change(appID) { merchant, _ throws(Failure) in
            merchant.refusals.append((nameContains, reason))
        }
    }

    /// Decides an application, and tells the application's gateway.
    private func review(_ appID: String, _ orderID: String) async {
        let smid = nextNumber(of: appID, kind: "20880").suffix(16)
        let decided = try? change(appID) { merchant, _ throws(Failure) -> AlipaySubMerchant in
            guard let index = merchant.subMerchants.firstIndex(where: { $0.orderID == orderID }) else {
                throw Failure("ORDER_NOT_EXIST", "申请单不存在")
            }
            let name = merchant.subMerchants[index].name
            if let refusal = merchant.refusals.first(where: { name.contains($0.nameContains) }) {
                merchant.subMerchants[index].status = .failed
                merchant.subMerchants[index].reason = refusal.reason
            } else {
                merchant.subMerchants[index].status = .done
                merchant.subMerchants[index].isConfirmed = true
                merchant.subMerchants[index].smid = "2088\(smid.suffix(12))"
                merchant.subMerchants[index].cardAlias = AlipayWorld.cardAlias(merchant.subMerchants[index].content)
            }
            return merchant.subMerchants[index]
        }
        guard let decided else { return }
        let isPassed = decided.status == .done
        let content = JSON.object([
            .init("order_id", .string(orderID)), .init("external_id", .string(decided.externalID)),
            .init("smid", JSON(decided.smid)), .init("card_alias_no", JSON(decided.cardAlias)),
            .init("reason", JSON(decided.reason)), .init("memo", JSON(decided.reason)),
        ]).omittingNulls
        await tell(appID, "ant.merchant.expand.indirect.zft.\(isPassed ? "passed" : "rejected")", content)
    }

    private static func check(_ content: JSON, isSimple: Bool) throws(Failure) {
        guard content.alipayText("external_id", upTo: 64) != nil, content.alipayText("name") != nil,
            content.alipayText("alias_name") != nil, content.alipayText("mcc") != nil,
            let contacts = content["contact_infos"]?.array, !contacts.isEmpty,
            let services = content["service"]?.array, !services.isEmpty,
            let rule = content["default_settle_rule"]
        else { throw Failure("INVALID_PARAMETER", "参数有误") }
        if !isSimple {
            guard let type = content.alipayText("merchant_type"), let expected = certificateTypes[type],
                content["cert_type"]?.string == expected, content.alipayText("cert_no") != nil
            else { throw Failure("INVALID_PARAMETER", "商户类型与证件类型不符") }
            guard
                type == "06" || (content.alipayText("legal_name") != nil && content.alipayText("legal_cert_no") != nil)
            else {
                throw Failure("INVALID_PARAMETER", "法人信息缺失")
            }
        }
        try checkSettlement(content, rule)
    }

    private static func checkSettlement(_ content: JSON, _ rule: JSON) throws(Failure) {
        switch rule["default_settle_type"]?.string {
        case "bankCard":
            guard let cards = content["biz_cards"]?.array, cards.count == 1, cards[0].alipayText("account_no") != nil,
                cards[0].alipayText("account_holder_name") != nil,
                rule["default_settle_target"]?.string == cards[0]["account_no"]?.string
            else { throw Failure("INVALID_PARAMETER", "结算卡信息有误") }
        case "alipayAccount":
            guard rule.alipayText("default_settle_target") != nil else { throw Failure("INVALID_PARAMETER", "结算账号有误") }
        default: throw Failure("INVALID_PARAMETER", "结算规则有误")
        }
    }

    /// What Alipay calls a card from now on: its number is never shown again.
    private static func cardAlias(_ content: JSON) -> String? {
        guard let number = content["biz_cards"]?.array?.first?.alipayText("account_no") else { return nil }
        var hash: UInt64 = 14_695_981_039_346_656_037
        for byte in number.utf8 { hash = (hash ^ UInt64(byte)) &* 1_099_511_628_211 }
        return "ALIAS\(hash)"
    }
}
