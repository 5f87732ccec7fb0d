import CustodyDomain
import CustodyStore
import CustodyWire
import Postgres

/// What no verb does or says, done by the superuser: for setting up what others would have made, and for counting.
extension World {
    /// Gives a payment the number that a counterparty's file knows it by.
    public func setSerial(_ serial: String, of id: ID<Payment>) async throws {
        try await superuser("UPDATE custody.payment SET serial = \(serial) WHERE id = \(id)")
    }

    /// Gives a refund the number that a counterparty's file knows it by.
    public func setSerial(_ serial: String, of id: ID<Refund>) async throws {
        try await superuser("UPDATE custody.refund SET serial = \(serial) WHERE id = \(id)")
    }

    /// Sets what we believe a payment to be about.
    public func setAmount(_ amount: Fen, of id: ID<Payment>) async throws {
        try await superuser("UPDATE custody.payment SET amount_fen = \(amount) WHERE id = \(id)")
    }

    /// Puts a payment into a state that no verb would put it into now.
    public func setState(_ state: String, of id: ID<Payment>) async throws {
        try await superuser("UPDATE custody.payment SET state = \(state) WHERE id = \(id)")
    }

    /// Approves a resolution in the name of its own maker, going around the verb.
    ///
    /// - Throws: What the database says to that.
    public func approveByItsMaker(_ id: ID<Resolution>) async throws {
        try await superuser(
            """
            UPDATE custody.resolution SET state = 'approved', checker = maker, decided_at = now() WHERE id = \(id)
            """)
    }

    /// How many postings the tenant's ledger has.
    public func postingCount() async throws -> Int {
        try await superuser("SELECT FROM custody.posting WHERE tenant_id = \(tenantID)").count
    }

    /// How many callbacks of a number are stored.
    public func callbackCount(from counterparty: Counterparty, _ notificationID: String) async throws -> Int {
        try await superuser(
            """
            SELECT FROM custody.callback
             WHERE tenant_id = \(tenantID) AND counterparty = \(counterparty.rawValue)
               AND notification_id = \(notificationID)
            """
        ).count
    }

    /// A statement's file and lines as they are stored.
    public func storedStatement(_ id: ID<Statement>) async throws -> (bytes: [UInt8], lines: [StatementLine]) {
        let parts = try await superuser(
            "SELECT bytes FROM custody.statement_part WHERE tenant_id = \(tenantID) AND statement_id = \(id) ORDER BY part"
        )
        let lines = try await superuser(
            """
            SELECT line_number, kind, reference, parent_reference, counterpart_number, amount_fen, fee_fen, status,
                   occurred_at, details::text AS details
              FROM custody.statement_line WHERE tenant_id = \(tenantID) AND statement_id = \(id) ORDER BY line_number
            """
        ).map { row in
            let details = try JSON(parsing: Array(row.get("details", as: String.self).utf8))
            return StatementLine(
                lineNumber: try row.get("line_number"), kind: try named(try row.get("kind")),
                reference: try row.get("reference"),
                parentReference: try row.get("parent_reference"),
                counterpartNumber: try row.get("counterpart_number"), amount: try row.get("amount_fen"),
                fee: try row.get("fee_fen"), status: try row.get("status"), occurredAt: try row.get("occurred_at"),
                details: Dictionary(
                    uniqueKeysWithValues: (details.members ?? []).map { ($0.name, $0.value.string ?? "") })
            )
        }
        return (try parts.flatMap { try $0.get("bytes", as: [UInt8].self) }, lines)
    }

    private func named(_ kind: String) throws -> StatementLineKind {
        guard let kind = StatementLineKind(rawValue: kind) else { throw StatementDefect("a line of no known kind") }
        return kind
    }

    /// How many callbacks wait to be processed.
    public func openCallbacks() async throws -> Int {
        try await superuser(
            "SELECT FROM custody.callback WHERE tenant_id = \(tenantID) AND processed_at IS NULL"
        ).count
    }

