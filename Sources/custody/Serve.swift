import ArgumentParser
import CustodyAPI
import CustodyStore
import CustodyWire
import Foundation
import Logging
import ServiceLifecycle
import UnixSignals

/// Runs an API process.
struct Serve: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Answer platforms, channels, the bank, admins and monitoring over HTTP.",
        discussion: Settings.discussion
    )

    @OptionGroup var process: ProcessOptions

    @Option(help: "Where platforms, channels and the bank call: host:port, by default 0.0.0.0:8080.")
    var listen: ListenAddress?

    @Option(help: "Where admins call, by default 127.0.0.1:8081; open only with an admin token.")
    var adminListen: ListenAddress?

    @Option(help: "The file with the token that admins show.")
    var adminTokenFile: String?

    @Option(help: "The certificate and its chain, PEM; without it a proxy has to end TLS.")
    var tlsCertificateFile: String?

    @Option(help: "The certificate's private key, PEM.")
    var tlsKeyFile: String?

    @Option(help: "Proxies of ours whose X-Forwarded-For is believed: addresses or ranges, comma between.")
    var trustedProxies: String?

    @Option(help: "The file with the API's contract, by default ./openapi.yaml.")
    var contract: String?

    func run() async throws {
        let (logger, metrics) = try process.begin("custody.serve")
        let configuration = try configuration()
        let store = try process.options.open(connections: try process.connectionCount(), logger: logger)
        let server = try APIServer(store: store, configuration: configuration, metrics: metrics, logger: logger)
        let group = ServiceGroup(
            configuration: .init(services: [server], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger)
        )
        try await group.run()
        await store.close()
    }

    private func configuration() throws -> APIConfiguration {
        let certificate = tlsCertificateFile ?? Settings.environment("tls_certificate_file")
        let key = tlsKeyFile ?? Settings.environment("tls_key_file")
        guard (certificate == nil) == (key == nil) else {
            throw ValidationError("TLS needs both the certificate's file and the key's.")
        }
        let contract = try Settings.value(contract, "contract", default: "./openapi.yaml")
        guard let bytes = FileManager.default.contents(atPath: contract) else {
            throw ValidationError("The contract cannot be read: \(contract).")
        }
        let token = try (adminTokenFile ?? Settings.environment("admin_token_file")).map { try secret(in: $0) }
        if let token, token.utf8.count < 32 { throw ValidationError("The admin token has at least 32 characters.") }
        return APIConfiguration(
            platform: try Settings.address(listen, "listen", "0.0.0.0", 8080),
            admin: try Settings.address(adminListen, "admin_listen", "127.0.0.1", 8081),
            operations: try process.operationsAddress(default: "0.0.0.0", 8082),
            tls: certificate.flatMap { path in key.map { .init(certificatePath: path, keyPath: $0) } },
            trustedProxies: try proxies(), adminToken: token, migration: try process.migrationCount(),
            contract: Array(bytes)
        )
    }
}

extension Serve {
    private func proxies() throws -> [AddressRange] {
        try (trustedProxies ?? Settings.environment("trusted_proxies") ?? "").split(separator: ",").map {
            guard let range = AddressRange($0.filter { $0 != " " }) else {
                throw ValidationError("A trusted proxy is an address or a range, such as 10.0.0.0/8.")
            }
            return range
        }
    }
}

extension ListenAddress {
    init(host: String, port: Int) {
        self.host = host
        self.port = port
    }
}
