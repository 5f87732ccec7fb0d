import ArgumentParser
import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation

/// Makes and revokes API keys.
struct KeyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "key", abstract: "Make and revoke API keys.", subcommands: [KeyCreate.self, KeyRevoke.self]
    )
}

struct KeyCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make a key; it is shown once and cannot be read again."
    )

    @OptionGroup var options: StoreOptions

    @Option(help: "The platform's id.") var tenant: TenantID

    @Option(help: "What it is for.") var name = "default"

    @Option(help: "What it may do: read, write.") var scopes = "read,write"

    @Option(help: "Valid for so many days; for ever without it.") var days: Int?

    @Flag(help: "Answer in JSON, one object.") var json = false

    func run() async throws {
        let scopes = Set(self.scopes.split(separator: ",").map(String.init))
        guard !scopes.isEmpty, scopes.isSubset(of: ["read", "write"]) else {
            throw ValidationError("Scopes are read and write.")
        }
        let key = try await withStore(options) { store in
            try await store.withSystem { system in
                let key = try await system.createKey(
                    for: tenant.id, name: name, scopes: scopes,
                    expiresAt: days.map { system.now + .seconds($0 * 86_400) }
                )
                // Its public part; the key itself is written nowhere.
                try await system.audit(
                    "key.create", on: String(key.split(separator: "_")[2]), of: tenant.id, by: .commandLine)
                return key
            }
        }
        print(json ? JSON(dictionaryLiteral: ("key", .string(key))).text : key)
    }
}

struct KeyRevoke: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "revoke", abstract: "Make a key invalid at once.")

    @OptionGroup var options: StoreOptions

    @Argument(help: "The key's id: its third part.") var keyID: String

    func run() async throws {
        try await withStore(options) { store in
            try await store.withSystem { tx in
                let owner = try await tx.revokeKey(keyID)
                try await tx.audit("key.revoke", on: keyID, of: owner, by: .commandLine)
            }
        }
        print("revoked \(keyID)")
    }
}
