import CLibpq

extension Connection {
    /// Runs a `COPY … FROM STDIN` with the chunks as its data; chunks need not end at line ends.
    ///
    /// Between chunks the thread is free: a slow source costs nothing.
    ///
    /// - Returns: How many rows were copied.
    /// - Throws: The server's error, ``PostgresError/Kind/copySourceFailed`` when the source throws, and
    ///   ``PostgresError/Kind/outcomeUnknown`` when the connection broke before the answer.
    public func copyIn(
        _ sql: SQL, _ chunks: some AsyncSequence<[UInt8], any Error> & Sendable
    ) async throws(PostgresError) -> Int {
        let session = try take()
        defer { release() }
        let canceller = session.canceller
        let result: Result<Int, PostgresError> = await withTaskCancellationHandler {
            await self.copyIn(session, sql, chunks)
        } onCancel: {
            canceller.request()
        }
        return try result.get()
    }

    private func copyIn(
        _ session: Session, _ sql: SQL, _ chunks: some AsyncSequence<[UInt8], any Error> & Sendable
    ) async -> Result<Int, PostgresError> {
        guard session.isAlive else { return .failure(Session.lost) }
        session.canceller.begin()
        defer { if !session.canceller.end() { session.isBroken = true } }
        do throws(PostgresError) {
            try session.beginCopy(sql, PGRES_COPY_IN)
        } catch {
            return .failure(error)
        }
        var failure: (any Error)?
        do {
            for try await chunk in chunks {
                guard !Task.isCancelled, session.putCopy(chunk) else { break }
            }
        } catch {
            failure = error
        }
        do throws(PostgresError) {
            let count = try session.endCopy(failing: failure != nil || Task.isCancelled)
            return .success(count)
        } catch {
            if let failure {
                return .failure(
                    PostgresError(.copySourceFailed, message: "the source of the data failed", underlying: failure))
            }
            if Task.isCancelled, !session.isBroken {
                return .failure(PostgresError(.cancelled, message: "the task is cancelled"))
            }
            return .failure(error)
        }
    }

    /// Runs a `COPY … TO STDOUT` and hands its data over in chunks of about 64 KiB that end at row ends.
    ///
    /// - Returns: How many rows were copied.
    /// - Throws: What `consume` throws, after the rest has been cancelled; else a ``PostgresError``.
    @discardableResult
    public func copyOut(_ sql: SQL, into consume: @Sendable ([UInt8]) async throws -> Void) async throws -> Int {
        let session = try take()
        defer { release() }
        let canceller = session.canceller
        return try await withTaskCancellationHandler {
            try await self.copyOut(session, sql, into: consume)
        } onCancel: {
            canceller.request()
        }
    }

    private func copyOut(
        _ session: Session, _ sql: SQL, into consume: @Sendable ([UInt8]) async throws -> Void
    ) async throws -> Int {
        guard session.isAlive else { throw Session.lost }
        session.canceller.begin()
        defer { if !session.canceller.end() { session.isBroken = true } }
        try session.beginCopy(sql, PGRES_COPY_OUT)
        while let chunk = try session.getCopy() {
            do {
                try await consume(chunk)
            } catch {
                session.discardCopyOut()
                throw error
            }
        }
        return try session.finishCopyOut()
    }
}
