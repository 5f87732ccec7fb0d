import AsyncHTTPClient
import CustodyDomain
import CustodyWire
import Logging

/// Alipay as we know it from the outside: gateway, buyers, notifications, bills, and the daily lump to the bank.
///
/// A merchant is one application; `app_id` is its name in `/control`. State is in memory. What `/control` offers beyond
/// ``ControlRoutes``, and which faults there are, stands in docs/sandbox.md.
public final class AlipaySimulator: Simulator {
    /// Alipay's public key, PEM, as a merchant is told it.
    public let publicKeyPEM: String

    private let server: SimulatorServer
    private let clock: SimulatorClock

    /// Makes a simulator that does not listen yet.
    ///
    /// - Parameters:
    ///   - host: The address to bind.
    ///   - port: The port to bind; 0 lets the system choose, see ``boundPort()``.
    ///   - line: How it is reached; without TLS by default.
    ///   - keys: Alipay's keys; fresh ones by default.
    ///   - client: For notifications and remittances; owned and shut down by the caller, should follow no redirect.
    ///   - logger: For errors.
    public init(
        host: String = "127.0.0.1", port: Int = 0, line: SimulatorLine = SimulatorLine(),
        keys: AlipayKeyPair? = nil, client: HTTPClient, logger: Logger? = nil
    ) throws {
        let keys = try keys ?? AlipayKeyPair()
        let signer = try RSASigner(pem: keys.privateKeyPEM)
        let clock = SimulatorClock()
        let faults = FaultRules()
        let authority = AlipayFoundedAuthority(alipayPublicKeyPEM: keys.publicKeyPEM)
        let notifier = AlipayNotifier(clock: clock, faults: faults, signer: signer, client: client)
        let world = AlipayWorld(clock: clock, client: client, notifier: notifier)
        let gateway = AlipayGatewayRoutes(
            world: world, faults: faults, notifier: notifier, signer: signer, authority: authority)
        let control = AlipayControlRoutes(
            world: world, gateway: gateway, notifier: notifier, publicKeyPEM: keys.publicKeyPEM)
        let shared = ControlRoutes(clock: clock, faults: faults)
        publicKeyPEM = keys.publicKeyPEM
        self.clock = clock
        server = SimulatorServer(host: host, port: port, line: line, logger: logger) { request in
            if let response = await gateway.answer(request) { return response }
            if let response = await control.answer(request) { return response }
            if let response = await shared.answer(request) { return response }
            return .controlError(404, "no such route")
        }
    }

    /// Plays a scenario's control requests, whether it listens already or not.
    public func play(_ scenario: SimulatorScenario) async throws(SimulatorScenario.Failure) {
        try await scenario.play { await server.answer($0) }
    }

    /// The port in use; waits until the simulator listens.
    public func boundPort() async throws -> Int { try await server.boundPort() }

    /// Listens, and lets virtual time pass, until the task is cancelled or its service group shuts down.
    public func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await self.clock.run() }
            try await server.run()
            group.cancelAll()
        }
    }
}
