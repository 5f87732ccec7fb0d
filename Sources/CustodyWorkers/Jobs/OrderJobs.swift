import CustodyConnectors
import CustodyDomain
import CustodyStore

/// Telling the custodian of orders, receipts, refunds, splits and withdrawals.
struct OrderJobs: Sendable {
    let store: Store
    let counterparties: Counterparties

    private struct Payload<Message: Sendable>: Sendable {
        let message: Message
        let access: Counterparties.CustodianAccess
        let subject: InstructionSubject
        /// Whether the order waits for the confirmation of its receipt.
        var isAwaited = false

        func ask(_ operation: CustodianOperation, _ instruction: InstructionRecord) async -> Reply<Verdict>? {
            await access.ask(operation, instruction, about: subject)
        }
    }

    /// The number an order has at the custodian: its payment's where the custodian collects.
    private func number(of order: ID<Order>, _ tx: TenantTransaction) async throws -> String {
        let payment = try await tx.payments(order: order, state: .succeeded, before: nil, limit: 1).first
        if let payment, payment.collector == .bank { return payment.serial }
        return OrderJobs.registeredNumber(of: order)
    }

    /// The number under which an order is registered at a custodian that does not collect.
    private static func registeredNumber(of id: ID<Order>) -> String { "O" + String(id.text.suffix(26)) }

    /// Registers an order's intention.
    func sync(_ job: ClaimedJob, _ id: ID<Order>) async throws -> JobEnd {
        let operation = Instructor.Operation<Payload<OrderRegistration>>(
            deadline: .seconds(86_400),
            plan: { tx in
                let order = try await tx.order(id)
                guard order.bankState == "pending" else { return .nothing }
                let access = try await counterparties.custodian(in: tx)
                guard access.custodian.capabilities.collector == .platform else {
                    // It hears of the order with its payment.
                    try await tx.noteOrderAtBank(id, "synced")
                    return .nothing
                }
                return .go(try await registration(of: order, payment: nil, access, tx), to: .bank, serial: nil)
            },
            send: { payload, instruction in
                await payload.access.custodian.syncOrder(payload.message, serial: instruction.serial).map(Verdict.init)
            },
            asking: .question { payload, instruction in await payload.ask(.syncOrder, instruction) },
            succeeded: { tx, _, _ in try await tx.noteOrderAtBank(id, "synced") },
            failed: { tx, _, refusal in
                try await tx.noteOrderAtBank(id, "failed")
                try await tx.record("order.sync_failed", about: id.text, ["code": .text(refusal.code)])
            }
        )
        return try await Instructor(store: store).run(job, on: id.uuid, operation)
    }

    /// Registers the receipt of a paid order.
    func registerReceipt(_ job: ClaimedJob, _ id: ID<Order>) async throws -> JobEnd {
        let operation = Instructor.Operation<Payload<OrderRegistration>>(
            deadline: .seconds(86_400),
            plan: { tx in
                let order = try await tx.order(id)
                guard order.bankState != "registered", order.bankState != "failed" else { return .nothing }
                // The intention first: two messages about one order must not overtake each other.
                if order.bankState == "pending" { return .wait(.seconds(2)) }
                guard let payment = try await tx.payments(order: id, state: .succeeded, before: nil, limit: 1).first,
                    let number = payment.transactionNumber, let paidAt = payment.paidAt
                else { return .nothing }
                let merchant = try await counterparties.channel(payment.channel, in: tx).merchantNumber
                let receipt = OrderRegistration.Payment(
                    channel: payment.channel, channelMerchantNumber: merchant, channelOrderNumber: number,
                    paidAt: paidAt
                )
                let access = try await counterparties.custodian(in: tx)
                return .go(try await registration(of: order, payment: receipt, access, tx), to: .bank, serial: nil)
            },
            send: { payload, instruction in
                await payload.access.custodian.syncOrder(payload.message, serial: instruction.serial).map(Verdict.init)
            },
            asking: .question { payload, instruction in await payload.ask(.syncOrder, instruction) },
            succeeded: { tx, _, _ in try await tx.noteOrderAtBank(id, "registered") },
            failed: { tx, _, refusal in
                try await tx.noteOrderAtBank(id, "failed")
                try await tx.record("order.registration_failed", about: id.text, ["code": .text(refusal.code)])
            }
        )
        return try await Instructor(store: store).run(job, on: id.uuid, operation)
    }

