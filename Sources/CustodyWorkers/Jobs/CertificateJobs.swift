import CustodyConnectors
import CustodyDomain
import CustodyStore
import CustodyWire

/// The certificates that WeChat Pay signs with (平台证书): downloaded here, kept for the processes that verify callbacks.
struct CertificateJobs: Sendable {
    let store: Store
    let counterparties: Counterparties

    /// Downloads a platform's certificates and notes them: again in an hour, in a minute when they could not be had, and
    /// never again when there is no link that needs them.
    func refresh(_ job: ClaimedJob) async throws {
        let sources = try await store.withTenant(job.tenantID) { tx in
            let found = try await self.sources(in: tx)
            if found.isEmpty { try await tx.finish(job, .done) }
            return found
        }
        guard !sources.isEmpty else { return }
        var lists: [(counterparty: Counterparty, certificates: [PlatformCertificate])] = []
        for (counterparty, source) in sources {
            guard let list = await source.refreshedCertificates() else { continue }
            lists.append(
                (
                    counterparty,
                    list.map { PlatformCertificate(serial: $0.key.serial, pem: $0.key.pem, validity: $0.validity) }
                ))
        }
        try await store.withTenant(job.tenantID) { [lists] tx in
            for list in lists { try await tx.note(list.certificates, of: list.counterparty) }
            let isComplete = lists.count == sources.count
            try await tx.finish(
                job,
                .again(
                    after: isComplete ? WeChatPayCertificates.lifetime : WeChatPayCertificates.patience, in: .queries))
        }
    }

    /// Who may sign with certificates: WeChat Pay as a channel, and as a custodian.
    private func sources(in tx: TenantTransaction) async throws -> [(Counterparty, any CertificateSource)] {
        let linked = try await tx.linkedCounterparties()
        var sources: [(Counterparty, any CertificateSource)] = []
        if linked.contains(.weChatPay),
            let source = try await counterparties.channel(.weChatPay, in: tx, isFresh: true).channel
                as? any CertificateSource
        {
            sources.append((.weChatPay, source))
        }
        if linked.contains(.bank), try await tx.payableChannels().contains(.weChatPay),
            let source = try await counterparties.custodian(in: tx, isFresh: true).custodian as? any CertificateSource
        {
            sources.append((.bank, source))
        }
        return sources.filter { $0.1.usesCertificates }
    }
}
