import CustodyDomain
import CustodyWire

/// Sub-merchants, their settlement accounts and receivers.
extension WeChatEcommerce {
    /// `POST /v3/ecommerce/applyments/`; personal fields sealed. Our number of the sub-merchant is the application's.
    public func openSubMerchant(_ opening: SubMerchantOpening, serial: String) async -> Reply<CustodianSubMerchant> {
        guard let key = await pay.exchange.sealingKey(), let body = try? WeChatEcommerce.form(opening, key) else {
            return .unknown(Doubt(.unreachable, "no key to seal personal fields for"))
        }
        let request = WeChatPayExchange.Request(
            method: "POST", path: "/v3/ecommerce/applyments/", body: body.bytes, sealingSerial: key.serial)
        return await pay.exchange.call(request).reading { answer throws(Doubt) in
            guard answer["out_request_no"]?.string == opening.number, let id = answer["applyment_id"]?.integer else {
                throw Doubt(.malformedAnswer, "no application")
            }
            return CustodianSubMerchant(
                state: .reviewing(signURL: nil), applicationNumber: String(id), subAccount: nil)
        }
    }

    /// The same call: after a rejection, the same number takes the corrected form.
    public func resubmitSubMerchant(
        _ opening: SubMerchantOpening, serial: String
    ) async -> Reply<CustodianSubMerchant> { await openSubMerchant(opening, serial: serial) }

    /// `GET /v3/ecommerce/applyments/out-request-no/{number}`.
    public func querySubMerchant(number: String, serial: String) async -> Reply<CustodianSubMerchant> {
        let absent = CustodianSubMerchant(state: .absent, applicationNumber: nil, subAccount: nil)
        return await application(number).reading(orAbsent: absent) { answer throws(Doubt) in
            guard answer["out_request_no"]?.string == number else {
                throw Doubt(.malformedAnswer, "the answer is about another application")
            }
            return CustodianSubMerchant(
                state: try WeChatEcommerce.state(answer),
                applicationNumber: answer["applyment_id"]?.integer.map(String.init),
                subAccount: answer["sub_mchid"]?.string)
        }
    }

    /// What the sub-merchant must remit to prove that its account is its own, while its application waits for that.
    public struct AccountValidation: Hashable, Sendable {
        /// The account it must come from. Personal data.
        public let accountNumber: String
        /// The amount.
        public let amount: Fen
        /// Where it goes: number, holder and bank.
        public let destination: [String]
        /// What must be written on it.
        public let remark: String
        /// Until when, in WeChat's words.
        public let deadline: String
    }

    /// What an application waits for, when it waits for the verification of its account (待账户验证); nil otherwise.
    public func accountValidation(number: String) async -> Reply<AccountValidation?> {
        await application(number).reading { answer throws(Doubt) in
            guard answer["applyment_state"]?.string == "ACCOUNT_NEED_VERIFY",
                let validation = answer["account_validation"]
            else { return nil }
            let sealed = try validation.required("account_no")
            guard
                let account = try? WeChatPaySensitiveField.decrypted(
                    sealed, privateKeyPEM: link.merchantPrivateKeyPEM),
                let amount = validation["pay_amount"]?.integer
            else { throw Doubt(.malformedAnswer, "an account validation that cannot be read") }
            return AccountValidation(
                accountNumber: String(decoding: account, as: UTF8.self), amount: Fen(amount),
                destination: [
                    try validation.required("destination_account_number"),
                    try validation.required("destination_account_name"),
                    try validation.required("destination_account_bank"),
                ],
                remark: try validation.required("remark"), deadline: try validation.required("deadline"))
        }
    }

    /// Takes an application back that is not finished (撤销).
    public func revokeApplication(number: String) async -> Reply<CustodianResult> {
        let path = "/v3/ecommerce/applyments/out-request-no/\(PercentEncoding.encoded(number))/revoke"
        return await pay.exchange.call("POST", path).reading { _ throws(Doubt) in
            CustodianResult(state: .succeeded, bankNumber: nil, bankDate: nil)
        }
    }

    /// `POST /v3/ecommerce/account/cancel-applications`, under the instruction's number; refused while money is left.
    public func closeSubMerchant(number: String, reason: String, serial: String) async -> Reply<CustodianResult> {
        let found = await querySubMerchant(number: number, serial: serial)
        guard case .answered(let subMerchant) = found else { return found.reading { _ throws(Doubt) in .absentResult } }
        guard let subMchid = subMerchant.subAccount else {
            return .refused(Refusal(code: "NOT_OPEN", message: "there is no sub-merchant of this number"))
        }
        let body: JSON = [
            "sub_mchid": .string(subMchid), "out_apply_no": .string(serial),
            "application_info": [["application_type": "SP_CANCEL_ACCOUNT_APPLICATION"]],
        ]
        return await pay.exchange.call("POST", "/v3/ecommerce/account/cancel-applications", body: body.bytes)
            .reading(WeChatEcommerce.cancellation)
    }

    /// What an application to close says.
    static func cancellation(_ answer: JSON) throws(Doubt) -> CustodianResult {
        let state: CustodianResult.State
        switch answer["cancel_state"]?.string {
        case "REVIEWING": state = .processing(finishBy: nil)
        case "CANCEL_SUCCESS": state = .succeeded
        case "REJECTED":
            state = .failed(Refusal(code: "REJECTED", message: answer["reject_reason"]?.string ?? ""))
        default: throw Doubt(.malformedAnswer, "cancel_state")
        }
        return CustodianResult(state: state, bankNumber: answer["out_apply_no"]?.string, bankDate: nil)
    }

