import CustodyDomain
import CustodyWire

/// The application's form. Fields that are not used are left out: WeChat takes no empty ones.
extension WeChatEcommerce {
    static func form(_ opening: SubMerchantOpening, _ key: WeChatPayLink.PlatformKey) throws -> JSON {
        let dossier = opening.dossier
        let isPerson = opening.kind == .individual
        func media(_ kind: MaterialUpload.Kind) -> JSON { JSON(dossier.materials[kind]) }
        func sealed(_ text: String?) throws -> JSON {
            guard let text, !text.isEmpty else { return .null }
            return .string(try key.sealed(text))
        }
        let idCard: JSON = [
            "id_card_copy": media(.idPortrait), "id_card_national": media(.idEmblem),
            "id_card_name": try sealed(opening.legalPersonName),
            "id_card_number": try sealed(opening.legalPersonIDNumber),
            "id_card_valid_time": .string(dossier.legalPersonIDExpires?.iso ?? "长期"),
        ]
        let license: JSON = [
            "business_license_copy": media(.licence), "business_license_number": .string(opening.certificateNumber),
            "merchant_name": .string(opening.name), "legal_person": .string(opening.legalPersonName),
            "company_address": JSON(dossier.address),
        ]
        let contact: JSON = [
            "contact_type": opening.contactName == opening.legalPersonName ? "65" : "66",
            "contact_name": try sealed(opening.contactName), "mobile_phone": try sealed(opening.contactMobile),
            "contact_email": try sealed(dossier.contactEmail),
        ]
        let account = try dossier.settlementAccount.map { account throws -> JSON in
            let json: JSON = [
                "bank_account_type": account.isCorporate ? "74" : "75", "account_bank": .string(account.bankName),
                "account_name": try sealed(account.accountName), "bank_address_code": JSON(account.areaCode),
                "account_number": try sealed(account.accountNumber),
            ]
            return json.omittingNulls
        }
        let owners = try dossier.owners.map { owner throws -> JSON in
            [
                "ubo_id_doc_name": try sealed(owner.name), "ubo_id_doc_number": try sealed(owner.idNumber),
                "ubo_id_doc_type": "IDENTIFICATION_TYPE_IDCARD",
            ]
        }
        let shop = dossier.shops.first
        let scene: JSON = ["store_name": .string(shop?.name ?? opening.name), "store_url": JSON(shop?.url)]
        // The legal person is the owner unless others are named.
        let owner: JSON = opening.kind == .company ? .bool(owners.isEmpty) : .null
        let ownerList: JSON = owners.isEmpty ? .null : .array(owners)
        var settlement = JSON.null
        if let category = dossier.categoryCode { settlement = ["qualification_type": .string(category)] }
        var qualifications = JSON.null
        if let id = dossier.materials[.qualification] { qualifications = .string("[\"\(id)\"]") }
        let licenceInfo: JSON = isPerson ? .null : license.omittingNulls
        let form: JSON = [
            "out_request_no": .string(opening.number), "organization_type": .string(opening.kind.weChatWord),
            "business_license_info": licenceInfo, "id_card_info": idCard.omittingNulls, "owner": owner,
            "ubo_info_list": ownerList, "account_info": account ?? .null,
            "contact_info": contact.omittingNulls, "sales_scene_info": scene.omittingNulls,
            "settlement_info": settlement,
            "merchant_shortname": .string(dossier.shortName ?? opening.name),
            "qualifications": qualifications,
        ]
        return form.omittingNulls
    }
}

extension SubMerchantOpening.Kind {
    /// The type of organization (`organization_type`).
    fileprivate var weChatWord: String {
        switch self {
        case .company: "2"
        case .individualBusiness: "4"
        case .individual: "2401"
        }
    }
}
