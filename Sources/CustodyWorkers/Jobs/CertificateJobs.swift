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
        let channel = try await store.withTenant(job.tenantID) { tx -> WeChatPay? in
            do {
                let access = try await counterparties.channel(.weChatPay, in: tx, isFresh: true)
                if let weChatPay = access.channel as? WeChatPay, weChatPay.usesCertificates { return weChatPay }
            } catch Rejection.linkMissing {}
            try await tx.finish(job, .done)
            return nil
        }
        guard let channel else { return }
        let list = await channel.refreshedCertificates()
        try await store.withTenant(job.tenantID) { tx in
            guard let list else {
                return try await tx.finish(job, .again(after: WeChatPayCertificates.patience, in: .queries))
            }
            try await tx.note(
                list.map { PlatformCertificate(serial: $0.key.serial, pem: $0.key.pem, validity: $0.validity) },
                of: .weChatPay)
            try await tx.finish(job, .again(after: WeChatPayCertificates.lifetime, in: .queries))
        }
    }
}
