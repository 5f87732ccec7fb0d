import CustodyDomain
import Postgres

/// A settlement run as it is stored.
public struct SettlementRunRecord: Hashable, Sendable {
    /// Its id.
    public let id: ID<SettlementRun>
    /// The day of the books.
    public let businessDate: BusinessDate
    /// How much became available.
    public let released: Fen
    /// Of how many parts of splits.
    public let releasedParts: Int
    /// How many withdrawals it made.
    public let withdrawals: Int
    /// When it ran.
    public let createdAt: Instant

    init(_ row: Row) throws {
        id = try row.get("id")
        businessDate = try row.get("business_date")
        released = try row.get("released_fen")
        releasedParts = try row.get("released_parts")
        withdrawals = try row.get("withdrawals")
        createdAt = try row.get("created_at")
    }
}

extension TenantTransaction {
    /// Releases what is split, matched and due, and pays out what is available, if the terms say so.
    ///
    /// Matched means: the payment's day was reconciled, and no open discrepancy names the payment. Set-based: one statement
    /// marks, one entry books, whatever the number of orders.
    ///
    /// - Returns: The run; nil when there was nothing to release or pay out.
    public func settle() async throws -> SettlementRunRecord? {
        // One run at a time: both channels' days may end in the same moment, and each asks for one.
        try await run("SELECT FROM tenant WHERE id = \(tenantID) FOR NO KEY UPDATE")
        let terms = try await settlementSchedule()
        let lastDay = terms.schedule.lastDayDue(on: today, isWorking: try await workingDays())
        let runID = ID<SettlementRun>(at: now)
        try await run(
            """
            INSERT INTO settlement_run (
                tenant_id, id, business_date, released_fen, released_parts, withdrawals, created_at
            )
            VALUES (\(tenantID), \(runID), \(today), 0, 0, 0, \(now))
            """
        )
        let released = try await release(in: runID, through: lastDay)
        let fees = try await passFeesOn(in: runID)
        let custodianPays = try await custodianPaysOut()
        if custodianPays { try await bookPaidOut(released.shares, less: fees, in: runID) }
        let pays = terms.withdrawsAutomatically && !custodianPays
        let count = pays ? try await payOut(in: runID, minimum: terms.minimum) : 0
        guard released.parts > 0 || count > 0 else {
            try await run("DELETE FROM settlement_run WHERE tenant_id = \(tenantID) AND id = \(runID)")
            return nil
        }
        let row = try await row(
            """
            UPDATE settlement_run
               SET released_fen = \(released.amount), released_parts = \(released.parts), withdrawals = \(count)
             WHERE tenant_id = \(tenantID) AND id = \(runID)
            RETURNING id, business_date, released_fen, released_parts, withdrawals, created_at
            """
        )
        return try row.map(SettlementRunRecord.init)
    }

