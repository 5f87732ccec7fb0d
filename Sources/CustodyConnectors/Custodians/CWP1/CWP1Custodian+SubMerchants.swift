import CustodyDomain
import CustodyWire

/// Sub-merchants and their settlement accounts.
extension CWP1Custodian {
    /// MCH.OPEN.
    public func openSubMerchant(_ opening: SubMerchantOpening, serial: String) async -> Reply<CustodianSubMerchant> {
        await exchange("MCH.OPEN", serial: serial) { key in
            [
                "merchantNo": .string(opening.number), "kind": .string(opening.kind.word),
                "name": .string(opening.name), "certType": .string(opening.kind.certificateType),
                "certNo": .string(try key.seal(opening.certificateNumber)),
                "legalPerson": [
                    "name": .string(try key.seal(opening.legalPersonName)), "idType": "1",
                    "idNo": .string(try key.seal(opening.legalPersonIDNumber)),
                ],
                "contact": [
                    "name": .string(try key.seal(opening.contactName)),
                    "mobile": .string(try key.seal(opening.contactMobile)),
                ],
                "source": "NEW",
            ]
        }.reading(CWP1Custodian.subMerchant)
    }

    /// MCH.QUERY.
    public func querySubMerchant(number: String, serial: String) async -> Reply<CustodianSubMerchant> {
        await exchange("MCH.QUERY", serial: serial, body: ["merchantNo": .string(number)])
            .reading(CWP1Custodian.subMerchant)
    }

    /// MCH.CLOSE.
    public func closeSubMerchant(number: String, reason: String, serial: String) async -> Reply<CustodianResult> {
        await exchange("MCH.CLOSE", serial: serial, body: ["merchantNo": .string(number), "reason": .string(reason)])
            .reading(CWP1Custodian.result)
    }

    /// CARD.BIND; the bank keeps an older account valid until this one is confirmed.
    public func bindAccount(_ account: AccountBinding, serial: String) async -> Reply<CustodianBinding> {
        await exchange("CARD.BIND", serial: serial) { key in
            [
                "subAcct": .string(account.subAccount), "acctType": account.isCorporate ? "CORP" : "PERSON",
                "acctNo": .string(try key.seal(account.accountNumber)),
                "acctName": .string(try key.seal(account.accountName)), "bankName": .string(account.bankName),
                "mobile": .string(try key.seal(account.mobile)), "verify": .string(account.verification.word),
            ]
        }.reading { response throws(Doubt) in try CWP1Custodian.binding(response, number: nil) }
    }

    /// CARD.CONFIRM.
    public func confirmAccount(
        bindingNumber: String, proof: AccountProof, serial: String
    ) async -> Reply<CustodianBinding> {
        var body: [JSON.Member] = [.init("bindNo", .string(bindingNumber))]
        switch proof {
        case .amount(let amount, let instructionNumber):
            body.append(.init("amount", .string(amount.yuan)))
            body.append(.init("instructionNo", .string(instructionNumber)))
        case .smsCode(let code): body.append(.init("smsCode", .string(code)))
        }
        return await exchange("CARD.CONFIRM", serial: serial, body: .object(body))
            .reading { response throws(Doubt) in try CWP1Custodian.binding(response, number: bindingNumber) }
    }

    private static func subMerchant(_ response: CWP1Response) throws(Doubt) -> CustodianSubMerchant {
        let body = response.body
        let state: CustodianSubMerchant.State
        if response.returnCode.meaning == .businessFailed {
            let refusal = response.refusal
            state = .rejected([.init(field: refusal.code, reason: refusal.message)])
        } else {
            switch try body.text("status") {
            case "ACCEPTED", "CHECKING", "VERIFYING", "REVIEWING", "PROCESSING": state = .reviewing(signURL: nil)
            case "SIGNING": state = .reviewing(signURL: body["signUrl"]?.string)
            case "REJECTED":
                state = .rejected(
                    (body["items"]?.array ?? []).map {
                        .init(
                            field: $0["field"]?.string ?? "", reason: CWP1Text.masked($0["reason"]?.string ?? ""))
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

    private static func binding(_ response: CWP1Response, number: String?) throws(Doubt) -> CustodianBinding {
        let body = response.body
        let state: CustodianBinding.State
        if response.returnCode.meaning == .businessFailed {
            state = .failed(response.refusal)
        } else {
            switch try body.text("status") {
            case "TO_VERIFY":
                state = .toVerify(
                    expiresAt: body.instant("expireAt"), triesLeft: body["triesLeft"]?.integer.map { Int($0) })
            case "BOUND": state = .bound
            case "FAILED": state = .failed(CWP1Custodian.failure(body))
            case "EXPIRED": state = .expired
            case let other: throw Doubt(.malformedAnswer, "status \(other)")
            }
        }
        // A binding that failed at once has no number of its own yet.
        let found = body["bindNo"]?.string ?? number
        guard let found = found ?? (response.returnCode.meaning == .businessFailed ? "" : nil) else {
            throw Doubt(.malformedAnswer, "no bindNo")
        }
        return CustodianBinding(state: state, bindingNumber: found)
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

extension AccountBinding.Verification {
    /// The bank's word for it.
    fileprivate var word: String {
        switch self {
        case .smallAmount: "SMALL_AMOUNT"
        case .smsCode: "FOUR_FACTOR"
        case .remittance: "REMIT"
        case .none: "NONE"
        }
    }
}
