import CustodyDomain
import Postgres

/// A statement as it is stored.
public struct StatementRecord: Hashable, Sendable {
    /// Its id.
    public let id: ID<Statement>
    /// Whose word it is.
    public let source: StatementSource
    /// The form of the file: `trade`, or a bank file's type.
    public let form: String
    /// The day it is about.
    public let businessDate: BusinessDate
    /// Its name as delivered.
    public let fileName: String
    /// The SHA-256 of its bytes as delivered.
    public let sha256: [UInt8]
    /// The how-manieth file of its day and form it is, from 1.
    public let revision: Int
    /// How many lines it has.
    public let lineCount: Int
    /// The sum of its lines' amounts.
    public let amount: Fen
    /// Whether a corrected file has taken its place.
    public let isCurrent: Bool
    /// When it came.
    public let receivedAt: Instant

    init(_ row: Row) throws {
        id = try row.get("id")
        source = try row.get("source")
        form = try row.get("form")
        businessDate = try row.get("business_date")
        fileName = try row.get("file_name")
        sha256 = try row.get("sha256")
        revision = try row.get("revision")
        lineCount = try row.get("line_count")
        amount = try row.get("amount_fen")
        isCurrent = try row.get("is_current")
        receivedAt = try row.get("received_at")
    }
}

extension TenantTransaction {
    /// Keeps a statement as delivered, with all its lines; one with the same bytes is not stored twice, and the one delivered
    /// last takes the place of the one before.
    ///
    /// Lines go into a staging table by COPY, and from there into the books, where row-level security allows no COPY.
    ///
    /// - Parameters:
    ///   - summary: What the file was found to come to; its rows must come to the same.
    ///   - form: `trade` for a channel's bill; the type of a bank's file.
    ///   - sha256: Of the bytes as delivered.
    ///   - part: The file's bytes in parts, counted from 0; nil behind the last.
    /// - Returns: The statement, and whether it is in force only now.
    /// - Throws: A `StatementDefect` when the rows are not what the summary says.
    public func storeStatement(
        _ lines: some StatementRows, of summary: StatementSummary, form: String, on date: BusinessDate,
        fileName: String, sha256: [UInt8], part: (Int) throws -> [UInt8]?
    ) async throws -> (statement: StatementRecord, isNew: Bool) {
        let source = summary.source.rawValue
        let known = try await row(
            """
            SELECT id FROM statement
             WHERE tenant_id = \(tenantID) AND source = \(source) AND form = \(form) AND business_date = \(date)
               AND sha256 = \(sha256)
            """
        )
        let replacing: SQL = """
            UPDATE statement SET is_current = false
             WHERE tenant_id = \(tenantID) AND source = \(source) AND form = \(form) AND business_date = \(date) AND is_current
            """
        if let known {
            let stored = try await statement(try known.get("id"))
            try await noteArrival(stored)
            guard !stored.isCurrent else { return (stored, false) }
            // Delivered again after another had taken its place: the last word counts.
            _ = try await rows([
                replacing,
                "UPDATE statement SET is_current = true WHERE tenant_id = \(tenantID) AND id = \(stored.id)",
            ])
            return (try await statement(stored.id), true)
        }
        let id = ID<Statement>(at: now)
        try await stage(lines, of: summary)
        _ = try await rows([
            replacing,
            """
            INSERT INTO statement (
                tenant_id, id, source, form, business_date, file_name, sha256, line_count, amount_fen, received_at, revision
            )
            SELECT \(tenantID), \(id), \(source), \(form), \(date), \(fileName), \(sha256), \(summary.lineCount),
                   \(summary.amount), \(now), coalesce(max(s.revision), 0) + 1
              FROM statement s
             WHERE s.tenant_id = \(tenantID) AND s.source = \(source) AND s.form = \(form) AND s.business_date = \(date)
            """,
            """
            INSERT INTO statement_line (
                tenant_id, statement_id, line_number, kind, reference, parent_reference, counterpart_number, amount_fen,
                fee_fen, status, occurred_at, details
            )
            SELECT \(tenantID), \(id), line_number, kind, reference, parent_reference, counterpart_number, amount_fen,
                   fee_fen, status, occurred_at, details
              FROM statement_stage
            """,
            "DROP TABLE pg_temp.statement_stage",
        ])
        var index = 0
        while let bytes = try part(index) {
            try await run(
                """
                INSERT INTO statement_part (tenant_id, statement_id, part, bytes)
                VALUES (\(tenantID), \(id), \(index), \(bytes))
                """
            )
            index += 1
        }
        let stored = try await statement(id)
        try await noteArrival(stored)
        return (stored, true)
    }

    /// Copies rows into a table of this transaction's own.
    private func stage(_ lines: some StatementRows, of summary: StatementSummary) async throws {
        // A day of millions of lines takes longer than any other statement may.
        try await run("SET LOCAL statement_timeout = 0")
        try await run(
            """
            CREATE TEMPORARY TABLE statement_stage (
                line_number int, kind text, reference text, parent_reference text, counterpart_number text,
                amount_fen bigint, fee_fen bigint, status text, occurred_at timestamptz, details jsonb
            ) ON COMMIT DROP
            """
        )
        let count = try await copy("COPY pg_temp.statement_stage FROM STDIN (FORMAT binary)", lines)
        guard count == summary.lineCount, lines.summary == summary else {
            throw StatementDefect("the file changed while it was read")
        }
    }

