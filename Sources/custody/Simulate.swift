import ArgumentParser
import AsyncHTTPClient
import CustodySimulators
import CustodyWire
import Foundation
import Logging
import ServiceLifecycle
import UnixSignals

/// Runs one of the simulators: a stranger that speaks a counterparty's protocol.
struct Simulate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Stand in for a counterparty: a bank, WeChat Pay or Alipay.",
        discussion:
            "Prints {\"listening\":\"host:port\"} when it is ready. Faults are planted through /control; see docs/sandbox.md.",
        subcommands: [SimulateBank.self, SimulateCCB.self, SimulateWeChat.self, SimulateAlipay.self]
    )
}

/// What all simulators are told.
struct SimulatorOptions: ParsableArguments {
    @Option(help: "host:port; port 0 takes a free one (CUSTODY_SIMULATOR_LISTEN).")
    var listen: ListenAddress?

    /// Runs a simulator until it is told to stop.
    func run<Simulator: Service>(
        _ make: (ListenAddress, HTTPClient) throws -> Simulator,
        boundPort: @escaping @Sendable (Simulator) async throws -> Int
    ) async throws {
        JSONLogHandler.bootstrap()
        let environment = Settings.environment("simulator_listen")
        guard let address = listen ?? ListenAddress(argument: environment ?? "127.0.0.1:0") else {
            throw ValidationError("The setting simulator_listen is not host:port.")
        }
        let client = HTTPClient(configuration: .outbound)
        let simulator = try make(address, client)
        let announcement = Task {
            let port = try await boundPort(simulator)
            print(JSON(dictionaryLiteral: ("listening", .string("\(address.host):\(port)"))).text)
            fflush(nil)
        }
        let group = ServiceGroup(
            configuration: .init(
                services: [simulator], gracefulShutdownSignals: [.sigterm, .sigint],
                logger: Logger(label: "custody.simulate")
            )
        )
        try await group.run()
        announcement.cancel()
        try await client.shutdown()
    }
}

struct SimulateBank: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "bank", abstract: "The custody bank, speaking CWP/1.")

    @OptionGroup var options: SimulatorOptions

    @Option(help: "A file of control requests to play before anything else: [{\"method\",\"path\",\"body\"}, …].")
    var scenario: String?

    func run() async throws {
        let scenario = try scenario.map { path in
            try SimulatorScenario(try JSON(parsing: Array(Data(contentsOf: URL(filePath: path)))))
        }
        try await options.run(
            { try BankSimulator(host: $0.host, port: $0.port, client: $1) },
            boundPort: { simulator in
                if let scenario { try await simulator.play(scenario) }
                return try await simulator.boundPort()
            }
        )
    }
}

struct SimulateCCB: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "ccb", abstract: "CCB 惠市宝, which collects itself.")

    @OptionGroup var options: SimulatorOptions

    func run() async throws {
        try await options.run(
            { try CCBSimulator(host: $0.host, port: $0.port, client: $1) }, boundPort: { try await $0.boundPort() })
    }
}

struct SimulateWeChat: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "wechat", abstract: "WeChat Pay, speaking APIv3.")

    @OptionGroup var options: SimulatorOptions

    @Option(help: "A file of control requests to play before anything else: [{\"method\",\"path\",\"body\"}, …].")
    var scenario: String?

    func run() async throws {
        let scenario = try scenario.map { path in
            try SimulatorScenario(try JSON(parsing: Array(Data(contentsOf: URL(filePath: path)))))
        }
        try await options.run(
            { try WeChatPaySimulator(host: $0.host, port: $0.port, client: $1) },
            boundPort: { simulator in
                if let scenario { try await simulator.play(scenario) }
                return try await simulator.boundPort()
            }
        )
    }
}

struct SimulateAlipay: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "alipay", abstract: "Alipay, speaking its OpenAPI.")

    @OptionGroup var options: SimulatorOptions

    @Option(help: "A file of control requests to play before anything else: [{\"method\",\"path\",\"body\"}, …].")
    var scenario: String?

    func run() async throws {
        let scenario = try scenario.map { path in
            try SimulatorScenario(try JSON(parsing: Array(Data(contentsOf: URL(filePath: path)))))
        }
        try await options.run(
            { try AlipaySimulator(host: $0.host, port: $0.port, client: $1) },
            boundPort: { simulator in
                if let scenario { try await simulator.play(scenario) }
                return try await simulator.boundPort()
            }
        )
    }
}
