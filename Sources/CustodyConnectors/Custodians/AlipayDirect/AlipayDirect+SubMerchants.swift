import CustodyDomain
import CustodyWire

/// Sub-merchants (二级商户), their settlement accounts, and receivers of splits.
extension AlipayDirect {
    /// `ant.merchant.expand.indirect.zft.create`.
    public func openSubMerchant(_ opening: SubMerchantOpening, serial: String) async -> Reply<CustodianSubMerchant> {
        await apply(opening, for: .openSubMerchant)
    }

    /// The same method: a refused application is handed in again under its `external_id`.
    public func resubmitSubMerchant(
        _ opening: SubMerchantOpening, serial: String
    ) async -> Reply<CustodianSubMerchant> {
        await apply(opening, for: .resubmitSubMerchant)
    }

    /// `ant.merchant.expand.indirect.zftorder.query`, by our number.
    public func querySubMerchant(number: String, serial: String) async -> Reply<CustodianSubMerchant> {
        let answer = await call(
            .querySubMerchant, "ant.merchant.expand.indirect.zftorder.query", ["external_id": .string(number)])
        if case .refused(let refusal) = answer, refusal.code.hasSuffix("ORDER_NOT_EXIST") {
            return .answered(CustodianSubMerchant(state: .absent, applicationNumber: nil, subAccount: nil))
        }
        return answer.reading { node throws(Doubt) in try AlipayDirect.subMerchant(node) }
    }

    /// `ant.merchant.expand.indirect.zft.delete`, which wants Alipay's own number of it.
    public func closeSubMerchant(number: String, reason: String, serial: String) async -> Reply<CustodianResult> {
        switch await querySubMerchant(number: number, serial: serial) {
        case .answered(let known):
            guard let smid = known.subAccount else {
                return .refused(Refusal(code: "MERCHANT_NOT_OPEN", message: "the sub-merchant is not open"))
            }
            return await call(
                .closeSubMerchant, "ant.merchant.expand.indirect.zft.delete", ["smid": .string(smid)]
            ).reading { _ throws(Doubt) in AlipayDirect.done(nil) }
        case .refused(let refusal): return .refused(refusal)
        case .unknown(let doubt): return .unknown(doubt)
        }
    }

    /// `ant.merchant.expand.indirect.zft.settlementmodify`; bound once the account that Alipay names is this one.
    public func bindAccount(_ account: AccountBinding, serial: String) async -> Reply<CustodianBinding> {
        let content: JSON = [
            "smid": .string(account.subAccount), "biz_cards": [AlipayDirect.card(account)],
            "default_settle_rule": AlipayDirect.rule(account),
        ]
        let order: String
        switch await call(.bindAccount, "ant.merchant.expand.indirect.zft.settlementmodify", content) {
        case .answered(let node): order = node["order_id"]?.string ?? ""
        case .refused(let refusal): return .refused(refusal)
        case .unknown(let doubt): return .unknown(doubt)
        }
        return await call(
            .bindAccount, "ant.merchant.expand.indirect.zftsubsettle.query", ["smid": .string(account.subAccount)]
        ).reading { node throws(Doubt) in
            let shown = node["biz_cards"]?.array?.first?["account_no"]?.string ?? ""
            let isBound = shown.suffix(4) == account.accountNumber.suffix(4)
            return CustodianBinding(
                state: isBound ? .bound : .toVerify(expiresAt: nil, triesLeft: nil), bindingNumber: order)
        }
    }

    /// The same method: a sub-merchant has one settlement account.
    public func changeAccount(
        _ account: AccountBinding, replacing bindingNumber: String, serial: String
    ) async -> Reply<CustodianBinding> {
        await bindAccount(account, serial: serial)
    }

    /// `alipay.trade.royalty.relation.bind`.
    public func addReceiver(_ receiver: SplitReceiver, serial: String) async -> Reply<CustodianResult> {
        await relate(receiver, "alipay.trade.royalty.relation.bind", .addReceiver, serial)
    }

    /// `alipay.trade.royalty.relation.unbind`.
    public func removeReceiver(_ receiver: SplitReceiver, serial: String) async -> Reply<CustodianResult> {
        await relate(receiver, "alipay.trade.royalty.relation.unbind", .removeReceiver, serial)
    }

    /// Reads the application that counts: the last to open it of those under one number. Changes leave it as it is.
    static func subMerchant(_ node: JSON) throws(Doubt) -> CustodianSubMerchant {
        let orders = node["orders"]?.array ?? []
        let openings = orders.filter { $0["apply_type"]?.string?.contains("CREATE") ?? true }
        guard let order = openings.last ?? orders.last else { throw Doubt(.malformedAnswer, "no orders") }
        let state: CustodianSubMerchant.State
        switch try order.text("status") {
        case "99": state = .active
        case "-1":
            let reason = order["reason"]?.string ?? order["fk_audit_memo"]?.string ?? ""
            state = .rejected([.init(field: "", reason: CustodianText.masked(reason))])
        case "031", "0", "1": state = .reviewing(signURL: order["sub_sign_short_chain_url"]?.string)
        case let other: throw Doubt(.malformedAnswer, "status \(other)")
        }
        return CustodianSubMerchant(
            state: state, applicationNumber: order["order_id"]?.string,
            subAccount: state == .active ? try order.text("smid") : nil)
    }

