import CustodyDomain
import Postgres

/// A message from a counterparty, as it came and verified.
public struct CallbackRecord: Hashable, Sendable {
    /// Its id.
    public let id: ID<Callback>
    /// From whom.
    public let counterparty: Counterparty
    /// Their word for what it is about.
    public let kind: String
    /// Its bytes.
    public let body: [UInt8]
}

extension TenantTransaction {
    /// Stores a verified callback with the job that processes it; one that was stored before is not stored again.
    ///
    /// - Returns: Whether it is new.
    public func receive(
        _ counterparty: Counterparty, notificationID: String, kind: String, headers: String, body: [UInt8]
    ) async throws -> Bool {
        let id = ID<Callback>(at: now)
        let stored = try await run(
            """
            WITH stored AS (
                INSERT INTO callback (
                    tenant_id, id, counterparty, notification_id, kind, headers, body, received_at
                )
                VALUES (
                    \(tenantID), \(id), \(counterparty.rawValue), \(notificationID), \(kind), \(PGJSON(text: headers)),
                    \(body), \(now)
                )
                ON CONFLICT ON CONSTRAINT callback_once DO NOTHING
                RETURNING id
            )
            INSERT INTO job (tenant_id, queue, id, kind, subject)
            SELECT \(tenantID), 'callbacks', \(ID<Job>(at: now)), 'process_callback', id::text FROM stored
            """
        )
        queuesToWake.insert(.callbacks)
        return stored == 1
    }

    /// A stored callback.
    ///
    /// - Throws: ``Rejection/notFound``.
    public func callback(_ id: ID<Callback>) async throws -> CallbackRecord {
        let row = try await row(
            "SELECT id, counterparty, kind, body FROM callback WHERE tenant_id = \(tenantID) AND id = \(id)"
        )
        guard let row else { throw Rejection.notFound }
        return CallbackRecord(
            id: id, counterparty: try row.get("counterparty"), kind: try row.get("kind"), body: try row.get("body")
        )
    }

    /// Notes what came of a callback.
    public func noteProcessed(_ id: ID<Callback>, _ result: String) async throws {
        try await run(
            """
            UPDATE callback SET processed_at = \(now), result = \(result)
             WHERE tenant_id = \(tenantID) AND id = \(id)
            """
        )
    }
}
