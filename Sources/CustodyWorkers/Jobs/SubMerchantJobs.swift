import CustodyConnectors
import CustodyDomain
import CustodyStore
import CustodyWire

/// Opening, reviewing and closing sub-merchants, and binding their accounts.
struct SubMerchantJobs: Sendable {
    let store: Store
    let counterparties: Counterparties

    private struct Subject: Sendable {
        let record: SubMerchantRecord
        let access: Counterparties.CustodianAccess

        /// Our number of it at the custodian.
        var number: String { String(record.id.text.suffix(26)) }
    }

    private struct AccountSubject: Sendable {
        let record: BankAccountRecord
        let subAccount: String
        let access: Counterparties.CustodianAccess

        var binding: AccountBinding {
            var binding = AccountBinding(
                subAccount: subAccount, isCorporate: record.isCorporate, accountNumber: record.details.accountNumber,
                accountName: record.details.accountName, bankName: record.bankName, mobile: record.details.mobile,
                verification: access.takesProofs ? AccountBinding.Verification(record.verification) : .none)
            binding.areaCode = record.details.areaCode
            return binding
        }
    }

    /// Sends the opening to the custodian; its review is then followed by ``poll(_:_:)``.
    func open(_ job: ClaimedJob, _ id: ID<SubMerchant>) async throws -> JobEnd {
        let operation = Instructor.Operation<Subject>(
            deadline: .seconds(3 * 86_400),
            plan: { tx in
                let record = try await tx.subMerchant(id)
                guard record.state == .submitted else { return .nothing }
                return .go(
                    Subject(record: record, access: try await counterparties.custodian(in: tx)), to: .bank, serial: nil)
            },
            send: { subject, instruction in
                let details = subject.record.details
                let opening = SubMerchantOpening(
                    number: subject.number, kind: SubMerchantOpening.Kind(subject.record.kind), name: details.name,
                    certificateNumber: details.certificateNumber, legalPersonName: details.legalPersonName,
                    legalPersonIDNumber: details.legalPersonIDNumber, contactName: details.contactName,
                    contactMobile: details.contactMobile
                )
                return await subject.access.custodian.openSubMerchant(opening, serial: instruction.serial)
                    .map { _ in .succeeded(number: nil, date: nil) }
            },
            asking: .question { subject, instruction in
                await subject.access.custodian.querySubMerchant(
                    number: subject.number, serial: SubMerchantJobs.questionNumber()
                ).map {
                    $0.state == .absent
                        ? .absent(safeAfter: instruction.sentAt.map { $0 + .seconds(600) })
                        : .succeeded(number: nil, date: nil)
                }
            },
            succeeded: { tx, subject, _ in
                try await tx.noteReview(of: id, .reviewing)
                try await tx.enqueue(JobRequest(.pollSubMerchant, id), at: tx.now + .seconds(30))
            },
            failed: { tx, subject, refusal in
                try await tx.noteReview(of: id, .rejected, objections: objections([(refusal.code, refusal.message)]))
            }
        )
        return try await Instructor(store: store).run(job, on: id.uuid, operation)
    }

    /// Asks how the review goes, until it ends.
    func poll(_ job: ClaimedJob, _ id: ID<SubMerchant>) async throws -> JobEnd {
        let subject: Subject? = try await store.withTenant(job.tenantID) { tx in
            let record = try await tx.subMerchant(id)
            guard record.state == .reviewing else { return nil }
            return Subject(record: record, access: try await counterparties.custodian(in: tx))
        }
        guard let subject else { return .withoutEffect }
        let reply = await subject.access.custodian.querySubMerchant(
            number: subject.number, serial: SubMerchantJobs.questionNumber())
        try await store.withTenant(job.tenantID) { tx in
            guard case .answered(let known) = reply else {
                return try await tx.finish(job, .again(after: .seconds(60), in: .queries))
            }
            switch known.state {
            case .reviewing(let signURL):
                try await tx.noteReview(
                    of: id, .reviewing, applicationNumber: known.applicationNumber, signURL: signURL
                )
                return try await tx.finish(job, .again(after: .seconds(60), in: .queries))
            case .rejected(let list):
                try await tx.noteReview(of: id, .rejected, objections: objections(list.map { ($0.field, $0.reason) }))
            case .active, .frozen:
                try await tx.noteReview(
                    of: id, .active, applicationNumber: known.applicationNumber, subAccount: known.subAccount
                )
            case .closed, .absent:
                return try await tx.finish(job, .dead("the custodian calls a sub-merchant under review \(known.state)"))
            }
            try await tx.finish(job, .done)
        }
        return .recorded
    }

    /// Closes a sub-merchant at the custodian.
    func close(_ job: ClaimedJob, _ id: ID<SubMerchant>) async throws -> JobEnd {
        let operation = Instructor.Operation<Subject>(
            deadline: .seconds(86_400),
            plan: { tx in
                let record = try await tx.subMerchant(id)
                guard record.state == .closing else { return .nothing }
                return .go(
                    Subject(record: record, access: try await counterparties.custodian(in: tx)), to: .bank, serial: nil)
            },
            send: { subject, instruction in
                await subject.access.custodian.closeSubMerchant(
                    number: subject.number, reason: "closed by the platform", serial: instruction.serial
                ).map(Verdict.init)
            },
            asking: .question { subject, instruction in
                await subject.access.ask(
                    .closeSubMerchant, instruction, about: InstructionSubject(number: subject.number))
            },
            succeeded: { tx, _, _ in try await tx.noteReview(of: id, .closed) },
            failed: { tx, _, _ in try await tx.noteReview(of: id, .active) }
        )
        return try await Instructor(store: store).run(job, on: id.uuid, operation)
    }

