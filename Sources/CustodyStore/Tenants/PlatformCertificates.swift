import CustodyDomain
import Postgres

/// A certificate that a counterparty signs with besides the keys of its link (平台证书).
public struct PlatformCertificate: Hashable, Sendable {
    /// What the counterparty's signatures name it.
    public let serial: String
    /// The certificate in PEM.
    public let pem: String
    /// When it counts, in real time.
    public let validity: Range<Instant>

    /// Makes a certificate.
    public init(serial: String, pem: String, validity: Range<Instant>) {
        self.serial = serial
        self.pem = pem
        self.validity = validity
    }
}

extension TenantTransaction {
    /// The database's time, whatever a sandbox's test clock says: certificates live on it.
    private var realNow: Instant { now - clockOffset }

    /// How long certificates are not asked for again, whoever wishes it.
    private static let patience = Duration.seconds(60)

    /// Notes the whole list of certificates that a counterparty gave now; those of earlier lists count no more.
    public func note(_ certificates: [PlatformCertificate], of counterparty: Counterparty) async throws {
        // One timestamp for all: it is what marks them as one list.
        try await run(
            """
            INSERT INTO platform_certificate (tenant_id, counterparty, serial, pem, effective_at, expires_at, noted_at)
            SELECT DISTINCT ON (c.serial)
                   \(tenantID), \(counterparty.rawValue), c.serial, c.pem, c.effective_at, c.expires_at, \(realNow)
              FROM unnest(
                  \(certificates.map(\.serial)), \(certificates.map(\.pem)),
                  \(certificates.map(\.validity.lowerBound)), \(certificates.map(\.validity.upperBound))
              ) AS c (serial, pem, effective_at, expires_at)
            ON CONFLICT (tenant_id, counterparty, serial)
            DO UPDATE SET pem = excluded.pem, effective_at = excluded.effective_at, expires_at = excluded.expires_at,
                          noted_at = excluded.noted_at
            """
        )
    }

    /// The certificates of a counterparty's newest list that have not expired; some may not count yet.
    public func platformCertificates(of counterparty: Counterparty) async throws -> [PlatformCertificate] {
        try await rows(
            """
            SELECT serial, pem, effective_at, expires_at FROM platform_certificate
             WHERE tenant_id = \(tenantID) AND counterparty = \(counterparty.rawValue) AND expires_at > \(realNow)
               AND noted_at = (
                   SELECT max(noted_at) FROM platform_certificate
                    WHERE tenant_id = \(tenantID) AND counterparty = \(counterparty.rawValue)
               )
             ORDER BY effective_at, serial
            """
        ).map { row in
            let (effectiveAt, expiresAt): (Instant, Instant) = (try row.get("effective_at"), try row.get("expires_at"))
            return PlatformCertificate(
                serial: try row.get("serial"), pem: try row.get("pem"), validity: effectiveAt..<expiresAt)
        }
    }

    /// Has WeChat Pay's certificates downloaded as soon as this transaction commits, and every hour from then on.
    ///
    /// A link that needs none ends it by itself.
    public func startRefreshing() async throws {
        try await hasten(JobRequest(.refreshCertificates, tenantID.text))
    }

    /// Has the certificates downloaded before their hour is over, since something is signed with one that is not known.
    ///
    /// At most once a minute, because a stranger who writes serial numbers must not make us call WeChat Pay; without
    /// effect where nothing is downloaded.
    ///
    /// - Returns: Whether the download was brought forward.
    @discardableResult
    public func hastenRefreshing() async throws -> Bool {
        let request = JobRequest(.refreshCertificates, tenantID.text)
        return try await run(
            """
            UPDATE job_later j SET due_at = e.due_at, run_at = j.run_at - (j.due_at - e.due_at)
              FROM (
                  SELECT greatest(\(realNow), max(noted_at) + interval '1 minute') AS due_at FROM platform_certificate
                   WHERE tenant_id = \(tenantID)
              ) e
             WHERE j.tenant_id = \(tenantID) AND j.kind = \(request.kind.rawValue) AND j.subject = \(request.subject)
               AND j.due_at > \(realNow + TenantTransaction.patience)
            """
        ) > 0
    }
}
