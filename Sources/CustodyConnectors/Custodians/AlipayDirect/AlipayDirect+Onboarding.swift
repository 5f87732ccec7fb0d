import CustodyDomain
import CustodyWire

/// What 直付通 knows of opening and changing sub-merchants beyond what every custodian has.
extension AlipayDirect {
    /// `ant.merchant.expand.indirect.zft.consult`: what the review would say; nothing is opened.
    public func consult(_ opening: SubMerchantOpening) async -> Reply<AlipayConsultation> {
        guard let category = opening.dossier.categoryCode, let account = opening.dossier.settlementAccount else {
            return .refused(
                Refusal(code: "INCOMPLETE", message: "the category code and the settlement account are needed"))
        }
        return await call(
            .querySubMerchant, "ant.merchant.expand.indirect.zft.consult",
            AlipayDirect.application(opening, category: category, account: account)
        ).reading { node throws(Doubt) in
            AlipayConsultation(
                riskPasses: try node.text("risk_audit") == "PASS",
                accountPasses: node["account_audit"]?.string == "PASS")
        }
    }

    /// `ant.merchant.expand.indirect.zft.simplecreate`: by the Alipay account alone, without a certificate.
    public func openSimply(_ opening: SubMerchantOpening) async -> Reply<CustodianSubMerchant> {
        await apply(opening, for: .openSubMerchant, "simplecreate", AlipayDirect.withoutCertificate)
    }

    /// `ant.merchant.expand.indirect.zft.quickcreate`: the same, and the answer has the page at which the merchant signs.
    public func openQuickly(_ opening: SubMerchantOpening) async -> Reply<CustodianSubMerchant> {
        await apply(opening, for: .openSubMerchant, "quickcreate", AlipayDirect.withoutCertificate)
    }

    /// `ant.merchant.expand.indirect.zft.upgrade`: gives a sub-merchant opened without a certificate one.
    ///
    /// - Parameters:
    ///   - certificateType: `additional_cert_type`, such as `201` for a business licence.
    ///   - image: What ``uploadMaterial(_:serial:)`` answered for its picture.
    public func upgrade(
        subAccount: String, certificateType: String, certificateNumber: String, image: String?
    ) async -> Reply<CustodianResult> {
        await call(
            .modifySubMerchant, "ant.merchant.expand.indirect.zft.upgrade",
            [
                "smid": .string(subAccount), "additional_cert_type": .string(certificateType),
                "additional_cert_no": .string(certificateNumber), "additional_cert_image": JSON(image),
            ]
        ).reading { node throws(Doubt) in try AlipayDirect.underReview(node) }
    }

    /// `ant.merchant.expand.indirect.zft.modify`: reviewed like an opening; what is open stays so meanwhile.
    public func modifySubMerchant(_ change: SubMerchantChange, serial: String) async -> Reply<CustodianResult> {
        let dossier = change.dossier
        let pictures = { (kind: MaterialUpload.Kind) in dossier.materials[kind].map { JSON.array([.string($0)]) } }
        let contact: JSON? = change.contactName.map { name in
            [
                JSON.object([
                    .init("name", .string(name)), .init("mobile", JSON(change.contactMobile)),
                    .init("email", JSON(dossier.contactEmail)), .init("type", "LEGAL_PERSON"),
                ]).omittingNulls
            ]
        }
        return await call(
            .modifySubMerchant, "ant.merchant.expand.indirect.zft.modify",
            [
                "external_id": .string(change.number), "name": JSON(change.name),
                "alias_name": JSON(dossier.shortName), "cert_no": JSON(change.certificateNumber),
                "legal_name": JSON(change.legalPersonName), "legal_cert_no": JSON(change.legalPersonIDNumber),
                "mcc": JSON(dossier.categoryCode), "contact_infos": contact ?? .null,
                "business_address": dossier.address.map { ["address": .string($0)] } ?? .null,
                "biz_cards": dossier.settlementAccount.map { [AlipayDirect.card($0)] } ?? .null,
                "default_settle_rule": dossier.settlementAccount.map(AlipayDirect.rule) ?? .null,
                "cert_image": JSON(dossier.materials[.licence]),
                "legal_cert_front_image": JSON(dossier.materials[.idPortrait]),
                "legal_cert_back_image": JSON(dossier.materials[.idEmblem]),
                "out_door_images": pictures(.shopFront) ?? .null, "in_door_images": pictures(.shopInside) ?? .null,
            ]
        ).reading { node throws(Doubt) in try AlipayDirect.underReview(node) }
    }

