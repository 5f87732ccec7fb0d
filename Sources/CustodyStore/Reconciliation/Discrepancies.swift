import CustodyDomain
import Postgres

/// A discrepancy as it is stored.
public struct DiscrepancyRecord: Hashable, Sendable {
    /// Its id.
    public let id: ID<Discrepancy>
    /// What differs: `surplus`, `shortage`, `amount`, `fee`, …
    public let kind: String
    /// Whose day.
    public let channel: ChannelKind
    /// Which day.
    public let businessDate: BusinessDate
    /// Our number of the thing, or theirs when we know of none.
    public let reference: String
    /// The payment it is about.
    public let paymentID: ID<Payment>?
    /// The refund it is about.
    public let refundID: ID<Refund>?
    /// What we say.
    public let ours: Fen?
    /// What the channel says.
    public let theirs: Fen?
    /// What the bank says.
    public let bank: Fen?
    /// What sits in suspense because of it; credit is positive.
    public let suspense: Fen
    /// Where it is.
    public let state: DiscrepancyState
    /// By when somebody should have resolved it.
    public let dueAt: Instant
    /// When it was found.
    public let createdAt: Instant
    /// When it was resolved.
    public let resolvedAt: Instant?

    init(_ row: Row) throws {
        id = try row.get("id")
        kind = try row.get("kind")
        channel = try row.get("channel")
        businessDate = try row.get("business_date")
        reference = try row.get("reference")
        paymentID = try row.get("payment_id")
        refundID = try row.get("refund_id")
        ours = try row.get("our_fen")
        theirs = try row.get("their_fen")
        bank = try row.get("bank_fen")
        suspense = try row.get("suspense_fen")
        state = try row.get("state")
        dueAt = try row.get("due_at")
        createdAt = try row.get("created_at")
        resolvedAt = try row.get("resolved_at")
    }
}

extension TenantTransaction {
    /// How long a discrepancy may stay open before it is overdue.
    private static let deadline = Duration.seconds(3 * 86_400)

    /// Opens a discrepancy for each difference not known yet, and moves its money to suspense.
    func open(
        _ differences: [Difference], in reconciliation: ID<Reconciliation>, _ channel: ChannelKind, _ date: BusinessDate
    ) async throws {
        guard !differences.isEmpty else { return }
        let opened = try await rows(
            """
            INSERT INTO discrepancy (
                tenant_id, id, reconciliation_id, kind, channel, business_date, reference, payment_id, refund_id, our_fen,
                their_fen, bank_fen, suspense_fen, due_at, created_at
            )
            SELECT \(tenantID), d.id, \(reconciliation), d.kind, \(channel.rawValue), \(date), d.reference, d.payment_id,
                   d.refund_id, d.our_fen, d.their_fen, d.bank_fen, d.suspense_fen, \(now + TenantTransaction.deadline),
                   \(now)
              FROM unnest(
                  \(differences.map { _ in ID<Discrepancy>(at: now) }), \(differences.map(\.kind)),
                  \(differences.map(\.reference)), \(differences.map(\.paymentID)), \(differences.map(\.refundID)),
                  \(differences.map(\.ours)), \(differences.map(\.theirs)), \(differences.map(\.bank)),
                  \(differences.map(\.suspense))
              ) AS d (id, kind, reference, payment_id, refund_id, our_fen, their_fen, bank_fen, suspense_fen)
            ON CONFLICT (tenant_id, channel, business_date, kind, reference) WHERE NOT is_withdrawn DO NOTHING
            RETURNING id, kind, reference, suspense_fen
            """
        )
        var entries: [LedgerEntry] = []
        for row in opened {
            let id: ID<Discrepancy> = try row.get("id")
            var entry = LedgerEntry("discrepancy.opened", subject: id.uuid.text, on: date)
            entry.move(try row.get("suspense_fen"), debit: .clearing(channel), credit: .suspense)
            entries.append(entry)
            try await record(
                "discrepancy.opened", about: id.text,
                [
                    "kind": .text(try row.get("kind")), "reference": .text(try row.get("reference")),
                    "suspense": .fen(try row.get("suspense_fen")),
                ]
            )
        }
        try await book(entries)
    }