    /// All that a counterparty's word may change here, as one text: the same text before and after means that nothing was done.
    ///
    /// Jobs that process callbacks do not count, nor does the note that an amount differed.
    public func footprint() async throws -> String {
        try await superuser(
            """
            SELECT jsonb_build_object(
                'postings', (SELECT jsonb_agg(jsonb_build_array(account_id, amount_fen) ORDER BY account_id, amount_fen)
                               FROM custody.posting WHERE tenant_id = \(tenantID)),
                'entries', (SELECT jsonb_agg(event || ' ' || subject ORDER BY event, subject)
                              FROM custody.ledger_transaction WHERE tenant_id = \(tenantID)),
                'orders', (SELECT jsonb_agg(jsonb_build_array(id, state) ORDER BY id)
                             FROM custody.trade_order WHERE tenant_id = \(tenantID)),
                'payments', (SELECT jsonb_agg(to_jsonb(p) ORDER BY id) FROM custody.payment p
                              WHERE tenant_id = \(tenantID)),
                'refunds', (SELECT jsonb_agg(to_jsonb(r) ORDER BY id) FROM custody.refund r
                             WHERE tenant_id = \(tenantID)),
                'credits', (SELECT jsonb_agg(to_jsonb(c) ORDER BY number) FROM custody.bank_credit c
                             WHERE tenant_id = \(tenantID)),
                'instructions', (SELECT jsonb_agg(to_jsonb(i) ORDER BY id) FROM custody.instruction i
                                  WHERE tenant_id = \(tenantID)),
                'sub_merchants', (SELECT count(*) FROM custody.sub_merchant WHERE tenant_id = \(tenantID)),
                'events', (SELECT count(*) FROM custody.event
                            WHERE tenant_id = \(tenantID) AND type <> 'payment.amount_mismatch'),
                'jobs', (SELECT jsonb_agg(kind || ' ' || subject ORDER BY kind, subject)
                           FROM (SELECT tenant_id, kind, subject FROM custody.job
                                 UNION ALL SELECT tenant_id, kind, subject FROM custody.job_later) j
                          WHERE tenant_id = \(tenantID) AND kind <> 'process_callback')
            )::text AS footprint
            """
        ).first?.get("footprint") ?? ""
    }

    /// What came of each stored callback, by its id; nil for those that nobody has looked at.
    public func callbackResults() async throws -> [String: String?] {
        let rows = try await superuser("SELECT id::text, result FROM custody.callback WHERE tenant_id = \(tenantID)")
        return try rows.reduce(into: [:]) { found, row in
            found[try row.get("id", as: String.self)] = .some(try row.get("result", as: String?.self))
        }
    }

    /// The audit trail's entries of what was refused, with their subjects, the oldest first.
    public func refusals() async throws -> [(action: String, subject: String)] {
        try await superuser(
            """
            SELECT action, subject FROM custody.audit_entry
             WHERE tenant_id = \(tenantID) AND NOT succeeded ORDER BY id
            """
        ).map { (try $0.get("action"), try $0.get("subject")) }
    }

    /// Lets the answer to an admin's request be so much older.
    public func ageAdminAnswer(_ key: String, by age: Duration) async throws {
        let seconds = Int(age.components.seconds)
        try await superuser(
            """
            UPDATE custody.admin_request SET created_at = created_at - make_interval(secs => \(seconds))
             WHERE key = \(key)
            """)
    }

    /// What is stored of the answer to an admin's request, as it lies there.
    public func keptAdminAnswer(_ key: String) async throws -> [UInt8] {
        try await superuser("SELECT response FROM custody.admin_request WHERE key = \(key)").first?.get("response")
            ?? []
    }

    /// Loses the waiting jobs of a kind, as no verb does.
    public func loseJobs(_ kind: JobKind) async throws {
        try await superuser(
            "DELETE FROM custody.job_later WHERE tenant_id = \(tenantID) AND kind = \(kind.rawValue)")
    }

    /// How many jobs of a kind wait or run.
    public func jobCount(_ kind: JobKind) async throws -> Int {
        try await superuser(
            """
            SELECT FROM custody.job WHERE tenant_id = \(tenantID) AND kind = \(kind.rawValue)
            UNION ALL
            SELECT FROM custody.job_later WHERE tenant_id = \(tenantID) AND kind = \(kind.rawValue)
            """
        ).count
    }

    /// When the waiting job of a kind is due: by the tenant's clock, and by the database's.
    public func dueTimes(_ kind: JobKind) async throws -> [(runAt: Instant, dueAt: Instant)] {
        try await superuser(
            "SELECT run_at, due_at FROM custody.job_later WHERE tenant_id = \(tenantID) AND kind = \(kind.rawValue)"
        ).map { (try $0.get("run_at"), try $0.get("due_at")) }
    }

    /// Lets a platform's certificates, and what is planned for them, be so much older.
    public func ageCertificates(by age: Duration) async throws {
        let seconds = Int(age.components.seconds)
        try await superuser(
            """
            UPDATE custody.platform_certificate SET noted_at = noted_at - make_interval(secs => \(seconds))
             WHERE tenant_id = \(tenantID)
            """)
    }

    /// How many jobs are held by a worker.
    public func leasedJobs() async throws -> Int {
        try await superuser(
            "SELECT FROM custody.job WHERE tenant_id = \(tenantID) AND lease_until IS NOT NULL"
        ).count
    }

    @discardableResult
    private func superuser(_ sql: SQL) async throws -> Rows {
        try await test.withConnection(as: .superuser) { try await $0.query(sql) }
    }
}
