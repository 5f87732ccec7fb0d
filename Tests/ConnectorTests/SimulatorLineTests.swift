import AsyncHTTPClient
import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyWire
import Foundation
import Testing

/// The simulators' lines, TLS and broken answers included, as our own lines out see them.
@Suite struct SimulatorLineTests {
    /// A CCB simulator behind a line, since its control is the shortest; what is tested is the listener that all share.
    private struct Bench: Sendable {
        let authority: SimulatorAuthority
        let port: Int
        let bank: CCBSimulator

        /// Changes the line from inside: over the socket a line that is broken could not be mended.
        func line(_ change: JSON) async throws {
            try await bank.play(
                SimulatorScenario([["method": "PUT", "path": "/control/line", "body": change]]))
        }

        func fault(_ fault: String, _ more: [JSON.Member] = []) async throws {
            try await bank.play(
                SimulatorScenario([
                    [
                        "path": "/control/faults",
                        "body": .object(
                            [.init("operation", "gatherEnquireOrder"), .init("fault", .string(fault))] + more),
                    ]
                ]))
        }

        func certificate(days: Int, names: [String] = ["127.0.0.1"]) async throws {
            let issued = try authority.issue("bank.example", names: names, days: days)
            try await line([
                "tls": [
                    "certificate_pem": .string(issued.certificatePEM),
                    "private_key_pem": .string(issued.privateKeyPEM),
                ]
            ])
        }

        var transport: Transport {
            var transport = Transport()
            transport.authoritiesPEM = authority.certificatePEM
            transport.connectTimeout = .seconds(3)
            transport.idleTimeout = .seconds(3)
            transport.totalTimeout = .seconds(5)
            return transport
        }

        var url: String { "https://127.0.0.1:\(port)" }

        /// One call on a line of its own.
        func call(
            _ transport: Transport, _ path: String = "/control/line"
        ) async throws -> Result<Outbound.Answer, Doubt> {
            let lines = OutboundLines()
            let line = try lines.outbound(
                of: .init(owner: "ten_1", counterparty: "bank"), by: transport, host: "127.0.0.1", documented: [])
            let result: Result<Outbound.Answer, Doubt>
            do throws(Doubt) { result = .success(try await line.call("GET", url + path, headers: [])) } catch {
                result = .failure(error)
            }
            await lines.shutdown()
            return result
        }

        func look(_ transport: Transport) async throws -> LinkProbe.Sight {
            try await LinkProbe(transport: transport, clock: WallClock.now).look(at: url, host: "127.0.0.1")
        }
    }