    /// `ant.merchant.expand.indirect.image.upload`.
    public func uploadMaterial(_ material: MaterialUpload, serial: String) async -> Reply<CustodianMaterial> {
        if let refusal: Reply<CustodianMaterial> = refusal(of: .uploadMaterial) { return refusal }
        guard let image = AlipayImageUpload(fileName: material.fileName, content: material.bytes) else {
            return .refused(Refusal(code: "IMAGE_NOT_TAKEN", message: "jpg, png, bmp or gif of at most 10 MiB"))
        }
        return await gateway.upload(image).reading { node throws(Doubt) in
            CustodianMaterial(fileID: try node.text("image_id"))
        }
    }

    /// `ant.merchant.expand.zft.settlement.unbind`, of the account that the binding's order left behind.
    public func unbindAccount(bindingNumber: String, serial: String) async -> Reply<CustodianResult> {
        let found = await call(
            .unbindAccount, "ant.merchant.expand.indirect.zftorder.query", ["order_id": .string(bindingNumber)])
        let order: JSON
        switch found {
        case .answered(let node):
            guard let last = node["orders"]?.array?.last else { return .unknown(Doubt(.malformedAnswer, "orders")) }
            order = last
        case .refused(let refusal): return .refused(refusal)
        case .unknown(let doubt): return .unknown(doubt)
        }
        return await call(
            .unbindAccount, "ant.merchant.expand.zft.settlement.unbind",
            ["smid": order["smid"] ?? .null, "card_alias_no": order["card_alias_no"] ?? .null]
        ).reading { _ throws(Doubt) in AlipayDirect.done(nil) }
    }

    /// `ant.merchant.expand.indirect.zftsettlecard.detect`: nil when the card is as we say, or why it is not.
    public func cardDifference(
        subAccount: String, accountNumber: String, accountName: String
    ) async -> Reply<String?> {
        await call(
            .querySubMerchant, "ant.merchant.expand.indirect.zftsettlecard.detect",
            [
                "smid": .string(subAccount), "account_no": .string(accountNumber),
                "account_holder_name": .string(accountName),
            ]
        ).reading { node throws(Doubt) in
            let isSame: Bool
            if let flag = node["consistent"]?.bool {
                isSame = flag
            } else {
                isSame = try node.text("consistent") == "true"
            }
            return isSame ? nil : CustodianText.masked(node["inconsistency_reason"]?.string ?? "")
        }
    }

    /// `alipay.trade.settle.confirm.cancel`: takes a confirmation back while its money is still there.
    public func cancelConfirmation(number: String, orderNumber: String) async -> Reply<CustodianResult> {
        let trade: AlipayDirectTrade
        switch await self.trade(of: orderNumber, for: .confirmSettlement) {
        case .answered(let found): trade = found
        case .refused(let refusal): return .refused(refusal)
        case .unknown(let doubt): return .unknown(doubt)
        }
        return await call(
            .confirmSettlement, "alipay.trade.settle.confirm.cancel",
            ["trade_no": .string(trade.number), "ori_request_no": .string(number)]
        ).reading { node throws(Doubt) in AlipayDirect.done(node["trade_no"]?.string) }
    }

    /// `alipay.trade.royalty.rate.query`: how much of an order may be split, in per cent.
    public func splitRatio(serial: String) async -> Reply<Int64> {
        await call(.addReceiver, "alipay.trade.royalty.rate.query", ["out_request_no": .string(serial)])
            .reading { node throws(Doubt) in
                guard let ratio = node["max_ratio"]?.integer ?? node["max_ratio"]?.string.flatMap({ Int64($0) }) else {
                    throw Doubt(.malformedAnswer, "max_ratio")
                }
                return ratio
            }
    }

