import CLibpq

extension Session {
    /// What was sent in a pipeline, and therefore what answers come in which order.
    private enum Sent {
        /// A DEALLOCATE of this statement.
        case forget(SQL.Key)
        /// A Parse of a statement, which gets this name.
        case parse(Int, name: String)
        /// The execution of a statement.
        case run(Int)
        /// A Sync.
        case sync
    }

    /// Runs all statements in one round trip.
    func pipeline(_ statements: [SQL]) throws(PostgresError) -> [Rows] {
        for (index, statement) in statements.enumerated() {
            guard statement.binds.count <= 65_535, !statement.binds.contains(where: \.isInvalid),
                !statement.text.utf8.contains(0)
            else {
                throw PostgresError(
                    .invalidParameter, message: "a parameter PostgreSQL cannot hold", statementIndex: index)
            }
        }
        guard !statements.isEmpty else { return [] }
        var deadline = patience(statements: statements.count)
        let wasIdle = isIdle
        guard PQenterPipelineMode(connection) == 1, let sent = send(statements), flush(&deadline) else {
            isBroken = true
            throw lost(statements, answered: 0, wasIdle: wasIdle)
        }
        var answers = Answers()
        for step in sent where !isBroken {
            switch step {
            case .sync: readSync(&deadline)
            case .forget(let key):
                readAll(&deadline) { result in
                    if PQresultStatus(result) == PGRES_COMMAND_OK { prepared.remove(key) }
                }
            case .parse(let index, let name):
                readAll(&deadline) { result in
                    if PQresultStatus(result) == PGRES_COMMAND_OK {
                        prepared.add(statements[index].key, name: name)
                    } else {
                        note(result, index, statements, &answers)
                    }
                }
            case .run(let index):
                readAll(&deadline) { note($0, index, statements, &answers) }
            }
        }
        if !isBroken, PQexitPipelineMode(connection) != 1 { isBroken = true }
        return try conclude(answers, statements, wasIdle: wasIdle)
    }

    /// What the server has answered so far.
    private struct Answers {
        var rows: [Rows] = []
        var error: PostgresError?
    }

    private func note(_ result: OpaquePointer, _ index: Int, _ statements: [SQL], _ answers: inout Answers) {
        guard answers.error == nil else { return PQclear(result) }
        switch PQresultStatus(result) {
        case PGRES_COMMAND_OK, PGRES_TUPLES_OK, PGRES_EMPTY_QUERY:
            // The server answers the COMMIT of a failed transaction with success and the tag ROLLBACK.
            if statements[index].effect == .commits, String(cString: PQcmdStatus(result)) == "ROLLBACK" {
                PQclear(result)
                answers.error = PostgresError(
                    .transactionFailed, message: "the transaction was rolled back instead of committed",
                    statementIndex: index)
                return
            }
            answers.rows.append(Rows(result, columns: columns(result, statements[index].key)))
        case PGRES_COPY_IN, PGRES_COPY_OUT, PGRES_COPY_BOTH:
            PQclear(result)
            isBroken = true
            answers.error = PostgresError(.misuse, message: "COPY in a pipeline", statementIndex: index)
        default:
            answers.error = error(result, statement: index)
            PQclear(result)
        }
    }

    /// The columns of a result, read once per prepared statement: a server refuses to run one whose columns changed.
    private func columns(_ result: OpaquePointer, _ key: SQL.Key) -> Columns? {
        guard PQnfields(result) > 0 else { return nil }
        if let known = prepared.entries[key]?.columns { return known }
        let columns = Columns(result)
        prepared.setColumns(columns, for: key)
        return columns
    }

    /// Queues everything; nil when libpq refuses.
    private func send(_ statements: [SQL]) -> [Sent]? {
        var sent: [Sent] = []
        var names: [SQL.Key: String] = [:]
        if configuration.preparesStatements, isIdle {
            let overdue = prepared.overdue(adding: statements.count)
            for key in overdue {
                guard let entry = prepared.entries[key] else { continue }
                guard PQsendQueryParams(connection, "DEALLOCATE \(entry.name)", 0, nil, nil, nil, nil, 1) == 1 else {
                    return nil
                }
                sent.append(.forget(key))
            }
            // A Sync of its own: a DEALLOCATE takes a snapshot, and no BEGIN … SERIALIZABLE could follow in one go.
            if !overdue.isEmpty {
                guard PQpipelineSync(connection) == 1 else { return nil }
                sent.append(.sync)
            }
            // They are as good as gone: a statement of this pipeline must not rely on them.
            names = Dictionary(overdue.map { ($0, "") }, uniquingKeysWith: { first, _ in first })
        }
        for (index, statement) in statements.enumerated() {
            var name: String?
            let key = statement.key
            if configuration.preparesStatements {
                if let known = names[key], !known.isEmpty {
                    name = known
                } else if names[key] == nil, let entry = prepared.find(key) {
                    name = entry.name
                } else {
                    // Parsed right before its own execution: the Parse of a query takes a snapshot, and must not
                    // come before the BEGIN that sets the isolation level.
                    let fresh = prepared.name(for: statement.text)
                    let types = statement.binds.map(\.type.rawValue)
                    guard PQsendPrepare(connection, fresh, statement.text, Int32(types.count), types) == 1 else {
                        return nil
                    }
                    sent.append(.parse(index, name: fresh))
                    names[key] = fresh
                    name = fresh
                }
            }
            guard send(statement, name: name) else { return nil }
            sent.append(.run(index))
        }
        guard PQpipelineSync(connection) == 1 else { return nil }
        sent.append(.sync)
        return sent
    }

