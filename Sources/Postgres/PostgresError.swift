/// What went wrong between us and PostgreSQL.
///
/// Neither the message nor the description holds parameters or the server's DETAIL, which quotes rows.
public struct PostgresError: Error, Sendable, CustomStringConvertible {
    /// What kind of trouble it is; the mapping from SQLSTATE stands in one place, ``init(sqlState:)``'s file.
    public enum Kind: Hashable, Sendable {
        /// 40001: a serialisable transaction lost; run it again.
        case serialization
        /// 40P01: chosen as a deadlock's victim; run it again.
        case deadlock
        /// 55P03: a lock was not free in time.
        case lockTimeout
        /// 57014 that we did not ask for: the statement ran into its time limit, or an operator cancelled it.
        case statementTimeout
        /// 57014 that we asked for, or a task that was cancelled before anything was sent.
        case cancelled
        /// 23505, with the constraint's name.
        case uniqueViolation(String)
        /// 23503, with the constraint's name.
        case foreignKeyViolation(String)
        /// 23514, with the constraint's name.
        case checkViolation(String)
        /// 23502.
        case notNullViolation
        /// 42501.
        case insufficientPrivilege
        /// An error class of our own functions, such as `CU001`, or P0001.
        case raised(String)
        /// 25P02, or a COMMIT that the server answered with ROLLBACK: an earlier statement had failed.
        case transactionFailed
        /// A cached plan no longer fits the schema: the connection is discarded; run it again.
        case stalePlan
        /// The connection broke before anything could have been committed.
        case connectionLost
        /// No connection could be made.
        case connectFailed
        /// The connection broke after a commit was sent and before its answer: it may have happened or not.
        case outcomeUnknown
        /// No connection of the pool became free in time.
        case poolTimeout
        /// The pool is closed.
        case poolClosed
        /// A parameter PostgreSQL cannot hold; nothing was sent.
        case invalidParameter
        /// A column that is missing, or not of the type it is read as.
        case badColumn(String)
        /// 57P01, 57P02, 57P03: the server is going down or coming up.
        case serverShutdown
        /// 53100.
        case diskFull
        /// 53300.
        case tooManyConnections
        /// The source of a COPY threw; see ``underlying``.
        case copySourceFailed
        /// A connection was used by two tasks at once, or for what it cannot do.
        case misuse
        /// Everything else; see ``sqlState``.
        case other
    }

    /// What kind of trouble it is.
    public let kind: Kind
    /// The server's five-letter code, when the server spoke.
    public let sqlState: String?
    /// The constraint that was violated.
    public let constraint: String?
    /// The server's primary message, or our own; for data exceptions (class 22) our own, because theirs quote the value.
    public let message: String
    /// Which statement of a pipeline failed, counted from 0.
    public internal(set) var statementIndex: Int?
    /// What the source of a COPY threw.
    public let underlying: (any Error)?

    /// Makes an error of our own, one the server did not send.
    public init(_ kind: Kind, message: String, statementIndex: Int? = nil, underlying: (any Error)? = nil) {
        self.init(
            kind: kind, sqlState: nil, constraint: nil, message: message, statementIndex: statementIndex,
            underlying: underlying)
    }

    init(
        kind: Kind, sqlState: String?, constraint: String?, message: String, statementIndex: Int? = nil,
        underlying: (any Error)? = nil
    ) {
        self.kind = kind
        self.sqlState = sqlState
        self.constraint = constraint
        self.message = message
        self.statementIndex = statementIndex
        self.underlying = underlying
    }

    /// True when nothing was committed, and the same transaction may well succeed when it is run again.
    public var isRetriable: Bool {
        switch kind {
        case .serialization, .deadlock, .lockTimeout, .stalePlan, .connectionLost, .connectFailed, .poolTimeout,
            .serverShutdown, .tooManyConnections:
            true
        default: false
        }
    }

    /// Kind, code, constraint and statement number: fit for logs.
    public var description: String {
        var text = "PostgreSQL: \(kind)"
        if let sqlState { text += " [\(sqlState)]" }
        if let constraint { text += " constraint \(constraint)" }
        if let statementIndex { text += " in statement \(statementIndex)" }
        return text
    }
}
