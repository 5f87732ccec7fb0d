import CustodyConnectors
import CustodyDomain
import CustodyStore
import CustodyWire

/// Placing payments with channels, following them, and sending refunds.
struct PaymentJobs: Sendable {
    let store: Store
    let counterparties: Counterparties

    private struct Placement: Sendable {
        let order: ChannelOrder
        let channel: any Channel
    }

    private struct Following: Sendable {
        let payment: PaymentRecord
        let channel: any Channel
        let mustClose: Bool
    }

    private struct Return: Sendable {
        let request: ChannelRefundRequest
        let channel: any Channel
    }

    /// Places a payment with its channel, so that the buyer can pay.
    func place(_ job: ClaimedJob, _ id: ID<Payment>) async throws -> JobEnd {
        let operation = Instructor.Operation<Placement>(
            deadline: .seconds(600),
            plan: { tx in
                let payment = try await tx.payment(id)
                guard payment.state == .created else { return .nothing }
                let order = try await tx.order(payment.orderID)
                guard order.state == .open, order.expiresAt > tx.now else {
                    // Nobody may pay it any more; whether it is at the channel all the same, the poll finds out, and closes it.
                    try await tx.enqueue(JobRequest(.pollPayment, id))
                    return .nothing
                }
                return .go(
                    Placement(
                        order: try await message(of: payment, order, tx),
                        channel: try await counterparties.channel(of: payment, in: tx)),
                    to: payment.collector, serial: payment.serial)
            },
            send: { placement, _ in
                let reply = await placement.channel.pay(placement.order)
                if case .refused(let refusal) = reply, refusal.standing == .numberTaken {
                    return await standing(placement, refusal, id)
                }
                return reply.map { prompt in .noted { tx in try await tx.notePrompt(id, prompt.json) } }
            },
            // Placing again under the same number changes nothing at the channel, so asking is the same call.
            asking: .sendingAgain,
            succeeded: { tx, _, _ in try await tx.enqueue(JobRequest(.pollPayment, id), at: tx.now + .seconds(60)) },
            failed: { tx, _, refusal in try await tx.failPayment(id, code: refusal.code, message: refusal.message) }
        )
        return try await Instructor(store: store).run(job, on: id.uuid, operation)
    }

    /// What the channel is asked to collect; a custodian that collects is told whose it is, too.
    private func message(
        of payment: PaymentRecord, _ order: OrderRecord, _ tx: TenantTransaction
    ) async throws -> ChannelOrder {
        var parts: [OrderRegistration.Part] = []
        var confirmBy: BusinessDate?
        if payment.collector == .bank {
            let access = try await counterparties.custodian(in: tx)
            parts = try await access.parts(order.parts.map { ($0.number, $0.subMerchantID, $0.amount) }, in: tx)
            if order.splitMode == "on_confirmation" {
                confirmBy = tx.today.advanced(by: access.custodian.capabilities.deadlines.splitDays)
            }
        }
        return ChannelOrder(
            serial: payment.serial, method: payment.method, amount: payment.amount, description: order.description,
            expiresAt: order.expiresAt, callbackURL: counterparties.callbackURL(of: payment.collector, in: tx),
            payerID: payment.payerID, parts: parts, confirmBy: confirmBy)
    }

    /// What became of a payment that the channel has already, but gives no prompt for: paid, or of no use to anybody.
    private func standing(
        _ placement: Placement, _ refusal: Refusal, _ id: ID<Payment>
    ) async -> Reply<Verdict> {
        var reply = await placement.channel.queryPayment(serial: placement.order.serial)
        if case .answered(let known) = reply, known.state == .waiting {
            reply = await placement.channel.closePayment(serial: placement.order.serial)
        }
        switch reply {
        case .answered(let known) where known.state == .succeeded:
            return .answered(.noted { tx in _ = try await PaymentJobs.book(known, try await tx.payment(id), tx) })
        case .answered(let known) where known.state == .closed: return .answered(.failed(refusal))
        case .answered, .refused: return .refused(refusal)
        case .unknown(let doubt): return .unknown(doubt)
        }
    }

    /// Asks the channel about a payment until it is paid or closed; closes it there when its order may not be paid any more.
    func poll(_ job: ClaimedJob, _ id: ID<Payment>) async throws -> JobEnd {
        let following: Following? = try await store.withTenant(job.tenantID) { tx in
            let payment = try await tx.payment(id)
            guard payment.state == .created || payment.state == .paying else { return nil }
            let order = try await tx.order(payment.orderID)
            return Following(
                payment: payment, channel: try await counterparties.channel(of: payment, in: tx),
                mustClose: order.state == .closed || order.expiresAt <= tx.now
            )
        }
        guard let following else { return .withoutEffect }
        var reply = await following.channel.queryPayment(serial: following.payment.serial)
        if following.mustClose, case .answered(let known) = reply, known.state == .waiting || known.state == .absent {
            reply = await following.channel.closePayment(serial: following.payment.serial)
        }
        try await store.withTenant(job.tenantID) { tx in
            guard case .answered(let known) = reply, known.state != .waiting else {
                return try await tx.finish(job, .again(after: .seconds(60), in: .queries))
            }
            switch known.state {
            case .succeeded: _ = try await PaymentJobs.book(known, following.payment, tx)
            case .closed: try await close(following.payment, tx)
            case .absent where following.mustClose: try await close(following.payment, tx)
            case .absent, .waiting: return try await tx.finish(job, .again(after: .seconds(60), in: .queries))
            }
            try await tx.finish(job, .done)
        }
        return .recorded
    }

