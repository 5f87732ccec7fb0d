import CustodyDomain
import CustodyStore

/// Gives each kind of job to its handler. The switch is exhaustive: a kind without a handler does not compile.
struct Dispatcher: Sendable {
    let subMerchants: SubMerchantJobs
    let orders: OrderJobs
    let payments: PaymentJobs
    let callbacks: CallbackJobs
    let days: DayJobs
    let statements: StatementJobs
    let certificates: CertificateJobs
    let store: Store

    /// Runs one job to one of its four fates, which the handler commits with its effects; without effects the worker ends it.
    func run(_ job: ClaimedJob) async throws -> JobEnd {
        let request = job.request
        switch request.kind {
        case .processCallback: return try await with(job) { try await callbacks.process(job, $0) }
        case .openSubMerchant: return try await with(job) { try await subMerchants.open(job, $0) }
        case .pollSubMerchant: return try await with(job) { try await subMerchants.poll(job, $0) }
        case .closeSubMerchant: return try await with(job) { try await subMerchants.close(job, $0) }
        case .bindAccount: return try await with(job) { try await subMerchants.bind(job, $0) }
        case .confirmAccount: return try await with(job) { try await subMerchants.confirm(job, $0) }
        case .syncOrder: return try await with(job) { try await orders.sync(job, $0) }
        case .registerReceipt: return try await with(job) { try await orders.registerReceipt(job, $0) }
        case .registerRefund: return try await with(job) { try await orders.registerRefund(job, $0) }
        case .sendSplit: return try await with(job) { try await orders.split(job, $0) }
        case .sendWithdrawal: return try await with(job) { try await orders.withdraw(job, $0) }
        case .watchWithdrawal: return try await with(job) { try await orders.watchWithdrawal(job, $0) }
        case .placePayment: return try await with(job) { try await payments.place(job, $0) }
        case .pollPayment: return try await with(job) { try await payments.poll(job, $0) }
        case .sendRefund: return try await with(job) { try await payments.refund(job, $0) }
        case .openDay:
            guard let date = BusinessDate(request.subject) else { return try await refuse(job) }
            try await days.open(job, date)
        case .fetchStatement:
            guard let subject = StatementSubject(request.subject) else { return try await refuse(job) }
            try await statements.fetch(job, subject)
        case .reconcile:
            let parts = request.subject.split(separator: "/")
            guard parts.count == 2, let channel = ChannelKind(rawValue: String(parts[0])),
                let date = BusinessDate(parts[1])
            else { return try await refuse(job) }
            try await days.reconcile(job, channel, date)
        case .settle: try await days.settle(job)
        case .expireOrders: try await days.expireOrders(job)
        case .refreshCertificates: try await certificates.refresh(job)
        }
        return .recorded
    }

    private func with<Entity: Identified>(
        _ job: ClaimedJob, _ body: (ID<Entity>) async throws -> JobEnd
    ) async throws -> JobEnd {
        guard let id = job.request.id(of: Entity.self) else { return try await refuse(job) }
        return try await body(id)
    }

    private func refuse(_ job: ClaimedJob) async throws -> JobEnd {
        try await store.withTenant(job.tenantID) { tx in
            try await tx.finish(job, .dead("its subject is not readable"))
        }
        return .recorded
    }
}
