import CustodyDomain
import CustodyStore
import CustodyWire
import HTTPTypes

/// Sub-merchants and their settlement accounts (子商户信息维护).
struct SubMerchantRoutes {
    let store: Store

    var routes: [Route] {
        let (read, write) = (Route.Access.platform(scope: "read"), Route.Access.platform(scope: "write"))
        return [
            Route(.post, "/v1/sub-merchants", write, open),
            Route(.get, "/v1/sub-merchants", read, list),
            Route(.get, "/v1/sub-merchants/{id}", read, show),
            Route(.post, "/v1/sub-merchants/{id}/settlement-account", write, bind),
            Route(.get, "/v1/sub-merchants/{id}/settlement-account", read, account),
            Route(.post, "/v1/sub-merchants/{id}/verification", write, verify),
            Route(.post, "/v1/sub-merchants/{id}/closure", write, close),
            Route(.post, "/v1/sub-merchants/{id}/freeze", write) { try await freeze($0, true) },
            Route(.post, "/v1/sub-merchants/{id}/unfreeze", write) { try await freeze($0, false) },
            Route(.get, "/v1/sub-merchants/{id}/balances", read, balances),
        ]
    }

    @Sendable private func open(_ call: Call) async throws -> Reply {
        let (number, kind, name, details) = try call.read { fields throws(Rejection) in
            let number = try fields.number("out_sub_merchant_no")
            let kind: SubMerchantKind = try fields.word("kind")
            let displayName = try fields.text("display_name", 1...128)
            let name = try fields.text("name", 1...128)
            let certificate = try fields.text("certificate_number", 1...64)
            let legalPerson = try fields.object("legal_person") { person throws(Rejection) in
                (name: try person.text("name", 1...64), number: try person.text("id_number", 1...32))
            }
            let contact = try fields.object("contact") { person throws(Rejection) in
                (name: try person.text("name", 1...64), mobile: try person.text("mobile", 5...20))
            }
            return (
                number, kind, displayName,
                SubMerchantDetails(
                    name: name, certificateNumber: certificate, legalPersonName: legalPerson.name,
                    legalPersonIDNumber: legalPerson.number, contactName: contact.name, contactMobile: contact.mobile)
            )
        }
        return try await store.perform(call) { tx in
            Outcome(
                .created,
                try await tx.openSubMerchant(
                    outSubMerchantNo: number, kind: kind, displayName: name, details: details
                ).json)
        }
    }

    @Sendable private func list(_ call: Call) async throws -> Reply {
        var query = try Query(call)
        let number = try query.text("out_sub_merchant_no")
        let state: SubMerchantState? = try query.word("state")
        let page = try query.page(of: SubMerchant.self)
        try query.end()
        let found = try await store.look(call) {
            try await $0.subMerchants(
                outSubMerchantNo: number, state: state, before: page.cursor, limit: page.fetched)
        }
        return page.reply(found, id: \.id, \.json)
    }

    @Sendable private func show(_ call: Call) async throws -> Reply {
        let id: ID<SubMerchant> = try call.id()
        return Reply(.ok, try await store.look(call) { try await $0.subMerchant(id) }.json)
    }

    @Sendable private func bind(_ call: Call) async throws -> Reply {
        let id: ID<SubMerchant> = try call.id()
        let (details, bankName, isCorporate, verification) = try call.read { fields throws(Rejection) in
            let details = BankAccountDetails(
                accountNumber: try fields.digits("account_number", 8...32),
                accountName: try fields.text("account_name", 1...128), mobile: try fields.text("mobile", 5...20),
                areaCode: try fields.optionalDigits("area_code", 6...6))
            let verification: AccountVerification = try fields.word("verification")
            return (details, try fields.text("bank_name", 1...128), try fields.flag("is_corporate"), verification)
        }
        return try await store.perform(call) { tx in
            Outcome(
                .accepted,
                try await tx.bindAccount(
                    to: id, details: details, bankName: bankName, isCorporate: isCorporate, verification: verification
                ).json)
        }
    }

    @Sendable private func account(_ call: Call) async throws -> Reply {
        let id: ID<SubMerchant> = try call.id()
        let account = try await store.look(call) { tx in
            _ = try await tx.subMerchant(id)
            return try await tx.bankAccounts(of: id).first
        }
        guard let account else { throw Rejection.notFound }
        return Reply(.ok, account.json)
    }

    @Sendable private func verify(_ call: Call) async throws -> Reply {
        let id: ID<SubMerchant> = try call.id()
        let proof = try call.read { fields throws(Rejection) in
            if let amount = try fields.optionalAmount("amount") {
                return AccountProofDetails(
                    amount: amount, instructionNumber: try fields.text("instruction_number", 1...64))
            }
            return AccountProofDetails(smsCode: try fields.digits("sms_code", 4...8))
        }
        return try await store.perform(call) { tx in
            _ = try await tx.subMerchant(id)
            return Outcome(.accepted, try await tx.verifyAccount(of: id, proof: proof).json)
        }
    }

    @Sendable private func close(_ call: Call) async throws -> Reply {
        let id: ID<SubMerchant> = try call.id()
        try call.readNothing()
        return try await store.perform(call, audited: ("sub_merchant.close", id.text)) { tx in
            Outcome(.accepted, try await tx.closeSubMerchant(id).json)
        }
    }

    private func freeze(_ call: Call, _ isFrozen: Bool) async throws -> Reply {
        let id: ID<SubMerchant> = try call.id()
        try call.readNothing()
        let action = isFrozen ? "sub_merchant.freeze" : "sub_merchant.unfreeze"
        return try await store.perform(call, audited: (action, id.text)) { tx in
            Outcome(.ok, try await tx.setFrozen(isFrozen, id).json)
        }
    }

    @Sendable private func balances(_ call: Call) async throws -> Reply {
        let id: ID<SubMerchant> = try call.id()
        let members = try await store.look(call) { tx in
            _ = try await tx.subMerchant(id)
            let party = Account.Party.subMerchant(id)
            let accounts: [Account] = [
                .held(party), .pending(party), .available(party), .frozen(party), .withdrawing(party),
            ]
            var members: [JSON.Member] = []
            for account in accounts {
                members.append(JSON.Member(account.kind, JSON(try await tx.balance(of: account))))
            }
            return members
        }
        return Reply(
            .ok,
            .object([.init("sub_merchant", .string(id.text)), .init("currency", "CNY")] + members))
    }
}