    private func send(_ statement: SQL, name: String?) -> Bool {
        let binds = statement.binds
        var bytes: [UInt8] = []
        var lengths: [Int32] = []
        for bind in binds {
            bytes.append(contentsOf: bind.bytes ?? [])
            lengths.append(Int32(bind.bytes?.count ?? 0))
        }
        // An empty value needs an address too: a null pointer means NULL.
        bytes.append(0)
        let formats = [Int32](repeating: 1, count: binds.count)
        return bytes.withUnsafeBytes { buffer in
            guard let base = buffer.baseAddress?.assumingMemoryBound(to: CChar.self) else { return false }
            var offset = 0
            let values: [UnsafePointer<CChar>?] = binds.indices.map { index in
                defer { offset += Int(lengths[index]) }
                return binds[index].bytes == nil ? nil : base + offset
            }
            let count = Int32(binds.count)
            if let name { return PQsendQueryPrepared(connection, name, count, values, lengths, formats, 1) == 1 }
            let types = binds.map(\.type.rawValue)
            return PQsendQueryParams(connection, statement.text, count, types, values, lengths, formats, 1) == 1
        }
    }

    /// Reads the results of one step, up to the NULL that ends them, and hands them over (the first is the one that counts).
    private func readAll(_ deadline: inout Deadline, _ take: (OpaquePointer) -> Void) {
        var isFirst = true
        // After an administrator's shutdown libpq may return NULL for ever: more than two without a result is the end.
        var nulls = 0
        while !isBroken {
            guard waitForResult(&deadline) else {
                isBroken = true
                return
            }
            guard let result = PQgetResult(connection) else {
                nulls += 1
                if !isFirst { return }
                if nulls > 2 || PQstatus(connection) != CONNECTION_OK { isBroken = true }
                continue
            }
            if isFirst { take(result) } else { PQclear(result) }
            isFirst = false
        }
    }

    private func readSync(_ deadline: inout Deadline) {
        var nulls = 0
        while !isBroken {
            guard waitForResult(&deadline), nulls <= 2 else {
                isBroken = true
                return
            }
            guard let result = PQgetResult(connection) else {
                nulls += 1
                continue
            }
            defer { PQclear(result) }
            switch PQresultStatus(result) {
            case PGRES_PIPELINE_SYNC: return
            // An error here belongs to the implicit commit at the Sync, such as a deferred constraint.
            case PGRES_FATAL_ERROR: syncError = syncError ?? error(result)
            default: break
            }
        }
    }

    private func conclude(_ answers: Answers, _ statements: [SQL], wasIdle: Bool) throws(PostgresError) -> [Rows] {
        let atSync = syncError
        syncError = nil
        if let error = answers.error {
            // An error with a SQLSTATE is the server's word that the statement, and so its transaction, failed.
            guard error.kind == .connectionLost, error.sqlState == nil else { throw error }
            throw lost(statements, answered: answers.rows.count, wasIdle: wasIdle)
        }
        if let atSync, atSync.sqlState != nil, atSync.kind != .serverShutdown { throw atSync }
        guard isBroken else {
            if let atSync { throw atSync }
            return answers.rows
        }
        // Everything was answered, and nothing was left to be committed by the Sync: it is done, though we lost touch.
        if answers.rows.count == statements.count, !outcome(statements, answered: answers.rows.count, wasIdle: wasIdle)
        {
            return answers.rows
        }
        throw lost(statements, answered: answers.rows.count, wasIdle: wasIdle)
    }

    /// Whether something may have been committed of which we have no answer.
    private func outcome(_ statements: [SQL], answered: Int, wasIdle: Bool) -> Bool {
        var inBlock = !wasIdle
        var pending = false
        for (index, statement) in statements.enumerated() {
            switch statement.effect {
            case .begins:
                inBlock = true
            case .commits:
                if index >= answered { return true }
                inBlock = false
                pending = false
            case .rollsBack:
                inBlock = false
                pending = false
            case .other:
                // Outside a block the Sync commits.
                if !inBlock { pending = true }
            }
        }
        return pending && !inBlock
    }

    private func lost(_ statements: [SQL], answered: Int, wasIdle: Bool) -> PostgresError {
        if outcome(statements, answered: answered, wasIdle: wasIdle) {
            return PostgresError(
                .outcomeUnknown, message: "the connection broke before the commit was answered",
                statementIndex: answered)
        }
        return PostgresError(
            .connectionLost, message: "the connection to the server is lost", statementIndex: answered)
    }
}
