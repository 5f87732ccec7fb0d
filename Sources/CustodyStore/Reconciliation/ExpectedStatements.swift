import CustodyDomain
import Postgres

/// A statement that a day should bring (应到对账单), and what became of it.
public struct ExpectedStatement: Hashable, Sendable {
    /// Whose word it will be.
    public let source: StatementSource
    /// The form of the file, as ``StatementRecord/form``.
    public let form: String
    /// The day it is about.
    public let businessDate: BusinessDate
    /// Where it is.
    public let state: ExpectedStatementState
    /// What was said when it was asked for last, or what is wrong with the file; nil before, and once it has come.
    public let reason: String?
    /// How often it was asked for.
    public let asked: Int
    /// When it was asked for last.
    public let askedAt: Instant?
    /// From when on it is overdue.
    public let dueAt: Instant

    init(_ row: Row) throws {
        source = try row.get("source")
        form = try row.get("form")
        businessDate = try row.get("business_date")
        state = try row.get("state")
        reason = try row.get("reason")
        asked = try row.get("asked")
        askedAt = try row.get("asked_at")
        dueAt = try row.get("due_at")
    }
}

/// A day as it is reconciled: the statements it has and waits for, and what was matched.
public struct ReconciliationDay: Hashable, Sendable {
    /// Which day.
    public let businessDate: BusinessDate
    /// What it should bring, one per source and form.
    public let expected: [ExpectedStatement]
    /// The files that came, corrected ones and those they replaced: by source, form and revision.
    public let statements: [StatementRecord]
    /// What was matched, one per channel.
    public let reconciliations: [ReconciliationRecord]
}

extension TenantTransaction {
    /// Notes that a day should bring a statement; one that is known already stays as it is.
    public func expectStatement(
        _ source: StatementSource, form: String, on date: BusinessDate, dueAt: Instant
    ) async throws {
        try await run(
            """
            INSERT INTO expected_statement (tenant_id, business_date, source, form, state, due_at)
            VALUES (\(tenantID), \(date), \(source.rawValue), \(form), 'waiting', \(dueAt))
            ON CONFLICT (tenant_id, business_date, source, form) DO NOTHING
            """
        )
    }

    /// Notes that a statement was asked for and did not come; from its time on it is overdue, which is told once.
    ///
    /// - Parameters:
    ///   - reason: What was said: a code, a colon, a sentence.
    ///   - dueAt: When it should have come, where nobody has said so yet.
    public func noteMissing(
        _ source: StatementSource, form: String, on date: BusinessDate, reason: String, dueAt: Instant
    ) async throws -> ExpectedStatement {
        try await expectStatement(source, form: form, on: date, dueAt: dueAt)
        let known = try await expectedStatement(source, form, date)
        // What is kept already stays so when another one does not come.
        let isKept = known.state == .received || known.state == .empty
        return try await move(
            known, to: isKept ? known.state : now < known.dueAt ? .waiting : .overdue, reason: isKept ? nil : reason)
    }

    /// Notes that a statement will not come, or that its file was refused whole; told once.
    ///
    /// - Parameters:
    ///   - reason: Why: a code, a colon, a sentence; of a file what is wrong with it, and where.
    ///   - dueAt: When it should have come, where nobody has said so yet.
    public func noteRefused(
        _ source: StatementSource, form: String, on date: BusinessDate, reason: String, dueAt: Instant
    ) async throws {
        try await expectStatement(source, form: form, on: date, dueAt: dueAt)
        _ = try await move(try await expectedStatement(source, form, date), to: .refused, reason: reason)
    }

    /// Notes that a statement came, by whatever way.
    func noteArrival(_ statement: StatementRecord) async throws {
        let (source, form, date) = (statement.source, statement.form, statement.businessDate)
        try await expectStatement(source, form: form, on: date, dueAt: now)
        let state: ExpectedStatementState = statement.lineCount == 0 ? .empty : .received
        _ = try await move(try await expectedStatement(source, form, date), to: state, reason: nil)
    }

    private func expectedStatement(
        _ source: StatementSource, _ form: String, _ date: BusinessDate
    ) async throws -> ExpectedStatement {
        let row = try await row(
            """
            SELECT source, form, business_date, state, reason, asked, asked_at, due_at FROM expected_statement
             WHERE tenant_id = \(tenantID) AND business_date = \(date) AND source = \(source.rawValue) AND form = \(form)
               FOR UPDATE
            """
        )
        guard let row else { throw Rejection.notFound }
        return try ExpectedStatement(row)
    }

    private func move(
        _ known: ExpectedStatement, to state: ExpectedStatementState, reason: String?
    ) async throws -> ExpectedStatement {
        let row = try await row(
            """
            UPDATE expected_statement SET state = \(state.rawValue), reason = \(reason), asked = asked + 1, asked_at = \(now)
             WHERE tenant_id = \(tenantID) AND business_date = \(known.businessDate) AND source = \(known.source.rawValue)
               AND form = \(known.form)
            RETURNING source, form, business_date, state, reason, asked, asked_at, due_at
            """
        )
        guard let row else { throw Rejection.notFound }
        if state != known.state, state == .overdue || state == .refused {
            try await record(
                "statement.\(state.rawValue)",
                about: "\(known.source.rawValue)/\(known.form)/\(known.businessDate.iso)",
                ["reason": .text(reason ?? "")])
        }
        return try ExpectedStatement(row)
    }

    /// A day: what it should bring, what came, and what was matched.
    public func reconciliationDay(_ date: BusinessDate) async throws -> ReconciliationDay {
        let expected = try await rows(
            """
            SELECT source, form, business_date, state, reason, asked, asked_at, due_at FROM expected_statement
             WHERE tenant_id = \(tenantID) AND business_date = \(date) ORDER BY source, form
            """
        ).map(ExpectedStatement.init)
        let statements = try await rows(
            """
            SELECT id, source, form, business_date, file_name, sha256, revision, line_count, amount_fen, is_current,
                   received_at
              FROM statement WHERE tenant_id = \(tenantID) AND business_date = \(date)
             ORDER BY source, form, revision
            """
        ).map(StatementRecord.init)
        return ReconciliationDay(
            businessDate: date, expected: expected, statements: statements,
            reconciliations: try await reconciliations(on: date, before: nil, limit: ChannelKind.allCases.count))
    }
}
