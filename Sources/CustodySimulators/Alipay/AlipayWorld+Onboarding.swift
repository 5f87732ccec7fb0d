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

    /// `ant.merchant.expand.indirect.zft.create`, `.simplecreate` and `.quickcreate`.
    ///
    /// A refused application is handed in again under its `external_id`; one under review or open is not.
    func apply(
        _ appID: String, _ content: JSON, _ kind: AlipayApplication.Kind
    ) throws(Failure) -> AlipayApplication {
        try AlipayWorld.check(content, hasCertificate: kind == .create)
        let orderID = nextNumber(of: appID, kind: "00502")
        let externalID = content.alipayText("external_id") ?? ""
        let application = try change(appID) { merchant, now throws(Failure) in
            try AlipayWorld.checkImages(content, merchant)
            let application = AlipayApplication(
                orderID: orderID, kind: kind, name: content.alipayText("name") ?? "", content: content, appliedAt: now,
                needsSignature: kind == .quickCreate || merchant.needsSignatures)
            guard
                let index = merchant.subMerchants.firstIndex(where: { $0.externalID == externalID && !$0.isDeleted })
            else {
                merchant.subMerchants.append(
                    AlipaySubMerchant(
                        externalID: externalID, applications: [application], name: application.name, content: content))
                return application
            }
            switch merchant.subMerchants[index].status {
            case .reviewing: throw Failure("ORDER_IN_PROCESS", "存在审核中的申请单")
            case .done: throw Failure("EXTERNAL_ID_EXIST", "商户编号已存在")
            case .failed:
                merchant.subMerchants[index].applications.append(application)
                merchant.subMerchants[index].name = application.name
                merchant.subMerchants[index].content = content
            }
            return application
        }
        awaitReview(appID, orderID)
        return application
    }

    /// `ant.merchant.expand.indirect.zft.modify` and `.upgrade`: what is open stays open, and changes once the review is
    /// over.
    func change(
        _ appID: String, _ content: JSON, _ kind: AlipayApplication.Kind
    ) throws(Failure) -> AlipayApplication {
        let orderID = nextNumber(of: appID, kind: "00502")
        let application = try change(appID) { merchant, now throws(Failure) in
            let found = merchant.subMerchants.firstIndex { subMerchant in
                guard !subMerchant.isDeleted, subMerchant.smid != nil else { return false }
                return subMerchant.smid == content.alipayText("smid")
                    || (kind == .modify && subMerchant.externalID == content.alipayText("external_id"))
            }
            guard let index = found else { throw Failure("MERCHANT_NOT_EXIST", "商户不存在") }
            let known = merchant.subMerchants[index]
            guard !known.applications.contains(where: { $0.status == .reviewing }) else {
                throw Failure("ORDER_IN_PROCESS", "存在审核中的申请单")
            }
            if kind == .upgrade {
                guard known.opening?.kind != .create else { throw Failure("INVALID_PARAMETER", "商户无需升级") }
                guard content.alipayText("additional_cert_type") != nil, content.alipayText("additional_cert_no") != nil
                else { throw Failure("INVALID_PARAMETER", "补充证件信息缺失") }
            }
            try AlipayWorld.checkImages(content, merchant)
            let changed = AlipayWorld.merged(known.content, content)
            try AlipayWorld.check(changed, hasCertificate: known.opening?.kind == .create)
            let application = AlipayApplication(
                orderID: orderID, kind: kind, name: changed.alipayText("name") ?? known.name, content: changed,
                appliedAt: now, needsSignature: false)
            merchant.subMerchants[index].applications.append(application)
            return application
        }
        awaitReview(appID, orderID)
        return application
    }

    /// `ant.merchant.expand.indirect.zft.consult`: what the review would say; nothing is opened.
    func consult(_ appID: String, _ content: JSON) throws(Failure) -> (orderID: String, isWelcome: Bool) {
        try AlipayWorld.check(content, hasCertificate: content["merchant_type"] != nil)
        let orderID = nextNumber(of: appID, kind: "00502")
        return try change(appID) { merchant, _ throws(Failure) in
            try AlipayWorld.checkImages(content, merchant)
            let name = content.alipayText("name") ?? ""
            return (orderID, !merchant.refusals.contains { name.contains($0.nameContains) })
        }
    }

    /// The merchant opens the page it was sent, and signs.
    func sign(_ appID: String, externalID: String) async throws(Failure) {
        let signed = try change(appID) { merchant, _ throws(Failure) -> (orderID: String, isPassed: Bool) in
            guard let index = merchant.subMerchants.firstIndex(where: { $0.externalID == externalID }),
                let place = merchant.subMerchants[index].applications.lastIndex(where: {
                    $0.needsSignature && $0.status == .reviewing
                })
            else { throw Failure("ORDER_NOT_EXIST", "申请单不存在") }
            merchant.subMerchants[index].applications[place].isSigned = true
            let application = merchant.subMerchants[index].applications[place]
            return (application.orderID, application.isPassed)
        }
        if signed.isPassed { await review(appID, signed.orderID) }
    }

    /// `ant.merchant.expand.indirect.zft.settlementmodify`: another account, checked at once.
    func changeAccount(_ appID: String, _ content: JSON) throws(Failure) -> String {
        let orderID = nextNumber(of: appID, kind: "00502")
        return try change(appID) { merchant, now throws(Failure) in
            guard let smid = content.alipayText("smid"), let index = merchant.subMerchant(smid),
                !merchant.subMerchants[index].isDeleted
            else { throw Failure("MERCHANT_NOT_EXIST", "商户不存在") }
            guard let rule = content["default_settle_rule"] else { throw Failure("INVALID_PARAMETER", "参数有误") }
            try AlipayWorld.checkSettlement(content, rule)
            let known = merchant.subMerchants[index]
            let kept = (known.content.members ?? []).filter {
                !["default_settle_rule", "biz_cards", "alipay_logon_id"].contains($0.name)
            }
            merchant.subMerchants[index].content = AlipayWorld.merged(.object(kept), content)
            merchant.subMerchants[index].cardAlias = AlipayWorld.cardAlias(content)
            merchant.subMerchants[index].applications.append(
                AlipayApplication(
                    orderID: orderID, kind: .settlement, name: known.name, content: content, appliedAt: now,
                    status: .done, isPassed: true, needsSignature: false))
            // What came back from the old account goes to the new one.
            if known.pending > .zero { awaitPayout(appID, smid, now) }
            return orderID
        }
    }

    /// `ant.merchant.expand.zft.settlement.unbind`: refused while money waits to be paid out.
    func unbindAccount(_ appID: String, _ content: JSON) throws(Failure) {
        try change(appID) { merchant, _ throws(Failure) in
            guard let index = content.alipayText("smid").flatMap({ merchant.subMerchant($0) }) else {
                throw Failure("MERCHANT_NOT_EXIST", "商户不存在")
            }
            let known = merchant.subMerchants[index]
            let target = known.content["default_settle_rule"]?.alipayText("default_settle_target")
            let isCard = known.cardAlias != nil && content.alipayText("card_alias_no") == known.cardAlias
            let isAccount = target != nil && content.alipayText("alipay_logon_id") == target
            guard isCard || isAccount else { throw Failure("SETTLEMENT_ACCOUNT_NOT_EXIST", "结算账号不存在") }
            guard known.pending == .zero else { throw Failure("MERCHANT_HAS_UNSETTLED_FUND", "商户存在未结算资金") }
            merchant.subMerchants[index].cardAlias = nil
            merchant.subMerchants[index].content = .object(
                (known.content.members ?? []).filter { !["biz_cards", "default_settle_rule"].contains($0.name) })
        }
    }

    /// `ant.merchant.expand.indirect.zftsettlecard.detect`: nil when the card is as it is said to be, or why not.
    func cardDifference(_ appID: String, _ content: JSON) throws(Failure) -> String? {
        let subMerchant = try account(appID, content)
        guard let card = subMerchant.content["biz_cards"]?.array?.first else { return "未绑定结算卡" }
        if let alias = content.alipayText("card_alias_no"), alias != subMerchant.cardAlias { return "卡编号不一致" }
        if let number = content.alipayText("account_no"), number != card["account_no"]?.string { return "卡号不一致" }
        guard let holder = content.alipayText("account_holder_name") else { return nil }
        return holder == card["account_holder_name"]?.string ? nil : "户名不一致"
    }

    /// `ant.merchant.expand.indirect.image.upload`.
    func keep(_ image: AlipayImageUpload, _ appID: String) throws(Failure) -> String {
        let number = "\(nextNumber(of: appID, kind: "00707")).\(image.type)"
        return try change(appID) { merchant, _ throws(Failure) in
            merchant.images.insert(number)
            return number
        }
    }

    /// `ant.merchant.expand.indirect.zftorder.query`: by either number.
    func applications(_ appID: String, _ content: JSON) throws(Failure) -> [JSON] {
        try change(appID) { merchant, _ throws(Failure) in
            let found = merchant.subMerchants.flatMap { subMerchant in
                subMerchant.applications.filter { application in
                    if let orderID = content.alipayText("order_id") { return application.orderID == orderID }
                    return subMerchant.externalID == content["external_id"]?.string
                }.map { subMerchant.json(of: $0) }
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
                trade.terms?.smid == smid && trade.paidAt != nil && trade.held > .zero
            }
            guard !isBusy, merchant.subMerchants[index].pending == .zero else {
                throw Failure("MERCHANT_HAS_UNSETTLED_FUND", "商户存在未结算资金")
            }
            merchant.subMerchants[index].isDeleted = true
        }
    }

    /// Freezes or thaws a sub-merchant; what waited meanwhile is paid out on the next day.
    func freeze(_ appID: String, smid: String, _ isFrozen: Bool) throws(Failure) {
        try change(appID) { merchant, now throws(Failure) in
            guard let index = merchant.subMerchant(smid) else { throw Failure("MERCHANT_NOT_EXIST", "商户不存在") }
            merchant.subMerchants[index].isFrozen = isFrozen
            if !isFrozen { awaitPayout(appID, smid, now) }
        }
    }

    /// Refuses the applications of names like this.
    func refuse(_ appID: String, nameContains: String, reason: String) throws(Failure) {
        try change(appID) { merchant, _ throws(Failure) in
            merchant.refusals.append((nameContains, reason))
        }
    }
}

