import CustodyDomain
import Postgres

/// What can be done about a discrepancy, beyond waiting for the next day's statement.
public enum ResolutionAction: String, CaseIterable, Hashable, Sendable {
    /// The difference is accepted: its money goes to the write-off account.
    case writeOff = "write_off"
    /// The channel or bank made good: its money goes back to the channel's clearing account.
    case adjust
}

/// A proposal to resolve a discrepancy.
public struct ResolutionRecord: Hashable, Sendable {
    /// Its id.
    public let id: ID<Resolution>
    /// What it resolves.
    public let discrepancyID: ID<Discrepancy>
    /// What is to be done.
    public let action: ResolutionAction
    /// Why.
    public let note: String
    /// Who proposed it.
    public let maker: String
    /// Who decided it.
    public let checker: String?
    /// `proposed`, `approved` or `rejected`.
    public let state: String

    init(_ row: Row) throws {
        id = try row.get("id")
        discrepancyID = try row.get("discrepancy_id")
        action = try row.get("action")
        note = try row.get("note")
        maker = try row.get("maker")
        checker = try row.get("checker")
        state = try row.get("state")
    }
}

extension TenantTransaction {
    /// Proposes what to do about a discrepancy. Nothing is booked until another person approves.
    ///
    /// - Parameter maker: Who proposes: a key's id, or an operator's name.
    /// - Throws: ``Rejection/discrepancyState(state:action:)`` unless it is open.
    public func propose(
        _ action: ResolutionAction, for id: ID<Discrepancy>, note: String, by maker: String
    ) async throws -> ResolutionRecord {
        let discrepancy = try await discrepancy(id, locked: true)
        guard discrepancy.state == .open else {
            throw Rejection.discrepancyState(state: discrepancy.state.rawValue, action: "given another resolution")
        }
        let row = try await rows([
            "UPDATE discrepancy SET state = 'proposed' WHERE tenant_id = \(tenantID) AND id = \(id)",
            """
            INSERT INTO resolution (tenant_id, id, discrepancy_id, action, note, maker, created_at)
            VALUES (\(tenantID), \(ID<Resolution>(at: now)), \(id), \(action.rawValue), \(note), \(maker), \(now))
            RETURNING id, discrepancy_id, action, note, maker, checker, state
            """,
        ])[1].first
        guard let row else { throw Rejection.notFound }
        return try ResolutionRecord(row)
    }

    /// Decides a proposal; an approval books it.
    ///
    /// - Parameter checker: Who decides; never who proposed, which the database refuses too.
    /// - Throws: ``Rejection/fourEyes``, ``Rejection/discrepancyState(state:action:)``, ``Rejection/notFound``.
    public func decide(_ id: ID<Resolution>, approve: Bool, by checker: String) async throws -> ResolutionRecord {
        let known = try await row(
            """
            SELECT id, discrepancy_id, action, note, maker, checker, state
              FROM resolution WHERE tenant_id = \(tenantID) AND id = \(id)
               FOR NO KEY UPDATE
            """
        )
        guard let known else { throw Rejection.notFound }
        let resolution = try ResolutionRecord(known)
        guard resolution.state == "proposed" else {
            throw Rejection.discrepancyState(state: resolution.state, action: "decided again")
        }
        guard resolution.maker != checker else { throw Rejection.fourEyes }
        let discrepancy = try await discrepancy(resolution.discrepancyID, locked: true)
        let decided = try await rows([
            """
            UPDATE resolution
               SET state = \(approve ? "approved" : "rejected"), checker = \(checker), decided_at = \(now)
             WHERE tenant_id = \(tenantID) AND id = \(id)
            RETURNING id, discrepancy_id, action, note, maker, checker, state
            """,
            """
            UPDATE discrepancy
               SET state = \(approve ? "resolved" : "open"), resolved_at = CASE WHEN \(approve) THEN \(now)::timestamptz END
             WHERE tenant_id = \(tenantID) AND id = \(discrepancy.id)
            """,
        ])[0].first
        if approve {
            var entry = LedgerEntry("discrepancy.resolved", subject: discrepancy.id.uuid.text, on: today)
            entry.move(
                discrepancy.suspense, debit: .suspense,
                credit: resolution.action == .writeOff ? .writeOff : .clearing(discrepancy.channel)
            )
            try await book(entry)
            try await record(
                "discrepancy.resolved", about: discrepancy.id.text, ["by": .text(resolution.action.rawValue)])
        }
        guard let decided else { throw Rejection.notFound }
        return try ResolutionRecord(decided)
    }

    /// The proposals for a discrepancy, the oldest first.
    public func resolutions(of id: ID<Discrepancy>) async throws -> [ResolutionRecord] {
        try await rows(
            """
            SELECT id, discrepancy_id, action, note, maker, checker, state FROM resolution
             WHERE tenant_id = \(tenantID) AND discrepancy_id = \(id) ORDER BY id
            """
        ).map(ResolutionRecord.init)
    }
}
