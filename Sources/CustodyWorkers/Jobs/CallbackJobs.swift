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
            let result: CallbackResult
            do {
                switch callback.counterparty {
                case .weChatPay: result = try await channel(.weChatPay, callback, tx)
                case .alipay: result = try await channel(.alipay, callback, tx)
                case .bank: result = try await bank(callback, tx)
                }
            } catch let doubt as Doubt {
                // Thrown by reading it, before anything was done.
                result = CallbackResult(doubt)
            }
            try await tx.noteProcessed(id, result.rawValue)
            if result.isSuspect, job.attempt == 1 {
                let counterparty = callback.counterparty.rawValue
                try await tx.audit(
                    "refused.callback_content", on: "\(counterparty): \(result.rawValue) \(id.text)",
                    by: Principal(name: counterparty, origin: "worker"), succeeded: false)
            }
            try await tx.finish(job, result.mayHeal ? .failed("the callback is \(result.rawValue)") : .done)
        }
        return .recorded
    }

    private func channel(
        _ kind: ChannelKind, _ callback: CallbackRecord, _ tx: TenantTransaction
    ) async throws -> CallbackResult {
        let access = try await counterparties.channel(kind, in: tx)
        switch try access.channel.notice(in: callback.body) {
        case .payment(let serial, let merchantNumber, let known):
            guard merchantNumber == access.merchantNumber else { return .anotherMerchant }
            guard let payment = try await tx.payment(serial: serial), payment.collector == Counterparty(kind) else {
                return .unknownPayment
            }
            return try await note(known, of: payment, tx)
        case .refund(let serial, let paymentSerial, let known):
            guard let id = try await tx.refund(serial: serial)?.id else { return .unknownRefund }
            // Of two callbacks about it the second finds what the first did.
            let refund = try await tx.refund(id, locked: true)
            let payment = try await tx.payment(refund.paymentID)
            guard payment.collector == Counterparty(kind) else { return .unknownRefund }
            guard payment.serial == paymentSerial else { return .anotherPayment }
            guard known.amount == nil || known.amount == refund.amount else { return .amountDiffers }
            guard refund.state == .requested || refund.state == .processing else { return .known }
            switch known.state {
            case .succeeded:
                try await tx.succeedRefund(refund.id, refundNumber: known.refundNumber, at: known.succeededAt ?? tx.now)
                return .booked
            case .closed:
                try await tx.failRefund(refund.id, code: "refund_closed", message: "the channel closed the refund")
                return .closed
            case .processing, .abnormal, .absent: return .processing
            }
        case .other: return .kept
        }
    }

    private func note(
        _ known: ChannelPayment, of payment: PaymentRecord, _ tx: TenantTransaction
    ) async throws -> CallbackResult {
        switch known.state {
        case .succeeded:
            // What is not said cannot be compared; the question that follows the payment anyway is answered whole.
            guard known.amount != nil else { return .incomplete }
            return try await PaymentJobs.book(known, payment, tx)
        case .closed:
            try await tx.closePayment(payment.id)
            try await tx.expireOrder(payment.orderID)
            return .closed
        case .waiting, .absent: return .processing
        }
    }

    /// A custodian's notification is a hint: the job that it wakes asks again before money moves. What came in is final: a
    /// buyer's payment where it collects, and a credit.
    private func bank(_ callback: CallbackRecord, _ tx: TenantTransaction) async throws -> CallbackResult {
        let access = try await counterparties.custodian(in: tx)
        switch try access.custodian.notice(in: callback.body) {
        case .instruction(_, let serial, let result):
            guard let instruction = try await tx.instruction(serial: serial, at: .bank) else {
                return .unknownInstruction
            }
            if case .returned = result.state {
                guard instruction.operation == .sendWithdrawal else { return .unreadable }
                try await tx.hasten(JobRequest(.watchWithdrawal, ID<Withdrawal>(instruction.subject)))
                return .asked
            }
            guard !instruction.state.isFinal else { return .known }
            try await tx.hasten(JobRequest(instruction.operation, instruction.subject.text))
            return .asked
        case .subMerchant(let number):
            guard let id = ID<SubMerchant>("sub_\(number)"), try await isKnown(id, tx) else {
                return .unknownSubMerchant
            }
            try await tx.hasten(JobRequest(.pollSubMerchant, id))
            return .asked
        // Its own job follows it.
        case .binding: return .kept
        case .credit(let credit):
            let outcome = try await tx.bookCredit(
                number: credit.number, channel: credit.channel, businessDate: credit.businessDate,
                amount: credit.amount, bankDate: credit.bankDate
            )
            if outcome == .booked {
                try await tx.enqueue(JobRequest(.reconcile, "\(credit.channel.rawValue)/\(credit.businessDate.iso)"))
            }
            return CallbackResult(outcome)
        case .deposit(let number, let amount, let bankDate):
            return CallbackResult(try await tx.bookDeposit(number: number, amount: amount, bankDate: bankDate))
        case .collection(let number, let collection):
            guard let payment = try await tx.payment(serial: number), payment.collector == .bank else {
                return .unknownPayment
            }
            return try await note(ChannelPayment(collection), of: payment, tx)
        case .signedSubMerchant(let signed): return try await note(signed, tx)
        case .suspense, .batch, .file, .other: return .kept
        }
    }

    /// A custodian that signs merchants itself tells of them.
    private func note(_ signed: SignedSubMerchant, _ tx: TenantTransaction) async throws -> CallbackResult {
        let note = try await tx.noteSigned(
            SignedMerchant(
                account: signed.merchantNumber, number: signed.number, name: signed.name,
                certificateNumber: signed.certificateNumber, hasLeft: signed.change == .removed))
        switch note {
        case .opened: return .booked
        case .changed: return .known
        case .closed: return .closed
        case .unknown: return .unknownSubMerchant
        }
    }

    private func isKnown(_ id: ID<SubMerchant>, _ tx: TenantTransaction) async throws -> Bool {
        do {
            _ = try await tx.subMerchant(id)
            return true
        } catch Rejection.notFound {
            return false
        }
    }
}
