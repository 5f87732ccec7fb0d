import CustodyDomain
import CustodyStore
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

    /// How many callbacks wait to be processed.
    public func openCallbacks() async throws -> Int {
        try await superuser(
            "SELECT FROM custody.callback WHERE tenant_id = \(tenantID) AND processed_at IS NULL"
        ).count
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
