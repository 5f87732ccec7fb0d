import CustodyDomain
import CustodyWire

/// Sub-merchants.
extension CWP1Custodian {
    /// MCH.OPEN.
    public func openSubMerchant(_ opening: SubMerchantOpening, serial: String) async -> Reply<CustodianSubMerchant> {
        await exchange(.openSubMerchant, serial: serial) { try CWP1Custodian.body(opening, $0) }
            .reading(CWP1Custodian.subMerchant)
    }

    /// MCH.RESUBMIT.
    public func resubmitSubMerchant(
        _ opening: SubMerchantOpening, serial: String
    ) async -> Reply<CustodianSubMerchant> {
        await exchange(.resubmitSubMerchant, serial: serial) { try CWP1Custodian.body(opening, $0) }
            .reading(CWP1Custodian.subMerchant)
    }

    /// MCH.MODIFY.
    public func modifySubMerchant(_ change: SubMerchantChange, serial: String) async -> Reply<CustodianResult> {
        await exchange(.modifySubMerchant, serial: serial) { key in
            let legalPerson = [
                JSON.Member("name", JSON(try change.legalPersonName.map(key.seal))),
                .init("idNo", JSON(try change.legalPersonIDNumber.map(key.seal))),
            ]
            let contact = [
                JSON.Member("name", JSON(try change.contactName.map(key.seal))),
                .init("mobile", JSON(try change.contactMobile.map(key.seal))),
            ]
            let members: [JSON.Member] = [
                .init("merchantNo", .string(change.number)), .init("name", JSON(change.name)),
                .init("certNo", JSON(try change.certificateNumber.map(key.seal))),
                .init("legalPerson", CWP1Custodian.object(legalPerson)),
                .init("contact", CWP1Custodian.object(contact)),
            ]
            return .object(members + (try CWP1Custodian.members(change.dossier, key)))
        }.reading(CWP1Custodian.result)
    }

    /// MCH.QUERY.
    public func querySubMerchant(number: String, serial: String) async -> Reply<CustodianSubMerchant> {
        await exchange(.querySubMerchant, serial: serial, body: ["merchantNo": .string(number)])
            .reading(CWP1Custodian.subMerchant)
    }

    /// MCH.CLOSE.
    public func closeSubMerchant(number: String, reason: String, serial: String) async -> Reply<CustodianResult> {
        await exchange(
            .closeSubMerchant, serial: serial, body: ["merchantNo": .string(number), "reason": .string(reason)]
        ).reading(CWP1Custodian.result)
    }

    /// The bytes first, under the serial number as their name; then MCH.MATERIAL, whose digest says that they are ours.
    public func uploadMaterial(_ material: MaterialUpload, serial: String) async -> Reply<CustodianMaterial> {
        if let refusal: Reply<CustodianMaterial> = refusal(of: .uploadMaterial) { return refusal }
        guard material.bytes.count <= capabilities.limits.materialBytes else {
            return .refused(Refusal(code: "too_large", message: "the file is too large"))
        }
        do throws(Doubt) { try await codec.upload(material.bytes, name: serial) } catch { return .unknown(error) }
        return await exchange(
            .uploadMaterial, serial: serial,
            body: [
                "kind": .string(material.kind.rawValue.uppercased()), "fileName": .string(material.fileName),
                "contentType": .string(material.contentType), "uploadId": .string(serial),
                "size": JSON(material.bytes.count), "sha256": .string(CWP1File.digest(of: material.bytes)),
            ]
        ).reading { response throws(Doubt) in
            guard response.returnCode.meaning == .accepted else {
                throw Doubt(.systemError, response.returnCode.text)
            }
            return CustodianMaterial(fileID: try response.body.text("fileId"))
        }
    }

