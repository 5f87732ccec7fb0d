import Postgres

/// Why the database did not do what was asked, as far as a caller can act on it.
public enum StoreFailure: Hashable, Sendable {
    /// It cannot be reached, or has no room: nothing was done, and asking again will do.
    case unavailable
    /// The connection broke while committing: it may have been done or not.
    case outcomeUnknown
    /// Somebody else stored the same at the same time.
    case duplicate

    /// Reads an error; nil for one that is a defect of ours.
    public init?(_ error: any Error) {
        guard let error = error as? PostgresError else { return nil }
        switch error.kind {
        case .connectionLost, .connectFailed, .serverShutdown, .poolTimeout, .poolClosed, .tooManyConnections,
            .lockTimeout, .diskFull, .serialization, .deadlock:
            self = .unavailable
        case .outcomeUnknown: self = .outcomeUnknown
        case .uniqueViolation: self = .duplicate
        default: return nil
        }
    }
}

extension SystemTransaction {
    /// The number of the last migration that was applied; 0 when the table of them is not there.
    public func lastMigration() async throws -> Int {
        try await row("SELECT coalesce(max(number), 0) AS number FROM schema_migration.applied")?.get("number") ?? 0
    }
}
