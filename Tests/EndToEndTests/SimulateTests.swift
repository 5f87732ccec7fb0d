import CustodyConnectors
import CustodySimulators
import CustodyWire
import Foundation
import TestSupport
import Testing

extension EndToEndTests {
    /// `custody simulate` as a process.
    @Suite struct SimulateTests {
        static let kinds = ["bank", "ccb", "wechat", "alipay"]

        /// A folder of its own for the time of a test.
        private func withFolder(_ body: (URL) async throws -> Void) async throws {
            let folder = FileManager.default.temporaryDirectory.appending(path: "custody-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: folder) }
            try await body(folder)
        }

        private func file(_ text: String, _ name: String, in folder: URL) throws -> String {
            let url = folder.appending(path: name)
            try text.write(to: url, atomically: true, encoding: .utf8)
            return url.path
        }

        private func address(_ process: CustodyProcess) async throws -> String {
            try await eventually("the simulator listens") {
                #expect(process.process.isRunning, "\(process.errors)")
                return process.output.contains(0x0A)
            }
            return try #require(JSON(parsing: process.output)["listening"]?.string)
        }

        @Test(arguments: kinds)
        func `a step that is refused ends the process, and says which`(kind: String) async throws {
            try await withFolder { folder in
                let scenario = try file(
                    """
                    [{"method":"PUT","path":"/control/clock","body":{"merchant":"M1","now":"2026-11-27T20:00:00+08:00"}},
                     {"path":"/control/faults","body":{"operation":"*"}},
                     {"path":"/control/faults","body":{"operation":"*","fault":"http_500"}}]
                    """, "steps.json", in: folder)
                let ended = try await CustodyProcess.run(["simulate", kind, "--scenario", scenario])
                #expect(ended.status == 2)
                #expect(ended.output == [])
                #expect(
                    ended.errors.contains("step 2 of the scenario: ")
                        && ended.errors.contains("operation and fault are needed"), "\(ended.errors)")
            }
        }

        @Test(arguments: kinds)
        func `a scenario that cannot be read, or is none, is refused before anything is done`(
            kind: String
        ) async throws {
            try await withFolder { folder in
                for (text, words) in [
                    ("[{", "is not JSON"), ("{}", "no list of steps"),
                    ("[{\"path\":\"/v3/pay\"}]", "step 1 of the scenario: path is no control's"),
                ] {
                    let path = try file(text, "steps.json", in: folder)
                    let ended = try await CustodyProcess.run(["simulate", kind, "--scenario", path])
                    #expect(ended.status == 2)
                    #expect(ended.errors.contains(words), "\(ended.errors)")
                }
                let absent = try await CustodyProcess.run(
                    ["simulate", kind, "--scenario", folder.appending(path: "absent.json").path])
                #expect(absent.status == 2)
                #expect(absent.errors.contains("the file cannot be read"))
            }
        }

        @Test(arguments: kinds)
        func `a scenario is played before the simulator listens, and it listens with TLS`(kind: String) async throws {
            try await withFolder { folder in
                let authority = try SimulatorAuthority()
                let issued = try authority.issue("localhost", names: ["127.0.0.1"], days: 30)
                let callers = try SimulatorAuthority("callers")
                let own = try callers.issue("custody", days: 30)
                let process = try CustodyProcess([
                    "simulate", kind, "--scenario",
                    try file(
                        "[{\"path\":\"/control/faults\",\"body\":{\"operation\":\"*\",\"fault\":\"http_500\",\"count\":7}}]",
                        "steps.json", in: folder),
                    "--tls-certificate", try file(issued.certificatePEM, "certificate.pem", in: folder),
                    "--tls-key", try file(issued.privateKeyPEM, "key.pem", in: folder),
                    "--tls-client-ca", try file(callers.certificatePEM, "callers.pem", in: folder),
                    "--tls-floor", "1.3",
                ])
                let url = "https://\(try await address(process))/control/faults"
                var transport = Transport()
                transport.authoritiesPEM = authority.certificatePEM
                let lines = OutboundLines()
                func call(_ transport: Transport) async throws -> Outbound.Answer {
                    try await lines.outbound(
                        of: .init(owner: "t", counterparty: "c"), by: transport, host: "127.0.0.1", documented: []
                    ).call("GET", url, headers: [])
                }
                await #expect(throws: Doubt.self) { try await call(transport) }
                (transport.certificatePEM, transport.privateKeyPEM) = (own.certificatePEM, own.privateKeyPEM)
                let answer = try await call(transport)
                #expect(try JSON(parsing: answer.body)["faults"]?.array?.first?["count"]?.integer == 7)
                await lines.shutdown()
                process.signal(SIGTERM)
                #expect(try await process.end(within: .seconds(20)).status == 0)
            }
        }

        @Test func `a certificate without its key, or one that is none, is refused`() async throws {
            try await withFolder { folder in
                let none = try file("none", "none.pem", in: folder)
                let alone = try await CustodyProcess.run(["simulate", "bank", "--tls-certificate", none])
                #expect(alone.status != 0)
                #expect(alone.errors.contains("--tls-key"))
                let unusable = try await CustodyProcess.run(
                    ["simulate", "bank", "--tls-certificate", none, "--tls-key", none])
                #expect(unusable.status == 2)
                #expect(unusable.errors.contains("not usable"))
            }
        }

        @Test func `a port that is taken ends the process`() async throws {
            let first = try CustodyProcess(["simulate", "ccb"])
            let taken = try await address(first)
            let second = try await CustodyProcess.run(["simulate", "ccb", "--listen", taken])
            #expect(second.status != 0)
            first.signal(SIGTERM)
            #expect(try await first.end(within: .seconds(20)).status == 0)
        }
    }
}
