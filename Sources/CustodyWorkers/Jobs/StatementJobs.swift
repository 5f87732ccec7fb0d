import CustodyConnectors
import CustodyDomain
import CustodyStore
import CustodyWire
import NIOPosix

/// Statements on their way here: fetched into a spool, verified, kept whole or not at all.
struct StatementJobs: Sendable {
    let store: Store
    let counterparties: Counterparties
    let spool: Spool

    /// How often a statement is asked for while it need not be there yet, and once it is overdue.
    private static let (pause, overduePause) = (Duration.seconds(600), Duration.seconds(3600))
    /// For how long an overdue statement is asked for.
    private static let patience = Duration.seconds(7 * 86_400)

    /// Fetches a statement, verifies and keeps it; asks again until it is there, or will not come.
    func fetch(_ job: ClaimedJob, _ subject: StatementSubject) async throws {
        switch try await ask(for: subject, job) {
        case .answered(.notReady): try await wait(job, subject, "not_ready: the file is not made yet")
        case .answered(let answer): try await keep(answer, subject, job)
        case .refused(let refusal):
            let reason = "\(refusal.code): \(refusal.message)"
            switch refusal.standing {
            case .final: try await refuse(job, subject, reason)
            case .forNow(let delay): try await wait(job, subject, reason, atLeast: delay)
            case .numberTaken: try await wait(job, subject, reason)
            }
        case .unknown(let doubt):
            let reason = "\(doubt.reason.rawValue): \(doubt.detail)"
            if doubt.reason == .tooLarge { return try await refuse(job, subject, reason) }
            try await wait(job, subject, reason, atLeast: doubt.retryAfter ?? .zero)
        }
    }

    private func ask(for subject: StatementSubject, _ job: ClaimedJob) async throws -> Reply<BillAnswer> {
        do {
            switch subject.source {
            case .bank:
                guard let kind = CustodianFileKind(rawValue: subject.form) else { return StatementJobs.unknownForm }
                let access = try await store.withTenant(job.tenantID) { try await counterparties.custodian(in: $0) }
                // A question takes a number of its own each time, or it would be answered with what was answered first.
                let serial = "F\(job.id.text.suffix(22))\(String(job.lease, radix: 36))"
                return await access.custodian.file(kind, of: subject.date, into: spool, serial: serial)
            case .weChatPay, .alipay:
                guard let bill = ChannelBill(rawValue: subject.form) else { return StatementJobs.unknownForm }
                let kind: ChannelKind = subject.source == .alipay ? .alipay : .weChatPay
                let channel = try await store.withTenant(job.tenantID) { tx in
                    try await counterparties.channel(kind, through: try await tx.collector(of: kind), in: tx)
                }
                return await channel.bill(bill, of: subject.date, into: spool)
            }
        } catch  where StoreFailure(error) == nil {
            // A link that cannot be used: the job fails until its attempts are used up, and the platform sees why.
            try await store.withTenant(job.tenantID) { tx in
                _ = try await tx.noteMissing(
                    subject.source, form: subject.form, on: subject.date, reason: "link: \(type(of: error))",
                    dueAt: subject.dueAt)
            }
            throw error
        }
    }

    private static let unknownForm = Reply<BillAnswer>.refused(
        Refusal(code: Refusal.unsupportedCode, message: "there is no such file"))

    /// Verifies a file away from the threads that everything else runs on, and keeps it.
    private func keep(_ answer: BillAnswer, _ subject: StatementSubject, _ job: ClaimedJob) async throws {
        do {
            let (name, statement) = try await NIOThreadPool.singleton.runIfActive { try answer.statement(of: subject) }
            try await store.withTenant(job.tenantID) { tx in
                try await tx.keep(statement, subject: subject, fileName: name)
                try await tx.finish(job, .done)
            }
        } catch let defect as StatementDefect {
            try await refuse(job, subject, defect.sentence)
        } catch let rejection as Rejection {
            guard case .statementDefect(let reason, _) = rejection else { throw rejection }
            try await refuse(job, subject, reason)
        }
    }

    /// Asks again later; what stays away for long after its time is given up.
    private func wait(
        _ job: ClaimedJob, _ subject: StatementSubject, _ reason: String, atLeast delay: Duration = .zero
    ) async throws {
        try await store.withTenant(job.tenantID) { tx in
            let expected = try await tx.noteMissing(
                subject.source, form: subject.form, on: subject.date, reason: reason, dueAt: subject.dueAt)
            guard tx.now < expected.dueAt + StatementJobs.patience else {
                return try await refuse(job, subject, "never came; \(reason)", in: tx)
            }
            let pause = tx.now < expected.dueAt ? StatementJobs.pause : StatementJobs.overduePause
            try await tx.finish(job, .again(after: max(pause, delay), in: .statements))
        }
    }

    private func refuse(_ job: ClaimedJob, _ subject: StatementSubject, _ reason: String) async throws {
        try await store.withTenant(job.tenantID) { try await refuse(job, subject, reason, in: $0) }
    }

    /// Ends the job as a dead letter: a person must look at it, and may then have it run again.
    private func refuse(
        _ job: ClaimedJob, _ subject: StatementSubject, _ reason: String, in tx: TenantTransaction
    ) async throws {
        try await tx.noteRefused(
            subject.source, form: subject.form, on: subject.date, reason: reason, dueAt: subject.dueAt)
        try await tx.finish(job, .dead(reason))
    }
}

extension BillAnswer {
    /// The file's name, and what it says; an empty day has a name of ours and no lines.
    func statement(of subject: StatementSubject) throws(StatementDefect) -> (String, VerifiedStatement) {
        guard case .file(let file) = self else {
            return (
                "\(subject.source.rawValue)-\(subject.form)-\(subject.date.iso)-empty",
                VerifiedStatement(emptyDay: subject.date, from: subject.source, form: subject.form)
            )
        }
        return (file.name ?? subject.text, try subject.verified(file))
    }
}
