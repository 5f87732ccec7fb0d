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

    @Option(help: "A file of control requests to play before anything else: [{\"method\",\"path\",\"body\"}, …].")
    var scenario: String?

    @Option(help: "A certificate with its chain, PEM: speaks TLS with it.")
    var tlsCertificate: String?

    @Option(help: "The certificate's private key, PEM.")
    var tlsKey: String?

    @Option(help: "Authorities, PEM: callers must show a certificate that one of them signed.")
    var tlsClientCA: String?

    @Option(help: "The lowest version of TLS: 1.1, 1.2 or 1.3.")
    var tlsFloor = SimulatorTLS.Version.v12

    @Option(help: "The highest version of TLS.")
    var tlsCeiling = SimulatorTLS.Version.v13

    func validate() throws {
        guard (tlsCertificate == nil) == (tlsKey == nil) else {
            throw ValidationError("--tls-certificate and --tls-key go together.")
        }
        guard tlsCertificate != nil || tlsClientCA == nil else {
            throw ValidationError("--tls-client-ca needs --tls-certificate.")
        }
        guard tlsFloor.rawValue <= tlsCeiling.rawValue else {
            throw ValidationError("--tls-floor is above --tls-ceiling.")
        }
    }

    /// Runs a simulator until it is told to stop: its scenario first, and only when all of that was done it listens.
    func run<Standin: Simulator>(
        _ make: (ListenAddress, SimulatorLine, HTTPClient) throws -> Standin
    ) async throws {
        JSONLogHandler.bootstrap()
        let environment = Settings.environment("simulator_listen")
        guard let address = listen ?? ListenAddress(argument: environment ?? "127.0.0.1:0") else {
            throw ValidationError("The setting simulator_listen is not host:port.")
        }
        let line = try self.line()
        let steps = try scenario.map { try SimulatorOptions.scenario(at: $0) }
        let client = HTTPClient(configuration: .outbound)
        do {
            let simulator = try make(address, line, client)
            if let steps { try await simulator.play(steps) }
            try await SimulatorOptions.listen(simulator, host: address.host)
        } catch {
            try await client.shutdown()
            if let failure = error as? SimulatorScenario.Failure { throw SimulatorOptions.refusal("\(failure)") }
            throw error
        }
        try await client.shutdown()
    }

    private static func listen(_ simulator: some Simulator, host: String) async throws {
        let announcement = Task {
            let port = try await simulator.boundPort()
            print(JSON(dictionaryLiteral: ("listening", .string("\(host):\(port)"))).text)
            fflush(nil)
        }
        defer { announcement.cancel() }
        let group = ServiceGroup(
            configuration: .init(
                services: [simulator], gracefulShutdownSignals: [.sigterm, .sigint],
                logger: Logger(label: "custody.simulate")
            )
        )
        try await group.run()
    }

    private static func scenario(at path: String) throws -> SimulatorScenario {
        do {
            return try SimulatorScenario(try JSON(parsing: try bytes(of: path)))
        } catch let failure as SimulatorScenario.Failure {
            throw refusal("\(failure)")
        } catch let code as ExitCode {
            throw code
        } catch {
            throw refusal("the scenario is not JSON: \(path)")
        }
    }

    private func line() throws -> SimulatorLine {
        guard let tlsCertificate, let tlsKey else { return SimulatorLine() }
        func text(_ path: String) throws -> String {
            String(decoding: try SimulatorOptions.bytes(of: path), as: UTF8.self)
        }
        var tls = SimulatorTLS(
            certificatePEM: try text(tlsCertificate), privateKeyPEM: try text(tlsKey),
            clientAuthoritiesPEM: try tlsClientCA.map(text))
        (tls.floor, tls.ceiling) = (tlsFloor, tlsCeiling)
        do {
            return try SimulatorLine(tls: tls)
        } catch {
            throw SimulatorOptions.refusal("the TLS certificates or the key are not usable")
        }
    }

    private static func bytes(of path: String) throws -> [UInt8] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw refusal("the file cannot be read: \(path)")
        }
        return Array(data)
    }

    /// Says on standard error why there is no simulator.
    private static func refusal(_ text: String) -> ExitCode {
        FileHandle.standardError.write(Data("custody: \(text)\n".utf8))
        return ExitCode(2)
    }
}

extension SimulatorTLS.Version: ExpressibleByArgument {}

struct SimulateBank: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "bank", abstract: "The custody bank, speaking CWP/1.")

    @OptionGroup var options: SimulatorOptions

    func run() async throws {
        try await options.run { try BankSimulator(host: $0.host, port: $0.port, line: $1, client: $2) }
    }
}

struct SimulateCCB: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "ccb", abstract: "CCB 惠市宝, which collects itself.")

    @OptionGroup var options: SimulatorOptions

    func run() async throws {
        try await options.run { try CCBSimulator(host: $0.host, port: $0.port, line: $1, client: $2) }
    }
}

struct SimulateWeChat: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "wechat", abstract: "WeChat Pay, speaking APIv3.")

    @OptionGroup var options: SimulatorOptions

    func run() async throws {
        try await options.run { try WeChatPaySimulator(host: $0.host, port: $0.port, line: $1, client: $2) }
    }
}

struct SimulateAlipay: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "alipay", abstract: "Alipay, speaking its OpenAPI.")

    @OptionGroup var options: SimulatorOptions

    func run() async throws {
        try await options.run { try AlipaySimulator(host: $0.host, port: $0.port, line: $1, client: $2) }
    }
}
