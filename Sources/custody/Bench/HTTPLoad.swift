import Foundation

/// Sends requests over so many connections, each waiting for its answer before its next request; one thread for all of them,
/// so that the load takes as little as can be of the machine that it shares with what is measured.
struct HTTPLoad: Sendable {
    let port: Int
    /// The status that a good request is answered with.
    let accepted: Int
    /// The bytes of a request: of which connection, and the how many-th of it; nil ends the connection.
    let request: @Sendable (_ connection: Int, _ count: Int) -> [UInt8]?

    /// What a run came to.
    struct Outcome: Sendable {
        /// Requests that were answered as they should be.
        var accepted = 0
        /// Answers that were not, and connections that ended without one.
        var refused = 0
        /// A status that was not as it should be, for whoever looks for the cause; 0 is a connection that ended.
        var strangest: Int?
        /// How long each took, in seconds.
        var latencies: [Double] = []
        /// How long all took together.
        var seconds = 0.0

        /// Counts another run's answers too.
        mutating func add(_ other: Outcome) {
            accepted += other.accepted
            refused += other.refused
            strangest = strangest ?? other.strangest
        }
    }

    /// One connection and the answer that it waits for.
    private struct Line {
        let socket: Int32
        let number: Int
        var count = 0
        var sentAt = ContinuousClock.now
        var dueAt = ContinuousClock.now
        var isWaiting = false
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        var filled = 0
    }

    /// Runs for so many seconds; answers still owed then are waited for.
    ///
    /// - Parameter pace: Requests per second, spread evenly over the connections; nil is as many as there can be. What a
    ///   request waits for the connection to be free counts as its latency: it was due.
    func run(connections: Int, seconds: Double, pace: Double? = nil) -> Outcome {
        var outcome = Outcome()
        var lines = (0..<connections).compactMap { number in connected().map { Line(socket: $0, number: number) } }
        outcome.refused = connections - lines.count
        defer { for line in lines { close(line.socket) } }
        let began = ContinuousClock.now
        let end = began + .milliseconds(Int(seconds * 1000))
        let step = pace.map { Duration.nanoseconds(Int64(1e9 * Double(connections) / $0)) }
        for index in lines.indices {
            lines[index].dueAt = began + (step ?? .zero) * index / connections
            if step == nil { ask(&lines[index]) }
        }
        var watched = lines.map { pollfd(fd: $0.socket, events: Int16(POLLIN), revents: 0) }
        var open = watched.count
        var lastHeard = began
        while open > 0 {
            let now = ContinuousClock.now
            if step != nil {
                for index in lines.indices where !lines[index].isWaiting && watched[index].fd >= 0 {
                    if lines[index].dueAt > now { continue }
                    if lines[index].dueAt >= end || !ask(&lines[index]) {
                        watched[index].fd = -1
                        open -= 1
                    }
                }
            }
            let ready = poll(&watched, nfds_t(watched.count), step == nil ? 5000 : 1)
            // An answer that does not come within 5 s ends the run, not its patience.
            if ready <= 0, step == nil || now - lastHeard > .seconds(5) { break }
            for index in watched.indices where watched[index].fd >= 0 && watched[index].revents != 0 {
                guard let status = read(&lines[index]) else { continue }
                lastHeard = .now
                let time = (lastHeard - (step == nil ? lines[index].sentAt : lines[index].dueAt)).components
                outcome.latencies.append(Double(time.seconds) + Double(time.attoseconds) / 1e18)
                if status == accepted {
                    outcome.accepted += 1
                } else {
                    outcome.refused += 1
                    outcome.strangest = status
                }
                lines[index].isWaiting = false
                if let step { lines[index].dueAt += step }
                if status == 0 || (step == nil && (lastHeard >= end || !ask(&lines[index]))) {
                    watched[index].fd = -1
                    open -= 1
                }
            }
        }
        outcome.refused += open
        outcome.seconds = custody.seconds(since: began)
        return outcome
    }

    private func connected() -> Int32? {
        let socket = Foundation.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var on: Int32 = 1
        setsockopt(socket, Int32(IPPROTO_TCP), TCP_NODELAY, &on, socklen_t(MemoryLayout<Int32>.size))
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        if !isConnected { close(socket) }
        return isConnected ? socket : nil
    }

    /// Sends a connection's next request; false when there is none, or the connection is gone.
    @discardableResult
    private func ask(_ line: inout Line) -> Bool {
        line.count += 1
        guard let bytes = request(line.number, line.count) else { return false }
        line.sentAt = .now
        line.isWaiting = true
        line.filled = 0
        return send(line.socket, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
    }

    /// Reads what has come: the status of a whole answer, 0 when the connection ended, nil when more is to come.
    private func read(_ line: inout Line) -> Int? {
        let room = line.buffer.count - line.filled
        let count = line.buffer.withUnsafeMutableBytes { [filled = line.filled, socket = line.socket] in
            recv(socket, $0.baseAddress.map { $0 + filled }, room, 0)
        }
        guard count > 0 else { return 0 }
        line.filled += count
        return line.buffer.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress, let head = find("\r\n\r\n", in: start, line.filled) else { return nil }
            let status = bytes[9..<12].reduce(0) { $0 * 10 + Int($1 & 15) }
            // It has no body, and says no length.
            if status == 204 { return status }
            guard let field = find("ontent-length: ", in: start, head) ?? find("ontent-Length: ", in: start, head)
            else { return 0 }
            let length = bytes[(field + 15)..<head].prefix { $0 != UInt8(ascii: "\r") }
                .reduce(0) { $0 * 10 + Int($1 & 15) }
            return line.filled >= head + 4 + length ? status : nil
        }
    }

    /// Where some text begins within the first bytes.
    private func find(_ text: StaticString, in bytes: UnsafeRawPointer, _ length: Int) -> Int? {
        let count = text.utf8CodeUnitCount
        guard length >= count else { return nil }
        return (0...(length - count)).first { memcmp(bytes + $0, text.utf8Start, count) == 0 }
    }
}
