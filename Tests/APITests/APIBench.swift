import AsyncHTTPClient
import CustodyAPI
import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation
import Logging
import NIOCore
import NIOHTTP1
import TestSupport

/// A real server on real ports, over a real database, with a platform that has a key.
struct APIBench: Sendable {
    let world: World
    let ports: APIServer.Ports
    let key: String

    static let adminToken = "admin-token-of-the-tests-000000000000"

    /// The contract in the repository's root.
    static let contract: [UInt8] = {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("openapi.yaml").path
        return Array(FileManager.default.contents(atPath: path) ?? Data())
    }()

    /// How many migrations there are.
    static let migrations: Int = {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: TestStore.migrations)) ?? []
        return names.count { $0.hasSuffix(".sql") }
    }()

    static let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    static func configuration(limits: APIConfiguration.Limits = .init()) -> APIConfiguration {
        APIConfiguration(
            platform: .init(host: "127.0.0.1", port: 0), admin: .init(host: "127.0.0.1", port: 0),
            operations: .init(host: "127.0.0.1", port: 0), limits: limits, adminToken: adminToken,
            migration: migrations, contract: contract)
    }

    /// Lends a running server for the time of `body`, on the shared test database and a platform of its own.
    static func run<Value: Sendable>(
        limits: APIConfiguration.Limits = .init(), sandbox: Bool = true,
        _ body: @Sendable (APIBench) async throws -> Value
    ) async throws -> Value {
        try await run(
            configuration: configuration(limits: limits), world: try await TestStore.make().world(sandbox: sandbox),
            body)
    }

    static func run<Value: Sendable>(
        configuration: APIConfiguration, world: World, _ body: @Sendable (APIBench) async throws -> Value
    ) async throws -> Value {
        let key = try await world.store.withSystem {
            try await $0.createKey(
                for: world.tenantID, name: "test", scopes: ["read", "write"], expiresAt: nil)
        }
        let server = try APIServer(store: world.store, configuration: configuration, logger: quiet)
        let running = Task { try await server.run() }
        defer { running.cancel() }
        let bench = APIBench(world: world, ports: try await server.ports(), key: key)
        return try await body(bench)
    }

    /// What came back.
    struct Answer: Sendable {
        let status: Int
        /// The header fields, names in lower case; nil for those that are not there.
        let headers: [String: String]
        let body: [UInt8]

        var json: JSON { (try? JSON(parsing: body)) ?? .null }
        /// The stable code of a problem.
        var code: String? { json["code"]?.string }
        /// The pointer of a problem's first error.
        var pointer: String? { json["errors"]?.array?.first?["pointer"]?.string }
        var id: String { json["id"]?.string ?? "" }
    }

    /// Sends a request to the platforms' listener.
    func send(
        _ method: String, _ path: String, _ body: JSON? = nil, key: String? = nil, headers: [String: String] = [:]
    ) async throws -> Answer {
        try await send(method, path, bytes: body?.bytes, key: key, headers: headers)
    }

    func send(
        _ method: String, _ path: String, bytes: [UInt8]?, key: String? = nil, headers: [String: String] = [:],
        port: Int? = nil
    ) async throws -> Answer {
        var request = HTTPClientRequest(url: "http://127.0.0.1:\(port ?? ports.platform)\(path)")
        request.method = HTTPMethod(rawValue: method)
        let key = key ?? self.key
        if !key.isEmpty { request.headers.add(name: "Authorization", value: "Bearer \(key)") }
        for (name, value) in headers { request.headers.replaceOrAdd(name: name, value: value) }
        if let bytes { request.body = .bytes(ByteBuffer(bytes: bytes)) }
        let response = try await HTTPClient.shared.execute(request, timeout: .seconds(60))
        let body = try await response.body.collect(upTo: 16 << 20)
        let answer = Answer(
            status: Int(response.status.code),
            headers: Dictionary(response.headers.map { ($0.name.lowercased(), $0.value) }) { $0 + ", " + $1 },
            body: Array(body.readableBytesView))
        // Whatever a test is about: what came back must be what the contract says may come back.
        if port == nil { Contract.check(method, path, answer) }
        return answer
    }

    /// Sends a request to the admins' listener.
    func admin(
        _ method: String, _ path: String, _ body: JSON? = nil, token: String = adminToken,
        headers: [String: String] = [:]
    ) async throws -> Answer {
        try await send(method, path, bytes: body?.bytes, key: token, headers: headers, port: ports.admin)
    }

    /// An order that the platform takes alone, of 100 fen.
    func order(_ number: String? = nil, amount: Int64 = 100) -> JSON {
        [
            "out_order_no": .string(number ?? world.number("order")), "amount": JSON(amount), "description": "tea",
            "parts": [["payee": "platform", "amount": JSON(amount)]],
        ]
    }
}
