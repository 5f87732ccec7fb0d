import CustodyDomain
import Foundation
import Postgres

/// A sub-merchant as it is stored.
public struct SubMerchantRecord: Hashable, Sendable {
    /// Its id.
    public let id: ID<SubMerchant>
    /// The platform's number.
    public let outSubMerchantNo: String
    /// What it is.
    public let kind: SubMerchantKind
    /// What buyers read.
    public let displayName: String
    /// The people behind it. Personal data.
    public let details: SubMerchantDetails
    /// Where its opening is.
    public let state: SubMerchantState
    /// Why the custodian refused it (a JSON array of field and reason).
    public let objections: String
    /// The custodian's number of the application.
    public let applicationNumber: String?
    /// Where its legal person signs.
    public let signURL: String?
    /// The account that the custodian keeps for it.
    public let subAccount: String?
    /// When it was opened with us.
    public let createdAt: Instant

    init(_ row: Row, _ keys: TenantKeys) throws {
        id = try row.get("id")
        outSubMerchantNo = try row.get("out_sub_merchant_no")
        kind = try row.get("kind")
        displayName = try row.get("display_name")
        details = try JSONDecoder().decode(
            SubMerchantDetails.self,
            from: Data(try keys.open(try row.get("personal"), in: "sub_merchant/personal", of: id.uuid))
        )
        state = try row.get("state")
        objections = try row.get("objections", as: PGJSON.self).text
        applicationNumber = try row.get("application_number")
        signURL = try row.get("sign_url")
        subAccount = try row.get("sub_account")
        createdAt = try row.get("created_at")
    }
}

extension TenantTransaction {
    /// Opens a sub-merchant, or opens a rejected one again with corrected details, and queues it for the custodian.
    ///
    /// - Returns: The sub-merchant; the one stored before when the same was asked under the same number.
    /// - Throws: ``Rejection/numberReused(field:)``, ``Rejection/linkMissing(counterparty:)``.
    public func openSubMerchant(
        outSubMerchantNo: String, kind: SubMerchantKind, displayName: String, details: SubMerchantDetails
    ) async throws -> SubMerchantRecord {
        guard try await linkedCounterparties().contains(.bank) else {
            throw Rejection.linkMissing(counterparty: "bank")
        }
        if let known = try await subMerchants(outSubMerchantNo: outSubMerchantNo, before: nil, limit: 1).first {
            if known.kind == kind, known.displayName == displayName, known.details == details { return known }
            guard known.state == .rejected else { throw Rejection.numberReused(field: "out_sub_merchant_no") }
            return try await resubmit(known, kind: kind, displayName: displayName, details: details)
        }
        let id = ID<SubMerchant>(at: now)
        try await run(
            """
            INSERT INTO sub_merchant (
                tenant_id, id, out_sub_merchant_no, kind, display_name, personal, certificate_index, state, created_at,
                updated_at
            )
            VALUES (
                \(tenantID), \(id), \(outSubMerchantNo), \(kind.rawValue), \(displayName),
                \(try sealed(details, in: "sub_merchant/personal", of: id.uuid)),
                \(keys.blindIndex(of: details.certificateNumber, in: "sub_merchant/certificate")), 'submitted', \(now), \(now)
            )
            """
        )
        try await enqueue(JobRequest(.openSubMerchant, id))
        return try await subMerchant(id)
    }

    private func resubmit(
        _ known: SubMerchantRecord, kind: SubMerchantKind, displayName: String, details: SubMerchantDetails
    ) async throws -> SubMerchantRecord {
        try await run(
            """
            UPDATE sub_merchant
               SET kind = \(kind.rawValue), display_name = \(displayName),
                   personal = \(try sealed(details, in: "sub_merchant/personal", of: known.id.uuid)),
                   certificate_index = \(keys.blindIndex(of: details.certificateNumber, in: "sub_merchant/certificate")),
                   state = 'submitted', objections = '[]', updated_at = \(now)
             WHERE tenant_id = \(tenantID) AND id = \(known.id) AND state = 'rejected'
            """
        )
        try await enqueue(JobRequest(.openSubMerchant, known.id))
        return try await subMerchant(known.id)
    }

    /// One sub-merchant.
    ///
    /// - Throws: ``Rejection/notFound``.
    public func subMerchant(_ id: ID<SubMerchant>) async throws -> SubMerchantRecord {
        let row = try await row(
            """
            SELECT id, out_sub_merchant_no, kind, display_name, personal, state, objections, application_number, sign_url,
                   sub_account, created_at
              FROM sub_merchant WHERE tenant_id = \(tenantID) AND id = \(id)
            """
        )
        guard let row else { throw Rejection.notFound }
        return try SubMerchantRecord(row, keys)
    }