    private func registration(
        of order: OrderRecord, payment: OrderRegistration.Payment?, _ access: Counterparties.CustodianAccess,
        _ tx: TenantTransaction
    ) async throws -> Payload<OrderRegistration> {
        let number = OrderJobs.registeredNumber(of: order.id)
        let message = OrderRegistration(
            number: number, amount: order.amount,
            parts: try await access.parts(order.parts.map { ($0.number, $0.subMerchantID, $0.amount) }, in: tx),
            payment: payment
        )
        return Payload(
            message: message, access: access, subject: InstructionSubject(number: number, orderNumber: number))
    }

    /// Registers a refund that the channel has made.
    func registerRefund(_ job: ClaimedJob, _ id: ID<Refund>) async throws -> JobEnd {
        let operation = Instructor.Operation<Payload<RefundRegistration>>(
            deadline: .seconds(86_400),
            plan: { tx in
                let refund = try await tx.refund(id)
                guard refund.state == .succeeded else { return .nothing }
                let order = try await tx.order(try await tx.payment(refund.paymentID).orderID)
                guard order.bankState == "registered" else {
                    return order.bankState == "failed" ? .nothing : .wait(.seconds(2))
                }
                let access = try await counterparties.custodian(in: tx)
                let givers = try await access.givers(
                    refund.parts.map { ($0.number, $0.subMerchantID, $0.amount) }, in: tx)
                let message = RefundRegistration(
                    // The channel's lump names the refund by this number.
                    number: refund.serial, orderNumber: OrderJobs.registeredNumber(of: order.id),
                    amount: refund.amount, giveBack: givers
                )
                let subject = InstructionSubject(number: message.number, orderNumber: message.orderNumber)
                return .go(Payload(message: message, access: access, subject: subject), to: .bank, serial: nil)
            },
            send: { payload, instruction in
                await payload.access.custodian.refund(payload.message, serial: instruction.serial).map(Verdict.init)
            },
            asking: .question { payload, instruction in await payload.ask(.refund, instruction) },
            succeeded: { tx, _, _ in try await tx.noteRefundRegistered(id, failed: false) },
            failed: { tx, _, refusal in
                try await tx.noteRefundRegistered(id, failed: true)
                try await tx.record("refund.registration_failed", about: id.text, ["code": .text(refusal.code)])
            }
        )
        return try await Instructor(store: store).run(job, on: id.uuid, operation)
    }

    /// Splits an order's held money at the custodian.
    func split(_ job: ClaimedJob, _ id: ID<Split>) async throws -> JobEnd {
        let operation = Instructor.Operation<Payload<SplitInstruction>>(
            deadline: .seconds(1800),
            plan: { tx in
                let split = try await tx.split(id)
                guard split.state == .requested || split.state == .processing else { return .nothing }
                let order = try await tx.order(split.orderID)
                // Splitting waits for the receipt to be registered; paying never does.
                if order.bankState == "pending" || order.bankState == "synced" { return .wait(.seconds(2)) }
                let access = try await counterparties.custodian(in: tx)
                let message = SplitInstruction(
                    number: split.serial, orderNumber: try await number(of: order.id, tx),
                    items: try await access.parts(
                        split.parts.map { ($0.number, $0.subMerchantID, $0.amount) }, in: tx),
                    isLast: split.isLast,
                    isWhole: split.parts.map(\.amount).sum() == order.parts.map { $0.amount - $0.refunded }.sum()
                )
                let subject = InstructionSubject(number: message.number, orderNumber: message.orderNumber)
                return .go(
                    Payload(
                        message: message, access: access, subject: subject,
                        isAwaited: order.splitMode == "on_confirmation"),
                    to: .bank, serial: split.serial)
            },
            send: { payload, instruction in
                await payload.access.split(
                    payload.message, isAwaited: payload.isAwaited, serial: instruction.serial
                ).map(Verdict.init)
            },
            asking: .question { payload, instruction in
                await payload.ask(payload.access.splitOperation, instruction)
            },
            accepted: { tx, _, _ in try await tx.noteSplitProcessing(id) },
            succeeded: { tx, _, _ in try await tx.succeedSplit(id) },
            failed: { tx, _, refusal in try await tx.failSplit(id, code: refusal.code, message: refusal.message) }
        )
        return try await Instructor(store: store).run(job, on: id.uuid, operation)
    }

