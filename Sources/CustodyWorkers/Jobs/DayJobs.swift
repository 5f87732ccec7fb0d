import CustodyConnectors
import CustodyDomain
import CustodyStore

/// The days of the books: what a day should bring, days to match, money to release.
struct DayJobs: Sendable {
    let store: Store
    let counterparties: Counterparties

    /// When a day's work begins: 09:05 in Shanghai.
    private static let begin = Duration.seconds(9 * 3600 + 300)

    /// Plans the work of a day: yesterday's statements, today's settlement, and tomorrow.
    func open(_ job: ClaimedJob, _ date: BusinessDate) async throws {
        // Many short transactions: keys come with every order, and nothing may wait for their going.
        while try await store.withTenant(job.tenantID, { tx in try await tx.forgetOldIdempotencyKeys() }) {}
        // Those of admins are nobody's: whichever platform's day begins first forgets them for all.
        while try await store.withSystem({ tx in try await tx.forgetOldAdminRequests() }) {}
        try await store.withTenant(job.tenantID) { tx in
            let linked = try await tx.linkedCounterparties()
            let subjects = try await statements(of: date.advanced(by: -1), linked, in: tx)
            for subject in subjects {
                try await tx.expectStatement(
                    subject.source, form: subject.form, on: subject.date, dueAt: subject.dueAt)
            }
            try await tx.enqueue(subjects.map { JobRequest(.fetchStatement, $0.text) })
            // What was added to hot accounts yesterday is folded into their balances, so that reading them stays fast.
            try await tx.foldBalances()
            try await tx.enqueue(JobRequest(.settle, date.iso), at: date.start + .seconds(14 * 3600))
            try await tx.startExpiring()
            if try await tx.payableChannels().contains(.weChatPay) { try await tx.startRefreshing() }
            try await tx.adoptInstructions()
            let next = date.advanced(by: 1)
            try await tx.enqueue(JobRequest(.openDay, next.iso), at: next.start + DayJobs.begin)
            try await tx.finish(job, .done)
        }
    }

    /// What a day brings, by what the connectors say that their links have.
    ///
    /// Of a link that cannot be used only what days are matched by is planned: fetching that says what is wrong.
    private func statements(
        of date: BusinessDate, _ linked: Set<Counterparty>, in tx: TenantTransaction
    ) async throws -> [StatementSubject] {
        var subjects: [StatementSubject] = []
        let payable = try await tx.payableChannels()
        for kind in ChannelKind.allCases where payable.contains(kind) {
            let collector = try await tx.collector(of: kind)
            let channel = try? await counterparties.channel(kind, through: collector, in: tx)
            subjects += (channel?.bills ?? [.trade]).map {
                StatementSubject(source: StatementSource(kind), form: $0.rawValue, date: date)
            }
        }
        if linked.contains(.bank) {
            let capabilities = try? await counterparties.custodian(in: tx).custodian.capabilities
            // Of a custodian that collects, what is in the channel's form comes as the channel's bill; the rest has its own.
            let kinds =
                capabilities.map {
                    $0.collector == .platform
                        ? $0.fileKinds : $0.fileKinds.intersection([.collections, .splits, .splitSums])
                } ?? [.receipts]
            subjects += CustodianFileKind.allCases.filter(kinds.contains).map {
                StatementSubject(source: .bank, form: $0.rawValue, date: date)
            }
        }
        return subjects
    }

    /// Matches a channel's day; waits while a statement or the bank's credit is still to come.
    func reconcile(_ job: ClaimedJob, _ channel: ChannelKind, _ date: BusinessDate) async throws {
        try await store.withTenant(job.tenantID) { tx in
            let isCollectedByCustodian = try await tx.collector(of: channel) == .bank
            let fee =
                isCollectedByCustodian
                ? try await counterparties.custodian(in: tx).feeBasisPoints
                : try await counterparties.channel(channel, in: tx).feeBasisPoints
            let outcome = try await tx.reconcile(
                channel, on: date, feeBasisPoints: fee,
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

extension StatementSource {
    /// A channel's bills.
    init(_ channel: ChannelKind) {
        switch channel {
        case .weChatPay: self = .weChatPay
        case .alipay: self = .alipay
        }
    }
}
