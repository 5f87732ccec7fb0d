import AsyncHTTPClient
import CustodyConnectors
import CustodySimulators
import Foundation

/// Ports and answers of 127.0.0.1.
public enum Loopback {
    /// A port that was free a moment ago.
    public static func freePort() async throws -> Int {
        let server = SimulatorServer { _ in .drop }
        let running = Task { try await server.run() }
        let port = try await server.boundPort()
        running.cancel()
        _ = await running.result
        return port
    }

    /// The status that a GET is answered with; nil when nobody answers.
    public static func status(of url: String) async -> Int? {
        try? await Outbound(client: .shared, timeout: .seconds(2)).call("GET", url, headers: [], body: []).status
    }
}
