import CustodyDomain
import CustodyWire

/// Settlement accounts.
extension CWP1Custodian {
    /// CARD.BIND; the bank keeps an older account valid until this one is confirmed.
    public func bindAccount(_ account: AccountBinding, serial: String) async -> Reply<CustodianBinding> {
        await bind(.bindAccount, account, replacing: nil, serial: serial)
    }

    /// CARD.CHANGE.
    public func changeAccount(
        _ account: AccountBinding, replacing bindingNumber: String, serial: String
    ) async -> Reply<CustodianBinding> {
        await bind(.changeAccount, account, replacing: bindingNumber, serial: serial)
    }

    private func bind(
        _ operation: CustodianOperation, _ account: AccountBinding, replacing bindingNumber: String?, serial: String
    ) async -> Reply<CustodianBinding> {
        await exchange(operation, serial: serial) { key in
            [
                "subAcct": .string(account.subAccount), "bindNo": JSON(bindingNumber),
                "acctType": account.isCorporate ? "CORP" : "PERSON",
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
        return await exchange(.confirmAccount, serial: serial, body: .object(body))
            .reading { response throws(Doubt) in try CWP1Custodian.binding(response, number: bindingNumber) }
    }

    /// CARD.UNBIND.
    public func unbindAccount(bindingNumber: String, serial: String) async -> Reply<CustodianResult> {
        await exchange(.unbindAccount, serial: serial, body: ["bindNo": .string(bindingNumber)])
            .reading(CWP1Custodian.result)
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