/// Deciding applications, and what they are checked for.
extension AlipayWorld {
    private func awaitReview(_ appID: String, _ orderID: String) {
        clock.schedule(appID, at: clock.now(of: appID) + AlipayWorld.reviewTime) { [weak self] _ in
            await self?.review(appID, orderID)
        }
    }

    /// Decides an application, and tells the application's gateway; one that must be signed waits for that.
    private func review(_ appID: String, _ orderID: String) async {
        let smid = "2088\(nextNumber(of: appID, kind: "20880").suffix(12))"
        let decided = try? change(appID) { merchant, _ throws(Failure) -> (AlipaySubMerchant, AlipayApplication) in
            guard
                let index = merchant.subMerchants.firstIndex(where: {
                    $0.applications.contains { $0.orderID == orderID }
                }),
                let place = merchant.subMerchants[index].applications.firstIndex(where: { $0.orderID == orderID })
            else { throw Failure("ORDER_NOT_EXIST", "申请单不存在") }
            var application = merchant.subMerchants[index].applications[place]
            defer { merchant.subMerchants[index].applications[place] = application }
            if let refusal = merchant.refusals.first(where: { application.name.contains($0.nameContains) }) {
                application.status = .failed
                application.reason = refusal.reason
            } else {
                application.isPassed = true
                guard !application.needsSignature || application.isSigned else {
                    throw Failure("ORDER_IN_PROCESS", "等待商户签约")
                }
                application.status = .done
                if application.kind.opens { merchant.subMerchants[index].smid = smid }
                merchant.subMerchants[index].name = application.name
                merchant.subMerchants[index].content = application.content
                merchant.subMerchants[index].cardAlias = AlipayWorld.cardAlias(application.content)
            }
            return (merchant.subMerchants[index], application)
        }
        guard let (subMerchant, application) = decided else { return }
        let isPassed = application.status == .done
        let content = JSON.object([
            .init("order_id", .string(orderID)), .init("external_id", .string(subMerchant.externalID)),
            .init("apply_type", .string(application.kind.rawValue)),
            .init("smid", JSON(isPassed ? subMerchant.smid : nil)),
            .init("card_alias_no", JSON(isPassed ? subMerchant.cardAlias : nil)),
            .init("reason", JSON(application.reason)), .init("memo", JSON(application.reason)),
        ]).omittingNulls
        await tell(appID, "ant.merchant.expand.indirect.zft.\(isPassed ? "passed" : "rejected")", content)
    }