    /// Notes that a payment is closed at the channel; an order that expired has waited for that.
    private func close(_ payment: PaymentRecord, _ tx: TenantTransaction) async throws {
        try await tx.closePayment(payment.id)
        try await tx.expireOrder(payment.orderID)
    }

    /// Books what a channel says of a payment that it calls paid.
    ///
    /// - Returns: What came of it, for the callback's record.
    static func book(
        _ known: ChannelPayment, _ payment: PaymentRecord, _ tx: TenantTransaction
    ) async throws -> CallbackResult {
        guard known.amount == nil || known.amount == payment.amount else {
            // Never booked on its word: the statement will show what was really paid, and the difference.
            try await tx.record(
                "payment.amount_mismatch", about: payment.id.text,
                ["ours": .fen(payment.amount), "theirs": .fen(known.amount ?? .zero)]
            )
            return .amountDiffers
        }
        guard let number = known.transactionNumber, let paidAt = known.paidAt else { return .incomplete }
        let success = try await tx.succeed(
            payment.id, transactionNumber: number, paidAt: paidAt, payerID: known.payerID)
        return CallbackResult(success)
    }

    /// Sends a refund to its channel, and follows it to its end.
    func refund(_ job: ClaimedJob, _ id: ID<Refund>) async throws -> JobEnd {
        let operation = Instructor.Operation<Return>(
            deadline: .seconds(3 * 86_400),
            plan: { tx in
                let refund = try await tx.refund(id)
                guard refund.state == .requested || refund.state == .processing else { return .nothing }
                let payment = try await tx.payment(refund.paymentID)
                var givers: [RefundRegistration.Giver] = []
                if payment.collector == .bank {
                    givers = try await counterparties.custodian(in: tx)
                        .givers(refund.parts.map { ($0.number, $0.subMerchantID, $0.amount) }, in: tx)
                }
                let request = ChannelRefundRequest(
                    serial: refund.serial, paymentSerial: payment.serial, amount: refund.amount,
                    paymentAmount: payment.amount, reason: refund.reason,
                    callbackURL: counterparties.callbackURL(of: payment.collector, in: tx), giveBack: givers
                )
                return .go(
                    Return(request: request, channel: try await counterparties.channel(of: payment, in: tx)),
                    to: payment.collector, serial: refund.serial
                )
            },
            send: { refund, _ in await refund.channel.refund(refund.request).map(PaymentJobs.verdict) },
            asking: .question { refund, _ in
                await refund.channel.queryRefund(
                    serial: refund.request.serial, paymentSerial: refund.request.paymentSerial
                ).map(PaymentJobs.verdict)
            },
            accepted: { tx, _, verdict in
                guard case .processing(_, let number) = verdict else { return }
                try await tx.noteRefundProcessing(id, refundNumber: number)
            },
            succeeded: { tx, _, verdict in
                guard case .succeeded(let number, _) = verdict else { return }
                try await tx.succeedRefund(id, refundNumber: number, at: tx.now)
            },
            failed: { tx, _, refusal in try await tx.failRefund(id, code: refusal.code, message: refusal.message) }
        )
        return try await Instructor(store: store).run(job, on: id.uuid, operation)
    }

    private static func verdict(_ refund: ChannelRefund) -> Verdict {
        switch refund.state {
        case .succeeded: .succeeded(number: refund.refundNumber, date: nil)
        case .processing, .abnormal: .processing(finishBy: nil, number: refund.refundNumber)
        case .closed: .failed(Refusal(code: "refund_closed", message: "the channel closed the refund"))
        // Channels answer a repeated refund under its number with the one they have: sending again is safe at once.
        case .absent: .absent(safeAfter: Instant(microseconds: 0))
        }
    }
}

extension PaymentPrompt {
    /// The prompt as the API shows it.
    var json: String {
        switch self {
        case .code(let code): JSON.object([.init("code_url", .string(code))]).text
        case .url(let url): JSON.object([.init("url", .string(url))]).text
        case .form(let form): JSON.object([.init("form", .string(form))]).text
        case .parameters(let parameters):
            JSON.object([
                .init(
                    "parameters",
                    .object(parameters.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) }))
            ]).text
        }
    }
}
