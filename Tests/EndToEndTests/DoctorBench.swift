import AsyncHTTPClient
import CustodyConnectors
import CustodyDomain
import CustodySimulators
import CustodyStore
import CustodyWire
import Foundation
import Synchronization
import TestSupport
import Testing

/// What the doctor said.
struct Diagnosis: Sendable {
    let status: Int32
    let text: String
    let findings: [(text: String, remedy: String?)]

    var remedies: [String] { findings.compactMap(\.remedy) }

    func says(_ words: String) -> Bool { findings.contains { $0.text.contains(words) } }

    /// What is to be done about a finding; nil when nothing is, or when there is none.
    func remedy(of words: String) -> String? { findings.first { $0.text.contains(words) }?.remedy }
}

/// A platform and simulators of all its counterparties, whose lines can be broken.
struct DoctorBench: Sendable {
    let world: World
    let database: String
    let bank: BankSimulator
    let weChat: WeChatPaySimulator
    let alipay: AlipaySimulator
    let authority: SimulatorAuthority
    let keys: CWP1KeyPair
    /// Keys of somebody else.
    let strangers: CWP1KeyPair
    /// Which counterparties speak TLS by now, and what no output may contain.
    private let state = State()

    private final class State: Sendable {
        let encrypted = Mutex<Set<Counterparty>>([])
        let secrets = Mutex<[String]>([])
        let told = Mutex<[Counterparty: JSON]>([:])
    }

    struct Refused: Error { let text: String }

    static let marketID = "M00000000001"
    static let apiKey = "doctor-only-api-v3-key-012345678"

