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

/// A verified message from a counterparty, to be stored.
public struct NewCallback: Hashable, Sendable {
    /// From whom.
    public let counterparty: Counterparty
    /// Their number of it, the same over repeats.
    public let notificationID: String
    /// Their word for what it is about.
    public let kind: String
    /// The header fields that prove who wrote it (a JSON object).
    public let headers: String
    /// Its bytes.
    public let body: [UInt8]

    /// Makes a message.
    public init(counterparty: Counterparty, notificationID: String, kind: String, headers: String, body: [UInt8]) {
        self.counterparty = counterparty
        self.notificationID = notificationID
        self.kind = kind
        self.headers = headers
        self.body = body
    }
}

extension TenantTransaction {
    /// Stores verified callbacks as the transaction commits, each with the job that processes it; one that was stored before
    /// is not stored again.
    ///
    /// In the order of their numbers, so that two transactions with the same callbacks wait for, and never deadlock, each other.
    public func receive(_ callbacks: [NewCallback]) {
        let callbacks = callbacks.sorted { $0.notificationID < $1.notificationID }
        last.append(
            """
            WITH stored AS (
                INSERT INTO callback (
                    tenant_id, id, counterparty, notification_id, kind, headers, body, received_at
                )
                SELECT \(tenantID), id, counterparty, notification_id, kind, headers, body, \(now)
                  FROM unnest(
                           \(callbacks.map { _ in ID<Callback>(at: now) }), \(callbacks.map(\.counterparty.rawValue)),
                           \(callbacks.map(\.notificationID)), \(callbacks.map(\.kind)),
                           \(callbacks.map { PGJSON(text: $0.headers) }), \(callbacks.map(\.body))
                       ) AS c (id, counterparty, notification_id, kind, headers, body)
                ON CONFLICT ON CONSTRAINT callback_once DO NOTHING
                RETURNING id
            )
            INSERT INTO job (tenant_id, queue, id, kind, subject)
            SELECT \(tenantID), 'callbacks', id, 'process_callback', id::text FROM stored
            """
        )
        queuesToWake.insert(.callbacks)
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