    /// Sub-merchants, the youngest first, in pages.
    public func subMerchants(
        outSubMerchantNo: String? = nil, state: SubMerchantState? = nil, before: ID<SubMerchant>?, limit: Int
    ) async throws -> [SubMerchantRecord] {
        try await rows(
            """
            SELECT id, out_sub_merchant_no, kind, display_name, personal, state, objections, application_number, sign_url,
                   sub_account, created_at
              FROM sub_merchant
             WHERE tenant_id = \(tenantID)
               AND (\(outSubMerchantNo)::text IS NULL OR out_sub_merchant_no = \(outSubMerchantNo))
               AND (\(state?.rawValue)::text IS NULL OR state = \(state?.rawValue))
               AND (\(before)::uuid IS NULL OR id < \(before)::uuid)
             ORDER BY id DESC LIMIT \(limit)
            """
        ).map { try SubMerchantRecord($0, keys) }
    }

    /// Notes how the custodian's review goes.
    ///
    /// - Parameters:
    ///   - objections: A JSON array; what the custodian refused and why.
    ///   - subAccount: The account it opened.
    /// - Returns: Whether the state changed.
    @discardableResult
    public func noteReview(
        of id: ID<SubMerchant>, _ state: SubMerchantState, objections: String = "[]", applicationNumber: String? = nil,
        signURL: String? = nil, subAccount: String? = nil
    ) async throws -> Bool {
        let known = try await subMerchant(id)
        guard known.state == state || known.state.canMove(to: state) else { return false }
        let changed = try await run(
            """
            UPDATE sub_merchant
               SET state = \(state.rawValue), objections = \(PGJSON(text: objections)),
                   application_number = coalesce(\(applicationNumber), application_number),
                   sign_url = coalesce(\(signURL), sign_url), sub_account = coalesce(\(subAccount), sub_account),
                   updated_at = \(now)
             WHERE tenant_id = \(tenantID) AND id = \(id) AND state = \(known.state.rawValue)
            """
        )
        // Two askers may hear the same: only the one that moved it says so.
        guard known.state != state, changed == 1 else { return false }
        try await record(
            "sub_merchant.\(state.rawValue)", about: id.text, ["out_sub_merchant_no": .text(known.outSubMerchantNo)]
        )
        return true
    }

    /// Freezes a sub-merchant, or lets it withdraw again.
    ///
    /// - Throws: ``Rejection/subMerchantNotActive(id:state:)`` when it is neither active nor frozen.
    public func setFrozen(_ isFrozen: Bool, _ id: ID<SubMerchant>) async throws -> SubMerchantRecord {
        let target: SubMerchantState = isFrozen ? .frozen : .active
        let known = try await subMerchant(id)
        guard known.state == target || ([.active, .frozen].contains(known.state) && known.state.canMove(to: target))
        else {
            throw Rejection.subMerchantNotActive(id: id.text, state: known.state.rawValue)
        }
        try await noteReview(of: id, target)
        return try await subMerchant(id)
    }

    /// Asks the custodian to close a sub-merchant.
    ///
    /// - Throws: ``Rejection/closureBlocked(remaining:)`` while money, open orders or open discrepancies remain.
    public func closeSubMerchant(_ id: ID<SubMerchant>) async throws -> SubMerchantRecord {
        let known = try await subMerchant(id)
        guard known.state != .closing, known.state != .closed else { return known }
        guard known.state.canMove(to: .closing) else {
            throw Rejection.subMerchantNotActive(id: id.text, state: known.state.rawValue)
        }
        var remaining: [String] = []
        let party = Account.Party.subMerchant(id)
        let accounts: [Account] = [
            .held(party), .pending(party), .available(party), .frozen(party), .withdrawing(party),
        ]
        for account in accounts {
            let balance = try await balance(of: account)
            if balance > .zero { remaining.append("\(balance.value) fen \(account.kind)") }
        }
        let orders: Int =
            try await row(
                """
                SELECT count(DISTINCT o.id) AS open FROM order_part p
                  JOIN trade_order o ON o.tenant_id = \(tenantID) AND o.id = p.order_id AND o.state = 'open'
                   AND o.expires_at > \(now)
                 WHERE p.tenant_id = \(tenantID) AND p.sub_merchant_id = \(id)
                """
            )?.get("open") ?? 0
        if orders > 0 { remaining.append("\(orders) open orders") }
        let discrepancies: Int =
            try await row(
                """
                SELECT count(DISTINCT d.id) AS open FROM order_part p
                  JOIN payment y ON y.tenant_id = \(tenantID) AND y.order_id = p.order_id
                  JOIN discrepancy d ON d.tenant_id = \(tenantID) AND d.payment_id = y.id AND d.state <> 'resolved'
                 WHERE p.tenant_id = \(tenantID) AND p.sub_merchant_id = \(id)
                """
            )?.get("open") ?? 0
        if discrepancies > 0 { remaining.append("\(discrepancies) open discrepancies") }
        guard remaining.isEmpty else { throw Rejection.closureBlocked(remaining: remaining) }
        try await noteReview(of: id, .closing)
        try await enqueue(JobRequest(.closeSubMerchant, id))
        return try await subMerchant(id)
    }

    /// A value as JSON, encrypted for a place.
    func sealed(_ value: some Encodable, in place: String, of row: UUIDv7) throws -> [UInt8] {
        try keys.seal(Array(try JSONEncoder().encode(value)), in: place, of: row)
    }
}
