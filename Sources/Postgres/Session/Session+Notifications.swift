import CLibpq

extension Session {
    /// Waits for anything from the server.
    ///
    /// - Returns: False when it stayed silent too long, or the connection broke.
    func waitForInput(_ deadline: inout Deadline) -> Bool {
        while true {
            let ready = waitOnSocket(socket, for: readable, milliseconds: deadline.milliseconds)
            if ready != 0 { return PQconsumeInput(connection) == 1 }
            if canceller.isRequested, deadline.limit == nil { deadline = Deadline(.seconds(5)) }
            if deadline.isPast { return false }
        }
    }

    /// Waits for notifications, at most so long; none is an empty answer.
    func notifications(within limit: Duration) throws(PostgresError) -> [Notification] {
        let deadline = Deadline(limit)
        while true {
            guard isAlive else { throw Session.lost }
            var found: [Notification] = []
            while let notify = PQnotifies(connection) {
                found.append(
                    .received(
                        channel: String(cString: notify.pointee.relname), payload: String(cString: notify.pointee.extra)
                    ))
                PQfreemem(notify)
            }
            if !found.isEmpty || deadline.isPast || Task.isCancelled { return found }
            waitOnSocket(socket, for: readable, milliseconds: deadline.milliseconds)
        }
    }
}
