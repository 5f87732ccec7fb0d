import CustodyAPI
import CustodyStore
import CustodyWire
import Logging
import ServiceLifecycle
import Testing
import TestSupport

@Suite struct HostileClientTests {
    /// The limits, short enough to be waited for.
    private static var short: APIConfiguration.Limits {
        var limits = APIConfiguration.Limits()
        limits.header = .seconds(1)
        limits.request = .seconds(2)
        limits.idle = .seconds(1)
        limits.writeStall = .seconds(1)
        return limits
    }

    /// Sends a byte every so often until the server hangs up or the limit is over; answers how long it took.
    private static func dribble(
        _ connection: RawConnection, _ byte: String, for limit: Duration
    ) async throws -> Duration {
        let start = ContinuousClock.now
        while ContinuousClock.now - start < limit {
            do { try connection.send(byte) } catch { break }
            if await connection.read(within: .milliseconds(100), until: { _ in false }).isClosed { break }
        }
        return ContinuousClock.now - start
    }

    @Test func `a connection that says nothing is closed`() async throws {
        try await APIBench.run(limits: HostileClientTests.short) { bench async throws in
            for port in [bench.ports.platform, bench.ports.operations] {
                let connection = try RawConnection(port: port)
                let reading = await connection.readAll(within: .seconds(6))
                #expect(reading.isClosed && reading.text.isEmpty && reading.duration >= .milliseconds(900))
            }
        }
    }

    @Test func `a header that dribbles is cut off, however steadily`() async throws {
        try await APIBench.run(limits: HostileClientTests.short) { bench async throws in
            let connection = try RawConnection(port: bench.ports.platform)
            try connection.send("GET /v1/orders HTTP/1.1\r\nHost: x\r\nX-Slow: ")
            let taken = try await HostileClientTests.dribble(connection, "a", for: .seconds(8))
            #expect(taken >= .milliseconds(800) && taken < .seconds(4))
        }
    }

    @Test func `a body that dribbles is cut off, however steadily`() async throws {
        try await APIBench.run(limits: HostileClientTests.short) { bench async throws in
            let connection = try RawConnection(port: bench.ports.platform)
            try connection.send(
                "POST /v1/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \(bench.key)\r\nContent-Length: 100000\r\n\r\n"
            )
            let taken = try await HostileClientTests.dribble(connection, " ", for: .seconds(8))
            #expect(taken >= .milliseconds(1800) && taken < .seconds(5))
        }
    }

    @Test func `an idle connection is closed after its last answer`() async throws {
        try await APIBench.run(limits: HostileClientTests.short) { bench async throws in
            let connection = try RawConnection(port: bench.ports.operations)
            try connection.send("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            let reading = await connection.readAll(within: .seconds(6))
            #expect(
                reading.isClosed && reading.text.hasPrefix("HTTP/1.1 200") && reading.duration >= .milliseconds(900))
        }
    }

    @Test func `a client that does not read its answers is cut off`() async throws {
        try await APIBench.run(limits: HostileClientTests.short) { bench async throws in
            let connection = try RawConnection(port: bench.ports.platform, receiveBuffer: 4096)
            let count = 400
            let request = "GET /openapi.yaml HTTP/1.1\r\nHost: x\r\n\r\n"
            try connection.send(String(repeating: request, count: count))
            // Nothing is read meanwhile: the buffers fill, and then nothing moves any more.
            try await Task.sleep(for: .seconds(4))
            let reading = await connection.readAll(within: .seconds(10))
            #expect(reading.isClosed)
            #expect(reading.text.utf8.count < count * APIBench.contract.count)
        }
    }

    @Test func `a client that reads slowly gets its answer`() async throws {
        try await APIBench.run(limits: HostileClientTests.short) { bench async throws in
            let connection = try RawConnection(port: bench.ports.platform, receiveBuffer: 65_536)
            let count = 30
            try connection.send(String(repeating: "GET /openapi.yaml HTTP/1.1\r\nHost: x\r\n\r\n", count: count))
            var text = ""
            let start = ContinuousClock.now
            while ContinuousClock.now - start < .seconds(20), text.utf8.count < count * APIBench.contract.count {
                text += await connection.read(within: .milliseconds(100), until: { $0.utf8.count > 60_000 }).text
                try await Task.sleep(for: .milliseconds(20))
            }
            #expect(text.utf8.count >= count * APIBench.contract.count)
        }
    }