    static func run(
        sandbox: Bool = true, _ body: @escaping @Sendable (DoctorBench) async throws -> Void
    ) async throws {
        try await TestStore.withFresh { test in
            let bench = DoctorBench(
                world: World(test: test, tenantID: try await test.freshTenant(sandbox: sandbox)),
                database: CustodyProcess.url(try await test.configuration(.superuser)),
                bank: try BankSimulator(client: .shared), weChat: try WeChatPaySimulator(client: .shared),
                alipay: try AlipaySimulator(client: .shared), authority: try SimulatorAuthority(),
                keys: try CWP1KeyPair(), strangers: try CWP1KeyPair())
            for secret in [bench.keys.privatePEM, bench.strangers.privatePEM, apiKey] { bench.hide(secret) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await bench.bank.run() }
                group.addTask { try await bench.weChat.run() }
                group.addTask { try await bench.alipay.run() }
                defer { group.cancelAll() }
                try await body(bench)
            }
        }
    }

    private func simulator(_ counterparty: Counterparty) -> any Simulator {
        switch counterparty {
        case .bank: bank
        case .weChatPay: weChat
        case .alipay: alipay
        }
    }

    private func isEncrypted(_ counterparty: Counterparty) -> Bool {
        state.encrypted.withLock { $0.contains(counterparty) }
    }

    private func base(_ counterparty: Counterparty) async throws -> String {
        let scheme = isEncrypted(counterparty) ? "https" : "http"
        return "\(scheme)://127.0.0.1:\(try await simulator(counterparty).boundPort())"
    }

    /// Nothing of this may ever be printed.
    func hide(_ secret: String) {
        // A key's own lines, not those that say what it is.
        let lines = secret.split(separator: "\n").map(String.init).filter { !$0.hasPrefix("-----") }
        state.secrets.withLock { $0 += lines }
    }

    /// Changes a line from inside, since over the socket it may be broken.
    func line(_ counterparty: Counterparty, _ change: JSON) async throws {
        try await simulator(counterparty).play(
            SimulatorScenario([["method": "PUT", "path": "/control/line", "body": change]]))
    }

    func encrypt(
        _ counterparty: Counterparty, days: Int = 200, names: [String] = ["127.0.0.1"], ceiling: String = "1.3",
        callers: String? = nil
    ) async throws {
        // Registered while that needs no trust.
        if !isEncrypted(counterparty) { _ = try await registered(counterparty, allowed: nil) }
        let issued = try authority.issue("bank.example", names: names, days: days)
        hide(issued.privateKeyPEM)
        try await line(
            counterparty,
            [
                "tls": [
                    "certificate_pem": .string(issued.certificatePEM), "private_key_pem": .string(issued.privateKeyPEM),
                    "ceiling": .string(ceiling), "client_ca_pem": JSON(callers),
                ]
            ])
        state.encrypted.withLock { _ = $0.insert(counterparty) }
    }

    @discardableResult
    func control(_ counterparty: Counterparty, _ method: String, _ path: String, _ body: JSON) async throws -> JSON {
        let answer = try await Outbound(client: .shared).call(
            method, try await base(counterparty) + "/control/" + path, headers: [], body: body.bytes)
        guard answer.status == 200 else {
            throw Refused(text: String(decoding: answer.body, as: UTF8.self))
        }
        return try JSON(parsing: answer.body)
    }

    /// Registers the platform with a counterparty, and links it.
    func link(
        _ counterparty: Counterparty, base: String? = nil, ownKey: String? = nil, theirKey: String? = nil,
        authority: SimulatorAuthority? = nil, transport: [JSON.Member] = [], allowed: [JSON]? = nil
    ) async throws {
        let wasEncrypted = isEncrypted(counterparty)
        let told = try await registered(counterparty, allowed: allowed)
        let base = if let base { base } else { try await self.base(counterparty) }
        let ownKey = JSON.string(ownKey ?? keys.privatePEM)
        var link: [JSON.Member]
        switch counterparty {
        case .bank:
            let key = theirKey.map { .string($0) } ?? told["bank_public_key_pem"] ?? .null
            link = [
                .init("base_url", .string(base)), .init("partner_id", "P0000001"),
                .init("market_id", .string(DoctorBench.marketID)), .init("partner_serial", "P1"),
                .init("partner_private_key_pem", ownKey),
                .init("bank_keys", [["serial": told["bank_serial"] ?? .null, "pem": key]]),
                .init("commission_account", told["fee_account"] ?? .null),
            ]
        case .weChatPay:
            let platformKeys = (told["platform_keys"]?.array ?? []).map { key -> JSON in
                ["serial": key["serial"] ?? .null, "pem": theirKey.map { .string($0) } ?? key["pem"] ?? .null]
            }
            link = [
                .init("base_url", .string(base)), .init("mchid", "1900000109"), .init("appid", "wx8888888888888888"),
                .init("merchant_serial", "TEST0001"), .init("merchant_private_key_pem", ownKey),
                .init("api_v3_key", .string(DoctorBench.apiKey)), .init("platform_keys", .array(platformKeys)),
            ]
        case .alipay:
            link = [
                .init("gateway_url", .string(base + "/gateway.do")), .init("app_id", "2026000000000001"),
                .init("seller_id", "2088000000000156"), .init("app_private_key_pem", ownKey),
                .init(
                    "alipay_public_key_pem", theirKey.map { .string($0) } ?? told["alipay_public_key_pem"] ?? .null),
            ]
        }
        var way = transport + [.init("total_timeout_ms", 3000)]
        if wasEncrypted {
            way.append(.init("ca_pem", .string((authority ?? self.authority).certificatePEM)))
        }
        link.append(.init("transport", .object(way)))
        let bytes = JSON.object(link).bytes
        try await world.run { try await $0.setLink(counterparty, configuration: bytes) }
    }

    private func registered(_ counterparty: Counterparty, allowed: [JSON]?) async throws -> JSON {
        let (path, body): (String, JSON) =
            switch counterparty {
            case .bank:
                (
                    "markets",
                    ([
                        "partner_id": "P0000001", "market_id": .string(DoctorBench.marketID), "partner_serial": "P1",
                        "partner_public_key_pem": .string(keys.publicPEM),
                        "allowed_addresses": allowed.map { .array($0) } ?? .null,
                    ] as JSON).omittingNulls
                )
            case .weChatPay:
                (
                    "merchants",
                    [
                        "mchid": "1900000109", "appid": "wx8888888888888888", "api_v3_key": .string(DoctorBench.apiKey),
                        "merchant_serial": "TEST0001", "merchant_public_key_pem": .string(keys.publicPEM),
                    ]
                )
            case .alipay:
                (
                    "merchants",
                    [
                        "app_id": "2026000000000001", "seller_id": "2088000000000156",
                        "app_public_key_pem": .string(keys.publicPEM),
                    ]
                )
            }
        // Once TLS is on, what was said before stands.
        if isEncrypted(counterparty), let told = state.told.withLock({ $0[counterparty] }) { return told }
        let told = try await control(counterparty, "POST", path, body)
        state.told.withLock { $0[counterparty] = told }
        return told
    }

    /// Registers the platform with a simulated CCB, and links it as the platform's custodian.
    func linkCCB(_ base: String, ownKey: String? = nil, theirKey: String? = nil) async throws {
        let answer = try await Outbound(client: .shared).call(
            "POST", base + "/control/markets", headers: [],
            body: (["market_id": "12345678901234", "platform_public_key_pem": .string(keys.publicPEM)] as JSON).bytes)
        let told = try JSON(parsing: answer.body)
        let link: JSON = [
            "dialect": "ccb", "base_url": .string(base), "market_id": "12345678901234", "version": "4",
            "platform_private_key_pem": .string(ownKey ?? keys.privatePEM),
            "bank_public_key_pem": theirKey.map { .string($0) } ?? told["bank_public_key_pem"] ?? .null,
            "callback_index": "1", "commission_account": "12345678901234000001",
        ]
        try await world.run { try await $0.setLink(.bank, configuration: link.bytes) }
    }

    /// Asks the doctor.
    func doctor(_ counterparty: Counterparty) async throws -> Diagnosis {
        let name = counterparty == .weChatPay ? "wechat" : counterparty.rawValue
        let ended = try await CustodyProcess.run([
            "doctor", name, "--tenant", world.tenantID.text, "--json", "--database-url", database,
        ])
        let text = String(decoding: ended.output, as: UTF8.self) + ended.errors
        for secret in state.secrets.withLock({ $0 }) {
            #expect(!text.contains(secret), "a secret is in the output")
        }
        #expect(!text.contains("PRIVATE KEY"))
        let findings = try JSON(parsing: ended.output).array ?? []
        return Diagnosis(
            status: ended.status, text: text,
            findings: findings.map { ($0["finding"]?.string ?? "", $0["remedy"]?.string) })
    }
}
