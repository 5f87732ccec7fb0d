import CustodyDomain
import Postgres

/// A reconciliation as it is stored.
public struct ReconciliationRecord: Hashable, Sendable {
    /// Its id.
    public let id: ID<Reconciliation>
    /// Whose day.
    public let channel: ChannelKind
    /// Which day.
    public let businessDate: BusinessDate
    /// `running` or `done`.
    public let state: String
    /// How many payments the statement lists.
    public let payments: Int
    /// How many refunds it lists.
    public let refunds: Int
    /// How many of our payments matched in every respect.
    public let matched: Int
    /// The fees charged to the platform's reserve.
    public let fees: Fen
    /// How many discrepancies the day has, resolved ones included.
    public let discrepancies: Int
    /// When it was last done.
    public let finishedAt: Instant?

    init(_ row: Row) throws {
        id = try row.get("id")
        channel = try row.get("channel")
        businessDate = try row.get("business_date")
        state = try row.get("state")
        payments = try row.get("payments")
        refunds = try row.get("refunds")
        matched = try row.get("matched")
        fees = try row.get("fees_fen")
        discrepancies = try row.get("discrepancies")
        finishedAt = try row.get("finished_at")
    }
}

/// What came of an attempt to reconcile a day.
public enum ReconciliationOutcome: Hashable, Sendable {
    /// Done.
    case done(ReconciliationRecord)
    /// These are still to come.
    case waiting(for: [String])
}

extension TenantTransaction {
    /// Matches a channel's day three ways: our receipts, the channel's statement, the bank's file and its credit. Two ways
    /// where the custodian collects: its statement of the receipts is the channel's and the bank's word in one.
    ///
    /// What differs becomes a discrepancy whose money goes to suspense; what an earlier day left open and this statement
    /// lists is resolved. Running it again gives the same result and books nothing twice; after a corrected file it books
    /// only what changed.
    ///
    /// - Parameters:
    ///   - feeBasisPoints: The agreed fee; nil leaves fees unchecked.
    ///   - withoutCreditAfter: From when on a lump that has not arrived is a discrepancy, not something to wait for.
    public func reconcile(
        _ channel: ChannelKind, on date: BusinessDate, feeBasisPoints: Int?, withoutCreditAfter deadline: Instant
    ) async throws -> ReconciliationOutcome {
        let isCollectedByCustodian = try await collector(of: channel) == .bank
        let found = try await word(of: channel, on: date, isCustodians: isCollectedByCustodian)
        guard let statement = found.statement, isCollectedByCustodian || found.bankFile != nil else {
            return .waiting(
                for: [
                    found.statement == nil ? channel.rawValue : nil,
                    isCollectedByCustodian || found.bankFile != nil ? nil : "bank PAY",
                ].compactMap(\.self))
        }
        let totals = try await totals(of: statement, channel, on: date)
        var credit = try await credited(channel, on: date)
        if isCollectedByCustodian {
            try await creditCollected(totals.net - (credit ?? .zero), channel, on: date)
            credit = totals.net
        }
        if credit == nil, totals.net != .zero, now < deadline { return .waiting(for: ["bank credit"]) }

        let id = try await openReconciliation(channel, date)
        try await settleEarlierDays(channel, date, statement.id, sharesLines: isCollectedByCustodian)
        var differences = try await paymentDifferences(
            channel, on: date, statement: statement.id, bankFile: found.bankFile?.id, feeBasisPoints: feeBasisPoints,
            sharesLines: isCollectedByCustodian
        )
        if statement.listsRefunds {
            differences += try await refundDifferences(
                channel, on: date, statement: statement.id, sharesLines: isCollectedByCustodian)
        }
        if (credit ?? .zero) != totals.net {
            // The lump lacks, or exceeds, what the channel's own statement says it sent.
            differences.append(
                Difference(
                    kind: credit == nil ? "bank_missing" : "bank_amount", reference: "lump", ours: totals.net,
                    bank: credit,
                    suspense: (credit ?? .zero) - totals.net
                )
            )
        }
        try await withdrawOpenings(notIn: differences, channel, date)
        try await open(differences, in: id, channel, date)
        let feesInDoubt = differences.filter { $0.kind == "fee" }.map(\.suspense).sum()
        let fees = totals.fees + feesInDoubt
        try await chargeFees(
            fees, reconciliation: id, channel, date, toReserve: !isCollectedByCustodian)
        let mismatched = Set(differences.compactMap(\.paymentID)).count
        return .done(try await closeReconciliation(id, totals: totals, fees: fees, mismatched: mismatched))
    }

    private struct Totals {
        let payments: Int
        let refunds: Int
        let fees: Fen
        let net: Fen
    }

