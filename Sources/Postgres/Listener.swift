import Logging

/// What a ``Listener`` tells.
public enum Notification: Hashable, Sendable {
    /// Somebody said NOTIFY on a channel.
    case received(channel: String, payload: String)
    /// The connection is new, the first one too: what was said before is lost, so look once yourself.
    case reconnected
}

/// Listens for NOTIFY on a connection of its own.
///
/// A notification is a hint, never the truth: it is lost when the connection is, hence ``Notification/reconnected``.
public final class Listener: Sendable {
    private let configuration: PostgresConfiguration
    private let logger: Logger

    /// Describes a listener; nothing is opened before somebody listens.
    public init(configuration: PostgresConfiguration, logger: Logger) {
        self.configuration = configuration
        self.logger = logger
    }

    /// Listens until the stream is dropped or its task cancelled, connecting again with a growing pause (0.1 to 10 s).
    ///
    /// - Parameter channels: Names as in `NOTIFY`; letters, digits and underscores.
    public func notifications(on channels: [String]) -> AsyncStream<Notification> {
        precondition(
            channels.allSatisfy {
                $0.utf8.allSatisfy {
                    $0 == 0x5F || (0x30...0x39).contains($0) || ($0 | 0x20) >= 0x61 && ($0 | 0x20) <= 0x7A
                }
            },
            "a channel's name is made of letters, digits and underscores")
        let listens = channels.map { "LISTEN \"\($0)\";" }.joined()
        // Newest win when nobody reads: one hint is as good as a thousand.
        return AsyncStream(bufferingPolicy: .bufferingNewest(1024)) { continuation in
            let task = Task { [configuration, logger] in
                var pause = Duration.milliseconds(100)
                while !Task.isCancelled {
                    do throws(PostgresError) {
                        let connection = try await Connection.open(configuration)
                        try await connection.script(listens)
                        pause = .milliseconds(100)
                        continuation.yield(.reconnected)
                        try await Self.listen(connection, continuation)
                    } catch {
                        logger.warning("listening stopped", metadata: ["error": "\(error)"])
                    }
                    try? await Task.sleep(for: pause)
                    pause = min(pause * 2, .seconds(10))
                }
                continuation.finish()
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }

    private static func listen(
        _ connection: Connection, _ continuation: AsyncStream<Notification>.Continuation
    ) async throws(PostgresError) {
        while !Task.isCancelled {
            let found = try await connection.notifications(within: .seconds(15))
            for notification in found { continuation.yield(notification) }
            // A server that vanished without a farewell is noticed only by asking.
            if found.isEmpty, !Task.isCancelled { _ = try await connection.query("SELECT 1") }
        }
        await connection.close()
    }
}

extension Connection {
    /// Waits for notifications, at most so long; none is an empty answer.
    func notifications(within limit: Duration) async throws(PostgresError) -> [Notification] {
        try await exclusively { (session) throws(PostgresError) in try session.notifications(within: limit) }
    }
}
