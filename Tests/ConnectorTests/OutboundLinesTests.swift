import CustodyConnectors
import CustodySimulators
import CustodyWire
import Foundation
import Synchronization
import Testing

/// Lines over plain sockets: address, source, breaker, limits. Those with TLS and proxies are judged by OpenSSL in InteropTests.
@Suite struct OutboundLinesTests {
    /// Counts who calls.
    private final class Inbox: Sendable {
        private let seen = Mutex<[String]>([])
        var remotes: [String] { seen.withLock { $0 } }

        func receive(_ request: SimulatorRequest) -> SimulatorResponse {
            seen.withLock { $0.append(request.remote) }
            return .answer(status: 200, headers: [], body: Array("ok".utf8))
        }
    }

    private static func withServer(
        _ body: (_ port: Int, Inbox, OutboundLines) async throws -> Void
    ) async throws {
        let inbox = Inbox()
        let server = SimulatorServer { inbox.receive($0) }
        let running = Task { try await server.run() }
        let lines = OutboundLines()
        do {
            try await body(try await server.boundPort(), inbox, lines)
        } catch {
            running.cancel()
            await lines.shutdown()
            throw error
        }
        running.cancel()
        _ = await running.result
        await lines.shutdown()
    }

    private func outbound(
        _ lines: OutboundLines, _ transport: Transport, host: String = "127.0.0.1",
        documented: [Transport.RateRule] = []
    ) throws -> Outbound {
        try lines.outbound(
            of: .init(owner: "ten_1", counterparty: "bank"), by: transport, host: host, documented: documented)
    }

    @Test func `calls come from the source address, and a name without a name server is called at its address`()
        async throws
    {
        try await OutboundLinesTests.withServer { port, inbox, lines in
            var transport = Transport()
            transport.sourceAddress = "127.0.0.2"
            transport.address = "127.0.0.1"
            let line = try outbound(lines, transport, host: "bank.invalid")
            let answer = try await line.call("GET", "http://bank.invalid:\(port)/echo", headers: [])
            #expect(answer.status == 200)
            #expect(inbox.remotes == ["127.0.0.2"])
        }
    }

    @Test func `a source address that is not this machine's was surely not used`() async throws {
        try await OutboundLinesTests.withServer { port, inbox, lines in
            var transport = Transport()
            transport.sourceAddress = "192.0.2.1"
            let line = try outbound(lines, transport)
            let doubt = await #expect(throws: Doubt.self) {
                try await line.call("GET", "http://127.0.0.1:\(port)/", headers: [])
            }
            #expect(doubt?.reason == .unreachable)
            #expect(inbox.remotes == [])
        }
    }

    @Test func `a line that is down is left alone for a while, and used again once a trial finds it up`() async throws {
        var transport = Transport()
        transport.breakerFailures = 3
        transport.breakerPause = .milliseconds(300)
        transport.connectTimeout = .milliseconds(500)
        try await OutboundLinesTests.withServer { port, inbox, lines in
            let line = try outbound(lines, transport)
            // Nobody listens at port 1.
            for _ in 0..<3 {
                let doubt = await #expect(throws: Doubt.self) {
                    try await line.call("GET", "http://127.0.0.1:1/", headers: [])
                }
                #expect(doubt?.reason == .unreachable)
            }
            let refused = await #expect(throws: Doubt.self) {
                try await line.call("GET", "http://127.0.0.1:\(port)/", headers: [])
            }
            #expect(refused?.reason == .unreachable)
            #expect(refused?.detail.contains("trial") == true)
            #expect(inbox.remotes == [])
            // The breaker belongs to the link, not to the value that was handed out.
            let again = try outbound(lines, transport)
            let end = ContinuousClock.now + .seconds(10)
            var status: Int?
            while status == nil, ContinuousClock.now < end {
                status = try? await again.call("GET", "http://127.0.0.1:\(port)/", headers: []).status
                if status == nil { try await Task.sleep(for: .milliseconds(20)) }
            }
            #expect(status == 200)
            #expect(inbox.remotes.count == 1)
            _ = try await line.call("GET", "http://127.0.0.1:\(port)/", headers: [])
        }
    }

    @Test func `an answer with an error status keeps the line open`() async throws {
        let server = SimulatorServer { _ in .answer(status: 500, headers: [], body: []) }
        let running = Task { try await server.run() }
        let lines = OutboundLines()
        var transport = Transport()
        transport.breakerFailures = 1
        let line = try outbound(lines, transport)
        let port = try await server.boundPort()
        for _ in 0..<3 { #expect(try await line.call("GET", "http://127.0.0.1:\(port)/", headers: []).status == 500) }
        running.cancel()
        _ = await running.result
        await lines.shutdown()
    }

    @Test func `calls over a limit wait for their turn, and give up unsent when it is far away`() async throws {
        try await OutboundLinesTests.withServer { port, inbox, lines in
            let line = try outbound(
                lines, Transport(),
                documented: [
                    .init(operation: "/v3/bill", calls: 2, per: .seconds(1)),
                    .init(operation: "/v3/settlement", calls: 1, per: .seconds(60)),
                ])
            let base = "http://127.0.0.1:\(port)"
            let began = ContinuousClock.now
            for _ in 0..<3 { _ = try await line.call("GET", "\(base)/v3/bill/tradebill?date=1", headers: []) }
            #expect(ContinuousClock.now - began >= .seconds(1))
            _ = try await line.call("POST", "\(base)/v3/settlement", headers: [])
            let doubt = await #expect(throws: Doubt.self) {
                try await line.call("POST", "\(base)/v3/settlement", headers: [])
            }
            #expect(doubt?.reason == .rateLimited)
            // What has no rule has no limit.
            _ = try await line.call("GET", "\(base)/v3/pay", headers: [])
            #expect(inbox.remotes.count == 5)
        }
    }

    @Test func `each link has a breaker of its own`() async throws {
        try await OutboundLinesTests.withServer { port, _, lines in
            var transport = Transport()
            transport.breakerFailures = 1
            transport.breakerPause = .seconds(60)
            let broken = try outbound(lines, transport)
            await #expect(throws: Doubt.self) { try await broken.call("GET", "http://127.0.0.1:1/", headers: []) }
            await #expect(throws: Doubt.self) { try await broken.call("GET", "http://127.0.0.1:\(port)/", headers: []) }
            let other = try lines.outbound(
                of: .init(owner: "ten_2", counterparty: "bank"), by: transport, host: "127.0.0.1", documented: [])
            #expect(try await other.call("GET", "http://127.0.0.1:\(port)/", headers: []).status == 200)
        }
    }
}