    /// What is known, with what a change says of it.
    private static func merged(_ known: JSON, _ change: JSON) -> JSON {
        let changes = (change.members ?? []).filter { $0.name != "smid" }
        let names = Set(changes.map(\.name))
        return .object((known.members ?? []).filter { !names.contains($0.name) } + changes)
    }

    /// Pictures are named by what their upload answered.
    private static func checkImages(_ content: JSON, _ merchant: AlipayMerchant) throws(Failure) {
        let single = [
            "cert_image", "cert_image_back", "legal_cert_front_image", "legal_cert_back_image",
            "license_auth_letter_image", "additional_cert_image",
        ].compactMap { content.alipayText($0) }
        let many = ["out_door_images", "in_door_images"].flatMap { content[$0]?.array?.compactMap(\.string) ?? [] }
        guard (single + many).allSatisfy({ merchant.images.contains($0) }) else {
            throw Failure("INVALID_PARAMETER", "图片不存在")
        }
    }

    /// - Parameter hasCertificate: Whether it is about somebody with a licence or an identity card of its own.
    private static func check(_ content: JSON, hasCertificate: Bool) throws(Failure) {
        guard content.alipayText("external_id", upTo: 64) != nil, content.alipayText("name") != nil,
            content.alipayText("alias_name") != nil, content.alipayText("mcc") != nil,
            let contacts = content["contact_infos"]?.array, !contacts.isEmpty,
            let services = content["service"]?.array, !services.isEmpty,
            let rule = content["default_settle_rule"]
        else { throw Failure("INVALID_PARAMETER", "参数有误") }
        if hasCertificate {
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
