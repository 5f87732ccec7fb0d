import Foundation

/// Sends orders over so many connections, each waiting for its answer before its next order; one thread per connection.
struct OrdersLoad: Sendable {
    let port: Int
    let key: String
    let payees: [String]

    /// What a run came to.
    struct Outcome: Sendable {
        /// Orders that were answered with 201.
        var accepted = 0
        /// Answers that were not.
        var refused = 0
        /// How long each took, in seconds.
        var latencies: [Double] = []
    }

    /// Runs for so many seconds.
    func run(connections: Int, seconds: Double, label: String) -> Outcome {
        let results = SafeList<Outcome>()
        let threads = (0..<connections).map { number in
            let thread = Thread { results.append(serve(number, seconds, label)) }
            thread.stackSize = 512 << 10
            return thread
        }
        for thread in threads { thread.start() }
        while results.values.count < connections { Thread.sleep(forTimeInterval: 0.01) }
        return results.values.reduce(into: Outcome()) { sum, outcome in
            sum.accepted += outcome.accepted
            sum.refused += outcome.refused
            sum.latencies += outcome.latencies
        }
    }

    private func serve(_ number: Int, _ seconds: Double, _ label: String) -> Outcome {
        var outcome = Outcome()
        guard let socket = connected() else { return outcome }
        defer { close(socket) }
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        let end = ContinuousClock.now + .milliseconds(Int(seconds * 1000))
        var count = 0
        while ContinuousClock.now < end {
            count += 1
            let request = Array(request("\(label)-\(number)-\(count)").utf8)
            let began = ContinuousClock.now
            guard send(socket, request, request.count, Int32(MSG_NOSIGNAL)) == request.count,
                let status = answer(socket, &buffer)
            else { return outcome }
            let time = (ContinuousClock.now - began).components
            outcome.latencies.append(Double(time.seconds) + Double(time.attoseconds) / 1e18)
            if status == 201 { outcome.accepted += 1 } else { outcome.refused += 1 }
        }
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
        // An answer that does not come ends the connection, not the patience of the whole run.
        var limit = timeval(tv_sec: 5, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        if !isConnected { close(socket) }
        return isConnected ? socket : nil
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

    /// Reads one whole answer and returns its status; nil when the connection ended.
    private func answer(_ socket: Int32, _ buffer: inout [UInt8]) -> Int? {
        var filled = 0
        while true {
            let count = recv(socket, &buffer[filled], buffer.count - filled, 0)
            guard count > 0 else { return nil }
            filled += count
            let text = String(decoding: buffer[..<filled], as: UTF8.self)
            guard let head = text.range(of: "\r\n\r\n") else { continue }
            let fields = text[..<head.lowerBound].lowercased()
            guard let field = fields.range(of: "content-length: "),
                let length = Int(fields[field.upperBound...].prefix { $0.isNumber })
            else { return nil }
            let headBytes = text[..<head.upperBound].utf8.count
            if filled >= headBytes + length { return Int(text.dropFirst(9).prefix(3)) }
        }
    }
}
