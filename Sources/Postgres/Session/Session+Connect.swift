import CLibpq

extension Session {
    /// Makes a connection, never waiting longer than the configuration says.
    static func connect(_ configuration: PostgresConfiguration) throws(PostgresError) -> OpaquePointer {
        guard let connection = start(configuration.keywords) else {
            throw PostgresError(.connectFailed, message: "out of memory")
        }
        // Verbose, because only so the message of a failed attempt holds the SQLSTATE.
        PQsetErrorVerbosity(connection, PQERRORS_VERBOSE)
        // Notices are dropped: they may quote values, and nothing here needs them. The processor must not call libpq.
        PQsetNoticeProcessor(connection, { _, _ in }, nil)
        do throws(PostgresError) {
            try finishConnecting(connection, Deadline(configuration.connectTimeout))
            try check(connection)
        } catch {
            PQfinish(connection)
            throw error
        }
        PQsetErrorVerbosity(connection, PQERRORS_DEFAULT)
        return connection
    }

    private static func start(_ pairs: [(String, String)]) -> OpaquePointer? {
        // One buffer of C strings, so that libpq's arrays of pointers can point into it.
        var bytes: [CChar] = []
        var offsets: [(Int, Int)] = []
        for (key, value) in pairs {
            let start = bytes.count
            bytes.append(contentsOf: key.utf8CString)
            offsets.append((start, bytes.count))
            bytes.append(contentsOf: value.utf8CString)
        }
        return bytes.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return nil }
            let keys: [UnsafePointer<CChar>?] = offsets.map { base + $0.0 } + [nil]
            let values: [UnsafePointer<CChar>?] = offsets.map { base + $0.1 } + [nil]
            return PQconnectStartParams(keys, values, 0)
        }
    }

    private static func finishConnecting(_ connection: OpaquePointer, _ deadline: Deadline) throws(PostgresError) {
        guard PQstatus(connection) != CONNECTION_BAD else { throw failure(connection) }
        var wanted = writable
        while true {
            // The socket is asked for each time: it changes with TLS, and with each host and address tried.
            let ready = waitOnSocket(PQsocket(connection), for: wanted, milliseconds: deadline.milliseconds)
            if ready == 0 {
                guard !deadline.isPast else {
                    throw PostgresError(.connectFailed, message: "no connection in time")
                }
                guard !Task.isCancelled else { throw PostgresError(.cancelled, message: "cancelled while connecting") }
                continue
            }
            switch PQconnectPoll(connection) {
            case PGRES_POLLING_OK: return
            case PGRES_POLLING_READING: wanted = readable
            case PGRES_POLLING_WRITING: wanted = writable
            default: throw failure(connection)
            }
        }
    }

    private static func check(_ connection: OpaquePointer) throws(PostgresError) {
        guard PQsetnonblocking(connection, 1) == 0 else {
            throw PostgresError(.connectFailed, message: "no non-blocking mode")
        }
        guard PQserverVersion(connection) >= 150_000 else {
            throw PostgresError(.connectFailed, message: "PostgreSQL 15 or later is needed")
        }
        let encoding = PQparameterStatus(connection, "server_encoding").map { String(cString: $0) }
        guard encoding == "UTF8" else {
            throw PostgresError(.connectFailed, message: "the database's encoding must be UTF8")
        }
    }

    private static func failure(_ connection: OpaquePointer) -> PostgresError {
        PostgresError(connectMessage: String(cString: PQerrorMessage(connection)))
    }
}
