import CustodyDomain
import CustodyWire
import ServiceLifecycle
import Synchronization

/// A stand-in for a counterparty: listens, and plays what it is told first.
public protocol Simulator: Service {
    /// The port in use; waits until it listens.
    func boundPort() async throws -> Int

    /// Plays a scenario's control requests, whether it listens already or not.
    func play(_ scenario: SimulatorScenario) async throws(SimulatorScenario.Failure)
}

/// What the banks' simulators have in common: a listener with its line, a clock per market, faults, the control requests
/// that are the same everywhere, and scenarios.
final class SimulatorFrame: Sendable {
    let clock = SimulatorClock()
    let faults = FaultRules()
    let line: SimulatorLine
    private let server: SimulatorServer
    private let answering: Answering

    /// Who answers, known only once all of the simulator is made.
    private final class Answering: Sendable {
        let handler = Mutex<SimulatorServer.Handler?>(nil)

        func answer(_ request: SimulatorRequest) async -> SimulatorResponse {
            guard let handler = handler.withLock({ $0 }) else { return .drop }
            return await handler(request)
        }
    }

    init(host: String, port: Int, line: SimulatorLine) {
        let answering = Answering()
        self.answering = answering
        self.line = line
        server = SimulatorServer(host: host, port: port, line: line) { await answering.answer($0) }
    }

    /// Says who answers what is no control of everybody's.
    func serve(_ handler: @escaping SimulatorServer.Handler) {
        let shared = ControlRoutes(clock: clock, faults: faults)
        let all: SimulatorServer.Handler = { request in
            if let response = await shared.answer(request) { return response }
            return await handler(request)
        }
        answering.handler.withLock { $0 = all }
    }

    func boundPort() async throws -> Int { try await server.boundPort() }

    func play(_ scenario: SimulatorScenario) async throws(SimulatorScenario.Failure) {
        try await scenario.play { await server.answer($0) }
    }

    /// Listens, and lets time pass, until the task is cancelled or its service group shuts down.
    func run() async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await self.clock.run() }
            defer { group.cancelAll() }
            try await server.run()
        }
    }
}