    /// `alipay.trade.royalty.relation.batchquery`: who may receive parts, 20 on a page.
    public func receivers(cursor: String?, serial: String) async -> Reply<Page<String>> {
        let page = cursor.flatMap { Int($0) } ?? 1
        return await call(
            .addReceiver, "alipay.trade.royalty.relation.batchquery",
            ["out_request_no": .string(serial), "page_num": JSON(page), "page_size": 20]
        ).reading { node throws(Doubt) in
            guard let last = node["total_page_num"]?.integer else { throw Doubt(.malformedAnswer, "total_page_num") }
            var accounts: [String] = []
            for receiver in node["receiver_list"]?.array ?? [] { accounts.append(try receiver.text("account")) }
            return Page(items: accounts, next: page < last ? String(page + 1) : nil)
        }
    }

    /// `alipay.trade.order.onsettle.query`: what of an order can still be split.
    public func splittable(orderNumber: String) async -> Reply<Fen> {
        let trade: AlipayDirectTrade
        switch await self.trade(of: orderNumber, for: .querySplit) {
        case .answered(let found): trade = found
        case .refused(let refusal): return .refused(refusal)
        case .unknown(let doubt): return .unknown(doubt)
        }
        return await call(.querySplit, "alipay.trade.order.onsettle.query", ["trade_no": .string(trade.number)])
            .reading { node throws(Doubt) in try node.amount("unsettled_amount") }
    }

    private static func underReview(_ node: JSON) throws(Doubt) -> CustodianResult {
        CustodianResult(
            state: .processing(finishBy: nil), bankNumber: try node.text("order_id"), bankDate: nil)
    }

    /// What the methods without a certificate do not take.
    private static func withoutCertificate(_ form: JSON) -> JSON {
        let certificate: Set<String> = [
            "merchant_type", "cert_type", "cert_no", "cert_name", "cert_image", "legal_name", "legal_cert_type",
            "legal_cert_no", "legal_cert_front_image", "legal_cert_back_image",
        ]
        return .object((form.members ?? []).filter { !certificate.contains($0.name) })
    }
}

/// The bills of sub-merchants, as files of a custodian.
extension AlipayDirect {
    /// Trades of all sub-merchants, and every movement of their accounts.
    public var bills: [ChannelBill] { [.trade, .subMerchantFundFlow] }

    /// The files of receipts and of balances: they are Alipay's bills.
    public func bill(_ bill: ChannelBill, of date: BusinessDate, into spool: Spool) async -> Reply<BillAnswer> {
        switch bill {
        case .trade: await file(.receipts, of: date, into: spool, serial: "")
        case .subMerchantFundFlow: await file(.balances, of: date, into: spool, serial: "")
        case .fundFlow, .profitSharing: unsupported(.fetchFile)
        }
    }

    /// Trades of all sub-merchants (`trade_zft_merchant`), settlements to cards that arrived that day
    /// (`settlementMerge`), or every movement of their accounts, with balances (`zft_acc`).
    public func file(
        _ kind: CustodianFileKind, of date: BusinessDate, into spool: Spool, serial: String
    ) async -> Reply<BillAnswer> {
        if let refusal: Reply<BillAnswer> = refusal(of: .fetchFile) { return refusal }
        switch kind {
        case .receipts: return await gateway.bill("trade_zft_merchant", of: date, into: spool)
        case .withdrawals: return await gateway.bill("settlementMerge", of: date, into: spool)
        case .balances: return await gateway.bill("zft_acc", of: date, into: spool)
        default: return unsupported(.fetchFile)
        }
    }
}

/// What Alipay would say to an application.
public struct AlipayConsultation: Hashable, Sendable {
    /// Whether the risk review would pass (`risk_audit`).
    public let riskPasses: Bool
    /// Whether the review of the account would (`account_audit`).
    public let accountPasses: Bool

    /// Makes an answer.
    public init(riskPasses: Bool, accountPasses: Bool) {
        self.riskPasses = riskPasses
        self.accountPasses = accountPasses
    }
}