    private func release(
        in runID: ID<SettlementRun>, through lastDay: BusinessDate
    ) async throws -> (shares: [Account.Party: Fen], amount: Fen, parts: Int) {
        let rows = try await rows(
            """
            WITH due AS (
                SELECT sp.split_id, sp.part_number
                  FROM split_part sp
                  JOIN split s ON s.tenant_id = \(tenantID) AND s.id = sp.split_id AND s.state = 'succeeded'
                  JOIN payment p ON p.tenant_id = \(tenantID) AND p.order_id = sp.order_id AND p.state = 'succeeded'
                  JOIN reconciliation r
                    ON r.tenant_id = \(tenantID) AND r.channel = p.channel AND r.business_date = p.business_date
                   AND r.state = 'done'
                 WHERE sp.tenant_id = \(tenantID) AND sp.settlement_run_id IS NULL AND p.business_date <= \(lastDay)
                   AND NOT EXISTS (
                       SELECT FROM discrepancy d
                        WHERE d.tenant_id = \(tenantID) AND d.payment_id = p.id AND d.state <> 'resolved'
                          AND d.kind <> 'fee'
                   )
                   -- Payees bear a custodian's fees: of refunds, too, which must be known.
                   AND (p.collector <> 'bank' OR NOT EXISTS (
                       SELECT FROM refund f
                        WHERE f.tenant_id = \(tenantID) AND f.payment_id = p.id
                          AND (f.state IN ('requested', 'processing') OR f.state = 'succeeded' AND NOT EXISTS (
                              SELECT FROM reconciliation q
                               WHERE q.tenant_id = \(tenantID) AND q.channel = p.channel
                                 AND q.business_date = f.business_date AND q.state = 'done'
                          ))
                   ))
                   FOR UPDATE OF sp SKIP LOCKED
            ), marked AS (
                UPDATE split_part sp SET settlement_run_id = \(runID)
                  FROM due d
                 WHERE sp.tenant_id = \(tenantID) AND sp.split_id = d.split_id AND sp.part_number = d.part_number
                RETURNING sp.sub_merchant_id, sp.amount_fen
            )
            SELECT sub_merchant_id, sum(amount_fen)::bigint AS amount_fen, count(*) AS parts
              FROM marked GROUP BY sub_merchant_id
            """
        )
        var entry = LedgerEntry("settlement.released", subject: runID.uuid.text, on: today)
        var (shares, amount, parts) = ([Account.Party: Fen](), Fen.zero, 0)
        for row in rows {
            let owner: ID<SubMerchant>? = try row.get("sub_merchant_id")
            let party = owner.map { Account.Party.subMerchant($0) } ?? .platform
            let sum: Fen = try row.get("amount_fen")
            entry.move(sum, debit: .pending(party), credit: .available(party))
            shares[party] = sum
            amount += sum
            parts += try row.get("parts", as: Int.self)
        }
        try await book(entry)
        return (shares, amount, parts)
    }

    /// Pays out every active sub-merchant's available income to its bound account.
    private func payOut(in runID: ID<SettlementRun>, minimum: Fen) async throws -> Int {
        let rows = try await rows(
            """
            SELECT s.id, a.balance_fen + coalesce((
                       SELECT sum(d.amount_fen)::bigint FROM balance_delta d
                        WHERE d.tenant_id = \(tenantID) AND d.account_id = a.id
                   ), 0) AS available_fen
              FROM sub_merchant s
              JOIN ledger_account a
                ON a.tenant_id = \(tenantID) AND a.kind = 'available' AND a.owner = s.id::text
             WHERE s.tenant_id = \(tenantID) AND s.state = 'active'
               AND EXISTS (
                   SELECT FROM bank_account b
                    WHERE b.tenant_id = \(tenantID) AND b.sub_merchant_id = s.id AND b.state = 'bound'
               )
               AND NOT EXISTS (
                   SELECT FROM bank_account b
                    WHERE b.tenant_id = \(tenantID) AND b.sub_merchant_id = s.id
                      AND b.state IN ('submitted', 'to_verify', 'verifying')
                      AND (b.state <> 'to_verify' OR b.expires_at > \(now))
               )
             ORDER BY s.id
            """
        )
        var count = 0
        for row in rows {
            let (id, available): (ID<SubMerchant>, Fen) = (try row.get("id"), try row.get("available_fen"))
            guard available >= minimum, available > .zero else { continue }
            _ = try await createWithdrawal(
                of: id, outWithdrawalNo: "run-\(runID.text.suffix(26))-\(count + 1)", amount: available, run: runID
            )
            count += 1
        }
        return count
    }

    /// Whether a date is a working day in China: by the calendar's entry, or else by the week.
    private func workingDays() async throws -> (BusinessDate) -> Bool {
        var known: [BusinessDate: Bool] = [:]
        let rows = try await rows(
            "SELECT date, is_working FROM calendar_day WHERE date BETWEEN \(today.advanced(by: -200)) AND \(today)"
        )
        for row in rows { known[try row.get("date")] = try row.get("is_working") }
        return { known[$0] ?? ($0.weekday <= 5) }
    }

    /// Settlement runs, the youngest first, in pages.
    public func settlementRuns(before: ID<SettlementRun>?, limit: Int) async throws -> [SettlementRunRecord] {
        try await rows(
            """
            SELECT id, business_date, released_fen, released_parts, withdrawals, created_at FROM settlement_run
             WHERE tenant_id = \(tenantID) AND (\(before)::uuid IS NULL OR id < \(before)::uuid)
             ORDER BY id DESC LIMIT \(limit)
            """
        ).map(SettlementRunRecord.init)
    }
}
