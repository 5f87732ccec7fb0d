import Foundation

/// Sends orders over so many connections, each waiting for its answer before its next order; one thread for all of them,
/// so that the load takes as little as can be of the machine that it shares with what is measured.
struct OrdersLoad: Sendable {
    let port: Int
    let key: String
    let payees: [String]

    /// What a run came to.
    struct Outcome: Sendable {
        /// Orders that were answered with 201.
        var accepted = 0
        /// Answers that were not, and connections that ended without one.
        var refused = 0
        /// How long each took, in seconds.
        var latencies: [Double] = []
    }

    /// One connection and the answer that it waits for.
    private struct Line {
        let socket: Int32
        let number: Int
        var count = 0
        var sentAt = ContinuousClock.now
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        var filled = 0
    }

    /// Runs for so many seconds; answers still owed then are waited for.
    func run(connections: Int, seconds: Double, label: String) -> Outcome {
        var outcome = Outcome()
        var lines = (0..<connections).compactMap { number in connected().map { Line(socket: $0, number: number) } }
        outcome.refused = connections - lines.count
        defer { for line in lines { close(line.socket) } }
        let end = ContinuousClock.now + .milliseconds(Int(seconds * 1000))
        for index in lines.indices { ask(&lines[index], label) }
        var watched = lines.map { pollfd(fd: $0.socket, events: Int16(POLLIN), revents: 0) }
        var open = watched.count
        // An answer that does not come within 5 s ends the run, not its patience.
        while open > 0, poll(&watched, nfds_t(watched.count), 5000) > 0 {
            for index in watched.indices where watched[index].revents != 0 {
                let status = read(&lines[index])
                if status == nil { continue }
                let time = (ContinuousClock.now - lines[index].sentAt).components
                outcome.latencies.append(Double(time.seconds) + Double(time.attoseconds) / 1e18)
                if status == 201 { outcome.accepted += 1 } else { outcome.refused += 1 }
                if status == 0 || ContinuousClock.now >= end || !ask(&lines[index], label) {
                    watched[index].fd = -1
                    open -= 1
                }
            }
        }
        outcome.refused += open
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

    /// Sends a connection's next order; false when it is gone.
    @discardableResult
    private func ask(_ line: inout Line, _ label: String) -> Bool {
        line.count += 1
        let request = Array(request("\(label)-\(line.number)-\(line.count)").utf8)
        line.sentAt = .now
        line.filled = 0
        return send(line.socket, request, request.count, Int32(MSG_NOSIGNAL)) == request.count
    }

    private func request(_ number: String) -> String {
        let body = """
            {"out_order_no":"\(number)","amount":10000,"currency":"CNY","description":"bench","payer":"buyer",\
            "parts":[{"payee":"\(payees[0])","amount":6000},{"payee":"\(payees[1])","amount":3500},\
            {"payee":"platform","amount":500}]}
            """
        return
            "POST /v1/orders HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer \(key)\r\nIdempotency-Key: \(number)\r\n"
            + "Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
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
            guard let field = find("ontent-length: ", in: start, head) ?? find("ontent-Length: ", in: start, head)
            else {
                return 0
            }
            let length = bytes[(field + 15)..<head].prefix { $0 != UInt8(ascii: "\r") }
                .reduce(0) { $0 * 10 + Int($1 & 15) }
            guard line.filled >= head + 4 + length else { return nil }
            return bytes[9..<12].reduce(0) { $0 * 10 + Int($1 & 15) }
        }
    }

    /// Where some text begins within the first bytes.
    private func find(_ text: StaticString, in bytes: UnsafeRawPointer, _ length: Int) -> Int? {
        let count = text.utf8CodeUnitCount
        guard length >= count else { return nil }
        return (0...(length - count)).first { memcmp(bytes + $0, text.utf8Start, count) == 0 }
    }
}
