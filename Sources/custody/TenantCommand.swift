import ArgumentParser
import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation
import Logging

/// Provisions platforms.
struct TenantCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tenant", abstract: "Provision platforms.",
        subcommands: [TenantCreate.self, TenantList.self, TenantLink.self, TenantTerms.self]
    )
}

/// A platform's id on the command line.
struct TenantID: ExpressibleByArgument, Sendable {
    let id: ID<Tenant>

    init?(argument: String) {
        guard let id = ID<Tenant>(argument) else { return nil }
        self.id = id
    }
}

/// Opens the store for one command's work, and closes it.
func withStore<Value>(_ options: StoreOptions, _ body: (Store) async throws -> Value) async throws -> Value {
    let store = try options.open(connections: 2, logger: Logger(label: "custody"))
    do {
        let value = try await body(store)
        await store.close()
        return value
    } catch {
        await store.close()
        throw error
    }
}

struct TenantCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "create", abstract: "Provision a platform.")

    @OptionGroup var options: StoreOptions

    @Option(help: "Its name.") var name: String

    @Flag(help: "A sandbox: it has a test clock of its own, and talks to simulators.") var sandbox = false

    @Flag(help: "Answer in JSON, one object.") var json = false

    func run() async throws {
        let tenant = try await withStore(options) { store in
            let tenant = try await store.withSystem { tx in
                let tenant = try await tx.createTenant(name: name, isSandbox: sandbox)
                try await tx.audit("tenant.create", on: tenant.id.text, of: tenant.id, by: .commandLine)
                return tenant
            }
            try await store.withTenant(tenant.id) { try await $0.startDays() }
            return tenant
        }
        if json {
            print(
                JSON(
                    dictionaryLiteral: ("id", .string(tenant.id.text)), ("name", .string(tenant.name)),
                    ("sandbox", .bool(tenant.isSandbox)), ("callback_token", .string(tenant.callbackToken))
                ).text
            )
        } else {
            print("\(tenant.id.text)  \(tenant.name)\(tenant.isSandbox ? "  (sandbox)" : "")")
        }
    }
}

struct TenantList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List all platforms.")

    @OptionGroup var options: StoreOptions

    @Flag(help: "Answer in JSON, one array.") var json = false

    func run() async throws {
        let tenants = try await withStore(options) { store in try await store.withSystem { try await $0.tenants() } }
        if json {
            let list = tenants.map { tenant in
                JSON(
                    dictionaryLiteral: ("id", .string(tenant.id.text)), ("name", .string(tenant.name)),
                    ("sandbox", .bool(tenant.isSandbox)), ("active", .bool(tenant.isActive))
                )
            }
            print(JSON.array(list).text)
        } else {
            for tenant in tenants { print("\(tenant.id.text)  \(tenant.name)\(tenant.isSandbox ? "  (sandbox)" : "")") }
        }
    }
}

struct TenantLink: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "link", abstract: "Say how a platform reaches a counterparty.",
        discussion:
            "The file is JSON with addresses, numbers and keys, as docs/operating/links.md lists them; it is stored encrypted."
    )

    @OptionGroup var options: StoreOptions

    @Option(help: "The platform's id.") var tenant: TenantID

    @Option(help: "wechat_pay, alipay or bank.") var counterparty: String

    @Option(help: "The file with the link's JSON.") var file: String

    func run() async throws {
        guard let counterparty = Counterparty(rawValue: counterparty) else {
            throw ValidationError("A counterparty is wechat_pay, alipay or bank.")
        }
        guard let bytes = FileManager.default.contents(atPath: file), (try? JSON(parsing: bytes)) != nil else {
            throw ValidationError("The link's file cannot be read, or is not JSON.")
        }
        let role: CustodianRole
        do {
            role = try LinkCheck.check(Array(bytes), for: counterparty)
        } catch let error as DecodingError {
            throw ValidationError("The link is not complete: \(LinkCheck.explanation(of: error))")
        }
        try await withStore(options) { store in
            try await store.withTenant(tenant.id) { tx in
                try await tx.setLink(counterparty, configuration: Array(bytes), role: role)
                if try await tx.payableChannels().contains(.weChatPay) { try await tx.startRefreshing() }
                try await tx.audit("link.set", on: counterparty.rawValue, by: .commandLine)
            }
        }
        print("linked \(tenant.id.text) to \(counterparty.rawValue)")
    }
}

/// Finds out before anything is stored whether a link is what its connector needs.
enum LinkCheck {
    /// Reads a link as its connector will.
    ///
    /// - Returns: What the counterparty does by itself, if it is a custodian.
    /// - Throws: A `DecodingError`.
    static func check(_ bytes: [UInt8], for counterparty: Counterparty) throws -> CustodianRole {
        let decoder = JSONDecoder()
        _ = try decoder.decode(Transport.Holder.self, from: Data(bytes))
        if counterparty != .bank { _ = try decoder.decode(ChannelTerms.self, from: Data(bytes)) }
        switch counterparty {
        case .weChatPay: _ = try decoder.decode(WeChatPayLink.self, from: Data(bytes))
        case .alipay: _ = try decoder.decode(AlipayLink.self, from: Data(bytes))
        case .bank:
            _ = try decoder.decode(CustodianTerms.self, from: Data(bytes))
            return try decoder.decode(CustodianLink.self, from: Data(bytes)).dialect.role
        }
        return CustodianRole()
    }

    /// The field that is wrong, without its value: links hold keys.
    static func explanation(of error: DecodingError) -> String {
        switch error {
        case .keyNotFound(let key, _): "\(key.stringValue) is missing."
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .dataCorrupted(let context):
            "\(context.codingPath.map(\.stringValue).joined(separator: ".")) is of the wrong type."
        @unknown default: "it cannot be read."
        }
    }
}

struct TenantTerms: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "terms", abstract: "Say when a platform's matched money is released and paid out."
    )

    @OptionGroup var options: StoreOptions

    @Option(help: "The platform's id.") var tenant: TenantID

    @Option(help: "So many days after payment.") var days = 1

    @Option(help: "natural (D+N) or working (T+N) days.") var calendar = "natural"

    @Option(help: "The least that is paid out, in fen.") var minimum: Int64 = 1

    @Flag(inversion: .prefixedNo, help: "Whether available money is paid out by itself.") var automatic = true

    func run() async throws {
        guard let calendar = SettlementSchedule.Calendar(rawValue: calendar), (0...90).contains(days), minimum > 0
        else {
            throw ValidationError("Days are 0 to 90, natural or working; the minimum is positive.")
        }
        let terms = SettlementTerms(
            schedule: SettlementSchedule(days: days, calendar: calendar), minimum: Fen(minimum),
            withdrawsAutomatically: automatic
        )
        try await withStore(options) { store in
            try await store.withTenant(tenant.id) { tx in
                try await tx.setSettlementTerms(terms)
                try await tx.audit(
                    "terms.set",
                    on: "\(terms.schedule.calendar.rawValue)+\(days), \(minimum) fen, automatic \(automatic)",
                    by: .commandLine)
            }
        }
        print(
            "\(calendar == .natural ? "D" : "T")+\(days), from \(minimum) fen, \(automatic ? "automatic" : "on demand")"
        )
    }
}
