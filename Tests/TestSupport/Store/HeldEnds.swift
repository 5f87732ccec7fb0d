import CustodyDomain
import Postgres

/// A moment held still: whoever is about to end an instruction waits until it is released.
public struct HeldEnds: Sendable {
    /// The number of the lock, which nobody else uses.
    private static let lock = 20_261_123

    private let connection: Connection

    fileprivate init(_ connection: Connection) { self.connection = connection }

    fileprivate func begin(_ operation: JobKind) async throws {
        try await connection.script(
            """
            CREATE FUNCTION custody.hold_end() RETURNS trigger LANGUAGE plpgsql AS
            'BEGIN PERFORM pg_advisory_xact_lock(\(HeldEnds.lock)); RETURN NEW; END';
            CREATE TRIGGER hold_end BEFORE UPDATE ON custody.instruction FOR EACH ROW
            WHEN (NEW.operation = '\(operation.rawValue)' AND NEW.finished_at IS NOT NULL)
            EXECUTE FUNCTION custody.hold_end();
            SELECT pg_advisory_lock(\(HeldEnds.lock));
            """)
    }

    /// How many wait.
    public func waiting() async throws -> Int {
        try await connection.query(
            """
            SELECT FROM pg_locks
             WHERE locktype = 'advisory' AND objid = \(HeldEnds.lock) AND NOT granted
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            """
        ).count
    }

    /// Lets everybody go on, now and later.
    public func release() async throws {
        try await connection.script("SELECT pg_advisory_unlock(\(HeldEnds.lock))")
    }
}

extension World {
    /// Holds the ends of an operation's instructions while a body runs, until it releases them.
    public func withHeldEnds<Value>(
        of operation: JobKind, _ body: (HeldEnds) async throws -> Value
    ) async throws -> Value {
        try await test.withConnection(as: .superuser) { connection in
            let hold = HeldEnds(connection)
            try await hold.begin(operation)
            return try await body(hold)
        }
    }
}
