import CustodyConnectors
import CustodyDomain
import CustodyStore

/// Acting on what channels and bank told us by themselves.
struct CallbackJobs: Sendable {
    let store: Store
    let counterparties: Counterparties

    /// Processes a stored callback: its effects, its result and the job's end commit together.
    func process(_ job: ClaimedJob, _ id: ID<Callback>) async throws -> JobEnd {
        try await store.withTenant(job.tenantID) { tx in
            let callback = try await tx.callback(id)
            let result: String
            switch callback.counterparty {
            case .weChatPay: result = try await channel(.weChatPay, callback, tx)
            case .alipay: result = try await channel(.alipay, callback, tx)
            case .bank: result = try await bank(callback, tx)
            }
            try await tx.noteProcessed(id, result)
            try await tx.finish(job, .done)
        }
        return .recorded
    }

    private func channel(
        _ kind: ChannelKind, _ callback: CallbackRecord, _ tx: TenantTransaction
    ) async throws -> String {
        let access = try await counterparties.channel(kind, in: tx)
        switch try access.channel.notice(in: callback.body) {
        case .payment(let serial, let merchantNumber, let known):
            guard merchantNumber == access.merchantNumber else { return "another merchant's" }
            guard let payment = try await tx.payment(serial: serial), payment.collector == Counterparty(kind) else {
                return "unknown payment"
            }
            return try await note(known, of: payment, tx)
        case .refund(let serial, _, let known):
            guard let refund = try await tx.refund(serial: serial) else { return "unknown refund" }
            guard known.amount == nil || known.amount == refund.amount else { return "amount differs" }
            switch known.state {
            case .succeeded:
                try await tx.succeedRefund(refund.id, refundNumber: known.refundNumber, at: known.succeededAt ?? tx.now)
            case .closed:
                try await tx.failRefund(refund.id, code: "refund_closed", message: "the channel closed the refund")
            case .processing, .abnormal, .absent: break
            }
            return known.state.rawValue
        case .other(let name): return name
        }
    }

    private func note(
        _ known: ChannelPayment, of payment: PaymentRecord, _ tx: TenantTransaction
    ) async throws -> String {
        switch known.state {
        case .succeeded: return try await PaymentJobs.book(known, payment, tx)
        case .closed:
            try await tx.closePayment(payment.id)
            try await tx.expireOrder(payment.orderID)
        case .waiting, .absent: break
        }
        return known.state.rawValue
    }

    /// A custodian's notification is a hint: the job that it wakes asks again before money moves. What came in is final: a
    /// buyer's payment where it collects, and a credit.
    private func bank(_ callback: CallbackRecord, _ tx: TenantTransaction) async throws -> String {
        let access = try await counterparties.custodian(in: tx)
        switch try access.custodian.notice(in: callback.body) {
        case .instruction(_, let serial, let result):
            guard let instruction = try await tx.instruction(serial: serial, at: .bank) else {
                return "unknown instruction"
            }
            if case .returned = result.state {
                try await tx.hasten(JobRequest(.watchWithdrawal, ID<Withdrawal>(instruction.subject)))
                return "returned"
            }
            guard !instruction.state.isFinal else { return "known" }
            try await tx.hasten(JobRequest(instruction.operation, instruction.subject.text))
            return "asked"
        case .subMerchant(let number):
            guard let id = ID<SubMerchant>("sub_\(number)") else { return "unknown sub-merchant" }
            try await tx.hasten(JobRequest(.pollSubMerchant, id))
            return "asked"
        case .binding: return "followed by its own job"
        case .credit(let credit):
            try await tx.bookCredit(
                number: credit.number, channel: credit.channel, businessDate: credit.businessDate,
                amount: credit.amount,
                bankDate: credit.bankDate
            )
            try await tx.enqueue(JobRequest(.reconcile, "\(credit.channel.rawValue)/\(credit.businessDate.iso)"))
            return "booked"
        case .deposit(let number, let amount, let bankDate):
            try await tx.bookDeposit(number: number, amount: amount, bankDate: bankDate)
            return "booked"
        case .collection(let number, let collection):
            guard let payment = try await tx.payment(serial: number), payment.collector == .bank else {
                return "unknown payment"
            }
            return try await note(ChannelPayment(collection), of: payment, tx)
        case .signedSubMerchant(let signed): return try await note(signed, tx)
        case .suspense, .batch, .file: return "kept: nothing here acts on it"
        case .other(let name): return name
        }
    }

    /// A custodian that signs merchants itself tells of them.
    private func note(_ signed: SignedSubMerchant, _ tx: TenantTransaction) async throws -> String {
        let note = try await tx.noteSigned(
            SignedMerchant(
                account: signed.merchantNumber, number: signed.number, name: signed.name,
                certificateNumber: signed.certificateNumber, hasLeft: signed.change == .removed))
        return note.rawValue
    }
}