    /// Sends a settlement account to the custodian, which then verifies it: by a proof that the platform hands in, or by
    /// itself, which is asked about until it ends.
    func bind(_ job: ClaimedJob, _ id: ID<BankAccount>) async throws -> JobEnd {
        let operation = Instructor.Operation<AccountSubject>(
            deadline: .seconds(86_400),
            plan: { tx in try await accountPlan(id, in: .submitted, tx) },
            send: { subject, instruction in
                let reply = await subject.access.custodian.bindAccount(subject.binding, serial: instruction.serial)
                return reply.map { binding in
                    guard !subject.access.takesProofs, case .toVerify = binding.state else { return noted(binding, id) }
                    return .processing(finishBy: nil, number: binding.bindingNumber)
                }
            },
            asking: .question { subject, instruction in
                // Where a proof is awaited, sending again is answered with the binding as it is.
                guard !subject.access.takesProofs else { return nil }
                return await subject.access.ask(
                    .bindAccount, instruction,
                    about: InstructionSubject(number: instruction.bankNumber ?? "", account: subject.subAccount))
            },
            succeeded: { tx, _, verdict in
                guard case .succeeded(let number, _) = verdict else { return }
                try await tx.noteBinding(id, .bound, bindingNumber: number)
            },
            failed: { tx, _, refusal in try await noteFailure(of: id, refusal, tx) }
        )
        return try await Instructor(store: store).run(job, on: id.uuid, operation)
    }

    /// Hands in what only the account's holder can know.
    func confirm(_ job: ClaimedJob, _ id: ID<BankAccount>) async throws -> JobEnd {
        let call: (AccountSubject, InstructionRecord) async -> Reply<Verdict> = { subject, instruction in
            guard let number = subject.record.bindingNumber, let proof = subject.record.proof.map(AccountProof.init)
            else {
                return .refused(Refusal(code: "no_proof", message: "there is no proof to hand in"))
            }
            let reply = await subject.access.custodian.confirmAccount(
                bindingNumber: number, proof: proof, serial: instruction.serial
            )
            return reply.map { noted($0, id) }
        }
        let operation = Instructor.Operation<AccountSubject>(
            deadline: .seconds(86_400),
            plan: { tx in try await accountPlan(id, in: .verifying, tx) },
            send: call, asking: .sendingAgain, succeeded: { _, _, _ in },
            failed: { tx, _, refusal in try await noteFailure(of: id, refusal, tx) }
        )
        return try await Instructor(store: store).run(job, on: id.uuid, operation)
    }

    private func noteFailure(of id: ID<BankAccount>, _ refusal: Refusal, _ tx: TenantTransaction) async throws {
        try await tx.noteBinding(id, .failed, failure: (refusal.code, refusal.message))
    }

    private func accountPlan(
        _ id: ID<BankAccount>, in state: BankAccountState, _ tx: TenantTransaction
    ) async throws -> Instructor.Plan<AccountSubject> {
        let record = try await tx.bankAccount(id)
        guard record.state == state else { return .nothing }
        let accounts = try await tx.subAccounts(of: [record.subMerchantID])
        guard let account = accounts[record.subMerchantID] else { return .wait(.seconds(600)) }
        let access = try await counterparties.custodian(in: tx)
        return .go(AccountSubject(record: record, subAccount: account, access: access), to: .bank, serial: nil)
    }

    /// What a binding's answer means for our row: noted together with the instruction's end.
    private func noted(_ binding: CustodianBinding, _ id: ID<BankAccount>) -> Verdict {
        .noted { tx in
            let number = binding.bindingNumber
            switch binding.state {
            case .toVerify(let expiresAt, let triesLeft):
                try await tx.noteBinding(
                    id, .toVerify, bindingNumber: number, expiresAt: expiresAt, triesLeft: triesLeft)
            case .bound: try await tx.noteBinding(id, .bound, bindingNumber: number)
            case .expired: try await tx.noteBinding(id, .expired, bindingNumber: number)
            case .failed(let refusal):
                try await tx.noteBinding(
                    id, .failed, bindingNumber: number, failure: (refusal.code, refusal.message))
            }
        }
    }

    /// A number for a question: asked twice under one number, it would be answered with what was true the first time.
    private static func questionNumber() -> String { "Q\(ID<Instruction>(at: WallClock.now()).text.suffix(26))" }

    private func objections(_ list: [(field: String, reason: String)]) -> String {
        JSON.array(list.map { ["field": .string($0.field), "reason": .string($0.reason)] }).text
    }
}

extension SubMerchantOpening.Kind {
    init(_ kind: SubMerchantKind) {
        switch kind {
        case .company: self = .company
        case .individualBusiness: self = .individualBusiness
        case .individual: self = .individual
        }
    }
}

extension AccountBinding.Verification {
    init(_ verification: AccountVerification) {
        switch verification {
        case .smallAmount: self = .smallAmount
        case .smsCode: self = .smsCode
        }
    }
}

extension AccountProof {
    init(_ details: AccountProofDetails) {
        if let amount = details.amountFen, let number = details.instructionNumber {
            self = .amount(Fen(amount), instructionNumber: number)
        } else {
            self = .smsCode(details.smsCode ?? "")
        }
    }
}
