import Crypto
import CustodyConnectors
import CustodyDomain
import CustodyStore
import CustodyWire

/// The days of the books: statements to fetch, days to match, money to release.
struct DayJobs: Sendable {
    let store: Store
    let counterparties: Counterparties

    /// When a day's work begins: 09:05 in Shanghai.
    private static let begin = Duration.seconds(9 * 3600 + 300)

    /// Plans the work of a day: yesterday's statements, today's settlement, and tomorrow.
    func open(_ job: ClaimedJob, _ date: BusinessDate) async throws {
        // Many short transactions: keys come with every order, and nothing may wait for their going.
        while try await store.withTenant(job.tenantID, { tx in try await tx.forgetOldIdempotencyKeys() }) {}
        try await store.withTenant(job.tenantID) { tx in
            let yesterday = date.advanced(by: -1).iso
            let linked = try await tx.linkedCounterparties()
            var requests: [JobRequest] = []
            if linked.contains(.weChatPay) {
                requests.append(JobRequest(.fetchStatement, "wechat_pay/trade/\(yesterday)"))
            }
            if linked.contains(.alipay) { requests.append(JobRequest(.fetchStatement, "alipay/trade/\(yesterday)")) }
            if linked.contains(.bank) {
                requests += CustodianFileKind.allCases.filter(Capabilities.cwp1.fileKinds.contains).map {
                    JobRequest(.fetchStatement, "bank/\($0.rawValue)/\(yesterday)")
                }
            }
            try await tx.enqueue(requests)
            // What was added to hot accounts yesterday is folded into their balances, so that reading them stays fast.
            try await tx.foldBalances()
            try await tx.enqueue(JobRequest(.settle, date.iso), at: date.start + .seconds(14 * 3600))
            try await tx.startExpiring()
            if linked.contains(.weChatPay) { try await tx.startRefreshing() }
            try await tx.adoptInstructions()
            let next = date.advanced(by: 1)
            try await tx.enqueue(JobRequest(.openDay, next.iso), at: next.start + DayJobs.begin)
            try await tx.finish(job, .done)
        }
    }

    /// Fetches a statement, verifies and keeps it; asks again until it is there.
    func fetch(_ job: ClaimedJob, _ subject: StatementSubject) async throws {
        let reply: Reply<BillAnswer>
        switch subject.source {
        case .bank:
            let access = try await store.withTenant(job.tenantID) { tx in try await counterparties.custodian(in: tx) }
            guard let kind = CustodianFileKind(rawValue: subject.form) else {
                return try await bury(job, "no such file")
            }
            reply = await access.custodian.file(kind, of: subject.date, serial: "F\(job.id.text.suffix(26))")
        case .weChatPay, .alipay:
            let kind: ChannelKind = subject.source == .alipay ? .alipay : .weChatPay
            let access = try await store.withTenant(job.tenantID) { tx in try await counterparties.channel(kind, in: tx)
            }
            reply = await access.channel.tradeBill(of: subject.date)
        }
        guard case .answered(let answer) = reply, answer != .notReady else {
            return try await store.withTenant(job.tenantID) { tx in
                try await tx.finish(job, .again(after: .seconds(600), in: .statements))
            }
        }
        let (name, statement): (String, VerifiedStatement)
        do throws(StatementDefect) {
            (name, statement) = try answer.statement(of: subject)
        } catch {
            return try await bury(job, error.sentence)
        }
        try await store.withTenant(job.tenantID) { tx in
            try await tx.keep(statement, subject: subject, fileName: name)
            try await tx.finish(job, .done)
        }
    }

    private func bury(_ job: ClaimedJob, _ reason: String) async throws {
        try await store.withTenant(job.tenantID) { tx in try await tx.finish(job, .dead(reason)) }
    }

    /// Matches a channel's day; waits while a statement or the bank's credit is still to come.
    func reconcile(_ job: ClaimedJob, _ channel: ChannelKind, _ date: BusinessDate) async throws {
        try await store.withTenant(job.tenantID) { tx in
            let access = try await counterparties.channel(channel, in: tx)
            let outcome = try await tx.reconcile(
                channel, on: date, feeBasisPoints: access.feeBasisPoints,
                withoutCreditAfter: date.advanced(by: 1).start + .seconds(12 * 3600)
            )
            switch outcome {
            case .waiting: try await tx.finish(job, .again(after: .seconds(600), in: .reconciliation))
            case .done:
                try await tx.enqueue(JobRequest(.settle, tx.today.iso))
                try await tx.finish(job, .done)
            }
        }
    }

    /// Closes orders that expired, and looks again when the next one does: after five minutes at the latest, since orders
    /// that are synced meanwhile may expire sooner.
    func expireOrders(_ job: ClaimedJob) async throws {
        try await store.withTenant(job.tenantID) { tx in
            let next = try await tx.expireOrders().map { $0 - tx.now } ?? .seconds(300)
            try await tx.finish(job, .again(after: max(.seconds(1), min(next, .seconds(300))), in: .queries))
        }
    }

    /// Releases and pays out what is due.
    func settle(_ job: ClaimedJob) async throws {
        try await store.withTenant(job.tenantID) { tx in
            _ = try await tx.settle()
            try await tx.finish(job, .done)
        }
    }
}

extension BillAnswer {
    /// The file's name, and what it says; an empty day has a name of ours and no lines.
    func statement(of subject: StatementSubject) throws(StatementDefect) -> (String, VerifiedStatement) {
        guard case .file(let name, let bytes) = self else {
            return (
                "\(subject.source.rawValue)-\(subject.form)-\(subject.date.iso)-empty",
                VerifiedStatement(emptyDay: subject.date, from: subject.source, form: subject.form)
            )
        }
        return (name, try subject.verified(StatementFile(bytes, name: name)))
    }
}
