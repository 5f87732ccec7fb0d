import CustodyWire
import Foundation
import TestSupport
import Testing

extension EndToEndTests {
    /// What a worker runs with: a flag counts before the environment, that before the file.
    @Suite struct WorkSettingsTests {
        /// The settings that `work` says it runs with.
        private static func said(_ process: CustodyProcess) -> JSON? {
            (String(decoding: process.output, as: UTF8.self) + process.errors).split(separator: "\n")
                .compactMap { try? JSON(parsing: Array($0.utf8)) }.first { $0["message"] == "working" }
        }

        private static func file(_ text: String) throws -> String {
            let path = FileManager.default.temporaryDirectory.appending(path: "settings-\(UUID().uuidString).yaml").path
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            return path
        }

        @Test func `a flag counts before the environment, and that before the file`() async throws {
            try await TestStore.withFresh { test in
                let file = try WorkSettingsTests.file(
                    """
                    database_url: "\(CustodyProcess.url(try await test.configuration(.superuser)))"
                    concurrency: 3
                    connections: 4
                    callback_base_url: http://127.0.0.1:1/file
                    """)
                defer { try? FileManager.default.removeItem(atPath: file) }
                let cases: [(arguments: [String], environment: [String: String], expected: [String])] = [
                    ([], [:], ["3", "4", "http://127.0.0.1:1/file"]),
                    (
                        [], ["CUSTODY_CONCURRENCY": "5", "CUSTODY_CALLBACK_BASE_URL": "http://127.0.0.1:1/variable"],
                        ["5", "4", "http://127.0.0.1:1/variable"]
                    ),
                    (
                        ["--concurrency", "6", "--connections", "7", "--callback-base-url", "http://127.0.0.1:1/flag"],
                        ["CUSTODY_CONCURRENCY": "5", "CUSTODY_CONNECTIONS": "8"], ["6", "7", "http://127.0.0.1:1/flag"]
                    ),
                ]
                for (arguments, environment, expected) in cases {
                    let process = try CustodyProcess(["work", "--config", file] + arguments, environment: environment)
                    // Once it listens it also hears signals.
                    try await eventually("it says what it runs with, and listens") {
                        WorkSettingsTests.said(process) != nil
                            && (String(decoding: process.output, as: UTF8.self) + process.errors)
                                .contains(#""message":"listening""#)
                    }
                    let said = WorkSettingsTests.said(process)
                    #expect(
                        ["concurrency", "connections", "callback_base_url"].map { said?[$0]?.string } == expected)
                    process.signal(SIGTERM)
                    #expect(try await process.end(within: .seconds(60)).status == 0)
                }
            }
        }

        @Test(arguments: [
            ([], ["CUSTODY_CONCURRENCY": "0"]), ([], ["CUSTODY_CONCURRENCY": "many"]), (["--connections", "-1"], [:]),
            (["--concurrency", "0"], [:]), ([], ["CUSTODY_CONNECTIONS": "1.5"]),
        ])
        func `a number that is none ends it before it begins`(
            arguments: [String], environment: [String: String]
        ) async throws {
            let ended = try await CustodyProcess.run(
                ["work", "--database-url", "postgres://127.0.0.1:1/none"] + arguments, environment: environment)
            #expect(ended.status != 0)
            #expect(WorkSettingsTests.isSilent(ended))
        }

        /// Whether it did not begin to work.
        private static func isSilent(_ outcome: CustodyProcess.Outcome) -> Bool {
            !(String(decoding: outcome.output, as: UTF8.self) + outcome.errors).contains(#""message":"working""#)
        }
    }
}
