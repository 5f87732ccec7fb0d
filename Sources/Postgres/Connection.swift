import CLibpq
import Synchronization

/// One connection to PostgreSQL: an actor on a thread of its own.
///
/// Why its own thread: libpq is waited for with poll(2) there, so that the cooperative pool, which has as many threads as
/// cores, never stands still; and a thread of its own depends on the size of no other pool.
///
/// A cancelled task cancels its running statement; the connection stays usable, or is discarded by its pool.
public actor Connection {
    /// What a pool must know of a connection without waiting for it.
    enum Condition: Sendable { case idle, inTransaction, broken }

    private let executor: ThreadExecutor
    private let configuration: PostgresConfiguration
    private let shared = Mutex(Shared())
    private var session: Session?
    private var isBusy = false

    private struct Shared: Sendable {
        var condition = Condition.broken
        var canceller: Canceller?
        var socket: Int32 = -1
    }

    /// The thread on which the connection waits.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    private init(_ configuration: PostgresConfiguration) {
        self.configuration = configuration
        executor = ThreadExecutor()
    }

    /// Makes a connection.
    ///
    /// - Throws: ``PostgresError/Kind/connectFailed``, ``PostgresError/Kind/serverShutdown`` while the server starts or
    ///   stops, ``PostgresError/Kind/tooManyConnections``.
    public static func open(_ configuration: PostgresConfiguration) async throws(PostgresError) -> Connection {
        let connection = Connection(configuration)
        try await connection.connect()
        return connection
    }

    private func connect() throws(PostgresError) {
        let session = try Session(connecting: configuration)
        self.session = session
        shared.withLock { $0 = Shared(condition: .idle, canceller: session.canceller, socket: session.socket) }
    }

    /// Runs all statements in one round trip and answers with their rows.
    ///
    /// Typically `[BEGIN, SELECT set_config(…), …, COMMIT]`. Each statement is prepared once per connection, inside the
    /// same round trip. The first error ends the rest and is thrown, with the number of its statement.
    ///
    /// - Throws: ``PostgresError/Kind/outcomeUnknown`` when the connection broke after something that commits was sent
    ///   and before its answer; a statement outside BEGIN … COMMIT commits by itself.
    public func pipeline(_ statements: [SQL]) async throws(PostgresError) -> [Rows] {
        try await exclusively { (session) throws(PostgresError) in try session.pipeline(statements) }
    }

    /// Runs one statement.
    ///
    /// - Throws: As ``pipeline(_:)``.
    public func query(_ sql: SQL) async throws(PostgresError) -> Rows {
        let all = try await pipeline([sql])
        guard let rows = all.first else { throw Session.lost }
        return rows
    }

    /// Runs a text of several statements by the simple protocol: for migrations and tests only.
    ///
    /// It is the one door through which text made at run time becomes SQL; nothing that serves requests uses it.
    public func script(_ text: String) async throws(PostgresError) {
        try await exclusively { (session) throws(PostgresError) in try session.script(text) }
    }

    /// Asks the server to stop the running statement, which then fails with ``PostgresError/Kind/cancelled``.
    public nonisolated func cancel() { shared.withLock { $0.canceller }?.request() }

    /// The server's process that serves this connection, as in `pg_stat_activity`.
    public var backendPID: Int32 { session.map { PQbackendPID($0.connection) } ?? 0 }

    /// How many statements are prepared on this connection.
    public var preparedStatementCount: Int { session?.prepared.entries.count ?? 0 }

    /// Ends the connection.
    public func close() {
        session = nil
        shared.withLock { $0 = Shared() }
    }

    // MARK: For the pool

    nonisolated var condition: Condition { shared.withLock { $0.condition } }

    /// True when nothing has arrived on an idle connection: no farewell, no end of stream. Costs one poll(2) that never waits.
    nonisolated var isQuiet: Bool {
        shared.withLock { $0.condition == .idle && waitOnSocket($0.socket, for: readable, milliseconds: 0) == 0 }
    }

    /// Reads what arrived while idle, and tells whether the connection still lives.
    func checkAlive() -> Bool {
        let alive = session?.isAlive ?? false
        publish()
        return alive
    }

    /// Ends a transaction that was left open; the connection is closed when that fails.
    func rollBack() {
        guard let session, !session.isBroken, !isBusy else { return close() }
        do throws(PostgresError) { try session.script("ROLLBACK") } catch { return close() }
        publish()
    }

    // MARK: Exclusive use

    /// Runs a verb alone, on the connection's thread, wired to the task's cancellation.
    func exclusively<T: Sendable>(
        _ body: @Sendable (Session) throws(PostgresError) -> T
    ) async throws(PostgresError) -> T {
        let session = try take()
        defer { release() }
        let canceller = session.canceller
        let result: Result<T, PostgresError> = await withTaskCancellationHandler {
            self.run(session, body)
        } onCancel: {
            canceller.request()
        }
        return try result.get()
    }

    /// A method, because a closure that does not capture the actor leaves its thread, and would block the cooperative pool.
    private func run<T: Sendable>(
        _ session: Session, _ body: (Session) throws(PostgresError) -> T
    ) -> Result<T, PostgresError> {
        Result { () throws(PostgresError) -> T in
            try session.cancellable { () throws(PostgresError) -> T in try body(session) }
        }
    }

    /// Takes the session for one verb; nothing is sent for a task that is already cancelled.
    func take() throws(PostgresError) -> Session {
        guard !isBusy else { throw PostgresError(.misuse, message: "the connection is in use by another task") }
        guard !Task.isCancelled else { throw PostgresError(.cancelled, message: "the task is cancelled") }
        guard let session, !session.isBroken else { throw Session.lost }
        isBusy = true
        return session
    }

    /// Gives the session back and lets the pool know what became of it.
    func release() {
        isBusy = false
        publish()
    }

    private func publish() {
        let condition: Condition =
            if let session, !session.isBroken { session.isIdle ? .idle : .inTransaction } else { .broken }
        shared.withLock { $0.condition = condition }
    }
}