    private func run(
        _ shape: (inout SimulatorTLS) -> Void = { _ in }, _ body: @escaping @Sendable (Bench) async throws -> Void
    ) async throws {
        let authority = try SimulatorAuthority()
        let issued = try authority.issue("bank.example", names: ["127.0.0.1"], days: 200)
        var tls = SimulatorTLS(certificatePEM: issued.certificatePEM, privateKeyPEM: issued.privateKeyPEM)
        tls.clientAuthoritiesPEM = nil
        shape(&tls)
        let bank = try CCBSimulator(line: try SimulatorLine(tls: tls), client: .shared)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await bank.run() }
            defer { group.cancelAll() }
            try await body(Bench(authority: authority, port: try await bank.boundPort(), bank: bank))
        }
    }

    @Test func `a simulator speaks TLS to those who believe its authority`() async throws {
        try await run { bench in
            let answer = try await bench.call(bench.transport).get()
            #expect(answer.status == 200)
            var stranger = bench.transport
            stranger.authoritiesPEM = try SimulatorAuthority("somebody else").certificatePEM
            #expect(try await bench.call(stranger).doubt?.reason == .unreachable)
            let sight = try await bench.look(stranger)
            #expect(sight.failure == .certificateNotBelieved)
            #expect(sight.certificate?.issuer.contains("custody sandbox") == true)
            #expect(sight.status == nil)
        }
    }

    @Test(arguments: [("1.1", "1.2"), ("1.2", "1.3")])
    func `a simulator that speaks less than our floor is not spoken to`(ceiling: String, floor: String) async throws {
        try await run { bench in
            try await bench.line(["tls": ["floor": "1.1", "ceiling": .string(ceiling)]])
            var transport = bench.transport
            transport.minimumTLS = try #require(Transport.TLSVersion(rawValue: floor))
            #expect(try await bench.call(transport).doubt?.reason == .unreachable)
            #expect(try await bench.look(transport).failure == .belowFloor)
        }
    }

    @Test func `a simulator refuses what is below its own floor`() async throws {
        try await run { bench in
            #expect(try await OldCaller.call(bench.url, bench.authority) == 200)
            try await bench.line(["tls": ["floor": "1.3"]])
            #expect(try await bench.call(bench.transport).get().status == 200)
            await #expect(throws: (any Error).self) { try await OldCaller.call(bench.url, bench.authority) }
        }
    }

    @Test func `a certificate that ended is not believed, and one about to end is seen`() async throws {
        try await run { bench in
            try await bench.certificate(days: 5)
            let soon = try await bench.look(bench.transport)
            #expect(soon.failure == nil)
            let left = try #require(soon.certificate?.end) - WallClock.now()
            #expect((.seconds(4 * 86_400) ... .seconds(5 * 86_400)).contains(left))
            try await bench.certificate(days: -2)
            #expect(try await bench.call(bench.transport).doubt?.reason == .unreachable)
            #expect(try await bench.look(bench.transport).failure == .certificateEnded)
            try await bench.certificate(days: 100, names: ["bank.example"])
            #expect(try await bench.call(bench.transport).doubt?.reason == .unreachable)
            let other = try await bench.look(bench.transport)
            #expect(other.failure == .certificateForAnother)
            #expect(other.certificate?.names == ["bank.example"])
        }
    }

    @Test func `a simulator asks for the caller's certificate when it has an authority for them`() async throws {
        let callers = try SimulatorAuthority("callers")
        try await run({ $0.clientAuthoritiesPEM = callers.certificatePEM }) { bench in
            #expect(try await bench.call(bench.transport).doubt != nil)
            #expect(try await bench.look(bench.transport).failure == .ownCertificateRefused)
            var transport = bench.transport
            let own = try callers.issue("custody", days: 10)
            (transport.certificatePEM, transport.privateKeyPEM) = (own.certificatePEM, own.privateKeyPEM)
            #expect(try await bench.call(transport).get().status == 200)
            let forged = try SimulatorAuthority("others").issue("custody", days: 10)
            (transport.certificatePEM, transport.privateKeyPEM) = (forged.certificatePEM, forged.privateKeyPEM)
            #expect(try await bench.call(transport).doubt != nil)
        }
    }

    @Test func `a slow handshake is waited for as long as we wait for connections`() async throws {
        try await run { bench in
            try await bench.line(["handshake_ms": 700])
            let began = ContinuousClock.now
            #expect(try await bench.call(bench.transport).get().status == 200)
            #expect(ContinuousClock.now - began >= .milliseconds(700))
            var impatient = bench.transport
            impatient.connectTimeout = .milliseconds(200)
            let doubt = try await bench.call(impatient).doubt
            #expect(doubt?.reason == .unreachable)
        }
    }

    @Test func `a line that refuses connections for a while was surely not used, and is back on its port`() async throws
    {
        try await run { bench in
            try await bench.line(["refuse_ms": 1500])
            var refused: Doubt?
            let end = ContinuousClock.now + .seconds(10)
            while refused == nil, ContinuousClock.now < end { refused = try await bench.call(bench.transport).doubt }
            #expect(refused?.reason == .unreachable || refused?.reason == .noAnswer)
            #expect(try await bench.look(bench.transport).failure == .connectionRefused)
            var status: Int?
            while status == nil, ContinuousClock.now < end {
                status = try? await bench.call(bench.transport).get().status
                if status == nil { try await Task.sleep(for: .milliseconds(20)) }
            }
            #expect(status == 200)
        }
    }

    @Test func `an address that is not allowed is hung up on`() async throws {
        try await run { bench in
            try await bench.line(["allowed_addresses": ["192.0.2.1"]])
            #expect(try await bench.call(bench.transport).doubt != nil)
            #expect(try await bench.look(bench.transport).failure == .closed)
            try await bench.line(["allowed_addresses": nil])
            #expect(try await bench.call(bench.transport).get().status == 200)
        }
    }

    @Test func `a counterparty's clock that is off shows in its answers`() async throws {
        try await run { bench in
            try await bench.line(["clock_offset_seconds": 900])
            let offset = try #require(try await bench.look(bench.transport).clockOffset)
            #expect((.seconds(890) ... .seconds(910)).contains(offset))
        }
    }

    @Test func `a line is not changed by what makes no sense`() async throws {
        try await run { bench in
            for change: JSON in [
                ["unknown": 1], ["tls": ["floor": "9"]], ["tls": ["certificate_pem": "none"]], ["handshake_ms": -1],
                ["refuse_ms": 0], ["clock_offset_seconds": "x"],
            ] {
                await #expect(throws: SimulatorScenario.Failure.self) { try await bench.line(change) }
            }
            let status = try await bench.call(bench.transport).get().status
            #expect(status == 200)
        }
    }

    @Test(arguments: [LineFault.half, .reset])
    func `an answer that breaks off half way leaves the outcome unknown`(fault: LineFault) async throws {
        try await withLinked { bench, custodian in
            try await bench.fault(fault.rawValue)
            let broken = await custodian.queryCollection(number: "T1", serial: "Q")
            #expect(broken.doubt == .noAnswer)
            // Once: the next is whole.
            #expect(try await custodian.queryCollection(number: "T1", serial: "Q").answer().state == .absent)
        }
    }

    @Test func `a trickling answer is taken when it ends in time, and is unknown when it does not`() async throws {
        try await withLinked { bench, custodian in
            try await bench.fault("trickle_answer", [.init("seconds", 1)])
            let began = ContinuousClock.now
            #expect(try await custodian.queryCollection(number: "T1", serial: "Q").answer().state == .absent)
            #expect(ContinuousClock.now - began >= .milliseconds(900))
            try await bench.fault("trickle_answer", [.init("seconds", 60)])
            #expect(await custodian.queryCollection(number: "T1", serial: "Q").doubt == .noAnswer)
        }
    }

    /// A market behind the line, asked over TLS.
    private func withLinked(_ body: @escaping @Sendable (Bench, CCBCustodian) async throws -> Void) async throws {
        try await run { bench in
            let keys = try CWP1Bench.keys.get()
            let lines = OutboundLines()
            let outbound = try lines.outbound(
                of: .init(owner: "ten_1", counterparty: "bank"), by: bench.transport, host: "127.0.0.1",
                documented: [])
            let answer = try await outbound.call(
                "POST", bench.url + "/control/markets", headers: [],
                body: ([
                    "market_id": "12345678901234", "platform_public_key_pem": .string(keys.publicPEM),
                ] as JSON).bytes)
            let link = CCBLink(
                baseURL: bench.url, marketID: "12345678901234", platformPrivateKeyPEM: keys.privatePEM,
                bankPublicKeyPEM: try #require(try JSON(parsing: answer.body)["bank_public_key_pem"]?.string))
            let custodian = try CCBCustodian(link: link, outbound: outbound) { SimulatorClock.realNow() }
            do { try await body(bench, custodian) } catch {
                await lines.shutdown()
                throw error
            }
            await lines.shutdown()
        }
    }
}

/// A caller that speaks TLS 1.2 and nothing newer.
private enum OldCaller {
    static func call(_ url: String, _ authority: SimulatorAuthority) async throws -> Int {
        let folder = FileManager.default.temporaryDirectory.appending(path: "custody-\(UUID().uuidString).pem")
        try authority.certificatePEM.write(to: folder, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(at: folder) }
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [
            "openssl", "s_client", "-connect", String(url.dropFirst("https://".count)), "-tls1_2", "-CAfile",
            folder.path,
            "-verify_return_error",
        ]
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw Doubt(.unreachable, "openssl") }
        return 200
    }
}

extension Result where Success == Outbound.Answer, Failure == Doubt {
    fileprivate var doubt: Doubt? { if case .failure(let doubt) = self { doubt } else { nil } }
}
