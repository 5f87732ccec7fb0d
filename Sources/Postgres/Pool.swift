import Dispatch
import Logging
import Synchronization

/// A bounded set of connections, opened when needed, replaced when broken.
///
/// A server that restarts needs no new pool: broken connections are thrown away when they are given back or, if they broke
/// while idle, before they are handed out.
public final class Pool: Sendable {
    /// How the pool stands.
    public struct Statistics: Hashable, Sendable {
        /// Connections that exist or are being made.
        public var open: Int
        /// Connections that nobody uses.
        public var idle: Int
        /// Tasks that wait for one.
        public var waiting: Int

        /// Says how a pool stands.
        public init(open: Int, idle: Int, waiting: Int) {
            self.open = open
            self.idle = idle
            self.waiting = waiting
        }
    }

    /// What a waiting task is given.
    private enum Grant: Sendable {
        case connection(Connection)
        /// The right to open a connection; it is already counted.
        case opening
        case refused(PostgresError)
    }

    private struct Waiter {
        let number: Int
        let deadline: ContinuousClock.Instant
        let continuation: CheckedContinuation<Grant, Never>
    }

    private struct State {
        var open = 0
        var idle: [Connection] = []
        /// In order of arrival, and so of deadline.
        var waiters: [Waiter] = []
        var lastNumber = 0
        var isTimerSet = false
        var isClosed = false
        var closing: [CheckedContinuation<Void, Never>] = []
    }

    private let configuration: PostgresConfiguration
    private let size: Int
    private let acquireTimeout: Duration
    private let logger: Logger
    private let state = Mutex(State())
    private let timer = DispatchQueue(label: "postgres.pool")

    /// Describes a pool; the first connection is opened when it is needed.
    ///
    /// - Parameters:
    ///   - size: The most connections it opens; two to four per core of the server is plenty.
    ///   - acquireTimeout: How long a task waits for one before ``PostgresError/Kind/poolTimeout``.
    public init(
        configuration: PostgresConfiguration, size: Int, acquireTimeout: Duration = .seconds(10), logger: Logger
    ) {
        precondition(size > 0, "a pool needs room for a connection")
        self.configuration = configuration
        self.size = size
        self.acquireTimeout = acquireTimeout
        self.logger = logger
    }

    /// How the pool stands now.
    public var statistics: Statistics {
        state.withLock { Statistics(open: $0.open, idle: $0.idle.count, waiting: $0.waiters.count) }
    }

    /// Lends a connection for the time of `body`; a transaction left open is rolled back.
    ///
    /// - Throws: What `body` throws, ``PostgresError/Kind/poolTimeout``, ``PostgresError/Kind/poolClosed``,
    ///   ``PostgresError/Kind/cancelled``, and what ``Connection/open(_:)`` throws.
    public func withConnection<T>(_ body: (Connection) async throws -> T) async throws -> T {
        let connection = try await acquire()
        do {
            let value = try await body(connection)
            await giveBack(connection)
            return value
        } catch {
            await giveBack(connection)
            throw error
        }
    }

    /// Refuses new loans, waits until all connections are given back, and closes them.
    public func close() async {
        let (idle, waiters) = state.withLock { state in
            defer {
                state.isClosed = true
                state.open -= state.idle.count
                state.idle = []
                state.waiters = []
            }
            return (state.idle, state.waiters)
        }
        for waiter in waiters { waiter.continuation.resume(returning: .refused(Self.closed)) }
        for connection in idle { await connection.close() }
        await withCheckedContinuation { continuation in
            let isDone = state.withLock { state in
                if state.open > 0 { state.closing.append(continuation) }
                return state.open == 0
            }
            if isDone { continuation.resume() }
        }
    }

    // MARK: Acquiring

    private static var closed: PostgresError { PostgresError(.poolClosed, message: "the pool is closed") }

