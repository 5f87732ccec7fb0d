import CustodyWire
import Foundation
import Postgres
import TestSupport
import Testing

extension EndToEndTests {
    /// `custody migrate`, as an operator runs it.
    @Suite struct MigrateTests {
        @Test func `migrating again does nothing, and an edited file that was applied is refused`() async throws {
            // Roles belong to the whole server: whoever else migrates is done first.
            _ = try await TestStore.templateDatabase()
            try await TestCluster.withDatabase { configuration in
                let directory = FileManager.default.temporaryDirectory.appending(path: "custody-\(UUID().uuidString)")
                defer { try? FileManager.default.removeItem(at: directory) }
                try FileManager.default.copyItem(at: URL(filePath: TestStore.migrations), to: directory)
                let arguments = [
                    "--database-url", CustodyProcess.url(configuration), "--migrations", directory.path, "--json",
                ]
                let first = try await CustodyProcess.run(["migrate", "up"] + arguments)
                #expect(first.status == 0)
                #expect(try #require(JSON(parsing: first.output)["applied"]?.array).count >= 1)
                let second = try await CustodyProcess.run(["migrate", "up"] + arguments)
                #expect(second.status == 0)
                #expect(try JSON(parsing: second.output)["applied"]?.array?.isEmpty == true)

                let file = directory.appending(path: "0003_create_ledger.sql")
                var text = try Data(contentsOf: file)
                text.append(contentsOf: Array("-- a byte more\n".utf8))
                try text.write(to: file)
                let third = try await CustodyProcess.run(["migrate", "up"] + arguments)
                #expect(third.status != 0)
                #expect(third.errors.contains("0003_create_ledger"))
                let verified = try await CustodyProcess.run(["migrate", "verify"] + arguments)
                #expect(verified.status != 0)
            }
        }
    }
}