    private static func body(_ opening: SubMerchantOpening, _ key: CWP1SessionKey) throws -> JSON {
        let members: [JSON.Member] = [
            .init("merchantNo", .string(opening.number)), .init("kind", .string(opening.kind.word)),
            .init("name", .string(opening.name)), .init("certType", .string(opening.kind.certificateType)),
            .init("certNo", .string(try key.seal(opening.certificateNumber))),
            .init(
                "legalPerson",
                [
                    "name": .string(try key.seal(opening.legalPersonName)), "idType": "1",
                    "idNo": .string(try key.seal(opening.legalPersonIDNumber)),
                ]),
            .init(
                "contact",
                [
                    "name": .string(try key.seal(opening.contactName)),
                    "mobile": .string(try key.seal(opening.contactMobile)),
                ]),
            .init("source", opening.dossier.isStock ? "STOCK" : "NEW"),
        ]
        return .object(members + (try CWP1Custodian.members(opening.dossier, key)))
    }

    /// The fields of what is known; the rest is left out.
    private static func members(_ dossier: SubMerchantDossier, _ key: CWP1SessionKey) throws -> [JSON.Member] {
        let materials = dossier.materials.sorted { $0.key.rawValue < $1.key.rawValue }.map { JSON.string($0.value) }
        return [
            .init("shortName", JSON(dossier.shortName)), .init("address", JSON(dossier.address)),
            .init("mcc", JSON(dossier.categoryCode)),
            .init("email", JSON(try dossier.contactEmail.map(key.seal))),
            .init("certExpire", JSON(dossier.licenceExpires?.compact)),
            .init("idExpire", JSON(dossier.legalPersonIDExpires?.compact)),
            .init(
                "shop",
                dossier.shops.first.map { shop -> JSON in
                    (["id": .string(shop.number), "name": .string(shop.name), "url": JSON(shop.url)] as JSON)
                        .omittingNulls
                } ?? .null),
            .init(
                "ubo",
                dossier.owners.isEmpty
                    ? .null
                    : .array(
                        try dossier.owners.map {
                            ["name": .string(try key.seal($0.name)), "idNo": .string(try key.seal($0.idNumber))]
                        })),
            .init("materials", materials.isEmpty ? .null : .array(materials)),
            .init(
                "consent",
                dossier.consent.map { consent -> JSON in
                    [
                        "time": .string(consent.at.shanghaiCompact), "ip": .string(consent.ipAddress),
                        "channel": .string(consent.channel),
                    ]
                } ?? .null),
        ]
    }

    /// An object of what is not null; null when nothing is left.
    private static func object(_ members: [JSON.Member]) -> JSON {
        let object = JSON.object(members).omittingNulls
        return object.members?.isEmpty == true ? .null : object
    }

    private static func subMerchant(_ response: CWP1Response) throws(Doubt) -> CustodianSubMerchant {
        let body = response.body
        let state: CustodianSubMerchant.State
        if response.returnCode.meaning == .businessFailed {
            let refusal = response.refusal
            state = .rejected([.init(field: refusal.code, reason: refusal.message)])
        } else {
            switch try body.text("status") {
            case "ACCEPTED", "CHECKING", "VERIFYING", "REVIEWING", "PROCESSING", "TO_CONFIRM", "IMPORTED":
                state = .reviewing(signURL: nil)
            case "SIGNING": state = .reviewing(signURL: body["signUrl"]?.string)
            case "REJECTED":
                state = .rejected(
                    (body["items"]?.array ?? []).map {
                        .init(
                            field: $0["field"]?.string ?? "", reason: CustodianText.masked($0["reason"]?.string ?? ""))
                    })
            case "ACTIVE": state = .active
            case "FROZEN": state = .frozen
            case "CLOSED": state = .closed
            case "NOT_FOUND": state = .absent
            case let other: throw Doubt(.malformedAnswer, "status \(other)")
            }
        }
        return CustodianSubMerchant(
            state: state, applicationNumber: body["applyNo"]?.string, subAccount: body["subAcct"]?.string)
    }
}

extension SubMerchantOpening.Kind {
    /// The bank's word for it.
    fileprivate var word: String {
        switch self {
        case .company: "ENTERPRISE"
        case .individualBusiness: "INDIVIDUAL_BIZ"
        case .individual: "PERSON"
        }
    }

    /// The bank's type of its certificate: unified social credit code, or identity card.
    fileprivate var certificateType: String { self == .individual ? "1" : "73" }
}
