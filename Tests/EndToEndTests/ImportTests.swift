import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation
import TestSupport
import Testing

extension EndToEndTests {
    /// `custody statement import` as an operator runs it, on files that are odd or wrong.
    @Suite struct ImportTests {
        @Test
        func
            `every odd file is taken or refused by name, with its line and column, and nothing of a refused one is kept`()
            async throws
        {
            try await TestStore.withFresh { test in
                let world = World(test: test, tenantID: try await test.freshTenant())
                let folder = FileManager.default.temporaryDirectory.appending(path: "custody-\(UUID().uuidString)")
                try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
                defer { try? FileManager.default.removeItem(at: folder) }
                let database = CustodyProcess.url(try await test.configuration(.superuser))
                var kept = 0
                for file in try SpoiledFile.all() {
                    let path = folder.appending(path: file.name)
                    try Data(file.bytes).write(to: path)
                    let outcome = try await CustodyProcess.run(
                        [
                            "statement", "import", "--database-url", database,
                            "--tenant", world.tenantID.text, "--source", file.source.rawValue, "--json", path.path,
                        ])
                    if let refusal = file.refusal {
                        #expect(outcome.status != 0, "\(file)")
                        #expect(outcome.errors.contains(refusal), "\(file): \(outcome.errors)")
                        #expect(outcome.errors.contains(file.name) || file.name.hasSuffix(".zip"), "\(outcome.errors)")
                    } else {
                        kept += 1
                        #expect(outcome.status == 0, "\(file): \(outcome.errors)")
                        #expect((try? JSON(parsing: outcome.output))?["new"]?.bool == true, "\(file)")
                    }
                    let statements = try await world.run {
                        try await $0.statements(source: nil, on: nil, before: nil, limit: 100)
                    }
                    #expect(statements.count == kept, "\(file)")
                }
                #expect(try await world.violations() == [])
            }
        }
    }
}
