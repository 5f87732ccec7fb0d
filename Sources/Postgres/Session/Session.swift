import CLibpq

/// One libpq connection in non-blocking mode, used only on its connection's own thread.
///
/// Every wait here is poll(2) with a deadline. While sending we wait for reading *or* writing: a server that is blocked
/// sending to us would otherwise never read what we send.
final class Session {
    let connection: OpaquePointer
    let configuration: PostgresConfiguration
    let canceller: Canceller
    var prepared = PreparedStatements()
    /// The connection must not be used again.
    var isBroken = false
    /// What a Sync answered when the implicit commit failed.
    var syncError: PostgresError?

    init(connecting configuration: PostgresConfiguration) throws(PostgresError) {
        self.configuration = configuration
        guard configuration.keywords.allSatisfy({ !$0.1.utf8.contains(0) }) else {
            throw PostgresError(.invalidParameter, message: "a connection parameter holds a NUL")
        }
        connection = try Session.connect(configuration)
        canceller = Canceller(connection)
    }

    deinit { PQfinish(connection) }

    var isAlive: Bool {
        guard !isBroken else { return false }
        // Reads what arrived while the connection was idle: a farewell, or the end of the stream.
        if PQconsumeInput(connection) == 0 || PQstatus(connection) != CONNECTION_OK { isBroken = true }
        // Without this a farewell that libpq keeps for later would go unnoticed.
        if !isBroken, PQisBusy(connection) == 1 || waitOnSocket(socket, for: readable, milliseconds: 0) != 0 {
            if PQconsumeInput(connection) == 0 || PQstatus(connection) != CONNECTION_OK { isBroken = true }
        }
        return !isBroken
    }

    var socket: Int32 { PQsocket(connection) }

    /// False while a transaction block is open, or the connection is broken.
    var isIdle: Bool { PQtransactionStatus(connection) == PQTRANS_IDLE }

    /// The time a silent server is given for so many statements: its own limit, and a little more.
    func patience(statements: Int) -> Deadline {
        guard configuration.statementTimeout > .zero else { return Deadline(nil) }
        return Deadline(configuration.statementTimeout * max(1, statements) + .seconds(5))
    }

    /// Sends everything that is queued.
    ///
    /// - Returns: False when the server did not take it in time, or the connection broke.
    func flush(_ deadline: inout Deadline) -> Bool {
        while true {
            switch PQflush(connection) {
            case 0: return true
            case 1: break
            default: return false
            }
            let ready = waitOnSocket(socket, for: readable | writable, milliseconds: deadline.milliseconds)
            if ready & readable != 0 {
                if PQconsumeInput(connection) == 0 { return false }
                deadline.renew()
            }
            if ready & writable != 0 { deadline.renew() }
            if ready == 0, giveUp(deadline) { return false }
        }
    }

    /// Waits until a whole result is there.
    ///
    /// With TLS bytes may wait inside OpenSSL while the socket looks empty, hence PQisBusy before every wait.
    ///
    /// - Returns: False when the server stayed silent too long. A broken connection is true: the next result tells.
    func waitForResult(_ deadline: inout Deadline) -> Bool {
        while PQisBusy(connection) == 1 {
            let ready = waitOnSocket(socket, for: readable, milliseconds: deadline.milliseconds)
            if ready != 0 {
                if PQconsumeInput(connection) == 0 { return true }
                deadline.renew()
            } else if giveUp(deadline) {
                return false
            }
        }
        return true
    }

    private var cancelDeadline: ContinuousClock.Instant?

    /// A statement that was asked to stop has five seconds to do so.
    private func giveUp(_ deadline: Deadline) -> Bool {
        if canceller.isRequested {
            let limit = cancelDeadline ?? ContinuousClock.now + .seconds(5)
            cancelDeadline = limit
            if ContinuousClock.now >= limit { return true }
        }
        return deadline.isPast
    }

