import CLibpq

extension Session {
    /// The largest piece handed to libpq at once: larger ones make it copy its buffer over and over.
    static let copyPiece = 64 * 1024

    /// Starts a COPY and waits until the server is ready for it.
    func beginCopy(_ sql: SQL, _ expected: ExecStatusType) throws(PostgresError) {
        guard sql.binds.isEmpty else {
            throw PostgresError(.invalidParameter, message: "a COPY takes no parameters")
        }
        var deadline = patience(statements: 1)
        guard PQsendQuery(connection, sql.text) == 1, flush(&deadline), waitForResult(&deadline) else {
            isBroken = true
            throw Session.lost
        }
        guard let result = PQgetResult(connection) else {
            isBroken = true
            throw Session.lost
        }
        defer { PQclear(result) }
        if PQresultStatus(result) == expected { return }
        guard PQresultStatus(result) == PGRES_FATAL_ERROR else {
            isBroken = true
            throw PostgresError(.misuse, message: "the statement is not this kind of COPY")
        }
        let error = error(result)
        if !isBroken { try? drain(&deadline) }
        throw error
    }

    /// Sends one chunk, in pieces, and waits until the server has taken it.
    ///
    /// - Returns: False when the connection broke, or the server ended the COPY: finishing tells which.
    func putCopy(_ chunk: [UInt8]) -> Bool {
        var deadline = patience(statements: 1)
        var offset = 0
        while offset < chunk.count {
            let length = min(Session.copyPiece, chunk.count - offset)
            let status = chunk.withUnsafeBytes { buffer in
                let base = buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
                return PQputCopyData(connection, base.map { $0 + offset }, Int32(length))
            }
            switch status {
            case 1: offset += length
            case 0: break
            default: return false
            }
            guard flush(&deadline) else {
                isBroken = true
                return false
            }
        }
        // A server that found an error says so while we still send; libpq sees it only when asked.
        return PQisBusy(connection) == 1 || PQstatus(connection) == CONNECTION_OK
    }

    /// Ends a COPY, or makes it fail, and reads what became of it.
    func endCopy(failing: Bool) throws(PostgresError) -> Int {
        var deadline = patience(statements: 1)
        var status: Int32 = 0
        repeat {
            status = PQputCopyEnd(connection, failing ? "the source of the data failed" : nil)
            guard flush(&deadline) else { break }
        } while status == 0
        return try copied(&deadline)
    }

    /// Reads the final answer of a COPY.
    private func copied(_ deadline: inout Deadline) throws(PostgresError) -> Int {
        var count = 0
        var first: PostgresError?
        while waitForResult(&deadline) {
            guard let result = PQgetResult(connection) else {
                if PQstatus(connection) != CONNECTION_OK { isBroken = true }
                if let first { throw first }
                if isBroken { break }
                return count
            }
            defer { PQclear(result) }
            if PQresultStatus(result) == PGRES_COMMAND_OK {
                count = PQcmdTuples(result).flatMap { Int(String(cString: $0)) } ?? 0
            } else if PQresultStatus(result) == PGRES_COPY_IN {
                // Still in COPY: ending it was refused, so the connection cannot be put in order.
                break
            } else {
                first = first ?? error(result)
            }
            if isBroken { break }
        }
        isBroken = true
        guard let first, first.sqlState != nil else {
            throw PostgresError(.outcomeUnknown, message: "the connection broke before the COPY was answered")
        }
        throw first
    }

    /// Reads about 64 KiB of a COPY; nil at its end.
    func getCopy() throws(PostgresError) -> [UInt8]? {
        var deadline = patience(statements: 1)
        var chunk: [UInt8] = []
        while true {
            var pointer: UnsafeMutablePointer<CChar>?
            let length = PQgetCopyData(connection, &pointer, 1)
            switch length {
            case 1...:
                chunk.append(contentsOf: UnsafeRawBufferPointer(start: pointer, count: Int(length)))
                PQfreemem(pointer)
                if chunk.count >= Session.copyPiece { return chunk }
            case 0:
                if !chunk.isEmpty { return chunk }
                guard waitForInput(&deadline) else {
                    isBroken = true
                    throw Session.lost
                }
            case -1:
                if !chunk.isEmpty { return chunk }
                return nil
            default:
                if PQstatus(connection) != CONNECTION_OK { isBroken = true }
                return chunk.isEmpty ? nil : chunk
            }
        }
    }

    /// Reads the final answer of a COPY OUT.
    func finishCopyOut() throws(PostgresError) -> Int {
        var deadline = patience(statements: 1)
        do throws(PostgresError) {
            return try copied(&deadline)
        } catch {
            // Reading changes nothing in the database: a lost connection is no unknown outcome.
            throw error.kind == .outcomeUnknown ? Session.lost : error
        }
    }

    /// Throws away the rest of a COPY that nobody wants any more.
    func discardCopyOut() {
        canceller.request()
        do throws(PostgresError) {
            while try getCopy() != nil {}
            _ = try finishCopyOut()
        } catch {
            if error.kind != .cancelled { isBroken = true }
        }
    }
}
