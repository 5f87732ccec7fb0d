import AsyncHTTPClient
import CustodyDomain
import CustodyWire
import Logging
import NIOCore

/// WeChat Pay, simulated on its real wire format for direct merchants, service providers and e-commerce platforms;
/// `/control` moves time, pays, decides, and plants faults.
public actor WeChatPaySimulator: Simulator {
    /// The clocks of its merchants, by merchant number.
    public nonisolated let clock = SimulatorClock()
    /// What goes wrong next.
    public nonisolated let faults = FaultRules()
    /// The keys it signs with.
    public nonisolated let identity: WeChatPayIdentity

    nonisolated let client: HTTPClient
    nonisolated let control: ControlRoutes
    private let host: String
    private let port: Int
    private nonisolated let line: SimulatorLine
    private nonisolated let logger: Logger?
    private var server: SimulatorServer?
    private var portWaiters: [CheckedContinuation<SimulatorServer, Never>] = []

    var merchants: [String: WeChatPayMerchant] = [:]
    var downloads: [String: Download] = [:]
    var limiter = WeChatPayRateLimiter()
    private var sequence = 0

    /// A bill that waits for its second step.
    struct Download {
        let mchid: String
        let bytes: [UInt8]
        let expiresAt: Instant
    }

    /// Makes a simulator that does not listen yet.
    ///
    /// - Parameters:
    ///   - port: 0 lets the system choose, see ``boundPort()``.
    ///   - line: How it is reached; without TLS by default.
    ///   - client: For callbacks and remittances; owned and shut down by the caller.
    ///   - identity: Its keys; fresh ones by default.
    public init(
        host: String = "127.0.0.1", port: Int = 0, line: SimulatorLine = SimulatorLine(), client: HTTPClient,
        identity: WeChatPayIdentity? = nil, logger: Logger? = nil
    ) throws {
        self.host = host
        self.port = port
        self.line = line
        self.client = client
        self.logger = logger
        self.identity = try identity ?? WeChatPayIdentity()
        control = ControlRoutes(clock: clock, faults: faults)
    }

    /// Listens, and lets time pass, until cancelled or shut down.
    public func run() async throws {
        let server = SimulatorServer(host: host, port: port, line: line, logger: logger) { [self] in await answer($0) }
        self.server = server
        for waiter in portWaiters { waiter.resume(returning: server) }
        portWaiters = []
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            group.addTask { [clock] in await clock.run() }
            try await group.next()
            group.cancelAll()
        }
    }

    /// The port in use; waits until it listens.
    public func boundPort() async throws -> Int {
        if let server { return try await server.boundPort() }
        return try await withCheckedContinuation { portWaiters.append($0) }.boundPort()
    }

    /// Plays a scenario's control requests.
    public nonisolated func play(_ scenario: SimulatorScenario) async throws(SimulatorScenario.Failure) {
        try await scenario.play { request in
            if let response = line.answer(request) { return response }
            return await answer(request)
        }
    }

    /// A number that nothing else here has, at an instant of a merchant's clock.
    func freshNumber(_ prefix: String, at now: Instant, digits: Int) -> String {
        sequence += 1
        let day = BusinessDate(of: now).compact
        let tail = String(sequence)
        let zeros = max(0, digits - prefix.utf8.count - day.utf8.count - tail.utf8.count)
        return prefix + day + String(repeating: "0", count: zeros) + tail
    }

    nonisolated func answer(_ request: SimulatorRequest) async -> SimulatorResponse {
        if request.path.hasPrefix("/control/") {
            if let shared = await control.answer(request) { return shared }
            return await answerControl(request)
        }
        return await answerProtocol(request)
    }
}