    /// Runs a verb during which the canceller may speak.
    func cancellable<T>(_ body: () throws(PostgresError) -> T) throws(PostgresError) -> T {
        guard isAlive else { throw Session.lost }
        cancelDeadline = nil
        canceller.begin()
        defer { if !canceller.end() { isBroken = true } }
        return try body()
    }

    static var lost: PostgresError {
        PostgresError(.connectionLost, message: "the connection to the server is lost")
    }

    /// The error of a result, noting whether the connection survives it.
    func error(_ result: OpaquePointer, statement: Int? = nil) -> PostgresError {
        let error = PostgresError(result: result, cancelRequested: canceller.isRequested, statementIndex: statement)
        switch error.kind {
        case .connectionLost, .serverShutdown, .stalePlan: isBroken = true
        default: break
        }
        return error
    }

    /// Runs statements by the simple protocol and reads all answers; throws the first error.
    func script(_ text: String) throws(PostgresError) {
        guard !text.utf8.contains(0) else {
            throw PostgresError(.invalidParameter, message: "a script holds a NUL")
        }
        var deadline = patience(statements: text.utf8.count { $0 == UInt8(ascii: ";") } + 1)
        guard PQsendQuery(connection, text) == 1, flush(&deadline) else {
            isBroken = true
            throw Session.lost
        }
        try drain(&deadline)
    }

    /// Reads results to the end of a simple query; throws the first error.
    func drain(_ deadline: inout Deadline) throws(PostgresError) {
        var first: PostgresError?
        while waitForResult(&deadline) {
            guard let result = PQgetResult(connection) else {
                if PQstatus(connection) != CONNECTION_OK { isBroken = true }
                if let first { throw first }
                if isBroken { throw Session.lost }
                return
            }
            defer { PQclear(result) }
            switch PQresultStatus(result) {
            case PGRES_FATAL_ERROR, PGRES_BAD_RESPONSE, PGRES_NONFATAL_ERROR: first = first ?? error(result)
            case PGRES_COPY_IN, PGRES_COPY_BOTH:
                _ = PQputCopyEnd(connection, "COPY is not possible here")
                _ = flush(&deadline)
            case PGRES_COPY_OUT:
                // Its rows would have to be read; nobody wants them.
                isBroken = true
                throw PostgresError(.misuse, message: "COPY is not possible here")
            default: break
            }
            if isBroken { break }
        }
        isBroken = true
        throw first ?? Session.lost
    }
}

/// The prepared statements of one connection, by their text and the types of their parameters.
struct PreparedStatements {
    struct Entry {
        let name: String
        var columns: Columns?
        var lastUse: Int
    }

    /// More than a program with literal statements has; each costs the server memory.
    static let limit = 256
    private(set) var entries: [SQL.Key: Entry] = [:]
    private var uses = 0
    private var names = 0

    /// The statement, if it is prepared; marks it as used.
    mutating func find(_ key: SQL.Key) -> Entry? {
        uses += 1
        guard let position = entries.index(forKey: key) else { return nil }
        entries.values[position].lastUse = uses
        return entries.values[position]
    }

    /// A name for a text: its FNV-1a hash, to be recognised in the server's views, and a number, because hashes collide.
    mutating func name(for text: String) -> String {
        names += 1
        let hash = text.utf8.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        return "q\(String(hash, radix: 16))_\(names)"
    }

    mutating func add(_ key: SQL.Key, name: String) {
        entries[key] = Entry(name: name, columns: nil, lastUse: uses)
    }

    mutating func setColumns(_ columns: Columns, for key: SQL.Key) { entries[key]?.columns = columns }

    mutating func remove(_ key: SQL.Key) { entries[key] = nil }

    /// The texts to forget, least recently used first, once there are too many.
    func overdue(adding count: Int) -> [SQL.Key] {
        guard entries.count + count > Self.limit else { return [] }
        let surplus = entries.count + count - Self.limit + Self.limit / 8
        return entries.sorted { $0.value.lastUse < $1.value.lastUse }.prefix(surplus).map(\.key)
    }
}