    private func acquire() async throws(PostgresError) -> Connection {
        while true {
            switch await nextGrant() {
            case .refused(let error): throw error
            case .opening: return try await open()
            case .connection(let connection):
                if connection.isQuiet { return connection }
                if await connection.checkAlive() { return connection }
                logger.debug("a connection broke while idle")
                await discard(connection)
            }
        }
    }

    private func nextGrant() async -> Grant {
        let number = state.withLock { state in
            state.lastNumber += 1
            return state.lastNumber
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let grant = state.withLock { state -> Grant? in
                    if state.isClosed { return .refused(Self.closed) }
                    if Task.isCancelled { return .refused(Self.cancelled) }
                    if let connection = state.idle.popLast() { return .connection(connection) }
                    if state.open < size {
                        state.open += 1
                        return .opening
                    }
                    let deadline = ContinuousClock.now + acquireTimeout
                    state.waiters.append(Waiter(number: number, deadline: deadline, continuation: continuation))
                    return nil
                }
                if let grant { continuation.resume(returning: grant) } else { setTimer() }
            }
        } onCancel: {
            let waiter = state.withLock { state -> Waiter? in
                guard let index = state.waiters.firstIndex(where: { $0.number == number }) else { return nil }
                return state.waiters.remove(at: index)
            }
            waiter?.continuation.resume(returning: .refused(Self.cancelled))
        }
    }

    private static var cancelled: PostgresError {
        PostgresError(.cancelled, message: "cancelled while waiting for a connection")
    }

    private func open() async throws(PostgresError) -> Connection {
        do throws(PostgresError) {
            return try await Connection.open(configuration)
        } catch {
            logger.warning("no connection to the database", metadata: ["error": "\(error)"])
            releaseSlot()
            throw error
        }
    }

    // MARK: Giving back

    private func giveBack(_ connection: Connection) async {
        if connection.condition == .inTransaction {
            logger.warning("a transaction was left open, and is rolled back")
            await connection.rollBack()
        }
        guard connection.condition == .idle else { return await discard(connection) }
        let waiter = state.withLock { state -> Waiter?? in
            if state.isClosed { return .none }
            if !state.waiters.isEmpty { return .some(state.waiters.removeFirst()) }
            state.idle.append(connection)
            return .some(nil)
        }
        guard let waiter else { return await discard(connection) }
        waiter?.continuation.resume(returning: .connection(connection))
    }

    private func discard(_ connection: Connection) async {
        await connection.close()
        releaseSlot()
    }

    /// A connection is gone: the first who waits may open another.
    private func releaseSlot() {
        let (waiter, closing) = state.withLock { state -> (Waiter?, [CheckedContinuation<Void, Never>]) in
            if !state.waiters.isEmpty { return (state.waiters.removeFirst(), []) }
            state.open -= 1
            guard state.isClosed, state.open == 0 else { return (nil, []) }
            defer { state.closing = [] }
            return (nil, state.closing)
        }
        waiter?.continuation.resume(returning: .opening)
        for continuation in closing { continuation.resume() }
    }

    // MARK: Time

    /// One timer for all who wait: they all wait equally long, so the first in the queue is the first to give up.
    private func setTimer() {
        let delay = state.withLock { state -> Duration? in
            guard !state.isTimerSet, let first = state.waiters.first else { return nil }
            state.isTimerSet = true
            return first.deadline - ContinuousClock.now
        }
        guard let delay else { return }
        timer.asyncAfter(deadline: .now() + .milliseconds(Int(max(1, delay.milliseconds)))) { [weak self] in
            self?.expire()
        }
    }

    private func expire() {
        let expired = state.withLock { state -> [Waiter] in
            state.isTimerSet = false
            let now = ContinuousClock.now
            let count = state.waiters.firstIndex { $0.deadline > now } ?? state.waiters.count
            defer { state.waiters.removeFirst(count) }
            return Array(state.waiters.prefix(count))
        }
        let error = PostgresError(.poolTimeout, message: "no connection became free in time")
        for waiter in expired { waiter.continuation.resume(returning: .refused(error)) }
        setTimer()
    }
}
