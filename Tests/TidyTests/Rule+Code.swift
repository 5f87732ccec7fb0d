extension Rule {
    /// Where a clock of the wall is read: signatures and certificates run on real time, and each simulator on its own.
    private static let clockFiles = [
        "Sources/CustodyConnectors/WallClock.swift", "Sources/CustodySimulators/SimulatorClock.swift",
    ]

    /// Where statements are written: the store, the driver's own few, and the tests of both.
    private static let statementFolders = [
        "Sources/CustodyStore", "Sources/Postgres", "Tests/PostgresTests", "Tests/StoreTests", "Tests/TestSupport",
        "Sources/custody/Bench",
    ]

    static let codeRules: [Rule] = [
        Rule(
            "only Postgres says @unchecked Sendable", in: .code,
            instead: "make it a value, an actor or a Mutex; only the target Postgres may promise this by hand",
            keeps: [
                "Sources/Postgres/A.swift": "struct A: @unchecked Sendable {}",
                "Sources/CustodyAPI/A.swift": "// no @unchecked Sendable here\nlet a = \"@unchecked Sendable\"",
            ],
            breaks: [
                "Sources/CustodyAPI/B.swift": "final class B: @unchecked Sendable {}",
                "Tests/APITests/C.swift": "nonisolated(unsafe) var c = 0",
            ],
            files: { !$0.isIn(["Sources/Postgres"]) },
            isBad: { $0.contains("@unchecked") || $0.contains("nonisolated(unsafe)") }
        ),
        Rule(
            "SQL stands only in the store, and in benches whose yardstick it is", in: .strings,
            instead: "write a verb in CustodyStore",
            keeps: [
                "Sources/CustodyStore/A.swift": "\"SELECT 1\"",
                "Sources/CustodyAPI/A.swift": "// SELECT id FROM a\nlet update = \"SELECTED\"",
            ],
            breaks: [
                "Sources/CustodyAPI/B.swift": "let b = \"\"\"\n    SELECT id\n    \"\"\"",
                "Sources/CustodyWorkers/C.swift": "run(\"INSERT INTO c VALUES (\\(c))\")",
                "Sources/custody/D.swift": "\"DELETE FROM d\"",
                "Tests/APITests/E.swift": "\"UPDATE e SET f = 1\"",
            ],
            files: { !$0.isIn(statementFolders + ["Tests/TidyTests"]) },
            isBad: { line in
                [
                    "SELECT ", "INSERT INTO ", "DELETE FROM ", "CREATE TABLE ", "ALTER TABLE ", "TRUNCATE ",
                    "MERGE INTO ",
                ]
                .contains { line.hasWord($0) } || (line.hasWord("UPDATE ") && line.hasWord("SET "))
            }
        ),
        Rule(
            "nobody reads the wall's clock", in: .code,
            instead: "take `now` from the transaction; real time comes from \(clockFiles.joined(separator: " or "))",
            keeps: [
                "Sources/CustodySimulators/SimulatorClock.swift": "clock_gettime(CLOCK_REALTIME, &time)",
                "Sources/CustodyAPI/A.swift": "let day = BusinessDate(); let start = ContinuousClock.now",
            ],
            breaks: [
                "Sources/CustodyAPI/B.swift": "let now = Date()",
                "Sources/CustodyStore/C.swift": "let now = Date.now",
                "Sources/CustodyWorkers/D.swift": "clock_gettime(CLOCK_REALTIME, &time)",
                "Sources/CustodyDomain/E.swift": "let now = time(nil)",
            ],
            files: { $0.isIn(["Sources"]) && !$0.isIn(clockFiles) },
            isBad: { line in
                ["Date()", "Date.now", "CLOCK_REALTIME", "gettimeofday", "time(nil)", "timeIntervalSinceNow"]
                    .contains { line.hasWord($0) }
            }
        ),
        Rule(
            "money is never floating-point", in: .code,
            instead: "use Fen, or whole numbers of basis points",
            keeps: ["Sources/CustodyDomain/A.swift": "/// `Double` never touches it.\nlet isDoubled = true"],
            breaks: [
                "Sources/CustodyDomain/B.swift": "let yuan: Double = 1",
                "Sources/CustodyStore/C.swift": "func f(_ x: Float) {}",
                "Sources/CustodyWire/D.swift": "let yuan = Decimal(1)",
            ],
            files: { $0.isIn(["Sources/CustodyDomain", "Sources/CustodyStore", "Sources/CustodyWire"]) },
            isBad: { line in
                ["Double", "Float", "Float32", "Float64", "CGFloat", "Decimal"].contains { line.hasWord($0) }
            }
        ),
        Rule(
            "libraries do not print", in: .code,
            instead: "log a static message with metadata, or return the text to the executable",
            keeps: [
                "Sources/custody/A.swift": "print(1)",
                "Sources/CustodyAPI/A.swift": "let fingerprint = fingerprint(of: key); page.print(1)",
            ],
            breaks: [
                "Sources/CustodyAPI/B.swift": "    print(\"hello\")",
                "Sources/CustodyStore/C.swift": "debugPrint(1)",
            ],
            files: { $0.isIn(["Sources"]) && !$0.isIn(["Sources/custody"]) },
            isBad: { line in
                let calls = line.replacing(".print(", with: "")
                return ["print(", "debugPrint(", "NSLog("].contains { calls.hasWord($0) }
            }
        ),
        Rule(
            "nothing crashes on purpose without saying why", in: .code,
            instead: "throw, or state a precondition with its reason",
            keeps: ["Sources/CustodyAPI/A.swift": "let a = try? b() // try! is banned\nprecondition(c, \"open\")"],
            breaks: [
                "Sources/CustodyAPI/B.swift": "let b = try! c()",
                "Sources/CustodyAPI/C.swift": "fatalError(\"never\")",
                "Sources/CustodyAPI/D.swift": "let d = e as! String",
                "Tests/APITests/E.swift": "preconditionFailure()",
            ],
            files: { _ in true },
            isBad: { line in
                line.contains("try!") || line.contains("as! ") || line.hasWord("fatalError")
                    || line.hasWord("preconditionFailure()")
            }
        ),
        Rule(
            "no type is named after having nothing to say", in: .code,
            instead: "name it after what it is; Utils, Helper, Manager and Service say nothing",
            keeps: ["Sources/CustodyAPI/A.swift": "struct Listener: Service { let serviceGroup: ServiceGroup }"],
            breaks: [
                "Sources/CustodyAPI/B.swift": "public struct PaymentService {",
                "Sources/CustodyAPI/C.swift": "enum DateUtils {",
                "Tests/APITests/D.swift": "final class TestHelper {",
            ],
            files: { _ in true },
            isBad: { line in
                line.contains(#/\b(struct|class|enum|actor|protocol)\s+\w*(Utils?|Helpers?|Manager|Service)\b/#)
            }
        ),
    ]
}