    /// Our numbers that a statement's lines of a kind are about, in the file's order.
    public func references(in statement: ID<Statement>, of kind: StatementLineKind) async throws -> [String] {
        try await rows(
            """
            SELECT reference FROM statement_line
             WHERE tenant_id = \(tenantID) AND statement_id = \(statement) AND kind = \(kind.rawValue)
             ORDER BY line_number
            """
        ).map { try $0.get("reference") }
    }

    /// One statement.
    ///
    /// - Throws: ``Rejection/notFound``.
    public func statement(_ id: ID<Statement>) async throws -> StatementRecord {
        let row = try await row(
            """
            SELECT id, source, form, business_date, file_name, sha256, revision, line_count, amount_fen, is_current,
                   received_at
              FROM statement WHERE tenant_id = \(tenantID) AND id = \(id)
            """
        )
        guard let row else { throw Rejection.notFound }
        return try StatementRecord(row)
    }

    /// The statement in force; nil when none came yet.
    public func currentStatement(
        _ source: StatementSource, form: String, on date: BusinessDate
    ) async throws -> StatementRecord? {
        try await row(
            """
            SELECT id, source, form, business_date, file_name, sha256, revision, line_count, amount_fen, is_current,
                   received_at
              FROM statement
             WHERE tenant_id = \(tenantID) AND source = \(source.rawValue) AND form = \(form) AND business_date = \(date)
               AND is_current
            """
        ).map(StatementRecord.init)
    }

    /// Statements, the youngest first, in pages.
    public func statements(
        source: StatementSource?, on date: BusinessDate?, before: ID<Statement>?, limit: Int
    ) async throws -> [StatementRecord] {
        try await rows(
            """
            SELECT id, source, form, business_date, file_name, sha256, revision, line_count, amount_fen, is_current,
                   received_at
              FROM statement
             WHERE tenant_id = \(tenantID)
               AND (\(source?.rawValue)::text IS NULL OR source = \(source?.rawValue))
               AND (\(date)::date IS NULL OR business_date = \(date))
               AND (\(before)::uuid IS NULL OR id < \(before)::uuid)
             ORDER BY id DESC LIMIT \(limit)
            """
        ).map(StatementRecord.init)
    }

    /// Books a lump that arrived in the custody account; once, however often it is said.
    @discardableResult
    public func bookCredit(
        number: String, channel: ChannelKind, businessDate: BusinessDate, amount: Fen, bankDate: BusinessDate
    ) async throws -> CreditOutcome {
        let stored = try await run(
            """
            INSERT INTO bank_credit (tenant_id, number, channel, business_date, amount_fen, bank_date, received_at)
            VALUES (\(tenantID), \(number), \(channel.rawValue), \(businessDate), \(amount), \(bankDate), \(now))
            ON CONFLICT (tenant_id, number) DO NOTHING
            """
        )
        guard stored == 1 else {
            let same = try await row(
                """
                SELECT FROM bank_credit
                 WHERE tenant_id = \(tenantID) AND number = \(number) AND channel = \(channel.rawValue)
                   AND business_date = \(businessDate) AND amount_fen = \(amount) AND bank_date = \(bankDate)
                """
            )
            return same == nil ? .contradicted : .known
        }
        var entry = LedgerEntry("bank.credited", subject: number, on: bankDate)
        entry.move(amount, debit: .bankCash, credit: .clearing(channel))
        try await book(entry)
        return .booked
    }

    /// Books the platform's own money that arrived in its deposit at the custodian; once.
    @discardableResult
    public func bookDeposit(number: String, amount: Fen, bankDate: BusinessDate) async throws -> CreditOutcome {
        var entry = LedgerEntry("reserve.funded", subject: number, on: bankDate)
        entry.move(amount, debit: .bankCash, credit: .reserve)
        guard try await book(entry) else {
            let same = try await row(
                """
                SELECT FROM ledger_transaction t
                  JOIN posting p ON p.tenant_id = t.tenant_id AND p.transaction_id = t.id
                  JOIN ledger_account a ON a.tenant_id = p.tenant_id AND a.id = p.account_id
                 WHERE t.tenant_id = \(tenantID) AND t.event = 'reserve.funded' AND t.subject = \(number)
                   AND t.business_date = \(bankDate) AND a.kind = 'bank_cash' AND p.amount_fen = \(amount)
                """
            )
            return same == nil ? .contradicted : .known
        }
        try await record("reserve.funded", about: number, ["amount": .fen(amount)])
        // Fees that the reserve could not pay when they were charged are paid now.
        var recovery = LedgerEntry("fees.recovered", subject: number, on: bankDate)
        recovery.move(min(amount, try await balance(of: .feeReceivable)), debit: .reserve, credit: .feeReceivable)
        try await book(recovery)
        return .booked
    }
}

/// What became of money whose arrival the bank told of.
public enum CreditOutcome: Hashable, Sendable {
    /// Booked now.
    case booked
    /// Booked before, as it is told now.
    case known
    /// Booked before under the same number with other content, which stands.
    case contradicted
}

/// A flat object of texts as JSON, its members in a fixed order.
func jsonObject(_ members: [String: String]) -> String {
    "{\(members.sorted { $0.key < $1.key }.map { "\(quoted($0.key)):\(quoted($0.value))" }.joined(separator: ","))}"
}
