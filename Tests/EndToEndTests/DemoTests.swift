import CustodyWire
import Foundation
import Postgres
import TestSupport
import Testing

extension EndToEndTests {
    /// The money day, as `make demo` plays it, and how fast the API is there.
    @Suite struct DemoTests {
        @Test func `the money day of two platforms ends balanced, with everything planted found`() async throws {
            // Roles belong to the whole server: whoever else migrates is done first.
            _ = try await TestStore.templateDatabase()
            try await TestCluster.withDatabase { configuration in
                let outcome = try await CustodyProcess.run(
                    [
                        "demo", "--once", "--json", "--shops", "3", "--orders", "30", "--migrations",
                        TestStore.migrations,
                        "--database-url", CustodyProcess.url(configuration),
                    ], within: .seconds(180))
                #expect(outcome.status == 0, "\(outcome.errors.suffix(4000))")
                let platforms = try #require(JSON(parsing: outcome.output)["platforms"]?.array)
                #expect(platforms.count == 2)
                for platform in platforms {
                    #expect(
                        Set(platform.members?.map(\.name) ?? []) == [
                            "id", "books_balanced", "bank_balanced", "payments", "withdrawals", "discrepancies_planted",
                            "discrepancies_found", "invariant_violations",
                        ])
                    #expect(platform["books_balanced"]?.bool == true)
                    #expect(platform["bank_balanced"]?.bool == true)
                    #expect(platform["payments"]?.integer == 30)
                    #expect(try #require(platform["withdrawals"]?.integer) >= 3)
                    #expect(platform["discrepancies_planted"]?.integer == 3)
                    #expect(platform["discrepancies_found"]?.integer == 3)
                    #expect(platform["invariant_violations"]?.integer == 0)
                }
            }
        }

        @Test func `the API is ready soon after its start, and ends when asked to`() async throws {
            try await TestStore.withFresh { test in
                let port = try await Loopback.freePort()
                let started = ContinuousClock.now
                let serve = try CustodyProcess(
                    [
                        "serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--operations-listen",
                        "127.0.0.1:\(port)", "--database-url",
                        CustodyProcess.url(try await test.configuration(.superuser)),
                        "--migrations", TestStore.migrations,
                    ])
                try await eventually("the API is ready") {
                    #expect(serve.process.isRunning, "\(serve.errors.suffix(2000))")
                    return await Loopback.status(of: "http://127.0.0.1:\(port)/readyz") == 200
                }
                let took = ContinuousClock.now - started
                if ProcessInfo.processInfo.environment["CUSTODY_TEST_EXECUTABLE"] == nil {
                    print("cold start to ready, in a debug build: \(took)")
                } else {
                    #expect(took < .seconds(1))
                }
                serve.signal(SIGTERM)
                #expect(try await serve.end(within: .seconds(20)).status == 0)
            }
        }
    }

}
