import CustodyDomain
import Postgres

/// A merchant that a custodian signed by itself, as it tells us.
public struct SignedMerchant: Hashable, Sendable {
    /// The custodian's number of it: the account that orders name.
    public let account: String
    /// Our number of it, where the custodian was told.
    public let number: String?
    /// Its registered name. Personal data when it is a person.
    public let name: String
    /// Its licence or certificate number. Personal data when it is a person.
    public let certificateNumber: String?
    /// Whether it left.
    public let hasLeft: Bool

    /// Makes a merchant.
    public init(account: String, number: String?, name: String, certificateNumber: String?, hasLeft: Bool) {
        self.account = account
        self.number = number
        self.name = name
        self.certificateNumber = certificateNumber
        self.hasLeft = hasLeft
    }
}

/// What came of a merchant that a custodian told of.
public enum SignedMerchantNote: String, Hashable, Sendable {
    /// It is a sub-merchant now.
    case opened
    /// It was one already; its name was noted.
    case changed
    /// It is closed.
    case closed
    /// It left, and never was one.
    case unknown = "unknown sub-merchant"
}

extension TenantTransaction {
    /// Notes a merchant that a custodian signed, changed or let go by itself; nothing was asked of the custodian before.
    ///
    /// A new one gets the custodian's number as the platform's number, with which the platform finds it; what the custodian
    /// does not tell of the people behind it stays empty.
    public func noteSigned(_ merchant: SignedMerchant) async throws -> SignedMerchantNote {
        let row = try await row(
            "SELECT id FROM sub_merchant WHERE tenant_id = \(tenantID) AND sub_account = \(merchant.account)")
        guard let id = try row?.get("id", as: ID<SubMerchant>.self) else {
            guard !merchant.hasLeft else { return .unknown }
            try await openSigned(merchant)
            return .opened
        }
        guard !merchant.hasLeft else {
            try await noteReview(of: id, .closing)
            try await noteReview(of: id, .closed)
            return .closed
        }
        let known = try await subMerchant(id)
        let details = known.details.renamed(merchant.name, merchant.certificateNumber)
        try await run(
            """
            UPDATE sub_merchant
               SET display_name = \(String(merchant.name.prefix(128))),
                   personal = \(try sealed(details, in: "sub_merchant/personal", of: id.uuid)),
                   certificate_index = \(keys.blindIndex(of: details.certificateNumber, in: "sub_merchant/certificate")),
                   updated_at = \(now)
             WHERE tenant_id = \(tenantID) AND id = \(id)
            """
        )
        return .changed
    }

    private func openSigned(_ merchant: SignedMerchant) async throws {
        let id = ID<SubMerchant>(at: now)
        let details = SubMerchantDetails(
            name: merchant.name, certificateNumber: merchant.certificateNumber ?? "", legalPersonName: "",
            legalPersonIDNumber: "", contactName: "", contactMobile: "")
        try await run(
            """
            INSERT INTO sub_merchant (
                tenant_id, id, out_sub_merchant_no, kind, display_name, personal, certificate_index, state, sub_account,
                created_at, updated_at
            )
            VALUES (
                \(tenantID), \(id), \(merchant.number ?? merchant.account), 'company',
                \(String(merchant.name.prefix(128))),
                \(try sealed(details, in: "sub_merchant/personal", of: id.uuid)),
                \(keys.blindIndex(of: details.certificateNumber, in: "sub_merchant/certificate")), 'active',
                \(merchant.account), \(now), \(now)
            )
            """
        )
        try await record(
            "sub_merchant.active", about: id.text, ["out_sub_merchant_no": .text(merchant.number ?? merchant.account)])
    }
}

extension SubMerchantDetails {
    fileprivate func renamed(_ name: String, _ certificateNumber: String?) -> SubMerchantDetails {
        SubMerchantDetails(
            name: name, certificateNumber: certificateNumber ?? self.certificateNumber,
            legalPersonName: legalPersonName, legalPersonIDNumber: legalPersonIDNumber, contactName: contactName,
            contactMobile: contactMobile)
    }
}