    /// Withdraws what a corrected file of the same day no longer shows, or shows with other figures: its money goes back
    /// from suspense, and what the file shows instead is opened anew.
    ///
    /// What was proposed about the old figures is moot: the proposal stays on record, rejected by us, and somebody proposes
    /// again, about the new ones.
    func withdrawOpenings(notIn differences: [Difference], _ channel: ChannelKind, _ date: BusinessDate) async throws {
        let gone = try await rows(
            """
            UPDATE discrepancy d SET state = 'resolved', resolved_at = \(now), is_withdrawn = true
             WHERE d.tenant_id = \(tenantID) AND d.channel = \(channel.rawValue) AND d.business_date = \(date)
               AND d.state IN ('open', 'proposed')
               AND NOT EXISTS (
                   SELECT FROM unnest(
                              \(differences.map(\.kind)), \(differences.map(\.reference)), \(differences.map(\.ours)),
                              \(differences.map(\.theirs)), \(differences.map(\.bank)), \(differences.map(\.suspense))
                          ) AS f (kind, reference, our_fen, their_fen, bank_fen, suspense_fen)
                    WHERE (f.kind, f.reference, f.suspense_fen) = (d.kind, d.reference, d.suspense_fen)
                      AND (f.our_fen, f.their_fen, f.bank_fen) IS NOT DISTINCT FROM (d.our_fen, d.their_fen, d.bank_fen)
               )
            RETURNING d.id, d.suspense_fen
            """
        )
        try await rejectProposals(about: gone)
        try await release(gone, as: "discrepancy.withdrawn", to: .clearing(channel))
    }

    /// Resolves shortages of earlier days that this day's statement lists (日切): the money is where it belongs now.
    func settleEarlierDays(
        _ channel: ChannelKind, _ date: BusinessDate, _ statement: ID<Statement>, sharesLines: Bool
    ) async throws {
        let late = try await rows(
            """
            UPDATE discrepancy d SET state = 'resolved', resolved_at = \(now)
              FROM (
                  SELECT o.id, sum(l.amount_fen) AS amount_fen
                    FROM discrepancy o
                    JOIN statement_line l
                      ON l.tenant_id = \(tenantID) AND l.statement_id = \(statement)
                     AND l.kind IN ('payment', 'bank_receipt')
                     AND l.reference = ANY (line_names(o.reference, \(sharesLines)))
                   WHERE o.tenant_id = \(tenantID) AND o.channel = \(channel.rawValue) AND o.business_date < \(date)
                     AND o.kind = 'shortage' AND o.state <> 'resolved'
                   GROUP BY o.id
              ) late
             WHERE d.tenant_id = \(tenantID) AND d.id = late.id AND late.amount_fen = d.our_fen
               AND d.state <> 'resolved'
            RETURNING d.id, d.suspense_fen
            """
        )
        try await rejectProposals(about: late)
        try await release(late, as: "discrepancy.cleared_next_day", to: .clearing(channel))
    }

    /// Whatever was proposed about discrepancies that resolved themselves is moot.
    private func rejectProposals(about resolved: Rows) async throws {
        let ids: [ID<Discrepancy>] = try resolved.map { try $0.get("id") }
        try await run(
            """
            UPDATE resolution SET state = 'rejected', checker = 'custody', decided_at = \(now)
             WHERE tenant_id = \(tenantID) AND discrepancy_id = ANY (\(ids)) AND state = 'proposed'
            """
        )
    }

    private func release(_ rows: Rows, as event: String, to account: Account) async throws {
        var entries: [LedgerEntry] = []
        for row in rows {
            let id: ID<Discrepancy> = try row.get("id")
            var entry = LedgerEntry(event, subject: id.uuid.text, on: today)
            entry.move(try row.get("suspense_fen"), debit: .suspense, credit: account)
            entries.append(entry)
            try await record("discrepancy.resolved", about: id.text, ["by": .text(event)])
        }
        try await book(entries)
    }

    /// One discrepancy.
    ///
    /// - Throws: ``Rejection/notFound``.
    public func discrepancy(_ id: ID<Discrepancy>, locked: Bool = false) async throws -> DiscrepancyRecord {
        if locked {
            try await run("SELECT FROM discrepancy WHERE tenant_id = \(tenantID) AND id = \(id) FOR NO KEY UPDATE")
        }
        let row = try await row(
            """
            SELECT id, kind, channel, business_date, reference, payment_id, refund_id, our_fen, their_fen, bank_fen,
                   suspense_fen, state, due_at, created_at, resolved_at
              FROM discrepancy WHERE tenant_id = \(tenantID) AND id = \(id)
            """
        )
        guard let row else { throw Rejection.notFound }
        return try DiscrepancyRecord(row)
    }

    /// Discrepancies, the youngest first, in pages.
    public func discrepancies(
        state: DiscrepancyState?, on date: BusinessDate?, before: ID<Discrepancy>?, limit: Int
    ) async throws -> [DiscrepancyRecord] {
        try await rows(
            """
            SELECT id, kind, channel, business_date, reference, payment_id, refund_id, our_fen, their_fen, bank_fen,
                   suspense_fen, state, due_at, created_at, resolved_at
              FROM discrepancy
             WHERE tenant_id = \(tenantID)
               AND (\(state?.rawValue)::text IS NULL OR state = \(state?.rawValue))
               AND (\(date)::date IS NULL OR business_date = \(date))
               AND (\(before)::uuid IS NULL OR id < \(before)::uuid)
             ORDER BY id DESC LIMIT \(limit)
            """
        ).map(DiscrepancyRecord.init)
    }
}