    @Test func `beyond the most connections, others wait their turn`() async throws {
        var limits = APIConfiguration.Limits()
        limits.connections = 4
        try await APIBench.run(limits: limits) { bench async throws in
            let request = "GET /openapi.yaml HTTP/1.1\r\nHost: x\r\n\r\n"
            var holders: [RawConnection] = []
            for _ in 0..<4 {
                let holder = try RawConnection(port: bench.ports.platform)
                try holder.send(request)
                #expect(
                    await holder.read(within: .seconds(5), until: { $0.count > 100 }).text.hasPrefix("HTTP/1.1 200"))
                holders.append(holder)
            }
            let waiting = try RawConnection(port: bench.ports.platform)
            try waiting.send(request)
            #expect(await waiting.read(within: .seconds(1), until: { !$0.isEmpty }).text == "")
            holders.removeAll()
            #expect(await waiting.read(within: .seconds(5), until: { !$0.isEmpty }).text.hasPrefix("HTTP/1.1 200"))
        }
    }

    @Test func `a header that is too long or has too many fields is refused`() async throws {
        try await APIBench.run { bench async throws in
            let long = "X-Long: " + String(repeating: "x", count: 17_000) + "\r\n"
            let many = (0..<120).map { "X-\($0): 1\r\n" }.joined()
            let lines = String(repeating: "X-Some: " + String(repeating: "x", count: 1000) + "\r\n", count: 17)
            for fields in [long, many, lines] {
                let connection = try RawConnection(port: bench.ports.platform)
                try? connection.send("GET /v1/orders HTTP/1.1\r\nHost: x\r\n\(fields)\r\n")
                let reading = await connection.readAll(within: .seconds(5))
                #expect(reading.isClosed && reading.text.hasPrefix("HTTP/1.1 4"), "\(reading.text.prefix(40))")
            }
        }
    }

    @Test func `what is not HTTP is answered 400 and closed`() async throws {
        try await APIBench.run { bench async throws in
            for text in ["\u{16}\u{3}\u{1}hello\r\n\r\n", "BREW /pot HTCPCP/1.0\r\n\r\n", "GET / HTTP/9.9\r\n\r\n"] {
                let connection = try RawConnection(port: bench.ports.platform)
                try connection.send(text)
                let reading = await connection.readAll(within: .seconds(5))
                #expect(reading.isClosed && (reading.text.isEmpty || reading.text.hasPrefix("HTTP/1.1 400")))
            }
            let two = try RawConnection(port: bench.ports.platform)
            try two.send(
                "POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            )
            #expect(await two.readAll(within: .seconds(5)).text.hasPrefix("HTTP/1.1 400"))
        }
    }

    @Test func `a server that is told to stop answers what it has begun`() async throws {
        let world = try await TestStore.make().world()
        let key = try await world.store.withSystem {
            try await $0.createKey(for: world.tenantID, name: "test", scopes: ["read", "write"], expiresAt: nil)
        }
        let server = try APIServer(
            store: world.store, configuration: APIBench.configuration(), logger: APIBench.quiet)
        let group = ServiceGroup(configuration: .init(services: [server], logger: APIBench.quiet))
        let running = Task { try await group.run() }
        let bench = APIBench(world: world, ports: try await server.ports(), key: key)
        let order = try await bench.send("POST", "/v1/orders", bench.order())
        let slow = Task {
            try await bench.send(
                "POST", "/v1/orders/\(order.id)/payments", ["channel": "alipay", "method": "page"],
                headers: ["Prefer": "wait=2"])
        }
        try await eventually("the payment is there") {
            try await world.run { try await $0.payments(order: nil, state: nil, before: nil, limit: 1) }.count == 1
        }
        await group.triggerGracefulShutdown()
        #expect(try await slow.value.status == 202)
        try await running.value
        #expect(throws: RawConnection.Failure.self) { try RawConnection(port: bench.ports.platform) }
    }
}
