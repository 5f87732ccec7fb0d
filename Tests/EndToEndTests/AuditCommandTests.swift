import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation
import TestSupport
import Testing

extension EndToEndTests {
    /// What is done by commands is in the audit trail, as what is done over HTTP.
    @Suite struct AuditCommandTests {
        @Test func `commands say in the trail who ran them, and where`() async throws {
            try await TestStore.withFresh { test in
                let database = CustodyProcess.url(try await test.configuration(.superuser))
                func run(_ arguments: [String]) async throws -> String {
                    let ended = try await CustodyProcess.run(arguments + ["--database-url", database])
                    #expect(ended.status == 0, "\(arguments): \(ended.errors)")
                    return String(decoding: ended.output, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
                }
                let made = try JSON(parsing: try await run(["tenant", "create", "--name", "Audited", "--json"]))
                let tenant = made["id"]?.string ?? ""
                let key = try await run(["key", "create", "--tenant", tenant])
                let keyID = String(key.split(separator: "_")[2])
                _ = try await run(["tenant", "terms", "--tenant", tenant, "--days", "2"])
                _ = try await run(["key", "revoke", keyID])
                _ = try await run(["job", "pause", "webhooks"])
                _ = try await run(["job", "resume", "webhooks"])
                let trail = try await run(["audit", "trail", "--json"]).split(separator: "\n")
                    .map { try JSON(parsing: String($0)) }.reversed()
                #expect(
                    trail.map { $0["action"]?.string } == [
                        "tenant.create", "key.create", "terms.set", "key.revoke", "queue.pause", "queue.resume",
                    ])
                for entry in trail {
                    #expect(entry["actor"]?.string == "cli:\(NSUserName())" && entry["succeeded"] == true)
                    #expect(entry["origin"]?.string?.isEmpty == false)
                }
                #expect(!trail.contains { $0.text.contains(key) })
                let own = try await run(["audit", "trail", "--tenant", tenant]).split(separator: "\n")
                #expect(own.count == 4 && own.last?.contains("tenant.create") == true)
            }
        }
    }
}