    /// `POST /v3/merchant/media/upload`.
    public func uploadMaterial(_ material: MaterialUpload, serial: String) async -> Reply<CustodianMaterial> {
        await pay.uploadMedia(fileName: material.fileName, content: material.bytes)
            .reading { id throws(Doubt) in CustodianMaterial(fileID: id) }
    }

    /// `POST /v3/apply4sub/sub_merchants/{sub_mchid}/modify-settlement`: WeChat reviews and verifies by itself.
    ///
    /// It has no number of ours: after an unknown outcome the account is asked for before it is sent again.
    public func bindAccount(_ account: AccountBinding, serial: String) async -> Reply<CustodianBinding> {
        guard let area = account.areaCode else {
            return .refused(Refusal(code: "AREA_CODE_MISSING", message: "the bank's area code is needed"))
        }
        guard let key = await pay.exchange.sealingKey(), let number = try? key.sealed(account.accountNumber),
            let name = try? key.sealed(account.accountName)
        else { return .unknown(Doubt(.unreachable, "no key to seal personal fields for")) }
        let body: JSON = [
            "modify_mode": "MODIFY_MODE_ASYNC",
            "account_type": account.isCorporate ? "ACCOUNT_TYPE_BUSINESS" : "ACCOUNT_TYPE_PRIVATE",
            "account_bank": .string(account.bankName), "bank_address_code": .string(area),
            "account_number": .string(number), "account_name": .string(name),
        ]
        let subMchid = account.subAccount
        let request = WeChatPayExchange.Request(
            method: "POST",
            path: "/v3/apply4sub/sub_merchants/\(PercentEncoding.encoded(subMchid))/modify-settlement",
            body: body.bytes, sealingSerial: key.serial)
        return await pay.exchange.call(request).reading { answer throws(Doubt) in
            CustodianBinding(
                state: .toVerify(expiresAt: nil, triesLeft: nil),
                bindingNumber: "\(subMchid)/\(try answer.required("application_no"))")
        }
    }

    /// The same call; the account bound before stays in force until the review is over.
    public func changeAccount(
        _ account: AccountBinding, replacing bindingNumber: String, serial: String
    ) async -> Reply<CustodianBinding> { await bindAccount(account, serial: serial) }

    /// `POST /v3/ecommerce/profitsharing/receivers/add`.
    public func addReceiver(_ receiver: SplitReceiver, serial: String) async -> Reply<CustodianResult> {
        await change(receiver, "add")
    }

    /// `POST /v3/ecommerce/profitsharing/receivers/delete`.
    public func removeReceiver(_ receiver: SplitReceiver, serial: String) async -> Reply<CustodianResult> {
        await change(receiver, "delete")
    }

    private func change(_ receiver: SplitReceiver, _ verb: String) async -> Reply<CustodianResult> {
        guard receiver.kind != .loginName else {
            return .refused(Refusal(code: Refusal.unsupportedCode, message: "WeChat has no receivers by login name"))
        }
        var request = WeChatPayExchange.Request(
            method: "POST", path: "/v3/ecommerce/profitsharing/receivers/\(verb)")
        var body: [JSON.Member] = [
            .init("appid", .string(link.appid)),
            .init("type", receiver.kind == .merchant ? "MERCHANT_ID" : "PERSONAL_OPENID"),
            .init("account", .string(receiver.account)),
        ]
        if verb == "add" {
            body.append(.init("relation_type", .string(receiver.relation)))
            if let name = receiver.name {
                if receiver.kind == .merchant {
                    body.append(.init("name", .string(name)))
                } else {
                    guard let key = await pay.exchange.sealingKey(), let sealed = try? key.sealed(name) else {
                        return .unknown(Doubt(.unreachable, "no key to seal personal fields for"))
                    }
                    request.sealingSerial = key.serial
                    body.append(.init("encrypted_name", .string(sealed)))
                }
            }
        }
        request.body = JSON.object(body).bytes
        return await pay.exchange.call(request).reading { _ throws(Doubt) in
            CustodianResult(state: .succeeded, bankNumber: nil, bankDate: nil)
        }
    }

    private func application(_ number: String) async -> WeChatPayExchange.Outcome {
        await pay.exchange.call(
            "GET", "/v3/ecommerce/applyments/out-request-no/\(PercentEncoding.encoded(number))")
    }

    /// Reads the state of an application.
    private static func state(_ answer: JSON) throws(Doubt) -> CustodianSubMerchant.State {
        switch answer["applyment_state"]?.string {
        case "CHECKING", "AUDITING": return .reviewing(signURL: nil)
        case "ACCOUNT_NEED_VERIFY": return .reviewing(signURL: answer["legal_validation_url"]?.string)
        case "NEED_SIGN": return .reviewing(signURL: answer["sign_url"]?.string)
        case "REJECTED":
            return .rejected(
                (answer["audit_detail"]?.array ?? []).map {
                    .init(field: $0["param_name"]?.string ?? "", reason: $0["reject_reason"]?.string ?? "")
                })
        case "FINISH": return .active
        case "FROZEN": return .frozen
        case "CANCELED": return .closed
        default: throw Doubt(.malformedAnswer, "applyment_state")
        }
    }
}

extension CustodianResult {
    static var absentResult: CustodianResult {
        CustodianResult(state: .absent(safeAfter: nil), bankNumber: nil, bankDate: nil)
    }
}