    /// What a statement comes to; refunds that it does not list are ours of that day.
    private func totals(
        of record: StatementRecord, _ channel: ChannelKind, on date: BusinessDate
    ) async throws -> Totals {
        let statement = record.id
        let row = try await row(
            """
            SELECT count(*) FILTER (WHERE kind <> 'refund') AS payments, count(*) FILTER (WHERE kind = 'refund') AS refunds,
                   coalesce(sum(fee_fen), 0)::bigint AS fees,
                   coalesce(sum(CASE kind WHEN 'refund' THEN -amount_fen ELSE amount_fen END - fee_fen), 0)::bigint AS net
              FROM statement_line
             WHERE tenant_id = \(tenantID) AND statement_id = \(statement)
               AND kind IN ('payment', 'refund', 'bank_receipt') AND status <> 'FAIL'
            """
        )
        guard let row else { throw Rejection.notFound }
        let unlisted = record.listsRefunds ? Fen.zero : try await refunded(channel, on: date)
        return Totals(
            payments: try row.get("payments"), refunds: try row.get("refunds"), fees: try row.get("fees"),
            net: try row.get("net", as: Fen.self) - unlisted
        )
    }

    /// What the channel's lumps for a day came to; nil while none has arrived.
    private func credited(_ channel: ChannelKind, on date: BusinessDate) async throws -> Fen? {
        try await row(
            """
            SELECT sum(amount_fen)::bigint AS fen FROM bank_credit
             WHERE tenant_id = \(tenantID) AND channel = \(channel.rawValue) AND business_date = \(date)
            """
        )?.get("fen")
    }

    private func openReconciliation(_ channel: ChannelKind, _ date: BusinessDate) async throws -> ID<Reconciliation> {
        // The update locks the row: two runs of one day follow each other.
        let row = try await row(
            """
            INSERT INTO reconciliation (tenant_id, id, channel, business_date, state, created_at)
            VALUES (\(tenantID), \(ID<Reconciliation>(at: now)), \(channel.rawValue), \(date), 'running', \(now))
            ON CONFLICT ON CONSTRAINT reconciliation_day DO UPDATE SET state = 'running'
            RETURNING id
            """
        )
        guard let row else { throw Rejection.notFound }
        return try row.get("id")
    }

    /// Charges the day's fees to the platform's reserve, or what changed of them since the run before.
    ///
    /// - Parameter toReserve: False where they are kept back from the payees' money, who bear them when it is released.
    private func chargeFees(
        _ fees: Fen, reconciliation id: ID<Reconciliation>, _ channel: ChannelKind, _ date: BusinessDate,
        toReserve: Bool
    ) async throws {
        let charged: Fen =
            try await row("SELECT fees_fen FROM reconciliation WHERE tenant_id = \(tenantID) AND id = \(id)")?.get(
                "fees_fen")
            ?? .zero
        let change = fees - charged
        guard change != .zero else { return }
        let reserve = toReserve ? try await balance(of: .reserve) : .zero
        // What goes back first pays what the platform still owes.
        let owed = try await balance(of: .feeReceivable)
        let covered = change > .zero ? min(change, reserve) : min(.zero, change + owed)
        var entry = LedgerEntry("fees.charged", subject: "\(id.uuid.text)/\(now.microseconds)", on: date)
        entry.move(covered, debit: .reserve, credit: .clearing(channel))
        entry.move(change - covered, debit: .feeReceivable, credit: .clearing(channel))
        try await book(entry)
    }

    private func closeReconciliation(
        _ id: ID<Reconciliation>, totals: Totals, fees: Fen, mismatched: Int
    ) async throws -> ReconciliationRecord {
        let row = try await row(
            """
            UPDATE reconciliation r
               SET state = 'done', finished_at = \(now), payments = \(totals.payments), refunds = \(totals.refunds),
                   fees_fen = \(fees),
                   matched = greatest(0, (
                       SELECT count(*) FROM payment p
                        WHERE p.tenant_id = \(tenantID) AND p.channel = r.channel AND p.business_date = r.business_date
                          AND p.state = 'succeeded'
                   ) - \(mismatched)),
                   discrepancies = (
                       SELECT count(*) FROM discrepancy d WHERE d.tenant_id = \(tenantID) AND d.reconciliation_id = r.id
                   )
             WHERE r.tenant_id = \(tenantID) AND r.id = \(id)
            RETURNING id, channel, business_date, state, payments, refunds, matched, fees_fen, discrepancies, finished_at
            """
        )
        guard let row else { throw Rejection.notFound }
        return try ReconciliationRecord(row)
    }

    /// Reconciliations, the youngest day first, in pages.
    public func reconciliations(
        on date: BusinessDate?, before: ID<Reconciliation>?, limit: Int
    ) async throws -> [ReconciliationRecord] {
        try await rows(
            """
            SELECT id, channel, business_date, state, payments, refunds, matched, fees_fen, discrepancies, finished_at
              FROM reconciliation
             WHERE tenant_id = \(tenantID)
               AND (\(date)::date IS NULL OR business_date = \(date))
               AND (\(before)::uuid IS NULL OR id < \(before)::uuid)
             ORDER BY id DESC LIMIT \(limit)
            """
        ).map(ReconciliationRecord.init)
    }
}