    /// Pays a withdrawal out at the custodian.
    func withdraw(_ job: ClaimedJob, _ id: ID<Withdrawal>) async throws -> JobEnd {
        let operation = Instructor.Operation<Payload<WithdrawalInstruction>>(
            deadline: .seconds(7200),
            plan: { tx in
                let withdrawal = try await tx.withdrawal(id)
                guard withdrawal.state == .requested || withdrawal.state == .processing else { return .nothing }
                let accounts = try await tx.subAccounts(of: [withdrawal.subMerchantID])
                guard let binding = try await tx.bankAccount(withdrawal.bankAccountID).bindingNumber,
                    let account = accounts[withdrawal.subMerchantID]
                else { return .wait(.seconds(600)) }
                let message = WithdrawalInstruction(
                    number: withdrawal.serial, subAccount: account, bindingNumber: binding, amount: withdrawal.amount,
                    memo: "提现"
                )
                let subject = InstructionSubject(number: message.number, account: account)
                return .go(
                    Payload(message: message, access: try await counterparties.custodian(in: tx), subject: subject),
                    to: .bank, serial: withdrawal.serial
                )
            },
            send: { payload, instruction in
                await payload.access.custodian.withdraw(payload.message, serial: instruction.serial).map(Verdict.init)
            },
            asking: .question { payload, instruction in await payload.ask(.withdraw, instruction) },
            accepted: { tx, _, _ in try await tx.noteWithdrawalProcessing(id) },
            succeeded: { tx, _, verdict in try await book(verdict, id, tx) },
            failed: { tx, _, refusal in try await tx.failWithdrawal(id, code: refusal.code, message: refusal.message) }
        )
        return try await Instructor(store: store).run(job, on: id.uuid, operation)
    }

    /// Looks whether a withdrawal that succeeded came back (退票), every day for ten days.
    func watchWithdrawal(_ job: ClaimedJob, _ id: ID<Withdrawal>) async throws -> JobEnd {
        let found: (payload: Payload<Void>, instruction: InstructionRecord)? =
            try await store.withTenant(job.tenantID) { tx in
                let withdrawal = try await tx.withdrawal(id)
                let instruction = try await tx.instruction(serial: withdrawal.serial, at: .bank)
                guard withdrawal.state == .succeeded, let instruction, let at = withdrawal.succeededAt,
                    tx.now < at + .seconds(11 * 86_400)
                else { return nil }
                let account = try await tx.subAccounts(of: [withdrawal.subMerchantID])[withdrawal.subMerchantID]
                let payload = Payload(
                    message: (), access: try await counterparties.custodian(in: tx),
                    subject: InstructionSubject(number: withdrawal.serial, account: account))
                return (payload, instruction)
            }
        guard let found else { return .withoutEffect }
        let reply = await found.payload.ask(.withdraw, found.instruction)
        try await store.withTenant(job.tenantID) { tx in
            guard case .answered(.returned(let number, let reason)) = reply else {
                return try await tx.finish(job, .again(after: .seconds(86_400), in: .queries))
            }
            try await tx.returnWithdrawal(id, number: number, reason: reason)
            try await tx.finish(job, .done)
        }
        return .recorded
    }

    private func book(_ verdict: Verdict, _ id: ID<Withdrawal>, _ tx: TenantTransaction) async throws {
        switch verdict {
        case .returned(let number, let reason): try await tx.returnWithdrawal(id, number: number, reason: reason)
        case .succeeded(let number, _): try await tx.succeedWithdrawal(id, bankNumber: number)
        default: break
        }
    }
}