    private func apply(
        _ opening: SubMerchantOpening, for operation: CustodianOperation
    ) async -> Reply<CustodianSubMerchant> {
        await apply(opening, for: operation, "create") { $0 }
    }

    /// Hands in an application by one of the methods that open a sub-merchant.
    ///
    /// - Parameter change: What the method takes of the form.
    func apply(
        _ opening: SubMerchantOpening, for operation: CustodianOperation, _ method: String, _ change: (JSON) -> JSON
    ) async -> Reply<CustodianSubMerchant> {
        // Without these two, the form would come back days later.
        guard let category = opening.dossier.categoryCode, let account = opening.dossier.settlementAccount else {
            return .refused(
                Refusal(code: "INCOMPLETE", message: "the category code and the settlement account are needed"))
        }
        return await call(
            operation, "ant.merchant.expand.indirect.zft.\(method)",
            change(AlipayDirect.application(opening, category: category, account: account))
        ).reading { node throws(Doubt) in
            CustodianSubMerchant(
                state: .reviewing(signURL: node["sign_short_chain_url"]?.string),
                applicationNumber: try node.text("order_id"), subAccount: nil)
        }
    }

    static func application(
        _ opening: SubMerchantOpening, category: String, account: AccountBinding
    ) -> JSON {
        let materials = opening.dossier.materials
        let pictures = { (kind: MaterialUpload.Kind) in materials[kind].map { JSON.array([.string($0)]) } ?? .null }
        return [
            "external_id": .string(opening.number), "merchant_type": .string(opening.kind.merchantType),
            "name": .string(opening.name), "alias_name": .string(opening.dossier.shortName ?? opening.name),
            "mcc": .string(category), "cert_type": .string(opening.kind.certificateType),
            "cert_no": .string(opening.certificateNumber), "cert_name": .string(opening.name),
            "legal_name": .string(opening.legalPersonName), "legal_cert_type": "100",
            "legal_cert_no": .string(opening.legalPersonIDNumber),
            "contact_infos": [
                JSON.object([
                    .init("name", .string(opening.contactName)), .init("mobile", .string(opening.contactMobile)),
                    .init("email", JSON(opening.dossier.contactEmail)), .init("type", "LEGAL_PERSON"),
                ]).omittingNulls
            ],
            "business_address": opening.dossier.address.map { ["address": .string($0)] } ?? .null,
            "sites": opening.dossier.shops.isEmpty
                ? .null
                : .array(
                    opening.dossier.shops.map {
                        JSON.object([
                            .init("site_type", "01"), .init("site_name", .string($0.name)),
                            .init("site_url", JSON($0.url)),
                        ]).omittingNulls
                    }),
            "service": ["当面付", "app支付", "jsapi支付", "wap支付", "电脑支付"],
            "biz_cards": [card(account)], "default_settle_rule": rule(account),
            "cert_image": JSON(materials[.licence]), "legal_cert_front_image": JSON(materials[.idPortrait]),
            "legal_cert_back_image": JSON(materials[.idEmblem]), "out_door_images": pictures(.shopFront),
            "in_door_images": pictures(.shopInside),
        ]
    }

    static func card(_ account: AccountBinding) -> JSON {
        [
            "account_no": .string(account.accountNumber), "account_holder_name": .string(account.accountName),
            "account_inst_name": .string(account.bankName), "usage_type": account.isCorporate ? "01" : "02",
            "account_type": "DC",
        ]
    }

    static func rule(_ account: AccountBinding) -> JSON {
        ["default_settle_type": "bankCard", "default_settle_target": .string(account.accountNumber)]
    }

    private func relate(
        _ receiver: SplitReceiver, _ method: String, _ operation: CustodianOperation, _ serial: String
    ) async -> Reply<CustodianResult> {
        let entity = JSON.object([
            .init(
                "type", .string(receiver.kind == .loginName ? "loginName" : AlipayAccountKind(receiver.account).name)),
            .init("account", .string(receiver.account)), .init("name", JSON(receiver.name)),
        ]).omittingNulls
        return await call(operation, method, ["receiver_list": [entity], "out_request_no": .string(serial)])
            .reading { node throws(Doubt) in
                guard node["result_code"]?.string == "SUCCESS" else {
                    throw Doubt(.malformedAnswer, "result_code")
                }
                return AlipayDirect.done(nil)
            }
    }
}

extension SubMerchantOpening.Kind {
    /// `merchant_type`.
    fileprivate var merchantType: String {
        switch self {
        case .company: "01"
        case .individual: "06"
        case .individualBusiness: "07"
        }
    }

    /// `cert_type`: a business licence, or an identity card.
    fileprivate var certificateType: String { self == .individual ? "100" : "201" }
}
